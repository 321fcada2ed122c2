"""Questions executed over the real retriever: what is cited, what is read beside it, what a small budget leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from encoders.base import KeySpace
from encoders.notes import Notes, Thing
from memory.index.numpy_index import NumpyIndex
from memory.records import CubeMemory, KeyedSpan, PackedTokens, TimeSpan, VideoStatus
from memory.retrieval.retriever import LocalRetriever
from pipeline.answering.claims import Findings
from pipeline.answering.execute import Executor
from pipeline.config import AnswerConfig
from tests.memory.retrieval.retrieval_oracle import KeysOnly
from tests.pipeline.answering.stating import plan
from tests.pipeline.answering.stating import statement as stated_by

WORDS = ("cat", "dog", "coffee")
DIM = 8
YES_CATS = "Yes, the cats are seen from 0:00 to 0:10 and from 0:20 to 0:30."
NO_COFFEE, NO_DOG = "No, the coffee is not seen", "No, the dog is not seen"
TWO_CATS = "The cats are seen 2 times: 0:00 to 0:10 and 0:20 to 0:30."
NO_COFFEES, NO_DOGS = 'Nothing matching "coffees" was found', 'Nothing matching "dogs" was found'


def vector(word: str, variant: int = 0) -> np.ndarray:
    """A word's direction, and with a variant one that is 0.9 like it and unlike other variants."""
    base = np.zeros(DIM, np.float32)
    base[WORDS.index(word)] = 1.0
    if variant:
        base *= 0.9
        base[len(WORDS) - 1 + variant] = np.sqrt(1 - 0.81)
    return base


@dataclass
class Remembered(KeysOnly):
    """A store of one video whose cubes show one word each, ten seconds long."""

    notes: list[Notes] = field(default_factory=list)

    def show(self, word: str, variant: int = 0, probability: float = 0.9) -> None:
        cubes = self.closed.setdefault("v", [])
        span = TimeSpan(10.0 * len(cubes), 10.0 * len(cubes) + 10)
        cubes.append(KeyedSpan(len(cubes), span, vector(word, variant)[None].astype(np.float16), ("seen",)))
        self.notes.append(Notes(things=(Thing(word, probability),)))

    def cubes_at(self, video_id: str, ordinals: Sequence[int]) -> list[CubeMemory]:
        tokens = PackedTokens(np.zeros((1, 16, 2), np.int8), np.ones((1, 16), np.float16))
        ones = np.ones((16, 3), np.float32)
        return [
            CubeMemory(
                i, cube.span, "change", tokens, ones[:, 0], ones, cube.keys, cube.key_kinds, notes.to_plain(), b""
            )
            for i in ordinals
            for cube, notes in [(self.closed[video_id][i], self.notes[i])]
        ]


class Spelled:
    """A key encoder whose questions are words."""

    threshold = 0.5
    space = KeySpace("spelled", "0" * 64, DIM)

    def question(self, text: str) -> np.ndarray:
        return vector(text)

    def hyponyms(self, topic: str) -> frozenset[str]:
        return frozenset()


def executed(store: Remembered, question: str, **config: Any) -> Findings:
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    chosen = replace(AnswerConfig(), **config)
    executor = Executor(store, retriever, Spelled(), chosen)  # type: ignore[arg-type]
    return executor.run(replace(store.video("v"), ingested_s=999.0), plan(question), chosen)


def ordinals(matches: Sequence[Any]) -> list[int]:
    return [match.hit.ordinal for match in matches]


def film(*words: str) -> Remembered:
    store = Remembered()
    for word in words:
        store.show(word)
    return store


@pytest.mark.parametrize(("word", "beside"), [("before", 1), ("after", 3)])
def test_the_cube_beside_is_cited_and_read_with_the_one_it_stands_beside(word: str, beside: int) -> None:
    got = executed(film("dog", "dog", "coffee", "cat", "dog"), f"What comes {word} the coffee?")
    assert ordinals(got.cited) == [beside, 2]  # the answer first, then what it stands beside
    assert ordinals(got.read) == sorted([2, beside])


