"""The bundled sample video is what `sample.json` says it is: same bytes, same shape, cuts and still scenes in place."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
VIDEO = DATA / "sample.mp4"
# Mean absolute differences of brightness, of 255, between two frames.
CUT = 20.0
WITHIN = 5.0
STILL = 2.0


def difference(first: npt.NDArray[np.int16], second: npt.NDArray[np.int16]) -> float:
    """Mean absolute difference of brightness."""
    return float(np.abs(first - second).mean())


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / "sample.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def frames() -> list[npt.NDArray[np.int16]]:
    """Brightness of every frame in order of time, shrunk: int16 [90, 160], 0 to 255."""
    with av.open(str(VIDEO)) as container:
        small = (frame.reformat(width=160, height=90, format="gray") for frame in container.decode(video=0))
        return [frame.to_ndarray().astype(np.int16) for frame in small]


def test_bytes_are_the_ones_the_truth_is_about(truth: dict[str, Any]) -> None:
    assert VIDEO.name == truth["file"]
    assert hashlib.sha256(VIDEO.read_bytes()).hexdigest() == truth["sha256"]
    assert VIDEO.stat().st_size < 3_000_000


def test_container_has_the_shape_told(truth: dict[str, Any]) -> None:
    with av.open(str(VIDEO)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (truth["width"], truth["height"], truth["fps"])
        assert stream.frames == truth["seconds"] * truth["fps"]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == truth["seconds"]
        times_s = sorted(float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None)
    assert times_s == pytest.approx([i / truth["fps"] for i in range(stream.frames)])


def test_scenes_cover_the_video_without_gaps(truth: dict[str, Any]) -> None:
    scenes = truth["scenes"]
    assert truth["seconds"] >= 60
    assert len(scenes) >= 6
    assert scenes[0]["start_s"] == 0
    assert scenes[-1]["end_s"] == truth["seconds"]
    assert all(before["end_s"] == after["start_s"] for before, after in pairwise(scenes))
    assert sum(scene["text"] is not None for scene in scenes) >= 2
    assert any(scene["still"] and scene["end_s"] - scene["start_s"] >= 15 for scene in scenes)


def test_the_picture_cuts_exactly_where_told(truth: dict[str, Any], frames: list[npt.NDArray[np.int16]]) -> None:
    expected_cuts = [scene["start_s"] * truth["fps"] for scene in truth["scenes"][1:]]
    changes = [difference(before, after) for before, after in pairwise(frames)]
    assert [i + 1 for i, change in enumerate(changes) if change > CUT] == expected_cuts
    assert all(change < WITHIN for change in changes if change <= CUT)


def test_still_scenes_stand_still_and_the_others_move(
    truth: dict[str, Any], frames: list[npt.NDArray[np.int16]]
) -> None:
    for scene in truth["scenes"]:
        shown = frames[scene["start_s"] * truth["fps"] : scene["end_s"] * truth["fps"]]
        farthest = max(difference(shown[0], frame) for frame in shown)
        assert (farthest < STILL) == scene["still"], f"{scene['what']}: {farthest:.2f}"
