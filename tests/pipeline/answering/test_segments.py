from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from encoders.notes import Notes, ScreenText, Thing
from memory.records import Hit, TimeSpan
from pipeline.answering.match import Match
from pipeline.answering.segments import MOST_SEGMENTS, format_segment, segment_matches, select_segments


def cube(start_s: float, end_s: float, *things: str, text: str = "") -> Match:
    span = TimeSpan(start_s, end_s)
    texts = (ScreenText(text, 0.9, start_s, end_s),) if text else ()
    notes = Notes(things=tuple(Thing(name, 0.9) for name in things), texts=texts, colours=("grey",))
    return Match(Hit("v", int(start_s), span, 1.0, "seen"), notes, span, 1.0, None)


def test_neighbours_that_say_the_same_are_one() -> None:
    segments = segment_matches([cube(10, 20, "cat"), cube(0, 10, "cat"), cube(20, 30, "dog"), cube(30, 40, "cat")], 1.5)
    assert [format_segment(segment) for segment in segments] == [
        "0:00 to 0:20: cat",
        "0:20 to 0:30: dog",
        "0:30 to 0:40: cat",
    ]
    assert [len(segment.cubes) for segment in segments] == [2, 1, 1]


def test_a_pause_or_another_line_parts_them() -> None:
    assert len(segment_matches([cube(0, 10, "cat"), cube(20, 30, "cat")], 1.5)) == 2
    assert len(segment_matches([cube(0, 10, "cat"), cube(10, 20, "cat", text="EXIT")], 1.5)) == 2


def test_what_is_not_recognised_is_told_only_where_nothing_else_is() -> None:
    nothing = cube(0, 10)
    assert [
        format_segment(segment) for segment in select_segments(segment_matches([nothing, cube(10, 20, "cat")], 1.5))
    ] == ["0:10 to 0:20: cat"]
    assert [format_segment(segment) for segment in select_segments(segment_matches([nothing], 1.5))] == [
        "0:00 to 0:10: nothing recognised, mostly grey"
    ]


def test_of_too_much_each_thing_is_told_once_before_anything_is_told_again() -> None:
    cubes = [cube(10.0 * i, 10.0 * i + 10, "cat" if i % 2 else "dog") for i in range(20)]
    cubes.append(cube(200, 201, "rare bird"))
    selected = select_segments(segment_matches(cubes, 1.5))
    assert len(selected) == MOST_SEGMENTS
    assert format_segment(selected[-1]) == "3:20 to 3:21: rare bird"


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["cat", "dog", ""])), min_size=1, max_size=40))
def test_stretches_lose_no_cube_and_stay_in_order(shown: list[tuple[int, str]]) -> None:
    now, cubes = 0.0, []
    for seconds, thing in shown:
        cubes.append(cube(now, now + seconds, *([thing] if thing else [])))
        now += seconds
    segments = segment_matches(cubes, 1.5)
    assert [match for segment in segments for match in segment.cubes] == cubes
    spans = [segment.span for segment in select_segments(segments)]
    assert spans == sorted(spans)
    assert 1 <= len(spans) <= MOST_SEGMENTS
