"""Tests the scorers and the seeded streams of the memory ablation, on made-up cubes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from memory.records import GlobalMemory, TimeSpan
from tests.bench.memory.ablation import coverage, longest_names, order, recall, time_of_view
from tests.bench.memory.ablation_streams import PLANTED, Bank, Cube, Stream, stream


def cube(value: float, *names: str) -> Cube:
    tokens = np.zeros((1, 2, 3), np.float32)
    tokens[0, :, 0], tokens[0, :, 1] = value, 1.0
    positions = np.array([[0, 1, 1], [3, 2, 2]], np.float32)
    return Cube(tokens, np.array([100, 224], np.float32), positions, TimeSpan(0, 4), names)


def test_recall_counts_planted_among_the_best_and_shares_ties() -> None:
    assert recall(np.array([0.9, 0.1, 0.8, 0.2]), {0, 2}) == 1.0
    assert recall(np.array([0.9, 0.1, 0.8, 0.2]), {0, 1}) == 0.5
    assert recall(np.zeros(4), {0, 3}) == 0.5, "nothing kept: chance"
    assert recall(np.array([0.9, 0.5, 0.5, 0.1]), {0, 1}) == 0.75


def test_order_counts_pairs() -> None:
    spans = {n: TimeSpan(10.0 * n, 10.0 * n + 5) for n in range(3)}
    shown = Stream((cube(0),), spans)
    assert order({0: 1.0, 1: 2.0, 2: 3.0}, shown) == 1.0
    assert order({0: 3.0, 1: 2.0, 2: 1.0}, shown) == 0.0
    assert order({0: None, 1: None, 2: None}, shown) == 0.5
    assert order({0: 1.0, 1: 1.0, 2: 3.0}, shown) == pytest.approx(2.5 / 3)


def test_coverage_and_time_come_from_the_nearest_token() -> None:
    kept = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    memory = GlobalMemory(kept, np.ones(2, np.float32), np.array([[5, 0, 0], [50, 0, 0]], np.float32), 60.0)
    centre = np.zeros(3, np.float32)
    assert coverage(kept, cube(0.0), centre) == pytest.approx(1.0)
    assert time_of_view(memory, cube(0.0), centre) == 50.0
    assert time_of_view(memory, cube(9.0), centre) == 5.0
    assert coverage(np.zeros((0, 3), np.float32), cube(0.0), centre) == 0.0
    assert time_of_view(GlobalMemory.empty(3), cube(0.0), centre) is None


def test_the_longest_names_are_by_time_not_by_cubes() -> None:
    many = [replace(cube(0, f"n{n}"), span=TimeSpan(0, n + 1)) for n in range(12)]
    assert longest_names(many) == {f"n{n}" for n in range(4, 12)}
    many += [cube(0, "n0")] * 9  # 4 s each
    assert "n0" in longest_names(many)


def test_streams_are_seeded_whole_and_hold_what_was_planted() -> None:
    scenes = tuple(tuple(cube(n + k / 10, f"scene{n}") for k in range(3)) for n in range(4))
    pictures = tuple((cube(100.0 + n), cube(100.5 + n)) for n in range(10))
    made_of = Bank(scenes, pictures)
    shown, again, other = stream(made_of, 50, 0), stream(made_of, 50, 0), stream(made_of, 50, 1)
    assert (
        [placed.span for placed in shown.cubes]
        == [placed.span for placed in again.cubes]
        != [placed.span for placed in other.cubes]
    )
    assert len(shown.cubes) == 50
    assert len(shown.planted) == PLANTED
    for placed, following in itertools.pairwise(shown.cubes):
        assert placed.span.end_s == following.span.start_s
        assert (placed.positions[:, 0] >= placed.span.start_s).all()
        assert (placed.positions[:, 0] < placed.span.end_s).all()
    for number, span in shown.planted.items():
        (where,) = [placed for placed in shown.cubes if placed.span == span]
        assert where.tokens[0, 0, 0] == 100 + number
        assert where.weights.sum() == pytest.approx(324 * span.seconds / 4)
