from __future__ import annotations

import time

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from memory.records import TimeSpan
from pipeline.queries.rules.question import parse
from pipeline.queries.rules.times import times_named
from pipeline.queries.rules.words import topic_of

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
    ("Was the gate ever open?", "exists", "gate"),
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
    ("a dog on a sofa", "what", "dog"),
    ("Where is the cup of coffee?", "what", "cup of coffee"),
    ("Zeige den Hund", "what", "Zeige den Hund"),
    ("When can the garbage can be seen?", "when", "garbage can"),
    ("When did we see the chain saw?", "when", "chain saw"),
    ("When do ships pass?", "when", "ships"),
    ("When is the violin played?", "when", "violin"),
    ("Since when is the tent there?", "first", "tent"),
    ("Whereabouts in the clip is the anchor?", "when", "anchor"),
    ("Locate the anchor.", "what", "anchor"),
    ("How many times is a sign there?", "count", "sign"),
    ("Number of appearances of the ferry?", "count", "ferry"),
    ("Tell me whether there is a goat.", "exists", "goat"),
    ("When the crane has gone, what comes?", "after", "crane"),
    ("What leads up to the fireworks?", "before", "fireworks"),
    ("What came ahead of the parade?", "before", "parade"),
    ("What is shown once the choir is over?", "after", "choir"),
    ("How long do they need the ladder?", "how_long", "ladder"),
    ("How much screen time does the falcon get?", "how_long", "falcon"),
    ("How long is the video?", "how_long", ""),
    ("What is going on?", "now", ""),
    ("What's there at the moment?", "now", ""),
    ("What is going on in this video?", "summary", ""),
    ("What happened during the night?", "summary", ""),
    ("Give me the gist.", "summary", ""),
    ("List all captions.", "text", ""),
    ("Which platform is it?", "text", "platform"),
    ("What comes last?", "at", ""),
    ("How does the film start?", "at", ""),
    ("What is shown at the end?", "at", ""),
    ("What did I miss in the first two minutes?", "at", ""),
    ("What comes after 2:10?", "after", ""),
    ("What is there after 2:10?", "at", ""),
]

CANNOT = [
    "Who owns the boat?",
    "Whose boat is it?",
    "Why is the boat there?",
    "How heavy is the boat?",
    "How did the boat get there?",
    "How many people like the boat?",
    "What colour is the boat?",
    "What is the name of the boat?",
    "What is the boat made of?",
    "What is the captain doing?",
    "What does the boat cost?",
    "What did she say about the boat?",
    "What will the captain do next?",
    "Where was the boat built?",
    "Where does the boat go?",
    "Does anybody like the boat?",
    "In which country is the boat?",
]


@pytest.mark.parametrize("text", CANNOT)
def test_what_no_memory_holds(text: str) -> None:
    assert parse(text).kind == "unknown"


@pytest.mark.parametrize(
    ("text", "kind", "topic", "other"),
    [
        ("Which came first, the ox or the ass?", "which_first", "ox", "ass"),
        ("Who came first: the ox or the ass?", "which_first", "ox", "ass"),
        ("Of the ox and the ass, which is earlier?", "which_first", "ox", "ass"),
        ("Do they reach the lake or the tent first?", "which_first", "lake", "tent"),
        ("Did the ox come before the ass or after it?", "which_first", "ox", "ass"),
        ("Is the ox shown before the ass?", "which_first", "ox", "ass"),
        ('Which is first, "PART ONE" or "PART TWO"?', "which_first", "PART ONE", "PART TWO"),
        ("What comes between the ox and the ass?", "between", "ox", "ass"),
        ("What is there after the ox but before the ass?", "between", "ox", "ass"),
        ("What is between the first ox and the second one?", "between", "ox", "ox"),
        ("What is between the two oxen?", "between", "oxen", "oxen"),
    ],
)
def test_questions_about_two_things(text: str, kind: str, topic: str, other: str) -> None:
    question = parse(text)
    assert (question.kind, question.topic, question.other) == (kind, topic, other)


