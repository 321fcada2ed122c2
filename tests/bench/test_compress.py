"""Tests the scorers of `python -m tests.bench compress`, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from encoders.base import CubeTokens, Frame
from tests.bench.compress.cuts import Counts, Cut, joined, matched, orders, quiet_spans
from tests.bench.compress.quality import PlantedChange, coverage, recalled


def cut(start_s: float, steps: int) -> Cut:
    frames = tuple(Frame(np.zeros((2, 2, 3), np.uint8), start_s + i) for i in range(steps))
    return Cut(frames, torch.full((steps, 1, 1), start_s), ())


@pytest.mark.parametrize(
    ("borders", "cuts", "count"),
    [([], [5.0], 0), ([5.0], [5.0], 1), ([6.0], [5.0], 1), ([6.1], [5.0], 0), ([4.5, 5.5], [5.0], 1),
     ([5.0], [4.5, 5.5], 1), ([4.0, 5.0], [5.0, 6.0], 2)],
)  # fmt: skip
def test_a_border_counts_once_and_only_near_its_cut(borders: list[float], cuts: list[float], count: int) -> None:
    assert matched(borders, cuts, 1.0) == Counts(count, len(borders), len(cuts))


def test_scores_are_over_all_cuts_together() -> None:
    assert (Counts(1, 2, 1) + Counts(2, 2, 4)).scores() == {"f1": 0.6667, "precision": 0.75, "recall": 0.6}
    assert Counts().scores() == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


def test_quiet_spans_keep_away_from_what_comes_and_goes() -> None:
    assert quiet_spans([{"start": 10.0, "end": 11.0}], 40.0) == [(0.0, 8.0), (13.0, 27.0)]
    assert quiet_spans([], 3.0) == []


def test_joined_pieces_follow_each_other_without_a_gap() -> None:
    whole = joined([cut(7.0, 3), cut(50.0, 2), cut(1.0, 2)])
    assert [f.time_s for f in whole.frames] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert whole.cuts_s == (3.0, 5.0)
    assert whole.tokens.flatten().tolist() == [7.0, 7.0, 7.0, 50.0, 50.0, 1.0, 1.0]


def test_no_clip_follows_itself_and_a_join_ends_where_nothing_else_is_left() -> None:
    pieces = [("a", cut(0.0, 2)), ("a", cut(10.0, 2)), ("b", cut(20.0, 2))]
    for join in orders(pieces, 8, length=9):
        clips = ["b" if start == 20.0 else "a" for start in join.tokens[::2, 0, 0].tolist()]
        assert clips in (["a", "b", "a"], ["b", "a"])
        assert len(set(join.tokens[::2, 0, 0].tolist())) == len(clips)


def test_coverage_is_the_best_cosine_around_the_common_mean() -> None:
    tokens = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    assert coverage(tokens, torch.tensor([[5.0, 1.0]]), torch.ones(2)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("position", "hit"),
    [((3.0, 4.0, 5.0), True), ((2.5, 4.5, 4.5), True), ((1.0, 4.0, 5.0), False), ((3.0, 4.0, 5.6), False)],
)
def test_a_small_change_is_recalled_in_its_cell_and_its_time(position: tuple[float, float, float], hit: bool) -> None:
    planted = PlantedChange(torch.zeros(1, 8, 100, 1), (10, 10), tuple(float(i) for i in range(8)), 4, 5, 2)
    cube = CubeTokens(torch.zeros(1, 1, 1), torch.ones(1), torch.tensor([position]))
    assert recalled(planted, cube) is hit
