"""Scores the needle benchmark: whether a chosen cube points to the planted moment, controls, and cosines.

A moment counts as found when a chosen cube holds at least half of it and it makes up at least a quarter of that cube:
a cube of ten minutes with five seconds of needle in it does not point to the needle.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memory.records import F32, Hit, KeyedSpan, TimeSpan
from tests.bench.memory.needle.film import DEPTHS

BUDGET = 4
LEAST_OF_MOMENT, LEAST_OF_CUBE = 0.5, 0.25


def points_to(cube: TimeSpan, moment: TimeSpan) -> bool:
    """Whether a cube is one that the moment is found by."""
    shared = min(cube.end_s, moment.end_s) - max(cube.start_s, moment.start_s)
    return shared >= LEAST_OF_MOMENT * moment.seconds and shared >= LEAST_OF_CUBE * cube.seconds


def any_points_to(cubes: Iterable[TimeSpan], moment: TimeSpan) -> bool:
    """Whether one of the cubes points to the moment."""
    return any(points_to(cube, moment) for cube in cubes)


def plain_hits(video_id: str, cubes: Sequence[KeyedSpan], vector: F32) -> list[Hit]:
    """Every cube with the best cosine of its keys to `vector` (-1 where it has none), in order of time."""
    hits = []
    for cube in cubes:
        best = float((cube.keys.astype(np.float32) @ vector).max()) if len(cube.keys) else -1.0
        hits.append(Hit(video_id, cube.ordinal, cube.span, best, ""))
    return hits


def last(hits: Sequence[Hit]) -> list[TimeSpan]:
    """Control: the newest cubes."""
    return [hit.span for hit in hits[-BUDGET:]]


def uniform(hits: Sequence[Hit]) -> list[TimeSpan]:
    """Control: cubes spread evenly over the film, whatever is asked."""
    return [hits[(2 * i + 1) * len(hits) // (2 * BUDGET)].span for i in range(min(BUDGET, len(hits)))]


def topk(hits: Sequence[Hit]) -> list[TimeSpan]:
    """Control: the best by the cosine of their keys alone."""
    return [hit.span for hit in sorted(hits, key=lambda hit: (-hit.score, hit.span))[:BUDGET]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike a question's vector and the keys are.

    Attributes:
        needle: best cosine of a cube that points to the moment; -1 where no cube does.
        rank: cubes with a better cosine that do not point to it.
        filler: mean over the other cubes.
        rival: the fourth best of the other cubes: what a needle must beat to be one of four.
    """

    needle: float
    rank: int
    filler: float
    rival: float


def likeness(hits: Sequence[Hit], moment: TimeSpan) -> Likeness:
    """Of all cubes of a film."""
    own = [hit.score for hit in hits if points_to(hit.span, moment)]
    others = np.sort([hit.score for hit in hits if not points_to(hit.span, moment)])[::-1]
    best = max(own, default=-1.0)
    rival = float(others[min(BUDGET, len(others)) - 1]) if len(others) else -1.0
    filler = float(others.mean()) if len(others) else 0.0
    return Likeness(best, int((others > best).sum()), filler, rival)


def summed(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All trials of one length as the benchmark's keys; times are medians in ms."""
    by_depth: list[float | None] = []
    for depth in range(DEPTHS):
        hits = [trial["found"] for trial in trials if trial["depth"] == depth]
        by_depth.append(round(statistics.fmean(hits), 4) if hits else None)
    if not trials:
        raise ValueError("no trials")
    recall = statistics.fmean(trial["found"] for trial in trials)
    reached = [part for part in by_depth if part is not None]
    thirds = [[trial["needle"] for trial in trials if trial["depth"] // 4 == third] for third in range(3)]
    return {
        "recall_at_4": round(recall, 4),
        "by_depth": by_depth,
        "worst_depth_under_mean": round(recall - min(reached), 4),
        "trials": len(trials),
        "cited": round(statistics.fmean(trial["cited"] for trial in trials), 4),
        "wrongly_cited": round(statistics.fmean(trial["wrongly_cited"] for trial in trials), 3),
        "by_kind": _by_kind(trials),
        "select_ms": round(statistics.median(trial["select_ms"] for trial in trials), 3),
        "gather_ms": round(statistics.median(trial["gather_ms"] for trial in trials), 3),
        "memory_tokens": round(statistics.fmean(trial["tokens"] for trial in trials), 2),
        "controls": {
            name: round(statistics.fmean(trial[name] for trial in trials), 4) for name in ("last", "uniform", "topk")
        },
        "likeness": {
            "needle": round(statistics.fmean(trial["needle"] for trial in trials), 4),
            "needle_by_third": [round(statistics.fmean(third), 4) for third in thirds if third],
            "filler": round(statistics.fmean(trial["filler"] for trial in trials), 4),
            "rival": round(statistics.fmean(trial["rival"] for trial in trials), 4),
        },
    }


def _by_kind(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    kinds = sorted({trial["kind"] for trial in trials})
    return {
        kind: round(statistics.fmean(trial["found"] for trial in trials if trial["kind"] == kind), 4) for kind in kinds
    }
