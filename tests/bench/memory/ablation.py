"""Measures what the global memory alone keeps of a long stream: `python -m tests.bench memory_ablation`.

Each row is a propagator and a length. Only the global memory H is asked, without cubes and keys:

    recall           of 8 planted pictures, how many are among the 8 best of 18 candidates, by another view of them
    found_near       share of the planted pictures for which H's time is right, within 5 % of the length
    order            of two planted pictures, which came first, by the times of H's tokens (chance 0.5)
    named            share of the 8 names shown longest that the memory can name
    four_cubes       share of them in the notes of four cubes, those where the memory is surest of its largest topics;
                     `first_four` and `spread_four` take the first four cubes and four evenly spread ones
    first_tenth      weight of the tokens that lie in the first tenth of the time (even: 0.1)

Run with `python -m tests.bench memory_ablation [--quick] [--clips FOLDER]`.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.base import Backend
from memory.propagation.propagators import Propagator, propagator
from memory.records import F32, GlobalMemory
from serve.measure.film import SAMPLE
from tests.bench.memory.ablation_streams import PICTURES, PLANTED, Bank, Cube, Stream, bank, stream
from tests.bench.memory.overview import overview

LENGTHS = {"10min": 60, "1h": 360, "10h": 3600}
PROPAGATORS = ("none", "mean", "merging")
NAMES, CUBES, NEAR = 8, 4, 0.05


def run(quick: bool, clips: Path | None = None) -> dict[str, Any]:
    """Measures everything on one thread; `quick`: the sample as the only filler, 10 minutes, one stream."""
    from encoders.pocket.backend import load

    torch.set_num_threads(1)
    backend = load(threads=1)
    videos = [SAMPLE, *(sorted(clips.glob("*.mp4")) if clips and not quick else ())]
    made_of = bank(backend, videos, 1 if quick else 3, 40.0 if quick else 150.0)
    lengths = {"10min": 60} if quick else LENGTHS
    seeds = 1 if quick else 3
    rows = []
    for length, cubes in lengths.items():
        streams = [stream(made_of, cubes, seed) for seed in range(seeds)]
        rows += [ablated(backend, made_of, streams, name) | {"length": length} for name in PROPAGATORS]
    chance = PLANTED / len(PICTURES)
    return {"name": "memory_ablation", "chance": {"recall": round(chance, 3), "order": 0.5}, "rows": rows}


def ablated(backend: Backend, made_of: Bank, streams: Sequence[Stream], name: str) -> dict[str, Any]:
    """One propagator's row: means over streams."""
    scored = [_scores(backend, made_of, shown, propagator(name, backend.frames.dim)) for shown in streams]
    means = {key: round(statistics.fmean(figures[key] for figures in scored), 4) for key in scored[0]}
    return {"propagation": name, "streams": len(streams), **means}


def _scores(backend: Backend, made_of: Bank, shown: Stream, model: Propagator) -> dict[str, float]:
    memory, each_ms = _watched(shown, model, backend.frames.dim)
    centre = np.concatenate([cube.tokens[0] for scene in made_of.scenes for cube in scene]).mean(axis=0)
    views = [second for _, second in made_of.pictures]
    scores = np.array([coverage(memory.tokens - centre, view, centre) for view in views])
    when = {n: time_of_view(memory, views[n], centre) for n in shown.planted}
    topics = overview(memory, backend.keys, backend.describer)[:NAMES]
    longest = longest_names(shown.cubes)
    four = {
        "first_four": shown.cubes[:CUBES],
        "spread_four": [shown.cubes[round(i)] for i in np.linspace(0, len(shown.cubes) - 1, CUBES)],
        "four_cubes": [_cube_at(shown, topic.surest_s) for topic in topics[:CUBES]],
    }
    early = memory.positions[:, 0] < shown.seconds / 10
    return {
        "recall": recall(scores, set(shown.planted)),
        "found_near": _near(when, shown),
        "order": order(when, shown),
        "named": _share(longest, {topic.name for topic in topics}),
        **{which: _share(longest, {n for cube in cubes for n in cube.names}) for which, cubes in four.items()},
        "first_tenth": float(memory.weights[early].sum() / max(memory.weights.sum(), 1e-9)),
        "update_ms": each_ms,
    }


def _watched(shown: Stream, model: Propagator, dim: int) -> tuple[GlobalMemory, float]:
    """The memory after the last cube, and the processor time of one update in ms."""
    memory = GlobalMemory.empty(dim)
    began = time.thread_time()
    for cube in shown.cubes:
        memory = model.update(memory, cube.tokens, cube.weights, cube.positions, cube.span)
    return memory, 1e3 * (time.thread_time() - began) / len(shown.cubes)


def coverage(kept: F32, view: Cube, centre: F32) -> float:
    """How much of a view is in a memory: mean over the view's tokens, by weight, of the best cosine to a kept one. 0
    where nothing is kept."""
    if not len(kept):
        return 0.0
    best = (_unit(kept) @ _unit(view.tokens[0] - centre).T).max(axis=0)
    return float(np.average(best, weights=view.weights))


def time_of_view(memory: GlobalMemory, view: Cube, centre: F32) -> float | None:
    """The time of the token most like one of a view's; None where nothing is kept."""
    if not len(memory.tokens):
        return None
    alike = (_unit(memory.tokens - centre) @ _unit(view.tokens[0] - centre).T).max(axis=1)
    return float(memory.positions[int(np.argmax(alike)), 0])


def recall(scores: F32, planted: set[int]) -> float:
    """Share of the planted among as many best scores; candidates with equal scores share their places."""
    bar = np.sort(scores)[::-1][len(planted) - 1]
    sure, tied = scores > bar, scores == bar
    places = len(planted) - int(sure.sum())
    at_bar = sum(bool(tied[n]) for n in planted) * places / int(tied.sum())
    return float((sum(bool(sure[n]) for n in planted) + at_bar) / len(planted))


def order(when: dict[int, float | None], shown: Stream) -> float:
    """Share of pairs put in the right order; without times, or with equal ones, half a pair."""
    right = []
    for first, second in itertools.combinations(shown.planted, 2):
        a, b = when[first], when[second]
        before = shown.planted[first].start_s < shown.planted[second].start_s
        right.append(0.5 if a is None or b is None or a == b else float((a < b) == before))
    return statistics.fmean(right)


def longest_names(cubes: Sequence[Cube]) -> set[str]:
    """The `NAMES` names that were on longest, by the cubes' own notes."""
    seconds: Counter[str] = Counter()
    for cube in cubes:
        seconds.update(dict.fromkeys(cube.names, cube.span.seconds))
    return {name for name, _ in seconds.most_common(NAMES)}


def _share(longest: set[str], named: set[str]) -> float:
    return len(longest & named) / max(len(longest), 1)


def _cube_at(shown: Stream, time_s: float) -> Cube:
    return next((cube for cube in shown.cubes if time_s < cube.span.end_s), shown.cubes[-1])


def _near(when: dict[int, float | None], shown: Stream) -> float:
    middles = {n: (span.start_s + span.end_s) / 2 for n, span in shown.planted.items()}
    close = [t is not None and abs(t - middles[n]) <= NEAR * shown.seconds for n, t in when.items()]
    return sum(close) / len(close)


def _unit(rows: F32) -> F32:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9), np.float32)
