"""A model's words are let out only when they agree with the statement of what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.answering.agreement import disagreement
from pipeline.answering.claims import Claim, Findings, Sentence
from pipeline.answering.compose import Draft
from pipeline.answering.mentions import counts_in, numbers_in, quotes_in, spans_in, times_in
from pipeline.answering.verify import VerifiedText, Verifier
from pipeline.config import VerifyMode
from pipeline.language.protocol import Generation, StopWriting
from pipeline.times import format_time
from tests.pipeline.answering.stating import claim, findings, stated

CAT = Sentence("A cat is seen from 0:00 to 0:09 and from 0:52 to 1:01.", (claim("cat", "0:00-0:09", "0:52-1:01"),))
MUG = Sentence(
    "A coffee mug is seen 2 times: 0:10 to 0:17 and 0:40 to 0:45.",
    (claim("coffee mug", "0:10-0:17", "0:40-0:45", count=2),),
    counts=(2,),
)
SIGN = Sentence(
    'The screen says "LAUNCH PAD 39A" from 0:18 to 0:27.', (claim("text", "0:18-0:27", quote="LAUNCH PAD 39A"),)
)
NO_DOG = Sentence('Nothing matching "dog" was found.', (claim("dog", verdict="not_seen"),))
TWO = Sentence(
    "A cup is seen from 0:10 to 0:17 and a rocket from 0:18 to 0:27.",
    (claim("cup", "0:10-0:17"), claim("rocket", "0:18-0:27")),
)
FIRST_AT = Sentence("It is first seen at 0:10.", (claim("", "0:10-0:10", qualifiers=("first",)),))


def refusal(text: str, *sentences: Sentence, question: str = "", tolerance_s: float = 0.0, whole: bool = False) -> str:
    """Why the words may not stand for these sentences; empty where they may."""
    return disagreement(text, stated(findings(*sentences, question=question)), tolerance_s, whole=whole)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("at 2:10.", [130]),
        ("At 02:10: a cup", [130]),
        ("1:02:03", [3723]),
        ("120:00", [7200]),
        ("0:20.5 and 130 s", [20.5, 130]),
        ("10 seconds, then ten seconds", [10, 10]),
        ("1 h 3 min", [3780]),
        ("1 hour, 3 minutes and 2 seconds", [3782]),
        ("2 minutes 5 s", [125]),
        ("0:10-0:17", [10, 17]),
        ("0:75, 9-5, 39A, 1:2, 1:02:75", []),
        ("", []),
    ],
)
def test_times(text: str, seconds: list[float]) -> None:
    assert times_in(text) == seconds


def test_spans() -> None:
    assert spans_in("0:10 to 0:17, 0:20–0:30, between 1:00 and 1:05, at 2:00 and 3:00 to 4:00") == [
        (10, 17),
        (20, 30),
        (60, 65),
        (180, 240),
    ]
    assert spans_in("first at 0:31 and last at 58:02") == []


def test_numbers_leave_out_times_and_names() -> None:
    assert numbers_in("Seen 3 times, twice by two cats at 0:10 for 5 seconds on pad 39A, 2.5 m high") == [3, 2, 2]
    assert numbers_in("gate 22, 0:75") == [22, 0, 75]


def test_counts() -> None:
    assert counts_in("2 times, twice, three separate occasions, once, 4 cats") == [2, 2, 3, 1]


def test_quotes() -> None:
    assert quotes_in("\"A b\" “c” «d» 'e f' but the dog's bone isn't") == ["A b", "c", "d", "e f"]


@given(st.integers(0, 359_999))
def test_every_clock_time_is_read_back(seconds: int) -> None:
    assert times_in(f"It is at {format_time(seconds)}.") == [seconds]


@pytest.mark.parametrize(
    ("text", "sentences", "question"),
    [
        ("The cat appears from 0:00 to 0:09 and again between 0:52 and 1:01.", CAT, "When does the cat appear?"),
        ("The cat is seen from 00:00 to 00:09.", CAT, ""),
        ("The coffee mug is seen twice: 0:10 to 0:17 and 0:40 to 0:45.", MUG, ""),
        ("The mug comes up two times, first 0:10 to 0:17.", (MUG, FIRST_AT), ""),
        ('It says "Launch Pad 39A" from 0:18 to 0:27.', SIGN, "What does it say?"),
        ("From 0:18 to 0:27 it reads LAUNCH PAD 39A.", SIGN, ""),
        ("No, a dog was not found.", NO_DOG, "Is there a dog?"),
        ("The dog doesn't appear in the video.", NO_DOG, ""),
        ("A cup from 0:10 to 0:17; a rocket from 0:18 to 0:27.", TWO, ""),
        ("Cats were seen from 0:00 to 0:09.", CAT, ""),
        ("It starts ten seconds in with a cup, 0:10 to 0:17.", TWO, ""),
    ],
)
def test_grounded(text: str, sentences: Sentence | tuple[Sentence, ...], question: str) -> None:
    made = sentences if isinstance(sentences, tuple) else (sentences,)
    assert refusal(text, *made, question=question) == ""


@pytest.mark.parametrize(
    ("text", "sentence", "reason"),
    [
        ("The cat appears from 0:00 to 0:10.", CAT, "a time that was not found: 10 s"),
        ("The cat appears at 0:52.", CAT, "the first time is missing"),
        ("The cat appears twice.", CAT, "the first time is missing"),
        ("The cat is seen from 0:00 to 1:01.", CAT, "a span that was not found: 0 s to 61 s"),
        ("The cat is seen from 0:09 to 0:00.", CAT, "a span that was not found: 9 s to 0 s"),
        ("A rocket from 0:10 to 0:17, a cup from 0:18 to 0:27.", TWO, "the span from 10 s to 17 s belongs to"),
        ("The mug is seen 3 times: 0:10 to 0:17 and 0:40 to 0:45.", MUG, "a count that was not found"),
        ("The mug is seen once, 0:10 to 0:17.", MUG, "a count that was not found"),
        ("The mug is seen from 0:10 to 0:17.", MUG, "the count is missing"),
        ("Four cats are seen from 0:00 to 0:09.", CAT, "a number that was not found"),
        ('It says "LAUNCH PAD 40" from 0:18 to 0:27.', SIGN, "a quotation that was not found"),
        ('It says "AUNCH PAD" from 0:18 to 0:27.', SIGN, "a quotation that was not found"),
        ('It says "LAUNCH PAD from 0:18 to 0:27.', SIGN, "an open quotation"),
        ("There is a dog.", NO_DOG, "found and not found are swapped"),
        ("Yes, no dog was found.", NO_DOG, "found and not found are swapped"),
        ("No cat is seen from 0:00 to 0:09.", CAT, "found and not found are swapped"),
        ("There isn't a cat from 0:00 to 0:09.", CAT, "found and not found are swapped"),
        ("A dog is seen from 0:00 to 0:09.", CAT, "the subject is missing"),
        ("A cat and a dog are seen from 0:00 to 0:09.", CAT, "a word from nowhere: dog"),
        ("The cat is last seen from 0:00 to 0:09.", CAT, "a word from nowhere: last"),
        ("The cat is seen from 0:00 to 0:09 and", CAT, "cut short"),
        (" ", CAT, "no words"),
    ],
)
def test_not_grounded(text: str, sentence: Sentence, reason: str) -> None:
    assert refusal(text, sentence).startswith(reason)


def test_a_question_lends_words_but_no_times_no_numbers_and_no_order() -> None:
    garden = "When is the cat in the garden?"
    assert not refusal("The cat is in the garden from 0:00 to 0:09.", CAT, question=garden)
    assert refusal("The cat is seen from 0:00 to 0:09, not at 0:30.", CAT, question="Is it there at 0:30?")
    assert refusal("5 cats from 0:00 to 0:09.", CAT, question="Are there 5 cats?")
    assert refusal("The cat last appears from 0:00 to 0:09.", CAT, question="When is the cat last seen?")


def test_a_word_that_the_query_does_not_use_is_lent_by_nobody() -> None:
    made = findings(CAT, question="When is the cat in the garden?")
    assert made.query is not None
    unused = replace(made, query=replace(made.query, unused=("garden",)))
    text = "The cat is in the garden from 0:00 to 0:09."
    assert disagreement(text, stated(made)) == ""
    assert disagreement(text, stated(unused)) == "a word from nowhere: garden"


def test_a_negation_in_a_quotation_is_no_negation() -> None:
    sign = Sentence(
        'The screen says "NO PARKING" from 0:05 to 0:08.', (claim("text", "0:05-0:08", quote="NO PARKING"),)
    )
    assert not refusal('The sign says "No parking" from 0:05 to 0:08.', sign)


def test_times_may_be_off_by_the_tolerance() -> None:
    assert refusal("The cat is seen from 0:00 to 0:10.", CAT)
    assert not refusal("The cat is seen from 0:00 to 0:10.", CAT, tolerance_s=1.0)


def test_the_whole_statement_can_be_asked_for() -> None:
    part = "The cat is seen from 0:00 to 0:09."
    assert not refusal(part, CAT)
    assert refusal(part, CAT, whole=True) == "a time is missing"
    assert not refusal(CAT.text, CAT, whole=True)
    both = Sentence("At 2:10: a cup and a lamp.", (Claim("cup"), Claim("lamp")), times=(130.0,))
    assert refusal("At 2:10: a cup.", both, whole=True) == "a word is missing: lamp"
    assert not refusal("At 2:10 there is a lamp and a cup.", both, whole=True)


def test_a_true_count_may_be_stated_where_it_was_not_asked_for() -> None:
    twice = replace(CAT, claims=(replace(CAT.claims[0], count=2),))
    assert not refusal("The cat is seen twice, from 0:00 to 0:09 and from 0:52 to 1:01.", twice, whole=True)
    assert refusal("The cat is seen 3 times, from 0:00 to 0:09.", twice) == "a count that was not found"


def test_a_time_on_the_screen_is_a_time_of_the_words_there() -> None:
    words = "OPEN 9:00 TO 17:00"
    sign = Sentence(f'The screen says "{words}" from 0:05 to 0:08.', (claim("text", "0:05-0:08", quote=words),))
    assert not refusal("The sign says OPEN 9:00 TO 17:00 from 0:05 to 0:08.", sign, whole=True)
    assert refusal("The sign says OPEN 8:00 TO 17:00 from 0:05 to 0:08.", sign)


def test_what_only_findings_hold_is_true_but_need_not_be_stated() -> None:
    made = findings(CAT)
    more = replace(made, claims=(*made.claims, claim("dog", "2:00-2:09")))
    assert disagreement(f"{CAT.text} A dog is seen from 2:00 to 2:09.", stated(more)) == ""
    assert disagreement(CAT.text, stated(more), whole=True) == ""


things = st.sampled_from(["cat", "coffee mug", "golden retriever", "missile", "sailing boats"])
starts = st.lists(st.integers(0, 20_000), min_size=1, max_size=4, unique=True)


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    thing = draw(things)
    clocks = [(format_time(s), format_time(s + draw(st.integers(1, 300)))) for s in draw(starts)]
    texts, shown = [f"{a} to {b}" for a, b in clocks], claim(thing, *(f"{a}-{b}" for a, b in clocks))
    form = draw(st.integers(0, 4))
    if form == 0:
        return Sentence(f"A {thing} is seen from {' and from '.join(texts)}.", (shown,))
    if form == 1:
        counted = replace(shown, count=len(texts))
        return Sentence(f"A {thing} is seen {len(texts)} times: {', '.join(texts)}.", (counted,), counts=(len(texts),))
    if form == 2:
        sign = Claim("text", spans=shown.spans[:1], quote=f"{thing.upper()} 39A")
        return Sentence(f'The screen says "{thing.upper()} 39A" from {texts[0]}.', (sign,))
    if form == 3:
        return Sentence(f'Nothing matching "{thing}" was found.', (Claim(thing, "not_known"),))
    exit_sign = (Claim(thing), Claim("text", quote="EXIT"))
    return Sentence(f'At 0:20: a {thing}; the screen says "EXIT".', exit_sign, times=(20.0,))


@given(sentences())
def test_a_statement_is_grounded_in_itself(sentence: Sentence) -> None:
    assert refusal(sentence.text, sentence, whole=True) == ""


@given(sentences(), st.integers(30_000, 80_000))
def test_a_time_from_nowhere_is_never_grounded(sentence: Sentence, seconds: int) -> None:
    assert refusal(f"{sentence.text} It is also seen at {format_time(seconds)}.", sentence)


def generation(text: str) -> Generation:
    return Generation(text, 10, len(text.split()), 1.0, 2.0, 20, 0)


class Talk:
    """A model's pieces that remember whether they were stopped."""

    def __init__(self, pieces: list[str]) -> None:
        self.closed_at: int | None = None
        self.pieces = pieces

    def __iter__(self) -> Iterator[str | Generation]:
        count = 0
        try:
            for piece in self.pieces:
                count += 1
                yield piece
            yield generation("".join(self.pieces))
        except StopWriting:
            self.closed_at = count
            yield generation("".join(self.pieces[:count]))
        except GeneratorExit:
            self.closed_at = count
            raise


