"""Children that crash, stand still, or say what cannot be: a clear end, and nothing left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import BackendUnavailable, MediaDamaged, MediaTooLarge
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig, SandboxConfig
from pipeline.video.sandbox.messages import plain_probed
from pipeline.video.sandbox.source import SandboxedSource
from tests.pipeline.media import VideoRecipe, steady, write_video
from tests.pipeline.video.sandbox.children import children_that, nothing_is_left, same, stopped_at_once, the_child

EVERY = DecodeConfig(fps=1000)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", VideoRecipe(steady(8), options={"g": "10"}))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_is_left():
        yield


def test_a_child_that_crashes_costs_only_what_it_had_not_decoded(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    steps = source.steps(None, "full")
    frames = [next(steps)]
    os.kill(the_child(), signal.SIGSEGV)
    frames += list(steps)
    assert same(frames, list(FileSource(video, EVERY).steps(None, "full"))[: len(frames)])
    assert source.damage is not None
    assert f"up to {frames[-1].time_s:.1f} s, then its decoder crashed" in source.damage
    assert len(frames) < 80
    assert len(list(source.steps(None, "full"))) == 80
    assert source.damage is None


def test_a_child_that_crashes_right_after_a_restart_leaves_what_was_watched_before(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    source.probe()
    with children_that("os.abort()"):
        assert list(source.steps(7.0, "full")) == []
    assert source.damage is not None
    assert "up to 7.0 s" in source.damage


def test_without_one_frame_a_crash_refuses_the_file(video: Path) -> None:
    with children_that("os.abort()"), pytest.raises(MediaDamaged, match=r"a\.mp4 is damaged: its decoder crashed"):
        SandboxedSource(video).probe()
    source = SandboxedSource(video)
    source.probe()
    with children_that("os.abort()"), pytest.raises(MediaDamaged, match=r"a\.mp4"):
        next(source.steps(None, "full"))


def test_a_child_that_never_takes_its_slots_back_does_not_hold_its_parent_up(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    source.probe()
    code = "import fcntl; fcntl.fcntl(0, 1031, 4096)  # F_SETPIPE_SZ: soon full\n"
    with children_that(code + "for n in itertools.count(): show(n, n / 1000)"):
        assert len(list(source.steps(None, "full"))) > 1000
    assert source.damage is not None
    assert source.damage.endswith("nonsense: slot.")


def test_a_child_that_only_says_that_it_works_is_ended(video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    source._sandbox = SandboxConfig(look_s=1, stall_s=1, cpu_s=0)
    with children_that("while True: say(type='tick'); time.sleep(0.02)"):
        with pytest.raises(MediaDamaged, match="stands still"):
            SandboxedSource(video, sandbox=source._sandbox).probe()
        with pytest.raises(MediaDamaged, match="stands still"):
            source.at([0.0])
        with pytest.raises(MediaDamaged, match="stands still"):
            next(source.steps(None, "full"))


@pytest.mark.parametrize("many", [0, 1, 3])
def test_a_child_gives_as_many_pictures_as_were_asked_for(many: int, video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    with (
        children_that(f"for n in range({many}): show(n, n)\nsay(type='end', damage=None)"),
        pytest.raises(MediaDamaged, match="nonsense: pictures"),
    ):
        source.at([0.0, 1.0])


@pytest.mark.parametrize("time_s", [0.0, 0.9, 1e9, -1.0])
def test_a_child_keeps_to_times_that_can_be(time_s: float, video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    with children_that(f"show(0, 0.0)\nshow(1, {time_s})\ntime.sleep(60)"):
        assert [frame.time_s for frame in source.steps(None, "full")] == [0.0]
    assert source.damage is not None
    assert source.damage.endswith("nonsense: time_s.")


def test_a_child_may_not_claim_more_than_is_allowed(video: Path) -> None:
    claim = plain_probed(FileSource(video).look()) | {"work_pixels": 1e17, "type": "probed"}
    with children_that(f"say(**{claim!r})"), pytest.raises(MediaTooLarge, match="pixels in all"):
        SandboxedSource(video).probe()


def test_only_a_child_that_starts_can_fail_to_start(video: Path) -> None:
    with (
        children_that("say(type='broken', kind='start', text='no')"),
        pytest.raises(MediaDamaged, match="its decoder failed"),
    ):
        SandboxedSource(video).probe()


def test_a_child_that_ends_before_it_is_ready_says_nothing_of_the_file(video: Path) -> None:
    with stopped_at_once(), pytest.raises(BackendUnavailable, match="cannot start: its decoder crashed"):
        SandboxedSource(video).probe()
    source = SandboxedSource(video)
    source.probe()
    with stopped_at_once(), pytest.raises(BackendUnavailable, match="cannot start"):
        next(source.steps(7.0, "full"))
    assert source.damage is None
    with stopped_at_once(), pytest.raises(BackendUnavailable, match="cannot start"):
        source.at([1.0] * 50_000)  # a job that no pipe holds


def test_a_child_that_stands_still_is_ended(video: Path) -> None:
    source = SandboxedSource(video, EVERY, sandbox=SandboxConfig(stall_s=2, slots=2))
    source.probe()
    frames = []
    for frame in source.steps(None, "full"):
        frames.append(frame)
        if len(frames) == 10:
            os.kill(the_child(), signal.SIGSTOP)
    assert 10 <= len(frames) <= 13
    assert source.damage is not None
    assert source.damage.endswith("then decoding it stands still.")
