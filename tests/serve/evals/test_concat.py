"""The concatenation builder: cuts where it says, pictures as in the clips, the same file for the same things."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from serve.errors import BadRequest
from serve.evals.concat import ConcatConfig, Placed, build
from tests.pipeline.fakes import COLOURS, write_scenes

CONFIG = ConcatConfig(seconds=14.0, seed=3, width=96, height=64, fps=5, gop=5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    lengths = {"red": 2.0, "green": 1.5, "blue": 3.0}
    return [write_scenes(folder / f"{colour}.mp4", [(colour, seconds)]) for colour, seconds in lengths.items()]


@pytest.fixture(scope="module")
def built(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Placed, ...]]:
    return build(clips, tmp_path_factory.mktemp("concat"), CONFIG)


def test_clips_follow_each_other_without_gaps_and_never_repeat_at_once(
    built: tuple[Path, tuple[Placed, ...]],
) -> None:
    _, placed = built
    assert placed[0].start_s == 0.0
    assert all(before.end_s == after.start_s and before.clip != after.clip for before, after in pairwise(placed))
    assert placed[-2].end_s < CONFIG.seconds <= placed[-1].end_s
    assert {place.clip for place in placed[:3]} == {"red.mp4", "green.mp4", "blue.mp4"}
    lengths = {place.clip: round(place.end_s - place.start_s, 6) for place in placed}
    assert lengths == {"red.mp4": 2.0, "green.mp4": 1.6, "blue.mp4": 3.0}  # in 1.5 s there are eight ticks of 0.2 s


def test_every_picture_is_of_the_clip_that_is_said_to_be_there(built: tuple[Path, tuple[Placed, ...]]) -> None:
    file, placed = built
    with av.open(str(file)) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (CONFIG.width, CONFIG.height)
        times = []
        for frame in video.decode(stream):
            assert frame.time is not None
            times.append(frame.time)
            where = next(place for place in placed if place.start_s - 1e-6 <= frame.time < place.end_s - 1e-6)
            mean = frame.to_ndarray(format="rgb24")[:, 48:].mean(axis=(0, 1))
            assert np.argmax(mean) == np.argmax(COLOURS[where.clip.removesuffix(".mp4")]), (frame.time, where)
    assert np.allclose(times, np.arange(len(times)) / CONFIG.fps)
    assert len(times) == round(placed[-1].end_s * CONFIG.fps)


def test_it_is_found_again_and_another_seed_is_another_file(
    clips: list[Path], built: tuple[Path, tuple[Placed, ...]]
) -> None:
    file, placed = built
    before = file.stat().st_mtime_ns
    assert build(clips, file.parent, CONFIG) == (file, placed)
    assert file.stat().st_mtime_ns == before
    other, order = build(clips, file.parent, ConcatConfig(14.0, 4, 96, 64, 5, 5))
    assert other != file
    assert order != placed
    assert len(list(file.parent.glob("part-*.mp4"))) == len(clips)  # parts are shared


def test_a_clip_of_another_shape_keeps_it_inside_black_bars(clips: list[Path], tmp_path: Path) -> None:
    wide = ConcatConfig(seconds=3.0, seed=1, width=160, height=64, fps=5, gop=5)
    file, _ = build(clips, tmp_path, wide)
    with av.open(str(file)) as video:
        picture = next(video.decode(video.streams.video[0])).to_ndarray(format="rgb24")
    assert picture[:, :28].max() < 40
    assert picture[:, -28:].max() < 40
    assert picture[20:40, 80:120].max() > 150


def test_one_clip_is_no_concatenation(clips: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="at least two"):
        build(clips[:1], tmp_path, CONFIG)
