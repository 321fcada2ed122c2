from __future__ import annotations

from encoders.notes import Notes, ScreenText, Sighting, Thing
from memory.records import Hit, TimeSpan
from pipeline.answering.match import Seen, read
from pipeline.answering.match_detections import MOST_NAMES, sighted
from pipeline.queries.terms import Sought, seek

KIN = {
    "car": frozenset({"car", "minivan", "taxicab"}),
    "animal": frozenset({"animal", *(f"beast {number}" for number in range(MOST_NAMES))}),
}


def sought(topic: str) -> Sought:
    return seek(topic, lambda word: KIN.get(word, frozenset()))


def finds(
    topic: str, *noticed: Sighting, span: TimeSpan | None = None, notes: Notes | None = None
) -> list[tuple[float, float, str | None]]:
    hit = Hit("v", 0, TimeSpan(4.0, 30.0), 0.1, "seen")
    notes = notes or Notes(noticed=noticed)
    found = sighted(read(hit, notes, sought(topic)), sought(topic), span)
    return [(one.span.start_s, one.span.end_s, one.named) for one in found]


def test_a_cube_is_found_where_the_thing_stood_out() -> None:
    assert finds("car", Sighting("car", 0.6, 5.0, 9.0), Sighting("car", 0.6, 15.0, None)) == [
        (5.0, 9.0, "car"),
        (15.0, 30.0, "car"),
    ]


def test_kinds_of_it_that_touch_are_one_find_by_the_clearest_name() -> None:
    assert finds("car", Sighting("car", 0.6, 5.0, 8.0), Sighting("minivan", 0.7, 9.0, 11.0)) == [(5.0, 11.0, "minivan")]


def test_of_a_wide_word_only_the_word_itself_counts() -> None:
    assert finds("animal", Sighting("beast 1", 0.9, 5.0, 9.0)) == [(4.0, 30.0, None)]
    assert finds("animal", Sighting("animal", 0.6, 5.0, 9.0)) == [(5.0, 9.0, "animal")]


def test_other_things_and_other_times_leave_the_cube_as_it_was() -> None:
    car = Sighting("car", 0.6, 5.0, 9.0)
    assert finds("boat", car) == [(4.0, 30.0, None)]
    assert finds("car", car, span=TimeSpan(11.0, 11.0)) == [(4.0, 30.0, None)]
    assert finds("car", car, span=TimeSpan(6.0, 6.0)) == [(5.0, 9.0, "car")]


def test_a_named_thing_keeps_its_name_and_gets_its_times() -> None:
    notes = Notes(things=(Thing("minivan", 0.9),), noticed=(Sighting("car", 0.6, 5.0, 9.0),))
    assert finds("car", notes=notes) == [(5.0, 9.0, "minivan")]


def test_a_line_on_the_screen_is_a_find_of_its_own() -> None:
    notes = Notes(texts=(ScreenText("CAR PARK", 0.9, 20.0, 22.0),), noticed=(Sighting("car", 0.6, 5.0, 9.0),))
    assert finds("car", notes=notes) == [(20.0, 22.0, "CAR PARK"), (5.0, 9.0, "car")]


def test_a_sighting_is_worth_more_the_clearer_it_was_and_stays_in_its_cube() -> None:
    hit = Hit("v", 0, TimeSpan(4.0, 30.0), 0.1, "seen")
    notes = Notes(noticed=(Sighting("car", 0.6, 3.0, 8.0), Sighting("car", 0.8, 28.0, 31.0)))
    first, second = sighted(read(hit, notes, sought("car")), sought("car"), None)
    assert (first.span, second.span) == (TimeSpan(4.0, 8.0), TimeSpan(28.0, 30.0))
    assert first.score < second.score < 1


def test_words_to_be_read_as_they_are_are_not_looked_for() -> None:
    hit = Hit("v", 0, TimeSpan(4.0, 30.0), 0.1, "seen")
    one = Seen(hit, Notes(noticed=(Sighting("car", 0.6, 5.0, 9.0),)), hit.span, 0.1, None)
    assert sighted(one, None, None) == [one]
