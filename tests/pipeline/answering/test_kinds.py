from __future__ import annotations

from dataclasses import replace
from inspect import signature
from typing import get_args

import pytest

from encoders.notes import Notes, ScreenText, Thing
from memory.records import Appearances, Hit, TimeSpan
from pipeline.answering.claims import Claim, Findings
from pipeline.answering.kinds import kind_of
from pipeline.answering.kinds.several import together
from pipeline.answering.match import Match
from pipeline.answering.phrases import label, notes_phrase
from pipeline.queries.query import Query
from pipeline.times import format_list, format_span, format_time, merge_spans
from tests.pipeline.answering.stating import HeldMatches, asked
from tests.pipeline.answering.stating import statement as stated_by


def match_of(
    start_s: float, end_s: float, *things: str, score: float = 0.9, texts: tuple[ScreenText, ...] = ()
) -> Match:
    span = TimeSpan(start_s, end_s)
    notes = Notes(things=tuple(Thing(name, 0.9) for name in things), texts=texts)
    return Match(Hit("v", int(start_s), span, score, "seen"), notes, span, score, things[0] if things else None)


def line(text: str, first_s: float, last_s: float) -> ScreenText:
    return ScreenText(text, 0.9, first_s, last_s)


def about(question: str, *cubes: Match) -> Findings:
    return asked(question, HeldMatches(*cubes))


CAT, CAT_TOO, LATER = match_of(10, 20, "cat"), match_of(21, 25, "cat"), match_of(70, 75, "cat", score=0.6)


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("When does the cat appear?", "The cat is seen from 0:10 to 0:25 and from 1:10 to 1:15."),
        ("Is there a cat?", "Yes, the cat is seen from 0:10 to 0:25 and from 1:10 to 1:15."),
        ("How many times does the cat appear?", "The cat is seen 2 times: 0:10 to 0:25 and 1:10 to 1:15."),
        ("When does the cat first appear?", "The cat is first seen from 0:10 to 0:25."),
        ("When was the cat last seen?", "The cat is last seen from 1:10 to 1:15."),
        ("When are cats seen?", "The cats are seen from 0:10 to 0:25 and from 1:10 to 1:15."),
        ("When are cats first seen?", "The cats are first seen from 0:10 to 0:25."),
    ],
)
def test_what_is_said_of_a_thing(question: str, statement: str) -> None:
    finding = about(question, LATER, CAT_TOO, CAT)
    assert stated_by(finding) == statement
    assert finding.supported
    assert finding.evidence == Appearances(2, 10.0, 75.0, (TimeSpan(10, 25), TimeSpan(70, 75)))


def test_once_is_once() -> None:
    assert stated_by(about("How often is the cat shown?", CAT)) == "The cat is seen once: 0:10 to 0:20."


def test_cited_is_what_the_statement_rests_on() -> None:
    assert about("When does the cat appear?", LATER, CAT, CAT_TOO).matches == (CAT, CAT_TOO, LATER)
    assert about("When does the cat first appear?", LATER, CAT, CAT_TOO).matches == (CAT, CAT_TOO)
    assert about("When was the cat last seen?", LATER, CAT, CAT_TOO).matches == (LATER,)


def test_many_appearances_are_counted_and_the_first_are_said() -> None:
    many = [match_of(10.0 * i, 10.0 * i + 2, "cat") for i in range(30)]
    finding = about("When does the cat appear?", *many)
    assert stated_by(finding).endswith("and from 0:40 to 0:42, and 25 more times.")
    assert finding.evidence is not None
    assert (finding.evidence.count, len(finding.evidence.spans)) == (30, 20)
    assert stated_by(about("When was the cat last seen?", *many)) == "The cat is last seen from 4:50 to 4:52."


def test_a_line_is_shown_in_its_own_words() -> None:
    cube = match_of(10, 20)
    read = Match(cube.hit, cube.notes, TimeSpan(12, 14), 1.0, "LAUNCH PAD 39A", by_text=True)
    finding = about("When is the launch pad seen?", read)
    assert stated_by(finding) == 'The text "LAUNCH PAD 39A" is shown from 0:12 to 0:14.'


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("When does the cat appear?", 'Nothing matching "cat" was found.'),
        ("Is there a cat at 1:05?", "No, the cat is not seen around 1:05."),
        ("Are there cats?", "No, the cats are not seen."),
        ('Is "EXIT" written anywhere?', 'Nothing matching "EXIT" was found.'),
        ("What is shown at 1:05?", "Nothing was found around 1:05."),
    ],
)
def test_nothing_is_said_as_such(question: str, statement: str) -> None:
    finding = about(question)
    assert (stated_by(finding), finding.supported, finding.matches) == (statement, False, ())
    assert finding.evidence == Appearances(0, None, None, ())