def test_what_is_read_beside_stays_within_the_budgets() -> None:
    store = film("dog", "coffee", "coffee", "cat")
    assert ordinals(executed(store, "What comes after the coffee?", cubes=2).read) == [1, 3]
    assert ordinals(executed(store, "What comes after the coffee?", cubes=1).read) == [3]
    assert ordinals(executed(store, "What comes after the coffee?", tokens=47).read) == [1, 3]


def test_at_the_edge_only_the_appearance_is_cited() -> None:
    got = executed(film("coffee", "dog"), "What comes before the coffee?")
    assert (ordinals(got.cited), ordinals(got.read)) == ([0], [0])


def test_the_first_of_very_many_is_found() -> None:
    store = Remembered()
    store.show("cat", 1, 0.1)  # less like the word than all that follow
    for _ in range(40):
        store.show("cat", 0, 0.1)
    store.show("cat", 2, 0.1)
    first = executed(store, "When does the cat first appear?", candidates=8, read_whole=0)
    last = executed(store, "When does the cat last appear?", candidates=8, read_whole=0)
    assert ordinals(first.matches)[0] == 0
    assert ordinals(last.matches)[-1] == 41


def test_diversity_cites_what_differs() -> None:
    store = Remembered()
    for variant in (0, 0, 0, 1, 2):
        store.show("cat", variant, 0.1)
    store.show("dog")
    assert ordinals(executed(store, "When does the cat appear?", cubes=3, diversity=0.0).cited) == [0, 1, 2]
    assert ordinals(executed(store, "When does the cat appear?", cubes=3).cited) == [0, 3, 4]


@pytest.mark.parametrize(
    ("question", "cited"),
    [
        ("When does the cat first appear?", [0, 1]),
        ("When does the cat last appear?", [6, 7]),
        ("What happens?", [2, 6]),
        ("What is shown from 0:20 to 1:10?", [3, 5]),
        ("When does the cat appear?", [0, 1]),
    ],
)
def test_what_a_kind_of_question_prefers_when_the_budget_binds(question: str, cited: list[int]) -> None:
    assert ordinals(executed(film(*["cat"] * 8), question, cubes=2).cited) == cited


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        (
            "What comes between the first cat and the second one?",
            "Between the first cat and the second cat: dog from 0:10 to 0:20.",
        ),
        ("When does the cat appear for the second time?", "The cat is seen for the second time from 0:20 to 0:30."),
        ("When is the third cat?", "The cat is seen only 2 times: 0:00 to 0:10 and 0:20 to 0:30."),
        (
            "Was the coffee there before the dog?",
            "The dog comes first, from 0:10 to 0:20; the coffee follows from 0:30 to 0:40.",
        ),
        ("What comes after the last cat?", "After the cat (0:20 to 0:30): coffee from 0:30 to 0:40."),
        ("What comes after 0:15?", "After 0:15: cat from 0:20 to 0:30."),
        ("What is shown after 0:25?", "0:20 to 0:30: cat. 0:30 to 0:40: coffee."),
        ("When is a cat seen before 0:15?", "The cat is seen from 0:00 to 0:10."),
        ("What comes last?", "At the end: coffee, from 0:30 to 0:40."),
        ("How long is the cat there?", "The cat is seen for 20 s: 0:00 to 0:10 and 0:20 to 0:30."),
        ("How long is the video?", "What was watched lasts 40 s."),
        ("What is going on?", "Now: coffee, from 0:30 to 0:40."),
        ("Who bought the coffee?", "The memory does not say that."),
    ],
)
def test_what_is_said_of_two_cats(question: str, statement: str) -> None:
    """Shown: cat, dog, cat, coffee; ten seconds each."""
    store = film("cat", "dog", "cat", "coffee")
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    executor = Executor(store, retriever, Spelled(), AnswerConfig())  # type: ignore[arg-type]
    finished = replace(store.video("v"), ingested_s=40.0, status="ready")
    assert stated_by(executor.run(finished, plan(question), AnswerConfig())) == statement


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("What comes after the dog?", "Nothing was seen after the dog so far."),
        ("How does it end?", "Now: dog, from 0:10 to 0:20."),
    ],
)
def test_nobody_knows_the_end_of_what_is_still_being_watched(question: str, statement: str) -> None:
    store = film("cat", "dog")
    executor = Executor(store, LocalRetriever(store, NumpyIndex(DIM)), Spelled(), AnswerConfig())  # type: ignore[arg-type]
    live = replace(store.video("v"), ingested_s=20.0, status="live")
    assert stated_by(executor.run(live, plan(question), AnswerConfig())) == statement


