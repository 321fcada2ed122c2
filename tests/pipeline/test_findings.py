from __future__ import annotations

import pytest

from encoders.base import Notes, ScreenText, Thing
from memory.records import Evidence, Hit, TimeSpan
from pipeline import findings
from pipeline.findings import Finding, label, notes_said
from pipeline.question import parse
from pipeline.reading import Seen
from pipeline.times import clock, joined, listed, spoken

GAP_S = 1.5


def seen(start_s: float, end_s: float, *things: str, score: float = 0.9, texts: tuple[ScreenText, ...] = ()) -> Seen:
    span = TimeSpan(start_s, end_s)
    notes = Notes(things=tuple(Thing(name, 0.9) for name in things), texts=texts)
    return Seen(Hit("v", int(start_s), span, score, "seen"), notes, span, score, things[0] if things else None)


def line(text: str, first_s: float, last_s: float) -> ScreenText:
    return ScreenText(text, 0.9, first_s, last_s)


def about(question: str, *cubes: Seen) -> Finding:
    return findings.about_thing(parse(question), cubes, GAP_S)


CAT, CAT_TOO, LATER = seen(10, 20, "cat"), seen(21, 25, "cat"), seen(70, 75, "cat", score=0.6)


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("When does the cat appear?", "A cat is seen from 0:10 to 0:25 and from 1:10 to 1:15."),
        ("Is there a cat?", "Yes, a cat is seen from 0:10 to 0:25 and from 1:10 to 1:15."),
        ("How many times does the cat appear?", "A cat is seen 2 times: 0:10 to 0:25 and 1:10 to 1:15."),
        ("When does the cat first appear?", "A cat is first seen from 0:10 to 0:25."),
        ("When was the cat last seen?", "A cat is last seen from 1:10 to 1:15."),
        ("When are cats seen?", "Cats are seen from 0:10 to 0:25 and from 1:10 to 1:15."),
        ("When are cats first seen?", "Cats are first seen from 0:10 to 0:25."),
    ],
)
def test_what_is_said_of_a_thing(question: str, statement: str) -> None:
    finding = about(question, LATER, CAT_TOO, CAT)
    assert finding.statement == statement
    assert finding.supported
    assert finding.evidence == Evidence(2, 10.0, 75.0, (TimeSpan(10, 25), TimeSpan(70, 75)))


def test_once_is_once() -> None:
    assert about("How often is the cat shown?", CAT).statement == "A cat is seen once: 0:10 to 0:20."


def test_cited_is_what_the_statement_rests_on() -> None:
    assert about("When does the cat appear?", LATER, CAT, CAT_TOO).cited == (CAT, CAT_TOO, LATER)
    assert about("When does the cat first appear?", LATER, CAT, CAT_TOO).cited == (CAT, CAT_TOO)
    assert about("When was the cat last seen?", LATER, CAT, CAT_TOO).cited == (LATER,)


def test_many_appearances_are_counted_and_the_first_are_said() -> None:
    many = [seen(10.0 * i, 10.0 * i + 2, "cat") for i in range(30)]
    finding = about("When does the cat appear?", *many)
    assert finding.statement.endswith("and from 0:40 to 0:42, and 25 more times.")
    assert finding.evidence is not None
    assert (finding.evidence.count, len(finding.evidence.spans)) == (30, 20)
    assert about("When was the cat last seen?", *many).statement == "A cat is last seen from 4:50 to 4:52."


def test_a_line_is_shown_in_its_own_words() -> None:
    one = seen(10, 20)
    read = Seen(one.hit, one.notes, TimeSpan(12, 14), 1.0, "LAUNCH PAD 39A", by_text=True)
    finding = about("When is the launch pad seen?", read)
    assert finding.statement == 'The text "LAUNCH PAD 39A" is shown from 0:12 to 0:14.'


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("When does the cat appear?", 'Nothing matching "cat" was found.'),
        ("Is there a cat at 1:05?", 'Nothing matching "cat" was found around 1:05.'),
        ("What is shown at 1:05?", "Nothing was found around 1:05."),
    ],
)
def test_nothing_is_said_as_such(question: str, statement: str) -> None:
    finding = about(question)
    assert finding == Finding(statement, False, (), Evidence(0, None, None, ()))


