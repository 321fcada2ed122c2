"""Hundreds of damaged videos through the decoding child: each ends within its limits, in a status a person can read.

Every file is looked at, watched and jumped about in, as an upload is. `make test` takes a few of them, and all that
once failed (`tests/data/fuzz_seeds`, whole files); `make test-long` takes `FILES`.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pipeline.errors import MediaDamaged, MediaTooLarge, MediaUnsupported
from pipeline.video.sampling import DecodeConfig, SandboxConfig, choose_mode
from pipeline.video.sandbox.source import SandboxedSource
from pipeline.video.seek import frames_at
from tests.conftest import ROOT
from tests.e2e.fuzzing import BASES, Bases, spoilt

FILES = 640
FEW = 8
SANDBOX = SandboxConfig(memory_bytes=1 << 30, cpu_s=15, stall_s=20, look_s=30)
CONFIG = DecodeConfig(fps=5, max_side_px=320)
LONGEST_S = 120.0
"""Of one file with both cores busy: what the limits above allow for one look, one watching and one jump."""

MOST_FRAMES = 20_000
MOST_GROWTH_BYTES = 200 << 20
SEEDS = sorted(path for path in (ROOT / "tests" / "data" / "fuzz_seeds").iterdir() if path.suffix != ".md")


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    clips = ROOT.parent / "shared" / "data" / "clips"
    return Bases(tmp_path_factory.mktemp("bases"), clips if clips.is_dir() else None)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    gc.collect()  # what earlier tests left behind is not ours
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    files = len(list(Path("/proc/self/fd").iterdir()))
    yield
    gc.collect()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    assert len(list(Path("/proc/self/fd").iterdir())) <= files


def status_of(path: Path) -> str:
    """What becomes of a file: ready, partial, or the code it is refused with."""
    try:
        watched = _watched(path)
        frames_at(path, [0.0, 1.05, 99.0], 0.0, damaged=watched == "partial", max_side_px=320, sandbox=SANDBOX)
        return watched
    except (MediaDamaged, MediaUnsupported, MediaTooLarge) as error:
        refusal = error
    assert path.name in str(refusal)
    assert str(path.parent) not in str(refusal)
    return refusal.code


def _watched(path: Path) -> str:
    source, last_s = SandboxedSource(path, CONFIG, sandbox=SANDBOX), -1.0
    for count, frame in enumerate(source.steps(None, choose_mode(source.probe(), CONFIG.fps))):
        assert count < MOST_FRAMES
        assert frame.time_s > last_s
        assert 0 < max(frame.rgb.shape[:2]) <= CONFIG.max_side_px
        last_s = frame.time_s
    assert last_s >= 0
    assert source.damage is None or source.damage.startswith("The video is damaged:")
    return "ready" if source.damage is None else "partial"


def try_all(count: int, write: Callable[[int], Path]) -> Counter[str]:
    """How often each status came, two files at a time. A file that fails is named and stays where it was written."""

    def try_one(path: Path) -> tuple[str, str | None]:
        began = time.monotonic()
        try:
            status = status_of(path)
        except Exception as error:  # noqa: BLE001 - gathered and shown
            return "failed", f"{path}: {error!r}"
        took_s = time.monotonic() - began
        if took_s > LONGEST_S:
            return "failed", f"{path}: {took_s:.0f} s"
        path.unlink()
        return status, None

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(try_one, [write(seed) for seed in range(count)]))
    failures = [failure for _, failure in results if failure is not None]
    assert failures == []
    return Counter(status for status, _ in results)


@pytest.fixture
def write(bases: Bases, tmp_path: Path) -> Callable[[int], Path]:
    def write(seed: int) -> Path:
        name, data = spoilt(bases, seed)
        path = tmp_path / f"{seed}-{name}"
        path.write_bytes(data)
        return path

    return write


def test_the_videos_are_sound_before_they_are_spoilt(bases: Bases, tmp_path: Path) -> None:
    assert len(bases) == len(BASES)
    for name in ("vp8.webm", "disc.mpg"):
        (tmp_path / name).write_bytes(bases[name])
        assert status_of(tmp_path / name) == "ready"


def test_a_few_spoilt_videos_end_well(write: Callable[[int], Path]) -> None:
    statuses = try_all(FEW, write)
    assert statuses.total() == FEW


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_what_once_failed_ends_well(path: Path) -> None:
    assert status_of(path) in ("ready", "partial", "media.damaged", "media.unsupported", "media.too_large")


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_every_spoilt_video_ends_well(write: Callable[[int], Path]) -> None:
    before = psutil.Process().memory_info().rss
    statuses = try_all(FILES, write)
    print(dict(statuses))
    assert statuses.total() == FILES
    assert statuses["ready"] > 0
    assert statuses["partial"] > FILES // 10
    assert statuses["media.unsupported"] > 0
    assert psutil.Process().memory_info().rss < before + MOST_GROWTH_BYTES