def test_what_is_at_a_moment() -> None:
    finding = about("What is shown at 0:12?", CAT)
    assert (stated_by(finding), finding.matches) == ("At 0:12: cat.", (CAT,))
    assert not about("What is shown at 0:12?").supported


def test_what_is_in_a_stretch() -> None:
    finding = about("What is between 0:10 and 1:20?", LATER, CAT)
    assert stated_by(finding) == "0:10 to 0:20: cat. 1:10 to 1:15: cat."
    assert finding.matches == (CAT, LATER)


def test_a_summary_is_a_phrase_a_cube() -> None:
    finding = about("What happens?", match_of(70, 75, "dog"), CAT)
    assert stated_by(finding) == "0:10 to 0:20: cat. 1:10 to 1:15: dog."


def test_lines_are_said_once_with_their_times() -> None:
    first = match_of(0, 10, texts=(line("EXIT", 2, 5), line("HALT", 3, 9)))
    second = match_of(10, 20, texts=(line("EXIT", 10, 12),))
    finding = about("What does the screen say?", second, first, CAT)
    assert stated_by(finding) == (
        'The screen says "EXIT" from 0:02 to 0:05 and 0:10 to 0:12 and "HALT" from 0:03 to 0:10.'
    )
    assert set(finding.matches) == {first, second}


def test_no_lines_are_no_support() -> None:
    finding = about("What does the screen say?", CAT)
    assert (stated_by(finding), finding.supported, finding.matches) == ("No text was read on the screen.", False, ())


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("What comes before the cat?", "Before the cat (0:10 to 0:20): dog from 0:00 to 0:10."),
        ("What comes after the cat?", "After the cat (0:10 to 0:20): dog from 0:00 to 0:10."),
    ],
)
def test_what_is_beside(question: str, statement: str) -> None:
    dog = match_of(0, 10, "dog")
    finding = asked(question, HeldMatches(match_of(10, 20, "cat"), beside=[dog]))
    assert (stated_by(finding), finding.supported, finding.matches) == (statement, True, (dog,))


@pytest.mark.parametrize(
    ("question", "side", "edge"),
    [("What is before the cat?", "before", "start"), ("What is after the cat?", "after", "end")],
)
def test_nothing_is_beside_what_is_at_the_edge(question: str, side: str, edge: str) -> None:
    finding = about(question, match_of(0, 20, "cat"))
    assert stated_by(finding) == f"Nothing comes {side} the cat: it is at the {edge}, from 0:00 to 0:20."


@pytest.mark.parametrize(
    ("notes", "phrase"),
    [
        (Notes(things=tuple(Thing(name, 0.5) for name in "abcd")), "a, b and c"),
        (Notes(things=(Thing("cat", 0.5),), texts=(line("EXIT", 0, 1),)), 'cat; the screen says "EXIT"'),
        (Notes(colours=("red", "blue")), "nothing recognised, mostly red and blue"),
        (Notes(), "nothing recognised, a picture"),
    ],
)
def test_notes_as_a_phrase(notes: Notes, phrase: str) -> None:
    assert notes_phrase(notes) == phrase


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("cat", "the cat"),
        ("Cairn Terrier", "the Cairn Terrier"),
        ("Ada", "Ada"),
        ("APOLLO 11", "APOLLO 11"),
        ("39a", "39a"),
        ("red car", "the red car"),
        ("", ""),
    ],
)
def test_topics_as_subjects(topic: str, subject: str) -> None:
    assert label(topic) == subject


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [(0.0, "0:00"), (75.4, "1:15"), (59.9999999, "1:00"), (59.9, "0:59"), (3723.0, "1:02:03"), (-1.0, "0:00")],
)
def test_clock(seconds: float, clock: str) -> None:
    assert format_time(seconds) == clock


