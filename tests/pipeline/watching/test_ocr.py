"""When the OCR stage reads the screen, and what near-duplicate frames share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from encoders.base import Frame
from encoders.notes import COLOUR_NAMES, FrameNotes, Thing
from encoders.sketch import miniature, sketch
from pipeline.config import IngestConfig
from pipeline.watching.observe import Part, Step
from pipeline.watching.ocr import UNLIKELY_S, OcrStage

CONFIG = IngestConfig(screen_text_every_s=2.0)


class ScriptedDescriber:
    """Reads the given lines, and remembers when."""

    def __init__(self, lines: Sequence[str] = ()) -> None:
        self.lines = tuple((line, 0.9) for line in lines)
        self.read: list[float] = []

    def describe_frame(self, frame: Frame, *, read_screen: bool) -> FrameNotes:
        assert read_screen
        self.read.append(frame.time_s)
        return FrameNotes(self.lines, colours(int(frame.time_s)))

    def things(self, summary: torch.Tensor) -> tuple[Thing, ...]:
        return ()


def colours(second: int) -> npt.NDArray[np.float32]:
    shares = np.zeros(len(COLOUR_NAMES), np.float32)
    shares[second % len(COLOUR_NAMES)] = 1.0
    return shares


def grey(second: int, text: str = "") -> npt.NDArray[np.uint8]:
    picture = np.full((180, 320, 3), 40 + 5 * (second % 20), np.uint8)
    cv2.putText(picture, text, (10, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (250, 250, 250), 2)
    return picture


def steps(pictures: Sequence[npt.NDArray[np.uint8]], new: bool = True, border_at: int | None = None) -> Part:
    all_steps = []
    for second, rgb in enumerate(pictures):
        frame = Frame(rgb, float(second))
        small = Frame(miniature(rgb), frame.time_s)
        step = Step((frame,), small, frame.time_s, sketch(rgb), new or second == 0)
        step.frame_notes = FrameNotes(None, colours(second)) if step.new else None
        step.border = "change" if second == border_at else None
        all_steps.append(step)
    return Part(all_steps, True)


def test_what_looks_like_text_is_read_as_often_as_it_may_be() -> None:
    reader = ScriptedDescriber()
    OcrStage(reader, CONFIG).annotate(steps([grey(second, "Welcome back") for second in range(9)]))
    assert reader.read == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_what_does_not_is_read_seldom() -> None:
    reader = ScriptedDescriber()
    OcrStage(reader, CONFIG).annotate(steps([grey(second) for second in range(25)]))
    assert reader.read == [0.0, UNLIKELY_S, 2 * UNLIKELY_S]


def test_where_there_was_text_it_is_read_again_until_it_is_gone() -> None:
    reader = ScriptedDescriber(["faint"])
    stage = OcrStage(reader, CONFIG)
    stage.annotate(steps([grey(second) for second in range(5)]))
    assert reader.read == [0.0, 2.0, 4.0]


def test_every_cube_is_read_at_its_first_step() -> None:
    reader = ScriptedDescriber()
    OcrStage(reader, CONFIG).annotate(steps([grey(second) for second in range(9)], border_at=5))
    assert reader.read == [0.0, 5.0]


def test_a_picture_that_did_not_change_is_not_read_again() -> None:
    reader = ScriptedDescriber()
    OcrStage(reader, CONFIG).annotate(steps([grey(0, "Welcome back")] * 30))
    assert reader.read == [0.0]


def test_nothing_is_read_where_that_is_off() -> None:
    reader = ScriptedDescriber()
    OcrStage(reader, replace(CONFIG, screen_text=False)).annotate(steps([grey(0, "Welcome back")] * 3))
    assert reader.read == []


def test_near_duplicates_share_their_colours() -> None:
    reader = ScriptedDescriber()
    part = OcrStage(reader, replace(CONFIG, screen_text=False)).annotate(steps([grey(0)] * 4, new=False))
    assert all(step.frame_notes is not None and step.frame_notes.colours[0] == 1.0 for step in part.steps)
    assert all(step.frames == () for step in part.steps)


@pytest.mark.parametrize("at", range(1, 12))
def test_a_restored_stage_reads_when_an_uninterrupted_one_does(at: int) -> None:
    pictures = [grey(second, "Welcome" if 4 <= second < 9 else "") for second in range(24)]
    whole, first, second = ScriptedDescriber(), ScriptedDescriber(), ScriptedDescriber()
    OcrStage(whole, CONFIG).annotate(steps(pictures, border_at=7))
    all_steps = steps(pictures, border_at=7).steps
    begun, resumed = OcrStage(first, CONFIG), OcrStage(second, CONFIG)
    resumed.restore(begun.annotate(Part(all_steps[:at], True)).states["glimpsing"])
    resumed.annotate(Part(all_steps[at:], True))
    assert first.read + second.read == whole.read