def check(talk: Talk, made: Findings, mode: VerifyMode = "strict") -> Iterator[str | VerifiedText]:
    return Verifier(mode).check(Draft(made.facts.sentences(), pieces=iter(talk)), made)


def collect(talk: Talk, *sentences: Sentence, mode: VerifyMode = "strict") -> tuple[list[str], VerifiedText]:
    *pieces, last = check(talk, findings(*sentences), mode)
    assert isinstance(last, VerifiedText)
    texts = [piece for piece in pieces if isinstance(piece, str)]
    assert len(texts) == len(pieces)
    assert "".join(texts) == last.text
    return texts, last


def test_a_grounded_sentence_comes_from_the_model() -> None:
    talk = Talk(["The cat", " is seen from 0:00 to", " 0:09 and from 0:52 to 1:01", ". "])
    texts, last = collect(talk, CAT)
    assert texts == ["The cat is seen from 0:00 to 0:09 and from 0:52 to 1:01."]
    assert (last.phrased_by, last.reason) == ("model", "")
    assert last.generation == generation("".join(talk.pieces))


def test_an_ungrounded_first_sentence_is_replaced_and_the_model_stopped() -> None:
    talk = Talk(["The dog is seen.", " And", " more", " words."])
    texts, last = collect(talk, CAT)
    assert texts == [CAT.text]
    assert (last.phrased_by, last.reason) == ("memory", "the first time is missing")
    assert last.generation == generation("The dog is seen. And")
    assert talk.closed_at == 2