def test_spans_and_lists_as_said() -> None:
    assert format_span(TimeSpan(10.0, 10.4)) == "0:10"
    assert [format_list(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert merge_spans([TimeSpan(5, 6), TimeSpan(0, 4), TimeSpan(1, 2)], 0.5) == [TimeSpan(0, 4), TimeSpan(5, 6)]


def test_a_thing_asked_for_by_its_kind_is_told_by_its_names() -> None:
    beagle, husky = match_of(0, 10, "Beagle"), match_of(30, 40, "husky")
    assert stated_by(about("When is a dog seen?", beagle, husky)) == (
        "The dog (Beagle and husky) is seen from 0:00 to 0:10 and from 0:30 to 0:40."
    )
    assert stated_by(about("When is the dog last seen?", beagle, husky)) == (
        "The dog (husky) is last seen from 0:30 to 0:40."
    )
    many = [match_of(20.0 * i, 20.0 * i + 5, name) for i, name in enumerate(("pug", "collie", "boxer", "poodle"))]
    assert stated_by(about("Are there dogs?", *many)).startswith(
        "Yes, the dogs (pug, collie, boxer and others) are seen"
    )


def test_which_one_is_first_is_one_of_those_that_follow_each_other() -> None:
    bus, taxi = match_of(0, 10, "bus"), match_of(10, 20, "taxi")
    assert stated_by(about("Which vehicle is last?", bus, taxi)) == "The vehicle (taxi) is last seen from 0:10 to 0:20."
    assert stated_by(about("When is a vehicle last seen?", bus, taxi)) == (
        "The vehicle (bus and taxi) is last seen from 0:00 to 0:20."
    )


@pytest.mark.parametrize(
    ("cubes", "statement"),
    [
        ((CAT,), "The cat is seen for 10 s, from 0:10 to 0:20."),
        ((CAT, LATER), "The cat is seen for 15 s: 0:10 to 0:20 and 1:10 to 1:15."),
    ],
)
def test_how_long(cubes: tuple[Match, ...], statement: str) -> None:
    assert stated_by(about("How long is the cat there?", *cubes)) == statement


def test_every_time_of_a_summary_is_in_its_evidence() -> None:
    cubes = [match_of(10.0 * i, 10.0 * i + 10, f"thing {i}") for i in range(9)]
    finding = about("What happens?", *cubes)
    assert finding.evidence is not None
    assert [(span.start_s, span.end_s) for span in finding.evidence.spans] == [
        (10.0 * i, 10.0 * i + 10) for i in range(9)
    ]
    assert stated_by(finding).count(": thing") == 9


def test_the_last_line_alone() -> None:
    first, last = match_of(0, 10, texts=(line("EXIT", 0, 10),)), match_of(10, 20, texts=(line("THE END", 10, 20),))
    finding = about("What is the last text?", first, last)
    assert (stated_by(finding), finding.matches) == ('The screen says "THE END" from 0:10 to 0:20.', (last,))


def test_things_told_one_after_another_share_their_evidence() -> None:
    dog = match_of(12, 14, "dog")
    both = together([about("How many cats?", LATER, CAT), about("How many cows?"), about("How many dogs?", dog)])
    assert stated_by(both).split(". ")[1] == 'Nothing matching "cows" was found'
    assert (both.supported, both.matches) == (True, (CAT, dog, LATER))
    assert both.evidence == Appearances(3, 10.0, 75.0, (TimeSpan(10, 20), TimeSpan(12, 14), TimeSpan(70, 75)))
    neither = together([about("How many cows?"), about("How many pigs?")])
    assert (neither.supported, neither.evidence) == (False, Appearances(0, None, None, ()))


def test_of_two_that_come_at_once_neither_is_first() -> None:
    both, dog = match_of(0, 10, "cat", "dog"), match_of(0, 10, "dog")
    finding = asked("Which comes first, the cat or the dog?", HeldMatches(named={"cat": [both], "dog": [dog]}))
    assert stated_by(finding) == "The cat and the dog come together, from 0:00."


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("Is there a cat from 0:10 to 0:40?", "No, the cat is not seen in that time."),
        ("Is there a cat at the start?", "No, the cat is not seen at the start."),
        ("Are there any people?", "No, the people are not seen."),
        ("Is the cat gone?", 'Nothing matching "cat" was found.'),
        ("What comes after the third cat?", 'Nothing matching "third cat" was found.'),
    ],
)
def test_no_is_said_of_what_was_looked_at_alone(question: str, statement: str) -> None:
    assert stated_by(about(question)) == statement


@pytest.mark.parametrize(
    "question",
    [
        "Is there anything but cats?",
        "Is there only one cat?",
        "Is the cat gone?",
        "Are there 3 cats?",
        "Is it still a cat?",
    ],
)
def test_a_sighting_is_no_yes_to_the_contrary(question: str) -> None:
    assert not stated_by(about(question, CAT)).startswith("Yes")


def test_the_eleventh_has_a_number_too() -> None:
    many = [match_of(10.0 * i, 10.0 * i + 2, "cat") for i in range(30)]
    assert stated_by(about("When is the 22nd cat?", *many)) == "The cat is seen for the 22nd time from 3:30 to 3:32."


