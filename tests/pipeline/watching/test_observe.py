"""How frames become steps: pairs, one call a group, what is shared, and that groups and restarts change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from encoders.base import Backend, Frame, FrameTokens, Observation
from encoders.notes import Detection, Notes, Thing
from encoders.segmenters.uniform import UniformSegmenter
from pipeline.config import IngestConfig
from pipeline.watching.cubes import new_cube_stream
from pipeline.watching.observe import ObserveStage, Step
from tests.pipeline.fakes import colour_backend, frames_of, paired_backend

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


class CountingBackend(Backend):
    """Remembers each call's frames and for which of its steps detections were asked for."""

    calls: ClassVar[list[tuple[list[float], list[bool]]]] = []

    def observe(self, frames: Sequence[Frame], *, detect: Sequence[bool] = ()) -> Observation:
        self.calls.append(([frame.time_s for frame in frames], list(detect)))
        return super().observe(frames, detect=detect)


def counting(backend: Backend) -> CountingBackend:
    counted = CountingBackend(backend.name, backend.frames, backend.keys, backend.describer, {}, backend.detector)
    counted.calls.clear()
    return counted


def test_a_group_of_steps_is_one_call(backend: Backend) -> None:
    counted = counting(backend)
    steps_of(counted, 16)
    assert [times for times, _ in counted.calls] == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0]]
    assert sum(sum(due) for _, due in counted.calls) == LOOKED_AT


def test_steps_that_look_the_same_are_not_observed(backend: Backend) -> None:
    counted = counting(backend)
    still = [Frame(pictures()[0].rgb, float(second)) for second in range(9)]
    steps = observed(new_stage(counted), still, 3)
    assert counted.calls == [([0.0], [True])]
    assert [step.new for step in steps] == [True] + [False] * 8
    assert all(torch.equal(step.tokens, steps[0].tokens) for step in steps)


@pytest.mark.parametrize("count", range(8))
def test_two_frames_a_step_are_paired_and_the_last_odd_one_with_itself(count: int) -> None:
    frames = frames_of(["red", "blue", "white", "green", "yellow", "black", "red", "white"][:count])
    stage = ObserveStage(counted := counting(paired_backend()), UniformSegmenter(), IngestConfig())
    steps = [step for part in stage.parts(frames, 16, last=True) for step in part.steps]
    times = [frame.time_s for frame in frames]
    paired = [(a, b) for a, b in zip(times[::2], [*times[1::2], *times[-1:]], strict=False)]
    assert [tuple(frame.time_s for frame in step.frames) for step in steps] == paired
    assert [(step.small.time_s, step.last_s) for step in steps] == paired
    assert [time_s for call, _ in counted.calls for time_s in call] == [time_s for pair in paired for time_s in pair]
    assert all(len(due) <= 4 for _, due in counted.calls)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_frame_waits_for_its_partner_over_calls(size: int) -> None:
    frames = frames_of(["red", "blue", "white", "green", "yellow", "black", "red"])
    stage = ObserveStage(paired_backend(), UniformSegmenter(), IngestConfig())
    steps = [step for at in range(0, 7, size) for step in observed(stage, frames[at : at + size], 16)]
    steps += [step for part in stage.parts([], 16, last=True) for step in part.steps]
    at_once = ObserveStage(paired_backend(), UniformSegmenter(), IngestConfig())
    expected = [step for part in at_once.parts(frames, 16, last=True) for step in part.steps]
    assert [step.last_s for step in steps] == [1.0, 3.0, 5.0, 6.0]
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(steps, expected, strict=True))


def test_a_pair_shares_an_encoding_only_where_both_pictures_look_alike() -> None:
    red, blue = (frame.rgb for frame in frames_of(["red", "blue"]))
    frames = [Frame(rgb, float(second)) for second, rgb in enumerate([red, blue, red, blue, red, red, red, red])]
    stage = ObserveStage(paired_backend(), UniformSegmenter(), IngestConfig())
    assert [step.new for step in observed(stage, frames, 16)] == [True, False, True, False]