class Knowing(Spelled):
    """Knows its words, one or many."""

    def question(self, text: str) -> np.ndarray:
        return vector(text.removesuffix("s"))

    def hyponyms(self, topic: str) -> frozenset[str]:
        return frozenset({topic.removesuffix("s")}) & frozenset(WORDS)


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("Is there a dog with coffee?", "The dog is seen from 0:00 to 0:10."),
        ("Is there a cat or a dog?", "Yes, the dog is seen from 0:00 to 0:10."),
        ("Is there a dog or a cat?", "Yes, the dog is seen from 0:00 to 0:10."),
        ("Is there a dog?", "Yes, the dog is seen from 0:00 to 0:10."),
        ("Is there a cat?", "No, the cat is not seen."),
        ("Which dog is it?", "The dog is seen from 0:00 to 0:10."),
    ],
)
def test_yes_and_no_are_said_of_all_that_was_asked(question: str, statement: str) -> None:
    """Shown: dog, coffee."""
    store = film("dog", "coffee")
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    executor = Executor(store, retriever, Knowing(), AnswerConfig())  # type: ignore[arg-type]
    got = executor.run(replace(store.video("v"), ingested_s=20.0), plan(question), AnswerConfig())
    assert stated_by(got) == statement


def asked(store: Remembered, question: str, status: VideoStatus = "ready") -> Findings:
    """Of a video that ends with its last cube, by an encoder that knows its words."""
    executor = Executor(store, LocalRetriever(store, NumpyIndex(DIM)), Knowing(), AnswerConfig())  # type: ignore[arg-type]
    video = replace(store.video("v"), ingested_s=10.0 * len(store.notes), status=status)
    return executor.run(video, plan(question), AnswerConfig())


@pytest.mark.parametrize(
    ("question", "statement", "cited"),
    [
        ("What is there 15 seconds after the dog appears?", "At 0:25: coffee.", [2, 1]),
        ("What is there 15 seconds after the dog?", "At 0:35: dog.", [3, 1]),
        ("what happens 5 s before the coffee?", "At 0:15: dog.", [1, 2]),
        ("12 seconds before the coffee leaves", "At 0:18: dog.", [1, 2]),
        ("3 seconds after the second dog appears", "At 0:33: dog.", [3]),
        ("Is there coffee 11 s after the cat?", "Yes, the coffee is seen from 0:20 to 0:30.", [2, 0]),
        ("Is there a cat 11 s after the cat?", "No, the cat is not seen around 0:21.", []),
        ("What is shown in the 5 seconds after the coffee?", "0:30 to 0:40: dog.", [3, 2]),
        ("What is there in the minute after the coffee appears?", "0:20 to 0:30: coffee. 0:30 to 0:40: dog.", [2, 3]),
        ("Is there a cat in the 20 s after the dog?", "No, the cat is not seen in that time.", []),
        ("Is there a cat within half a minute before the coffee?", "Yes, the cat is seen from 0:00 to 0:10.", [0, 2]),
        ("What is there in the ten seconds after 0:05?", "0:00 to 0:10: cat. 0:10 to 0:20: dog.", [0, 1]),
    ],
)
def test_what_is_so_far_from_a_thing(question: str, statement: str, cited: list[int]) -> None:
    """Shown: cat, dog, coffee, dog; the thing it is counted from is cited last."""
    got = asked(film("cat", "dog", "coffee", "dog"), question)
    assert (stated_by(got), ordinals(got.cited)) == (statement, cited)