def test_nobody_knows_yet_what_comes_after_the_last_cube_of_a_growing_video() -> None:
    finding = asked("What comes after the cat?", HeldMatches(CAT, watched_s=20.0, growing=True))
    assert (stated_by(finding), finding.context) == ("Nothing was seen after the cat so far.", (CAT,))


def test_what_is_past_the_end_is_no_end() -> None:
    finding = asked("What comes after 9:00?", HeldMatches(watched_s=20.0))
    assert (stated_by(finding), finding.supported) == ("Nothing was found around 9:00.", False)


def test_a_sum_over_some_of_very_many_is_a_least() -> None:
    finding = asked("How long is the cat there?", HeldMatches(CAT, all_read=False))
    assert stated_by(finding) == "The cat is seen for at least 10 s, from 0:10 to 0:20."


def test_without_lines_beside_a_thing_the_thing_is_not_denied() -> None:
    finding = about("What is written on the bus?", match_of(0, 10, "bus"))
    assert stated_by(finding) == "No text was read on the screen with the bus."


def test_a_summary_of_nothing_is_none() -> None:
    assert not about("What happens?").supported


def test_no_text_is_said_of_the_time_that_was_asked_for() -> None:
    finding = about("What does the screen say at 1:00?")
    assert stated_by(finding) == "No text was read on the screen around 1:00."


def test_a_number_of_seconds_is_no_number_of_things() -> None:
    assert stated_by(about("Is there a cat in the first 30 seconds?", CAT)).startswith("Yes, ")


@pytest.mark.parametrize(
    ("question", "memory", "claims"),
    [
        ("When does the cat appear?", HeldMatches(CAT), [Claim("cat", "seen", (CAT.span,), 1, None, (10,))]),
        ("When does the cat appear?", HeldMatches(), [Claim("cat", "not_seen")]),
        ("Is there a cat?", HeldMatches(), [Claim("cat", "not_seen")]),
        ('Is "EXIT" written anywhere?', HeldMatches(), [Claim("EXIT", "not_seen")]),
        ("What does the screen say?", HeldMatches(), [Claim("text", "not_seen")]),
        (
            "What comes after the cat?",
            HeldMatches(CAT),
            [Claim("cat", spans=(CAT.span,), cubes=(10,)), Claim("after the cat", "not_seen")],
        ),
        ("Is there a zorblat?", HeldMatches(), [("zorblat", "not_known", '"zorblat" is no word that this memory can')]),
        ("What is shown at 1:05?", HeldMatches(), [("", "not_known", "nothing was watched then")]),
        (
            "Who owns the cat?",
            HeldMatches(CAT),
            [("", "not_known", "a memory holds what was visible and when, not who")],
        ),
        (
            "How often did the cat jump?",
            HeldMatches(CAT),
            [("", "not_known", "a memory holds what was visible and when")],
        ),
        ("What did she say about the cat?", HeldMatches(CAT), [("", "not_known", "speech is not transcribed")]),
    ],
)
def test_claims_say_seen_not_seen_or_not_known_and_why(
    question: str, memory: HeldMatches, claims: list[Claim | tuple[str, str, str]]
) -> None:
    made = asked(question, memory)
    assert len(made.claims) == len(claims)
    for claim, wanted in zip(made.claims, claims, strict=True):
        if isinstance(wanted, Claim):
            assert claim == wanted
        else:
            assert (claim.subject, claim.verdict) == wanted[:2]
            assert claim.why.startswith(wanted[2])
    assert made.supported == any(claim.verdict == "seen" for claim in made.claims)


def test_a_match_by_likeness_alone_is_claimed_with_low_confidence() -> None:
    alike = replace(CAT, named=None)
    assert about("When does the cat appear?", CAT).claims[0].confidence == "high"
    assert about("When does the cat appear?", alike).claims[0].confidence == "low"
    assert about("When does the cat appear?", alike, LATER).claims[0].confidence == "high"


def test_a_claim_names_what_the_memory_calls_it() -> None:
    beagle = match_of(0, 10, "Beagle")
    assert about("When is a dog seen?", beagle).claims == (
        Claim("dog", spans=(beagle.span,), count=1, cubes=(0,), names=("Beagle",)),
    )


def test_every_kind_of_query_has_a_module() -> None:
    for variant in get_args(Query):
        assert signature(kind_of(variant.__name__).find).parameters["query"].annotation == variant.__name__
