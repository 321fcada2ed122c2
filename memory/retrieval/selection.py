"""Selects a bounded number of cubes by their scores, in order of time, and counts appearances.

Pure functions on arrays. `memory.retrieval.retriever` brings the keys, `pipeline.answering.execute` makes the words.
Scores that are not numbers (a damaged key) never count as support. After VideoStreaming's adaptive selection (arXiv
2405.16009: the V best by cosine, V = 4, put back in order of time). Diversity is Maximal Marginal Relevance (Carbonell
and Goldstein, SIGIR 1998), training-free; 0 gives the plain V best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from memory.index.base import KeyIndex, split_id
from memory.records import F32, F64, Appearances, TimeSpan

Order = Literal["score", "first", "last", "time"]
"""Which of the supported are preferred when there are too many: the best, the earliest, the latest, an even spread."""
MOST_SPANS = 20
SAME_AGAIN = 16
"""What a likeness is raised to: 0.99 counts 0.85, 0.9 counts 0.19. What comes again makes room, what is only of the
same sort hardly (our own; Maximal Marginal Relevance has 1)."""

Places = npt.NDArray[np.intp]


def overlapping(spans: F64, span: TimeSpan) -> npt.NDArray[np.bool_]:
    """`TimeSpan.overlaps` for each of [n, 2]."""
    starts, ends = spans[:, 0], spans[:, 1]
    if span.seconds == 0:
        return np.asarray((starts <= span.start_s) & (span.start_s < ends) | (starts == span.start_s), np.bool_)
    shares = (starts < span.end_s) & (span.start_s < ends)
    moment = (span.start_s <= starts) & (starts < span.end_s)
    return np.asarray(np.where(starts == ends, moment, shares), np.bool_)


def candidates(scores: F64, order: Order, limit: int, threshold: float) -> Places:
    """Places of at most `limit` scores, ascending; places run in order of time. By score: the best, the earlier of
    equals. `first` and `last` fill half with the earliest or latest of at least `threshold`, the rest by score;
    `time` is an even spread. -inf is never taken."""
    allowed = np.flatnonzero(scores > -np.inf)
    if len(allowed) <= limit:
        return allowed
    if limit <= 0:
        return allowed[:0]
    if order == "time":
        return allowed[np.linspace(0, len(allowed) - 1, limit).round().astype(np.intp)]
    edge = allowed[:0]
    if order in ("first", "last"):
        supported = allowed[scores[allowed] >= threshold]
        edge = supported[: limit // 2] if order == "first" else supported[len(supported) - limit // 2 :]
    rest = np.setdiff1d(allowed, edge, assume_unique=True) if len(edge) else allowed
    return np.sort(np.concatenate([edge, _best(scores, rest, limit - len(edge))]))


def _best(scores: F64, among: Places, count: int) -> Places:
    """The `count` best of `among`, the earlier of equals, in no order that means anything."""
    least = np.partition(scores[among], -count)[-count]
    near = among[scores[among] >= least]
    return np.asarray(near[np.argsort(-scores[near], kind="stable")[:count]], np.intp)


def select(
    scores: F64, room: int, order: Order = "score", alike: F32 | None = None, diversity: float = 0.0
) -> list[int]:
    """Places of at most `room` scores, ascending; places run in order of time.

    Args:
        alike: cosines [n, n] between what the places hold; needed for diversity.
        diversity: lambda, 0 to 1, of (1 - lambda) score - lambda (likeness to the most alike chosen) ^ `SAME_AGAIN`,
            picked one by one; the earlier of equals.
    """
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity is between 0 and 1, not {diversity}")
    count = len(scores)
    if count <= room:
        return list(range(count))
    if room <= 0:
        return []
    if order == "first":
        return list(range(room))
    if order == "last":
        return list(range(count - room, count))
    if order == "time":
        return [(2 * i + 1) * count // (2 * room) for i in range(room)]
    worth, likeness = (1 - diversity) * scores, np.zeros(count)
    chosen: list[int] = []
    for _ in range(room):
        chosen.append(int(np.argmax(worth - likeness)))
        worth[chosen[-1]] = -np.inf
        if alike is not None and diversity > 0:
            likeness = np.maximum(likeness, diversity * np.clip(alike[chosen[-1]], 0, None) ** SAME_AGAIN)
    return sorted(chosen)


def appearances(spans: F64, gap_s: float) -> Appearances:
    """Counts separate appearances: spans [n, 2] joined where the pause between them is at most `gap_s` seconds. The
    spans kept are the first 20."""
    if not gap_s >= 0:
        raise ValueError(f"a gap of {gap_s} s")
    if not len(spans):
        return Appearances(0, None, None, ())
    if (np.diff(spans[:, 0]) < 0).any():
        spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
    starts, ends = spans[:, 0], np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[0], 1 + np.flatnonzero(starts[1:] - ends[:-1] > gap_s)])
    last = np.append(first[1:], len(starts)) - 1
    kept = tuple(
        TimeSpan(float(starts[a]), float(ends[b])) for a, b in zip(first[:MOST_SPANS], last[:MOST_SPANS], strict=True)
    )
    return Appearances(len(first), float(starts[0]), float(ends[-1]), kept)


@dataclass(frozen=True, slots=True)
class IndexMatch:
    """A closed cube found across videos: its best key's slot and score."""

    number: int
    ordinal: int
    slot: int
    score: float


def best_cubes(index: KeyIndex, vector: F32, limit: int) -> list[IndexMatch]:
    """The `limit` best closed cubes of the index, best first, each once."""
    if limit <= 0:
        return []
    asked = 4 * limit
    while True:
        keys = index.search(vector, asked)
        best: dict[tuple[int, int], IndexMatch] = {}
        for key, score in keys:
            number, ordinal, slot = split_id(key)
            best.setdefault((number, ordinal), IndexMatch(number, ordinal, slot, score))
        if len(best) >= limit or len(keys) < asked:
            return list(best.values())[:limit]
        asked *= 2
