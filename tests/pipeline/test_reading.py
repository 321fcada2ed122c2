from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from encoders.base import Notes, ScreenText, Thing
from memory.records import Hit, TimeSpan
from pipeline.reading import line_says, read, thing_is, words

CUBE = TimeSpan(10.0, 30.0)


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
    seen = read(hit(-0.5), shown("LAUNCH PAD 39A"), "launch pad")
    assert (seen.score, seen.named, seen.by_text, seen.span) == (1.0, "LAUNCH PAD 39A", True, TimeSpan(12.0, 20.0))


@pytest.mark.parametrize(
    ("first_s", "last_s", "expected"),
    [
        (12.0, 28.0, TimeSpan(12.0, 30.0)),  # seen at the cube's last step
        (12.0, 27.9, TimeSpan(12.0, 27.9)),
        (5.0, 20.0, TimeSpan(10.0, 20.0)),
    ],
)
def test_a_line_stays_within_its_cube(first_s: float, last_s: float, expected: TimeSpan) -> None:
    assert read(hit(), shown("EXIT", first_s, last_s), "exit").span == expected


@pytest.mark.parametrize(("cosine", "score"), [(0.3, 0.8), (0.9, 0.9)])
def test_a_thing_that_is_named_answers(cosine: float, score: float) -> None:
    notes = Notes(things=(Thing("dog", 0.9), Thing("tabby cat", 0.5)))
    seen = read(hit(cosine), notes, "cat")
    assert (seen.named, seen.by_text, seen.span) == ("tabby cat", False, CUBE)
    assert seen.score == pytest.approx(score)


def test_without_words_the_keys_decide() -> None:
    seen = read(hit(0.55), Notes(things=(Thing("dog", 0.9),)), "cat")
    assert (seen.score, seen.named, seen.span) == (0.55, None, CUBE)


def test_quoted_words_count_only_on_the_screen() -> None:
    notes = Notes(things=(Thing("exit", 0.9),))
    assert read(hit(0.9), notes, "exit", quoted=True).score == 0.0
    assert read(hit(0.9), shown("EXIT"), "exit", quoted=True).score == 1.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_reading_never_fails(line: str, topic: str) -> None:
    notes = Notes(things=(Thing(line, 0.5),), texts=(ScreenText(line, 0.5, 12.0, 14.0),))
    seen = read(hit(), notes, topic)
    assert 0.3 <= seen.score <= 1.0
    assert line_says(line, line) == bool(words(line))
