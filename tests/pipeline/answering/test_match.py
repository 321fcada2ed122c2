from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from encoders.notes import Notes, ScreenText, Thing
from memory.records import Hit, TimeSpan
from pipeline.answering.match import CONTRADICTED, called, line_says, read, thing_is, words
from pipeline.queries.terms import ResolvedTerm, resolve_term

CUBE = TimeSpan(10.0, 30.0)


HYPONYMS = {"cat": {"tabby cat", "cat"}, "cello": {"cello"}, "dog": {"dog", "Beagle"}, "Beagle": {"Beagle"}}


def resolved(topic: str) -> ResolvedTerm:
    """A topic over a vocabulary of a few words."""
    return resolve_term(topic, lambda word: frozenset(HYPONYMS.get(word, ())))


def spelled(topic: str) -> ResolvedTerm:
    """A topic over no vocabulary."""
    return resolve_term(topic, lambda word: frozenset())


def hit(score: float = 0.3) -> Hit:
    return Hit("v", 0, CUBE, score, "seen")


def shown(text: str, first_s: float = 12.0, last_s: float = 20.0) -> Notes:
    return Notes(texts=(ScreenText(text, 0.9, first_s, last_s),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two Cats", ["two", "cat"]),
        ("glass", ["glass"]),
        ("glasses", ["glass"]),
        ("boxes", ["box"]),
        ("watches", ["watch"]),
        ("dishes", ["dish"]),
        ("bus", ["bus"]),
        ("gas", ["gas"]),
        ("LAUNCH-PAD 39A", ["launch", "pad", "39a"]),
        ("", []),
        ("?!", []),
    ],
)
def test_words_are_lower_case_and_singular(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("line", "topic", "expected"),
    [
        ("LAUNCH PAD 39A", "launch pad", True),
        ("LAUNCH PAD 39A", "pad 39A", True),
        ("LAUNCH PAD 39A", "launch pad 40", False),
        ("LAUMCH PAD 39A", "launch pad", True),  # read with an error
        ("APOLLO 11", "APOLLO 12", False),  # short words must be exact
        ("EXIT", "exits", True),
        ("EXIT", "", False),
        ("", "exit", False),
        ("CAT", "car", False),
    ],
)
def test_a_line_says_every_word(line: str, topic: str, expected: bool) -> None:
    assert line_says(line, topic) is expected


@pytest.mark.parametrize(
    ("name", "topic", "expected"),
    [
        ("tabby cat", "cat", True),
        ("cat", "tabby cat", True),
        ("tabby cat", "cats", True),
        ("tabby cat", "Siamese cat", False),
        ("caterpillar", "cat", False),
        ("cat", "", False),
        ("", "cat", False),
    ],
)
def test_a_thing_is_named_exactly(name: str, topic: str, expected: bool) -> None:
    assert thing_is(name, topic) is expected


def test_a_line_answers_whatever_the_keys_say() -> None:
    match = read(hit(-0.5), shown("LAUNCH PAD 39A"), spelled("launch pad"))
    assert (match.score, match.named, match.by_text, match.span) == (1.0, "LAUNCH PAD 39A", True, TimeSpan(12.0, 20.0))


@pytest.mark.parametrize(
    ("first_s", "last_s", "expected"),
    [
        (12.0, 28.0, TimeSpan(12.0, 30.0)),  # seen at the cube's last step
        (12.0, 27.9, TimeSpan(12.0, 27.9)),
        (5.0, 20.0, TimeSpan(10.0, 20.0)),
    ],
)
def test_a_line_stays_within_its_cube(first_s: float, last_s: float, expected: TimeSpan) -> None:
    assert read(hit(), shown("EXIT", first_s, last_s), spelled("exit")).span == expected


@pytest.mark.parametrize(("cosine", "score"), [(0.3, 0.8), (0.9, 0.9)])
def test_a_thing_that_is_named_answers(cosine: float, score: float) -> None:
    notes = Notes(things=(Thing("dog", 0.9), Thing("tabby cat", 0.5)))
    match = read(hit(cosine), notes, spelled("cat"))
    assert (match.named, match.by_text, match.span) == ("tabby cat", False, CUBE)
    assert match.score == pytest.approx(score)


def test_without_words_the_keys_decide() -> None:
    match = read(hit(0.55), Notes(things=(Thing("dog", 0.9),)), spelled("cat"))
    assert (match.score, match.named, match.span) == (0.55, None, CUBE)


def test_quoted_words_count_only_on_the_screen() -> None:
    notes = Notes(things=(Thing("exit", 0.9),))
    assert read(hit(0.9), notes, spelled("exit"), quoted=True).score == 0.0
    assert read(hit(0.9), shown("EXIT"), spelled("exit"), quoted=True).score == 1.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_reading_never_fails(line: str, topic: str) -> None:
    notes = Notes(things=(Thing(line, 0.5),), texts=(ScreenText(line, 0.5, 12.0, 14.0),))
    match = read(hit(), notes, spelled(topic))
    assert 0.3 - CONTRADICTED <= match.score <= 1.0
    assert line_says(line, line) == bool(words(line))


def test_a_known_thing_is_not_found_by_likeness_where_something_else_surely_is() -> None:
    cello = resolved("cello")
    assert read(hit(0.7), Notes(things=(Thing("violin", 0.9),)), cello).score == pytest.approx(0.7 - CONTRADICTED)
    assert read(hit(0.7), Notes(things=(Thing("violin", 0.4),)), cello).score == 0.7
    assert read(hit(0.7), Notes(things=(Thing("violin", 0.9),)), resolved("fiddlestick")).score == 0.7


@pytest.mark.parametrize(("topic", "score"), [("Dijkstra", 0.7 - CONTRADICTED), ("lecture", 0.7)])
def test_a_proper_name_is_not_found_by_likeness(topic: str, score: float) -> None:
    assert read(hit(0.7), shown("Shortest paths"), resolved(topic)).score == pytest.approx(score)


def test_a_thing_of_the_kind_comes_before_a_line_that_says_the_word() -> None:
    notes = Notes(things=(Thing("tabby cat", 0.5),), texts=(ScreenText("CAT FOOD", 0.9, 12.0, 20.0),))
    assert read(hit(), notes, resolved("cat")).named == "tabby cat"
    assert read(hit(), notes, spelled("cat")).named == "CAT FOOD"


@pytest.mark.parametrize(
    ("name", "topic", "expected"),
    [
        ("tabby cat", "cat", True),
        ("tabby cat", "big cat", True),
        ("Beagle", "dog", True),
        ("beagle", "dog", True),
        ("border dog", "dog", True),
        ("dog bowl", "dog", False),
        ("dog", "Beagle", False),
        ("tabby cat", "tabby", True),
    ],
)
def test_kinds_decide_where_the_vocabulary_knows_the_word(name: str, topic: str, expected: bool) -> None:
    assert called(name, resolved(topic)) is expected
