from __future__ import annotations

import numpy as np
import pytest

from memory.records import GlobalMemory
from tests.bench.memory.overview import overview
from tests.pipeline.fakes import ColourDescriber, ColourKeys


class TokenKeys(ColourKeys):
    """Evidence read from tokens alone: a token is its colours' shares."""

    def evidence(self, frames, tokens):  # type: ignore[no-untyped-def]
        assert not frames
        return tokens.tokens[0, :, 0]


def memory(*tokens: tuple[str, float, float]) -> GlobalMemory:
    """Tokens of (colour, time in s, weight)."""
    axes = {"black": 0, "white": 1, "red": 2, "green": 3, "blue": 4, "yellow": 5}
    rows = np.zeros((len(tokens), 6), np.float32)
    for row, (colour, _, _) in zip(rows, tokens, strict=True):
        row[axes[colour]] = 0.9
    places = np.array([[time_s, 0, 0] for _, time_s, _ in tokens], np.float32).reshape(-1, 3)
    return GlobalMemory(rows, np.array([w for *_, w in tokens], np.float32), places, 100.0)


def test_names_come_with_their_share_and_times_largest_first() -> None:
    held = memory(("red", 5, 10), ("green", 20, 60), ("red", 80, 30))
    topics = overview(held, TokenKeys(), ColourDescriber())
    assert [topic.name for topic in topics] == ["green", "red"]
    assert topics[1].share == pytest.approx(0.4)
    assert (topics[1].first_s, topics[1].last_s) == (5.0, 80.0)


def test_a_memory_of_nothing_names_nothing() -> None:
    assert overview(GlobalMemory.empty(6), TokenKeys(), ColourDescriber()) == ()


def test_what_no_token_is_sure_of_is_not_named() -> None:
    held = memory(("red", 5, 10), ("blue", 6, 10))
    held.tokens[1] *= 0.3
    assert [topic.name for topic in overview(held, TokenKeys(), ColourDescriber())] == ["red"]