@pytest.mark.parametrize(
    ("text", "nth"),
    [
        ("When is the cat there for the second time?", 2),
        ("What comes after the third cat?", 3),
        ("What comes before the last cat?", -1),
        ("When was the 4th visit of the cat?", 4),
        ("Which second shows the cat?", 0),
        ("When does the cat first appear?", 0),
    ],
)
def test_which_appearance(text: str, nth: int) -> None:
    assert parse(text).nth == nth


def test_what_is_said_of_the_thing_is_kept_apart() -> None:
    question = parse("Is the old gate still open?")
    assert (question.topic, question.predicate, question.definite) == ("old gate", "open", True)
    question = parse("Is there a dog on the sofa?")
    assert (question.topic, question.where, question.predicate, question.definite) == ("dog", "sofa", "", False)
    assert parse("Which animal comes after the dog?").wanted == "animal"
    assert parse("Did the taxi drive by?").verb_last


@pytest.mark.parametrize(("text", "kind", "topic"), KINDS, ids=[case[0] for case in KINDS])
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
        ("Is there a cat after 1:00?", None, TimeSpan(60.0, 1e9)),
        ("Is there a cat before 1:00?", None, TimeSpan(0.0, 60.0)),
        ("What is there from 1:00 on?", None, TimeSpan(60.0, 1e9)),
        ("Is there a cat in the first 90 seconds?", None, TimeSpan(0.0, 90.0)),
        ("Is there a cat in the first minute and a half?", None, TimeSpan(0.0, 90.0)),
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


@pytest.mark.parametrize(
    ("text", "kind", "topic"),
    [
        ("wheres the lamp", "what", "lamp"),
        ("when do u see a lamp pls", "when", "lamp"),
        ("isnt there a lamp", "exists", "lamp"),
        ("Isn't there a lamp?", "exists", "lamp"),
        ("hwo many lamps are ther", "count", "lamps"),
        ("whats happening", "now", ""),
        ("tldr pls", "summary", "tldr"),
        ("When is there a lamp?", "when", "lamp"),
        ("What happens while the lamp is there?", "what", "lamp"),
        ("Until when is the lamp there?", "when", "lamp"),
        ("When does the nurse leave?", "when", "nurse"),
        ("What happens when the nurse leaves?", "after", "nurse"),
        ("How many times is there text?", "text", ""),
    ],
)
def test_questions_as_people_type_them(text: str, kind: str, topic: str) -> None:
    question = parse(text)
    assert (question.kind, question.topic) == (kind, topic)
    assert question.text == text


@pytest.mark.parametrize(
    ("text", "at_s", "span", "recent_s"),
    [
        ("What happened in the last 30 secs?", None, None, 30.0),
        ("what was in the past 5 mins", None, None, 300.0),
        ("What is 10 seconds before the end?", None, None, 10.0),
        ("What is at minute 2?", 120.0, None, None),
        ("Around the two minute mark, what is shown?", 120.0, None, None),
        ("from minute 1 to minute 2", None, TimeSpan(60.0, 120.0), None),
    ],
)
def test_times_as_people_type_them(
    text: str, at_s: float | None, span: TimeSpan | None, recent_s: float | None
) -> None:
    question = parse(text)
    assert (question.kind, question.at_s, question.span, question.recent_s) == ("at", at_s, span, recent_s)


def test_a_time_in_words_within_a_quotation_is_no_time() -> None:
    question = parse('What is written first, "Hello!" or "Tea in ten minutes"?')
    assert (question.kind, question.topic, question.other) == ("which_first", "Hello!", "Tea in ten minutes")


def test_the_first_and_the_second_of_a_thing_are_two() -> None:
    question = parse("What's between the first and second lamp?")
    assert (question.kind, question.topic, question.other) == ("between", "lamp", "lamp")
    assert (question.nth, question.other_nth) == (1, 2)


@pytest.mark.parametrize("text", ["at " + "9" * 400 + " seconds", "the last " + "9" * 400 + " hours", "1" * 1000])
def test_very_many_digits_are_read_quickly_and_are_no_infinite_time(text: str) -> None:
    began = time.process_time()
    question = parse(text)
    assert time.process_time() - began < 0.5
    assert all(seconds is None or seconds < 1e14 for seconds in (question.at_s, question.recent_s))


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
