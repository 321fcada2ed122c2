"""Parsing questions about times counted from a thing, about several things, and about actions, which memory lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory.records import TimeSpan
from pipeline.queries.query import Offset, Term
from pipeline.queries.rules.question import parse


@pytest.mark.parametrize(
    ("text", "kind", "topic", "offset"),
    [
        ("What is there 10 seconds after the ox appears?", "at", "", Offset(10.0, True, Term("ox"))),
        ("10 seconds after the ox", "at", "", Offset(10.0, False, Term("ox"))),
        ("what happens 5 s before the ass?", "at", "", Offset(-5.0, True, Term("ass"))),
        ("What was seen half a minute before the ox left?", "at", "", Offset(-30.0, False, Term("ox"))),
        ("two seconds before the ox, what is shown?", "at", "", Offset(-2.0, True, Term("ox"))),
        ("A minute and a half after the second ox what is there", "at", "", Offset(90.0, False, Term("ox", nth=2))),
        ("1 min 20 s after the ox was last seen?", "at", "", Offset(80.0, False, Term("ox", nth=-1))),
        (
            "Is there an ass 10 s after the ox on the hill is first seen?",
            "exists",
            "ass",
            Offset(10, True, Term("ox", where="hill")),
        ),
        ('What does the screen say 3 s after "NOON"?', "text", "", Offset(3.0, False, Term("NOON", quoted=True))),
    ],
)
def test_a_moment_counted_from_a_thing(text: str, kind: str, topic: str, offset: Offset) -> None:
    question = parse(text)
    assert (question.kind, question.topic, question.offset) == (kind, topic, offset)
    assert (question.text, question.at_s, question.span, question.quoted) == (text, None, None, None)


@pytest.mark.parametrize(
    ("text", "kind", "topic", "offset"),
    [
        ("What happens in the 10 seconds after the ox?", "at", "", Offset(10.0, False, Term("ox"))),
        ("What comes within 10 seconds after the ox appears?", "at", "", Offset(10.0, True, Term("ox"))),
        ("What is shown during the last minute before the ass?", "at", "", Offset(-60.0, True, Term("ass"))),
        ("Is there an ass in the two minutes after the ox left?", "exists", "ass", Offset(120.0, False, Term("ox"))),
        ("The next 5 s after the second ox: what is there?", "at", "", Offset(5.0, False, Term("ox", nth=2))),
    ],
)
def test_a_stretch_counted_from_a_thing(text: str, kind: str, topic: str, offset: Offset) -> None:
    question = parse(text)
    assert (question.kind, question.topic, question.offset) == (kind, topic, replace(offset, stretch=True))
    assert (question.text, question.at_s, question.span) == (text, None, None)


@pytest.mark.parametrize(
    ("text", "at_s", "span"),
    [
        ("What is there 10 seconds after 2:10?", 140.0, None),
        ("What happens 10 s before 1 min 5 s", 55.0, None),
        ("Half a minute after the 2:10 mark?", 160.0, None),
        ("Half a minute after 2:10, what is shown?", 160.0, None),
        ("What is shown 10 seconds before 0:05?", 0.0, None),
        ("What happens in the 10 seconds after 2:10?", None, TimeSpan(130.0, 140.0)),
        ("What is seen during the minute before 0:30?", None, TimeSpan(0.0, 30.0)),
    ],
)
def test_a_time_counted_from_a_time(text: str, at_s: float | None, span: TimeSpan | None) -> None:
    question = parse(text)
    assert (question.kind, question.offset) == ("at", None)
    assert (question.text, question.at_s, question.span) == (text, at_s, span)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("What comes after the ox?", "after"),
        ("What is there a few seconds after the ox?", "after"),
        ("What is there more than 10 seconds after the ox?", "after"),
        ("How many seconds after the ox does the ass come?", "after"),
        ("What is 10 seconds before the end?", "at"),
        ("What is shown 10 seconds after the start?", "at"),
        ("What comes after 2:10?", "after"),
        ('When is "TEN MINUTES AFTER LUNCH" shown?', "after"),
    ],
)
def test_no_moment_is_counted_from_a_stretch_an_unmeasured_distance_or_the_ends(text: str, kind: str) -> None:
    question = parse(text)
    assert (question.kind, question.offset) == (kind, None)


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("How many oxen and asses are there?", ["oxen", "asses"]),
        ("How many oxen and how many asses are there?", ["oxen", "asses"]),
        ("How many red cars and blue buses pass?", ["red cars", "blue buses"]),
        ("How often do we see oxen, asses, and goats?", ["oxen", "asses", "goats"]),
        ("When do the ox and the ass appear?", ["ox", "ass"]),
        ("Are there oxen and asses?", ["oxen", "asses"]),
        ("Is there an ox and an ass on the hill?", ["ox", "ass"]),
        ("Are there both oxen and asses?", []),
        ("Is there a black and white cat?", []),
        ("When do the ox and the ass appear together?", []),
        ("When is a black and white cat seen?", []),
        ("How many orange and white cats are there?", []),
        ("When is the salt and pepper shaker shown?", []),
        ("When is the man with an ox and an ass seen?", []),
        ('How often is "BED AND BREAKFAST" shown?', []),
        ("What is between the ox and the ass?", []),
        ("How many Black and Tans are there?", []),
    ],
)
def test_several_things_are_asked_for_each(text: str, topics: list[str]) -> None:
    assert [question.topic for question in parse(text).each] == topics


def test_what_stands_beside_several_things_stands_beside_each() -> None:
    oxen, asses = parse("How many oxen and asses are on the hill at 0:10?").each
    assert (oxen.kind, oxen.where, oxen.predicate, oxen.at_s) == ("count", "hill", "", 10.0)
    assert asses == replace(oxen, topic="asses")


@pytest.mark.parametrize(
    "text",
    [
        "How many passengers got off?",
        "How many people left the room?",
        "How many people enter the tent?",
        "How many times did the ball fall?",
        "How often is the ball kicked?",
        "How often does the ox stop?",
        "Count the people who jump over the fence.",
        "What is the number of men that fell down?",
        "How many birds fly away?",
    ],
)
def test_what_is_done_is_not_counted(text: str) -> None:
    assert parse(text).kind == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "How many cars pass?",
        "How often does the dog come?",
        "How often does the dog show up?",
        "How often did the dog walk by?",
        "How often does the ox drop in?",
        "How many planes fly past?",
        "How many people visit the table?",
        "How many cars turn up?",
        "How many jump ropes are there?",
        "How often does the bus stop appear?",
        "How many chairs are on the left?",
        "How many cups are left?",
        "How many open doors do we see?",
        "How many people are sitting on the bench?",
        'How often is "THE MAN FELL" shown?',
        "How often is the word jump written?",
    ],
)
def test_what_is_seen_comes_and_passes_is_counted(text: str) -> None:
    assert parse(text).kind == "count"
