"""What stands out of a stream's pictures: which are looked at for it, and that groups and restarts change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.base import Backend, Frame, FrameTokens
from encoders.notes import Notes, Sighting, Thing
from encoders.segmenters.uniform import UniformCubing
from pipeline.config import IngestConfig
from pipeline.watching.cubes import new_cube_stream
from pipeline.watching.detect import Noticing
from pipeline.watching.encode import Seeing, Seen
from tests.pipeline.fakes import colour_backend

SHOWN = (0, 0, 1, 1, 0, 1, 0, 0, 0, 1)
"""Whether a spot is on each second's picture."""
LOOKED_AT = 6
"""Pictures that differ from the last one looked at: the first, and five changes."""


class Spots:
    """A spot stands out; counts the pictures it is shown."""

    def __init__(self) -> None:
        self.shown = 0

    def notice(
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
    return replace(colour_backend(), noticer=Spots())


class Watching:
    """The first two stages."""

    def __init__(self, backend: Backend) -> None:
        self.seeing = Seeing(backend, UniformCubing(), 0.002)
        self.noticing = Noticing(backend.noticer)

    def steps(self, frames: list[Frame], group: int) -> list[Seen]:
        parts = map(self.noticing.noticed, self.seeing.parts(frames, group))
        return [step for part in parts for step in part.steps]


def seen(backend: Backend, group: int) -> list[Seen]:
    return Watching(backend).steps(pictures(), group)


@pytest.mark.parametrize("group", [1, 3, 16])
def test_each_step_has_what_stands_out_and_similar_pictures_share_the_look(backend: Backend, group: int) -> None:
    steps = seen(backend, group)
    assert [bool(step.noticed) for step in steps] == [bool(spot) for spot in SHOWN]
    assert all(step.new for step in steps)
    assert isinstance(backend.noticer, Spots)
    assert backend.noticer.shown == LOOKED_AT


@pytest.mark.parametrize("cut", range(1, len(SHOWN)))
def test_a_restored_stream_shares_as_an_uninterrupted_one(backend: Backend, cut: int) -> None:
    before = Watching(backend)
    first = before.steps(pictures()[:cut], 16)
    after = Watching(backend)
    after.seeing.restore(before.seeing.state())
    after.noticing.restore(before.noticing.state())
    second = after.steps(pictures()[cut:], 16)
    assert [step.noticed for step in first + second] == [step.noticed for step in seen(backend, 16)]
    assert isinstance(backend.noticer, Spots)
    assert backend.noticer.shown == 2 * LOOKED_AT


def test_a_cube_notes_when_and_only_where_it_is_asked_to(backend: Backend) -> None:
    for config, noticed in (
        (IngestConfig(cubing="uniform", same_picture=0.0), (Sighting("spot", 0.7, 2.0, 4.0),)),
        (IngestConfig(cubing="uniform", same_picture=0.0, notice=False), ()),
    ):
        stream = new_cube_stream(backend, config)
        first, *_ = stream.take(pictures())
        assert Notes.from_plain(dict(first.notes)).noticed == noticed
    assert IngestConfig().sampling != IngestConfig(notice=False).sampling
