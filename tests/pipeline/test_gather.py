"""Gathering over a real recall: what is cited, what is read beside it, and what decides when the budget binds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from encoders.base import KeySpace, Notes, Thing
from memory.numpy_index import NumpyIndex
from memory.recall import LocalRecall
from memory.records import CubeMemory, KeyedSpan, PackedTokens, TimeSpan
from pipeline.config import AnswerConfig
from pipeline.gather import Gathered, Gatherer, Rerank
from pipeline.question import parse
from tests.memory.recall_oracle import KeysOnly

WORDS = ("cat", "dog", "coffee")
DIM = 8


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
            CubeMemory(i, one.span, "change", tokens, ones[:, 0], ones, one.keys, one.key_kinds, notes.to_plain(), b"")
            for i in ordinals
            for one, notes in [(self.closed[video_id][i], self.notes[i])]
        ]


class Spelled:
    """A key encoder whose questions are words."""

    threshold = 0.5
    space = KeySpace("spelled", "0" * 64, DIM)

    def question(self, text: str) -> np.ndarray:
        return vector(text)


def gathered(store: Remembered, question: str, rerank: Rerank | None = None, **config: Any) -> Gathered:
    recall = LocalRecall(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    chosen = replace(AnswerConfig(), **config)
    gatherer = Gatherer(store, recall, Spelled(), chosen, rerank)  # type: ignore[arg-type]
    return gatherer.gather(replace(store.video("v"), ingested_s=999.0), parse(question), chosen)


def ordinals(seen: Sequence[Any]) -> list[int]:
    return [one.hit.ordinal for one in seen]


def film(*words: str) -> Remembered:
    store = Remembered()
    for word in words:
        store.show(word)
    return store


@pytest.mark.parametrize(("word", "beside"), [("before", 1), ("after", 3)])
def test_the_cube_beside_is_cited_and_read_with_the_one_it_stands_beside(word: str, beside: int) -> None:
    got = gathered(film("dog", "dog", "coffee", "cat", "dog"), f"What comes {word} the coffee?")
    assert ordinals(got.cited) == [beside]
    assert ordinals(got.read) == sorted([2, beside])


def test_what_is_read_beside_stays_within_the_budgets() -> None:
    store = film("dog", "coffee", "coffee", "cat")
    assert ordinals(gathered(store, "What comes after the coffee?", cubes=2).read) == [1, 3]
    assert ordinals(gathered(store, "What comes after the coffee?", cubes=1).read) == [3]
    assert ordinals(gathered(store, "What comes after the coffee?", tokens=47).read) == [1, 3]


def test_at_the_edge_only_the_appearance_is_read() -> None:
    got = gathered(film("coffee", "dog"), "What comes before the coffee?")
    assert (ordinals(got.cited), ordinals(got.read)) == ([], [0])


def test_the_first_of_very_many_is_found() -> None:
    store = Remembered()
    store.show("cat", 1, 0.1)  # less like the word than all that follow
    for _ in range(40):
        store.show("cat", 0, 0.1)
    store.show("cat", 2, 0.1)
    first = gathered(store, "When does the cat first appear?", candidates=8)
    last = gathered(store, "When does the cat last appear?", candidates=8)
    assert ordinals(first.finding.cited)[0] == 0
    assert ordinals(last.finding.cited)[-1] == 41


def test_diversity_cites_what_differs() -> None:
    store = Remembered()
    for variant in (0, 0, 0, 1, 2):
        store.show("cat", variant, 0.1)
    store.show("dog")
    assert ordinals(gathered(store, "When does the cat appear?", cubes=3).cited) == [0, 1, 2]
    assert ordinals(gathered(store, "When does the cat appear?", cubes=3, diversity=0.6).cited) == [0, 3, 4]


def test_a_reranker_decides_what_fits_and_nothing_else() -> None:
    asked: list[tuple[str, list[str]]] = []

    def latest_first(question: str, candidates: Sequence[str]) -> list[float]:
        asked.append((question, list(candidates)))
        return [float(i) for i in range(len(candidates))]

    store = film("cat", "dog", "cat", "cat")
    got = gathered(store, "When does the cat appear?", latest_first, cubes=2)
    assert asked == [("When does the cat appear?", ["cat", "cat", "cat"])]
    assert ordinals(got.cited) == [2, 3]
    plain = gathered(store, "When does the cat appear?", cubes=2).finding
    assert (got.finding.statement, got.finding.evidence) == (plain.statement, plain.evidence)
    assert [one.score for one in got.cited] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("question", "cited"),
    [
        ("When does the cat first appear?", [0, 1]),
        ("When does the cat last appear?", [6, 7]),
        ("What happens?", [0, 7]),
        ("What is shown from 0:20 to 1:10?", [2, 6]),
        ("When does the cat appear?", [0, 1]),
    ],
)
def test_what_a_kind_of_question_prefers_when_the_budget_binds(question: str, cited: list[int]) -> None:
    assert ordinals(gathered(film(*["cat"] * 8), question, cubes=2).cited) == cited