@pytest.mark.parametrize(
    ("question", "status", "statement"),
    [
        ("What is there 10 s after the dog?", "ready", "Nothing was found 10 s after the dog (0:10 to 0:20)."),
        ("What is there 10 s after the dog?", "live", "Nothing was found 10 s after the dog (0:10 to 0:20) so far."),
        ("What is there 30 s before the dog?", "live", "Nothing was found 30 s before the dog (0:10 to 0:20)."),
        ("What is in the 10 s after the dog?", "ready", "Nothing was found in the 10 s after the dog (0:10 to 0:20)."),
        ("What is there 10 s after the coffee?", "ready", 'Nothing matching "coffee" was found.'),
    ],
)
def test_nothing_is_so_far_from_a_thing(question: str, status: VideoStatus, statement: str) -> None:
    got = asked(film("cat", "dog"), question, status)
    assert (stated_by(got), got.supported, got.cited) == (statement, False, ())


@pytest.mark.parametrize(
    ("question", "statement", "count"),
    [
        ("How many cats and dogs are there?", f"{TWO_CATS} The dogs are seen once: 0:10 to 0:20.", 3),
        ("How many cats and coffees are there?", f'{TWO_CATS} Nothing matching "coffees" was found.', 2),
        ("How many coffees and dogs at 0:05?", f"{NO_COFFEES} around 0:05. {NO_DOGS} around 0:05.", 0),
        ("How many cats and ghosts are there?", TWO_CATS, 2),
        ("Are there cats and dogs?", f"{YES_CATS} Yes, the dogs are seen from 0:10 to 0:20.", 3),
        ("Are there cats and coffee?", f"{YES_CATS} {NO_COFFEE}.", 2),
        ("Is there a coffee and a dog at 0:05?", f"{NO_COFFEE} around 0:05. {NO_DOG} around 0:05.", 0),
        ("Are the cat and the dog brown?", "The memory does not say that.", 0),
        (
            "When do the cat and the dog appear?",
            "The cat is seen from 0:00 to 0:10 and from 0:20 to 0:30. The dog is seen from 0:10 to 0:20.",
            3,
        ),
    ],
)
def test_of_several_things_each_is_told(question: str, statement: str, count: int) -> None:
    """Shown: cat, dog, cat."""
    got = asked(film("cat", "dog", "cat"), question)
    assert (stated_by(got), got.supported) == (statement, count > 0)
    assert got.evidence is not None
    assert (got.evidence.count, ordinals(got.cited)) == (count, {3: [0, 1, 2], 2: [0, 2], 0: []}[count])


def test_a_thing_that_all_the_words_name_is_one() -> None:
    class Joint(Knowing):
        def hyponyms(self, topic: str) -> frozenset[str]:
            return frozenset({topic}) & {"cat", "dog", "cat and dog"}

    store = film("cat", "dog")
    executor = Executor(store, LocalRetriever(store, NumpyIndex(DIM)), Joint(), AnswerConfig())  # type: ignore[arg-type]
    got = executor.run(store.video("v"), plan("When is a cat and dog shown?"), AnswerConfig())
    assert stated_by(got) == "The cat is seen from 0:00 to 0:10."


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("Which comes first, the cat or the dog?", "The cat comes first, from 0:00 to 0:10; the dog follows from"),
        ("What comes after the cat?", "After the cat (0:00 to 0:10): dog from 0:10 to 0:20."),
    ],
)
def test_the_earliest_of_very_many_decides(question: str, statement: str) -> None:
    store = Remembered()
    store.show("cat", 1, 0.1)  # less like the word than all that follow
    store.show("dog")
    for _ in range(40):
        store.show("cat", 0, 0.1)
        store.show("dog")
    assert stated_by(executed(store, question, candidates=8, read_whole=0)).startswith(statement)
