"""`Backend.observe` and `summarize` give what the parts give, whichever steps detections are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.base import Backend, Frame, FrameTokens
from encoders.sketch import miniature
from tests.pipeline.fakes import PAGE, ColourDetector, colour_backend, frames_of, paired_backend

BACKENDS = {"single": colour_backend(), "paired": paired_backend()}
COLOURS = ("red", "white", "blue", "green")


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@settings(deadline=None)
@given(
    colours=st.lists(st.tuples(st.sampled_from(COLOURS), st.sampled_from(COLOURS), st.booleans()), max_size=5),
)
def test_an_observation_is_what_the_parts_give(backend: Backend, colours: list[tuple[str, str, bool]]) -> None:
    size = backend.frames.frames_per_step
    frames = frames_of([name for pair in colours for name in pair[:size]])
    if not frames:
        return
    observed = backend.observe(frames, detect=[due for *_, due in colours])
    tokens = backend.frames.encode(frames)
    evidence = backend.keys.evidence(frames, tokens)
    assert torch.equal(observed.tokens.tokens, tokens.tokens)
    assert observed.tokens.times_s == tuple(frame.time_s for frame in frames[::size])
    assert torch.equal(observed.evidence, evidence)
    everything = ColourDetector().detect(frames, tokens, evidence)
    asked = [due and backend.detector is not None for *_, due in colours]
    assert observed.detections == tuple(row if due else () for row, due in zip(everything, asked, strict=True))
    for notes, frame in zip(observed.notes, frames[::size], strict=True):
        small = backend.describer.describe_frame(Frame(miniature(frame.rgb), frame.time_s), read_screen=False)
        assert notes.texts is None
        assert np.array_equal(notes.colours, small.colours)


def test_without_asking_nothing_is_detected() -> None:
    frames = frames_of(["red", "blue"])
    assert BACKENDS["paired"].observe(frames).detections == ((),)
    assert BACKENDS["single"].observe(frames, detect=[True, True]).detections == ((), ())


def test_the_detector_is_given_only_the_steps_asked_for() -> None:
    class NotedDetector(ColourDetector):
        times: tuple[float, ...] = ()

        def detect(self, frames, tokens: FrameTokens, evidence):  # type: ignore[no-untyped-def]
            NotedDetector.times = tuple(frame.time_s for frame in frames)
            return super().detect(frames, tokens, evidence)

    backend = Backend("paired", BACKENDS["paired"].frames, BACKENDS["paired"].keys, BACKENDS["paired"].describer, {})
    watched = Backend(backend.name, backend.frames, backend.keys, backend.describer, {}, NotedDetector())
    watched.observe(frames_of(["red", "blue", "white", "green", "red", "red"]), detect=[True, False, True])
    assert NotedDetector.times == (0.0, 1.0, 4.0, 5.0)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_a_summary_is_what_the_parts_give(backend: Backend) -> None:
    pool = backend.keys.pool()
    frames = frames_of(["white", "white"])
    for row in backend.observe(frames).evidence:
        pool.add(row)
    things, keys = backend.summarize(pool.summary(), [PAGE])
    assert things == backend.describer.things(pool.summary())
    assert np.array_equal(keys.vectors, backend.keys.keys(pool.summary(), [PAGE]).vectors)
    assert keys.kinds == ("seen", "line")