def test_the_text_ends_before_a_later_sentence_that_is_not_grounded() -> None:
    talk = Talk([CAT.text, " It", " is a grand cat.", " Really."])
    texts, last = collect(talk, CAT)
    assert texts == [CAT.text]
    assert (last.phrased_by, last.reason) == ("model", "a word from nowhere: grand")
    assert talk.closed_at == 4


def test_two_grounded_sentences_are_both_let_out() -> None:
    cat = Sentence("0:00 to 0:09: a cat.", (claim("cat", "0:00-0:09"),))
    cup = Sentence("0:10 to 0:17: a cup.", (claim("cup", "0:10-0:17"),))
    texts, last = collect(Talk(["There is a cat, 0:00 to 0:09. ", "Then a cup, 0:10 to 0:17."]), cat, cup)
    assert texts == ["There is a cat, 0:00 to 0:09.", " Then a cup, 0:10 to 0:17."]
    assert last.phrased_by == "model"


def test_a_statement_of_one_sentence_is_never_told_by_half() -> None:
    _, last = collect(Talk(["The cat is seen from 0:00 to 0:09."]), CAT)
    assert (last.phrased_by, last.reason) == ("memory", "a time is missing")


def test_a_full_stop_inside_a_quotation_ends_no_sentence() -> None:
    sign = Sentence('The screen says "Dr. No. 7" from 0:01 to 0:02.', (claim("text", "0:01-0:02", quote="Dr. No. 7"),))
    texts, _ = collect(Talk(['It says "Dr. No. 7" from 0:01 to 0:02.']), sign)
    assert texts == ['It says "Dr. No. 7" from 0:01 to 0:02.']


