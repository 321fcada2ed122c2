"""What stands out of a stream's pictures: which are looked at for it, and that groups and restarts change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.base import Backend, Frame, FrameTokens
from encoders.notes import Detection, Notes, Thing
from encoders.segmenters.uniform import UniformSegmenter
from pipeline.config import IngestConfig
from pipeline.watching.cubes import new_cube_stream
from pipeline.watching.observe import ObserveStage, Step
from tests.pipeline.fakes import colour_backend

SHOWN = (0, 0, 1, 1, 0, 1, 0, 0, 0, 1)
"""Whether a spot is on each second's picture."""
LOOKED_AT = 6
"""Pictures that differ from the last one looked at: the first, and five changes."""


class Spots:
    """A spot stands out; counts the pictures it is shown."""

    def __init__(self) -> None:
        self.shown = 0

    def detect(
        self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor
    ) -> tuple[tuple[Thing, ...], ...]:
        assert len(frames) == tokens.tokens.shape[1] == len(tokens.times_s) == len(evidence)
        self.shown += len(frames)
        return tuple((Thing("spot", 0.7),) if frame.rgb.max() > 100 else () for frame in frames)


def pictures() -> list[Frame]:
    """Grey, a little different each second, with a bright spot on some."""
    frames = []
    for second, spot in enumerate(SHOWN):
        rgb = np.full((64, 96, 3), 40 + second % 2, np.uint8)
        rgb[20:40, 30:50] = 200 if spot else rgb[0, 0]
        frames.append(Frame(rgb, float(second)))
    return frames


@pytest.fixture
def backend() -> Backend:
    return replace(colour_backend(), detector=Spots())


def new_stage(backend: Backend) -> ObserveStage:
    return ObserveStage(backend, UniformSegmenter(), IngestConfig())


def observed(stage: ObserveStage, frames: list[Frame], group: int) -> list[Step]:
    return [step for part in stage.parts(frames, group, last=False) for step in part.steps]


def steps_of(backend: Backend, group: int) -> list[Step]:
    return observed(new_stage(backend), pictures(), group)


@pytest.mark.parametrize("group", [1, 3, 16])
def test_each_step_has_what_stands_out_and_similar_pictures_share_the_look(backend: Backend, group: int) -> None:
    steps = steps_of(backend, group)
    assert [bool(step.detections) for step in steps] == [bool(spot) for spot in SHOWN]
    assert all(step.new for step in steps)
    assert isinstance(backend.detector, Spots)
    assert backend.detector.shown == LOOKED_AT


@pytest.mark.parametrize("cut", range(1, len(SHOWN)))
def test_a_restored_stream_shares_as_an_uninterrupted_one(backend: Backend, cut: int) -> None:
    before, after = new_stage(backend), new_stage(backend)
    first = observed(before, pictures()[:cut], 16)
    after.restore(before.state())
    second = observed(after, pictures()[cut:], 16)
    assert [step.detections for step in first + second] == [step.detections for step in steps_of(backend, 16)]
    assert isinstance(backend.detector, Spots)
    assert backend.detector.shown == 2 * LOOKED_AT


def test_a_cube_notes_when_and_only_where_it_is_asked_to(backend: Backend) -> None:
    for config, detections in (
        (IngestConfig(cubing="uniform", same_picture=0.0), (Detection("spot", 0.7, 2.0, 4.0),)),
        (IngestConfig(cubing="uniform", same_picture=0.0, detect=False), ()),
    ):
        stream = new_cube_stream(backend, config)
        first, *_ = stream.take(pictures())
        assert Notes.from_plain(dict(first.notes)).detections == detections
    assert IngestConfig().sampling != IngestConfig(detect=False).sampling
