"""Decoding children that are killed from outside: others go on with the same pictures, and in the end it is said."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import DecoderKilled, MediaTooLarge
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig, SandboxConfig
from pipeline.video.sandbox.source import SandboxedSource, jump
from tests.pipeline.media import VideoRecipe, cut, spoil, steady, write_video
from tests.pipeline.video.sandbox.children import children_that, nothing_is_left, same, the_child

EVERY = DecodeConfig(fps=1000)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", VideoRecipe(steady(8), options={"g": "10"}))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_is_left():
        yield


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_others_go_on_after_the_last_whole_picture(number: signal.Signals, video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    steps = source.steps(None, "full")
    frames = [next(steps)]
    for _ in range(2):
        os.kill(the_child(), number)
        frames += [next(steps) for _ in range(10)]  # those that the killed child had shown, and the next one's
    frames += list(steps)
    assert same(frames, list(FileSource(video, EVERY).steps(None, "full")))
    assert source.damage is None


def test_the_third_that_is_killed_ends_it_and_nothing_is_called_damaged(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    steps = source.steps(None, "full")
    frames = [next(steps)]

    def killed_thrice() -> None:
        for _ in range(3):
            os.kill(the_child(), signal.SIGKILL)
            frames.extend(next(steps) for _ in range(10))

    with pytest.raises(DecoderKilled, match=r"a\.mp4 was killed from outside 3 times"):
        killed_thrice()
    assert source.damage is None
    assert 0 < len(frames) < 80
    assert DecoderKilled.code == "decoder.killed"


def test_damage_before_is_still_told_by_the_successor(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", VideoRecipe(steady(10), options={"g": "10", "bf": "0"}, faststart=True))
    path = spoil(cut(whole, tmp_path / "cut.mp4", 0.8), tmp_path / "b.mp4", 0.1, 300)
    source = SandboxedSource(path, EVERY)
    steps = source.steps(None, "full")
    frames = [next(steps) for _ in range(30)]
    os.kill(the_child(), signal.SIGKILL)
    frames += list(steps)
    assert same(frames, list(FileSource(path, EVERY).steps(None, "full")))
    assert source.damage is not None


def test_looking_and_jumping_are_tried_again_too(video: Path) -> None:
    dies = "import signal; os.kill(os.getpid(), signal.SIGKILL)"
    source = SandboxedSource(video)
    with children_that(dies), pytest.raises(DecoderKilled):
        source.probe()
    assert source.probe().width == 160
    with children_that(dies), pytest.raises(DecoderKilled):
        source.at([0.0])
    with children_that(dies), pytest.raises(DecoderKilled):
        next(source.steps(None, "full"))
    with children_that(dies), pytest.raises(DecoderKilled):
        jump(video, [0.0], 0.0, SandboxConfig(), damaged=False, max_side_px=320)


def test_a_child_that_ignores_the_end_of_its_time_is_still_too_large(video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    source._sandbox = SandboxConfig(cpu_s=1, cpu_pixels_per_s=1e12)
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 3))\n"
        "while True: pass\n"
    )
    with children_that(code), pytest.raises(MediaTooLarge, match="more processor time"):
        next(source.steps(None, "full"))