def test_what_is_at_a_moment() -> None:
    finding = findings.at_time(parse("What is shown at 0:12?"), [CAT])
    assert (finding.statement, finding.cited) == ("At 0:12: cat.", (CAT,))
    assert not findings.at_time(parse("What is shown at 0:12?"), []).supported


def test_what_is_in_a_stretch() -> None:
    finding = findings.at_time(parse("What is between 0:10 and 1:20?"), [LATER, CAT])
    assert finding.statement == "0:10 to 0:20: cat. 1:10 to 1:15: cat."
    assert finding.cited == (CAT, LATER)


def test_a_summary_is_a_phrase_a_cube() -> None:
    finding = findings.summary([seen(70, 75, "dog"), CAT])
    assert finding.statement == "0:10 to 0:20: cat. 1:10 to 1:15: dog."


def test_lines_are_said_once_with_their_times() -> None:
    first = seen(0, 10, texts=(line("EXIT", 2, 5), line("HALT", 3, 9)))
    second = seen(10, 20, texts=(line("EXIT", 10, 12),))
    finding = findings.written(parse("What does the screen say?"), [second, first, CAT])
    assert finding.statement == (
        'The screen says "EXIT" from 0:02 to 0:05 and 0:10 to 0:12 and "HALT" from 0:03 to 0:10.'
    )
    assert set(finding.cited) == {first, second}


def test_no_lines_are_no_support() -> None:
    finding = findings.written(parse("What does the screen say?"), [CAT])
    assert (finding.statement, finding.supported, finding.cited) == ("No text was read on the screen.", False, ())


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("What comes before the cat?", "Before a cat (0:10 to 0:20): dog from 0:00 to 0:10."),
        ("What comes after the cat?", "After a cat (0:10 to 0:20): dog from 0:00 to 0:10."),
    ],
)
def test_what_is_beside(question: str, statement: str) -> None:
    dog = seen(0, 10, "dog")
    finding = findings.beside(parse(question), TimeSpan(10, 20), [dog])
    assert (finding.statement, finding.supported, finding.cited) == (statement, True, (dog,))


@pytest.mark.parametrize(
    ("question", "edge"), [("What is before the cat?", "start"), ("What is after the cat?", "end")]
)
def test_nothing_is_beside_what_is_at_the_edge(question: str, edge: str) -> None:
    finding = findings.beside(parse(question), TimeSpan(0, 20), [])
    assert finding.statement == f"A cat is at the {edge}, from 0:00 to 0:20."


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        (Notes(things=tuple(Thing(name, 0.5) for name in "abcd")), "a, b and c"),
        (Notes(things=(Thing("cat", 0.5),), texts=(line("EXIT", 0, 1),)), 'cat; the screen says "EXIT"'),
        (Notes(colours=("red", "blue")), "nothing recognised, mostly red and blue"),
        (Notes(), "nothing recognised, a picture"),
    ],
)
def test_notes_as_a_phrase(notes: Notes, said: str) -> None:
    assert notes_said(notes) == said


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("cat", "a cat"),
        ("otter", "an otter"),
        ("cars", "cars"),
        ("glass", "a glass"),
        ("APOLLO 11", "APOLLO 11"),
        ("39a", "39a"),
        ("red car", '"red car"'),
        ("", ""),
    ],
)
def test_topics_as_subjects(topic: str, said: str) -> None:
    assert label(topic) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0:00"), (75.4, "1:15"), (59.9999999, "1:00"), (59.9, "0:59"), (3723.0, "1:02:03"), (-1.0, "0:00")],
)
def test_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def test_spans_and_lists_as_said() -> None:
    assert spoken(TimeSpan(10.0, 10.4)) == "0:10"
    assert [listed(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert joined([TimeSpan(5, 6), TimeSpan(0, 4), TimeSpan(1, 2)], 0.5) == [TimeSpan(0, 4), TimeSpan(5, 6)]
