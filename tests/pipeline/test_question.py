from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from memory.records import TimeSpan
from pipeline.question import parse, times_named, topic_of

KINDS = [
    # question, kind, topic
    ("When does the cat appear?", "when", "cat"),
    ("when is a red car visible", "when", "red car"),
    ("At what time do we see the rocket?", "when", "rocket"),
    ("Which minute shows the astronaut?", "when", "astronaut"),
    ("When does the cat first appear?", "first", "cat"),
    ("When is the dog's bowl first seen?", "first", "dog bowl"),
    ("When was the dog last seen?", "last", "dog"),
    ("What is the latest moment with a bus?", "last", "bus"),
    ("When does room 12 open?", "when", "room 12 open"),
    ("When is a camera seen?", "when", "camera"),
    ("What is the earliest moment with a cello?", "first", "cello"),
    ("Tell me when the antelope first turns up.", "first", "antelope"),
    ("What follows the pickup truck?", "after", "pickup truck"),
    ("What was there once the kayak had gone?", "after", "kayak"),
    ("What preceded the hammer?", "before", "hammer"),
    ("Any mollusc in it?", "exists", "mollusc"),
    ("Count the appearances of the otter.", "count", "otter"),
    ("When does a car pass?", "when", "car"),
    ("How many times does the cat appear?", "count", "cat"),
    ("How often is the dog shown?", "count", "dog"),
    ("How many cars are there?", "count", "cars"),
    ("Is there a cat?", "exists", "cat"),
    ("Does a dog appear in the video?", "exists", "dog"),
    ("Are there any ice-creams?", "exists", "ice-creams"),
    ("Was the gate ever open?", "exists", "gate open"),
    ("What happens before the cat?", "before", "cat"),
    ("What comes right after the coffee?", "after", "coffee"),
    ("What was seen shortly before the rocket?", "before", "rocket"),
    ("What is shown at 2:10?", "at", ""),
    ("What happens at 1:02:03?", "at", ""),
    ("What is visible between 0:10 and 0:20?", "at", ""),
    ("What happened in the last minute?", "at", ""),
    ("What does the screen say?", "text", ""),
    ("What is written on the sign?", "text", ""),
    ("Read the text", "text", ""),
    ("What does the door's label say?", "text", "door"),
    ("Summarize the video", "summary", "Summarize"),
    ("Describe the video", "summary", ""),
    ("What happens in the video?", "summary", ""),
    ("What is this video about?", "summary", ""),
    ("What is in the picture?", "summary", ""),
    ("", "summary", ""),
    ("?!", "summary", ""),
    ("When?", "summary", ""),
    ("cat", "what", "cat"),
    ("a dog on a sofa", "what", "dog sofa"),
    ("Where is the cup of coffee?", "what", "cup coffee"),
    ("Zeige den Hund", "what", "Zeige den Hund"),
]


@pytest.mark.parametrize(("text", "kind", "topic"), KINDS, ids=[one[0] for one in KINDS])
def test_kind_and_topic(text: str, kind: str, topic: str) -> None:
    question = parse(text)
    if kind != "summary":  # a summary looks for nothing
        assert question.topic == topic
    assert question.kind == kind


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("at 2:10", [130.0]),
        ("at 1:02:03", [3723.0]),
        ("at 0:07.5", [7.5]),
        ("after 130 s", [130.0]),
        ("at 90 seconds", [90.0]),
        ("at 1 h 3 min", [3780.0]),
        ("at 2 min 5 s", [125.0]),
        ("at 2m5s", [125.0]),
        ("at 1.5 hours", [5400.0]),
        ("from 0:10 to 0:20", [10.0, 20.0]),
        ("from 10 s to 1:00", [10.0, 60.0]),
        ("two 2 three 3", []),
        ("APOLLO 11", []),
        ("5 men", []),
        ("3 households", []),
        ("in 1995", []),
        ("", []),
    ],
)
def test_times_named(text: str, times: list[float]) -> None:
    assert times_named(text) == times


@pytest.mark.parametrize(
    ("text", "at_s", "span"),
    [
        ("What is shown at 2:10?", 130.0, None),
        ("Is the cat there at 0:05?", 5.0, None),
        ("What is between 0:10 and 0:20?", None, TimeSpan(10.0, 20.0)),
        ("What is between 0:20 and 0:10?", None, TimeSpan(10.0, 20.0)),
        ("When does the cat appear?", None, None),
    ],
)
def test_moments_and_stretches(text: str, at_s: float | None, span: TimeSpan | None) -> None:
    question = parse(text)
    assert (question.at_s, question.span, question.recent_s) == (at_s, span, None)


@pytest.mark.parametrize(
    ("text", "recent_s", "kind"),
    [
        ("What happened in the last minute?", 60.0, "at"),
        ("What happened during the past 5 minutes?", 300.0, "at"),
        ("Did the cat appear in the last two hours?", 7200.0, "exists"),
        ("How often was a car seen within the last 30 seconds?", 30.0, "count"),
        ("When was the dog seen in the last half hour?", 1800.0, "when"),
    ],
)
def test_the_recent_past(text: str, recent_s: float, kind: str) -> None:
    question = parse(text)
    assert (question.recent_s, question.kind) == (recent_s, kind)
    assert (question.at_s, question.span) == (None, None)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('When is "APOLLO 11" shown?', "APOLLO 11"),
        ("When is “LAUNCH PAD 39A” on screen?", "LAUNCH PAD 39A"),
        ("Is 'exit' written anywhere?", "exit"),
        ("When is the dog's bowl seen?", None),
    ],
)
def test_words_in_quotation_marks_are_the_topic(text: str, quoted: str | None) -> None:
    question = parse(text)
    assert question.quoted == quoted
    if quoted is not None:
        assert question.topic == quoted
        assert not question.about_text


def test_a_question_about_a_thing_at_a_time_keeps_both() -> None:
    question = parse("Is there a cat at 0:05?")
    assert (question.kind, question.topic, question.at_s) == ("exists", "cat", 5.0)


def test_topic_leaves_the_frame_of_a_question_out() -> None:
    assert topic_of("When is the cat's red ball seen at 2:10?") == "cat red ball"
    assert topic_of("when what the") == ""


@given(st.text(max_size=200))
@example("the last 9" * 20)
@example("0:00 99:99:99.9")
@example("'''\"\"''")
def test_parse_never_fails(text: str) -> None:
    question = parse(text)
    assert question.text == " ".join(text.split())


_PIECES = ["when", "how many", "the cat", "before", "after", "2:10", "1:00:00", "90 s", '"EXIT"', "in the last minute"]
_PIECES += ["the past 0 hours", "first", "last", "says", "is there", "?", "'", "summary", "٣ seconds", "²:10", "1e9 s"]


@given(st.lists(st.sampled_from(_PIECES), max_size=8).map(" ".join))
def test_parse_never_fails_on_what_looks_like_a_question(text: str) -> None:
    question = parse(text)
    assert question.at_s is None or question.span is None
    assert question.recent_s is None or question.recent_s >= 0
