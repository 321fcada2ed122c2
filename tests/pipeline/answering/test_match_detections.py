from __future__ import annotations

from encoders.notes import Detection, Notes, ScreenText, Thing
from memory.records import Hit, TimeSpan
from pipeline.answering.match import Match, read
from pipeline.answering.match_detections import MOST_NAMES, detection_matches
from pipeline.queries.terms import ResolvedTerm, resolve_term

HYPONYMS = {
    "car": frozenset({"car", "minivan", "taxicab"}),
    "animal": frozenset({"animal", *(f"beast {number}" for number in range(MOST_NAMES))}),
}


def resolved(topic: str) -> ResolvedTerm:
    return resolve_term(topic, lambda word: HYPONYMS.get(word, frozenset()))


def finds(
    topic: str, *detections: Detection, span: TimeSpan | None = None, notes: Notes | None = None
) -> list[tuple[float, float, str | None]]:
    hit = Hit("v", 0, TimeSpan(4.0, 30.0), 0.1, "seen")
    notes = notes or Notes(detections=detections)
    matches = detection_matches(read(hit, notes, resolved(topic)), resolved(topic), span)
    return [(match.span.start_s, match.span.end_s, match.named) for match in matches]


def test_a_cube_is_found_where_the_thing_stood_out() -> None:
    assert finds("car", Detection("car", 0.6, 5.0, 9.0), Detection("car", 0.6, 15.0, None)) == [
        (5.0, 9.0, "car"),
        (15.0, 30.0, "car"),
    ]


def test_kinds_of_it_that_touch_are_one_find_by_the_clearest_name() -> None:
    assert finds("car", Detection("car", 0.6, 5.0, 8.0), Detection("minivan", 0.7, 9.0, 11.0)) == [
        (5.0, 11.0, "minivan")
    ]


def test_of_a_wide_word_only_the_word_itself_counts() -> None:
    assert finds("animal", Detection("beast 1", 0.9, 5.0, 9.0)) == [(4.0, 30.0, None)]
    assert finds("animal", Detection("animal", 0.6, 5.0, 9.0)) == [(5.0, 9.0, "animal")]


def test_other_things_and_other_times_leave_the_cube_as_it_was() -> None:
    car = Detection("car", 0.6, 5.0, 9.0)
    assert finds("boat", car) == [(4.0, 30.0, None)]
    assert finds("car", car, span=TimeSpan(11.0, 11.0)) == [(4.0, 30.0, None)]
    assert finds("car", car, span=TimeSpan(6.0, 6.0)) == [(5.0, 9.0, "car")]


def test_a_named_thing_keeps_its_name_and_gets_its_times() -> None:
    notes = Notes(things=(Thing("minivan", 0.9),), detections=(Detection("car", 0.6, 5.0, 9.0),))
    assert finds("car", notes=notes) == [(5.0, 9.0, "minivan")]


def test_a_line_on_the_screen_is_a_find_of_its_own() -> None:
    notes = Notes(texts=(ScreenText("CAR PARK", 0.9, 20.0, 22.0),), detections=(Detection("car", 0.6, 5.0, 9.0),))
    assert finds("car", notes=notes) == [(20.0, 22.0, "CAR PARK"), (5.0, 9.0, "car")]


def test_a_sighting_is_worth_more_the_clearer_it_was_and_stays_in_its_cube() -> None:
    hit = Hit("v", 0, TimeSpan(4.0, 30.0), 0.1, "seen")
    notes = Notes(detections=(Detection("car", 0.6, 3.0, 8.0), Detection("car", 0.8, 28.0, 31.0)))
    first, second = detection_matches(read(hit, notes, resolved("car")), resolved("car"), None)
    assert (first.span, second.span) == (TimeSpan(4.0, 8.0), TimeSpan(28.0, 30.0))
    assert first.score < second.score < 1


def test_words_to_be_read_as_they_are_are_not_looked_for() -> None:
    hit = Hit("v", 0, TimeSpan(4.0, 30.0), 0.1, "seen")
    match = Match(hit, Notes(detections=(Detection("car", 0.6, 5.0, 9.0),)), hit.span, 0.1, None)
    assert detection_matches(match, None, None) == [match]
