from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from encoders.notes import COLOUR_NAMES, FrameNotes, ScreenText, Thing
from pipeline.watching.describe import MOST_LINES, DescriptionPool

Step = tuple[FrameNotes, float | None]


def coloured(**shares: float) -> np.ndarray:
    return np.array([shares.get(name, 0.0) for name in COLOUR_NAMES], np.float32)


def saw(*lines: tuple[str, float]) -> FrameNotes:
    return FrameNotes(lines, coloured(black=1.0))


NOT_READ = FrameNotes(None, coloured(black=1.0))


def pooled(*notes_in_order: FrameNotes) -> DescriptionPool:
    """One step a second."""
    pool = DescriptionPool()
    for second, frame_notes in enumerate(notes_in_order):
        pool.add(frame_notes, None if second == 0 else 0.1, float(second))
    return pool


def test_a_line_stays_until_a_reading_no_longer_finds_it() -> None:
    pool = pooled(saw(("EXIT", 0.5)), NOT_READ, NOT_READ, saw(), NOT_READ)
    assert pool.texts() == (ScreenText("EXIT", 0.5, 0.0, 2.0),)


def test_a_line_that_comes_back_is_one_line() -> None:
    pool = pooled(saw(("EXIT", 0.5)), saw(), saw(("exit", 0.4)), NOT_READ)
    assert pool.texts() == (ScreenText("EXIT", 0.5, 0.0, 3.0),)


def test_the_surest_reading_is_kept() -> None:
    pool = pooled(saw(("exit ", 0.5)), saw(("Exit", 0.9)), saw(("EXIT", 0.7)))
    assert pool.texts() == (ScreenText("Exit", 0.9, 0.0, 2.0),)


def test_lines_are_in_order_of_first_sight() -> None:
    pool = pooled(saw(("b", 0.5)), saw(("a", 0.5), ("b", 0.9)))
    assert [line.text for line in pool.texts()] == ["b", "a"]


def test_memory_is_bounded() -> None:
    pool = pooled(*(saw((f"line {second}", 0.5)) for second in range(3 * MOST_LINES)))
    assert [line.text for line in pool.texts()] == [f"line {second}" for second in range(MOST_LINES)]
    assert len(pool.visible) == 1


def test_motion_is_the_mean_of_the_steps_that_have_one() -> None:
    pool = DescriptionPool()
    for motion in (None, 0.25, 0.75):
        pool.add(NOT_READ, motion, 0.0)
    assert pool.notes(()).motion == 0.5


def test_notes_name_the_dominant_colours_largest_first() -> None:
    pool = DescriptionPool()
    pool.add(FrameNotes(None, coloured(red=0.5, blue=0.3, green=0.2)), None, 0.0)
    pool.add(FrameNotes(None, coloured(blue=0.9, pink=0.1)), 0.0, 1.0)
    notes = pool.notes((Thing("cat", 0.5),))
    assert (notes.colours, notes.steps, notes.things) == (("blue", "red"), 2, (Thing("cat", 0.5),))


def test_an_empty_pool_has_notes() -> None:
    notes = DescriptionPool().notes(())
    assert (notes.steps, notes.motion, notes.colours, notes.texts) == (0, 0.0, (), ())


sure = st.floats(0, 1, width=32).map(float)
frame_notes_strategy = st.builds(
    FrameNotes,
    st.none() | st.lists(st.tuples(st.text(max_size=9), sure), max_size=4).map(tuple),
    st.lists(sure, min_size=len(COLOUR_NAMES), max_size=len(COLOUR_NAMES)).map(
        lambda shares: np.array(shares, np.float32)
    ),
)
steps = st.lists(st.tuples(frame_notes_strategy, st.none() | st.floats(0, 1)), max_size=12)


def add_all(pool: DescriptionPool, taken: list[Step], start: int = 0) -> None:
    for number, (frame_notes, motion) in enumerate(taken, start):
        pool.add(frame_notes, motion, number / 3)


@given(steps, st.integers(0, 12))
@settings(deadline=None)
def test_a_restored_pool_goes_on_to_the_bit(taken: list[Step], cut: int) -> None:
    whole, first = DescriptionPool(), DescriptionPool()
    add_all(whole, taken)
    add_all(first, taken[:cut])
    restored = DescriptionPool.restored(first.state())
    assert restored.state() == first.state()
    add_all(restored, taken[cut:], min(cut, len(taken)))
    assert restored.state() == whole.state()
    assert restored.notes(()) == whole.notes(())
    assert restored.notes(()).to_plain() == whole.notes(()).to_plain()


@pytest.mark.parametrize("text", ["\ud800", "\x00", "猫", '"\\'])
def test_any_text_survives(text: str) -> None:
    pool = pooled(saw((text, 0.5)))
    assert DescriptionPool.restored(pool.state()).texts() == pool.texts()