@pytest.mark.parametrize("pieces", [[], [" ", "\n"]])
def test_a_silent_model_is_spoken_for(pieces: list[str]) -> None:
    texts, last = collect(Talk(pieces), CAT)
    assert texts == [CAT.text]
    assert (last.phrased_by, last.reason) == ("memory", "no words")


def test_closing_the_words_stops_the_model() -> None:
    talk = Talk([CAT.text, " ", CAT.text, " "])
    words = check(talk, findings(CAT))
    assert next(words) == CAT.text
    words.close()  # type: ignore[attr-defined]
    assert talk.closed_at == 2


@given(
    sentences(), st.lists(st.sampled_from(["A cat ", "0:00 to 0:09. ", "nothing", "\n", '"', "twice. ", " is seen"]))
)
def test_whatever_a_model_says_only_grounded_words_come_out(sentence: Sentence, pieces: list[str]) -> None:
    _, last = collect(Talk(pieces), sentence)
    assert refusal(last.text, sentence) == ""
    assert last.phrased_by == "model" or last.text == sentence.text


def test_cited_lets_any_words_pass_whose_times_are_all_claimed() -> None:
    words = "A grand cat struts about from 0:00 to 0:09. It comes back at 0:52. It is gone by 2:00."
    texts, last = collect(Talk([words]), CAT, mode="cited")
    assert "".join(texts) == "A grand cat struts about from 0:00 to 0:09. It comes back at 0:52."
    assert (last.phrased_by, last.reason) == ("model", "a time that was not found: 120 s")


def test_off_lets_everything_pass() -> None:
    _, last = collect(Talk(["Two dogs at 9:59."]), CAT, mode="off")
    assert (last.text, last.phrased_by, last.reason) == ("Two dogs at 9:59.", "model", "")


@pytest.mark.parametrize("mode", ["strict", "cited", "off"])
def test_a_draft_without_a_models_words_is_given_as_it_is(mode: VerifyMode) -> None:
    made = findings(CAT, MUG)
    *pieces, last = Verifier(mode).check(Draft(made.facts.sentences()), made)
    assert pieces == [f"{CAT.text} {MUG.text}"]
    assert isinstance(last, VerifiedText)
    assert (last.text, last.phrased_by) == (pieces[0], "memory")
