"""From a question's vectors to a constant number of memories in order of time, and to a count. Pure functions.

What it is not: a store or an index; keys come in as `KeyedSpan`s, scores go out as `Hit`s. Scores that are not numbers
(a damaged key) never count as support. The top-k control of VideoStreaming's adaptive selection (arXiv 2405.16009):
a fixed budget, and what is chosen is put back in order of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from memory.index import KeyIndex, split_id
from memory.records import F32, Evidence, Hit, KeyedSpan, TimeSpan

Order = Literal["score", "first", "last", "time"]
MOST_SPANS = 20


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for in one video.

    Attributes:
        vectors: float32 [Q, K], unit rows; a cube's score is the best over them. Q = 0 asks by time alone: score 0.
        threshold: the smallest score that counts as support; not applied when Q = 0.
        spans: only cubes that share time with one of them; None for the whole video.
        order: which supported cubes are preferred when the budget binds: the best, the earliest, the latest, or an
            even spread over time.
        cubes, tokens: budgets; both bind.
    """

    vectors: F32
    threshold: float = 0.0
    spans: tuple[TimeSpan, ...] | None = None
    order: Order = "score"
    cubes: int = 4
    tokens: int = 256

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not np.isfinite(self.vectors).all():
            raise ValueError(f"query vectors are finite and [Q, K], not {self.vectors.shape}")
        if self.cubes < 0 or self.tokens < 0:
            raise ValueError("a budget cannot be negative")


def hits(query: Query, video_id: str, keyed_spans: Iterable[KeyedSpan]) -> list[Hit]:
    """Every cube that the query's spans allow and that can be compared, with its best slot, in order of time; also
    those below the threshold. Ties between slots go to the first."""
    found = (_hit(query, video_id, one) for one in keyed_spans if _allowed(query, one.span))
    return sorted((hit for hit in found if hit is not None), key=lambda hit: hit.span)


def _allowed(query: Query, span: TimeSpan) -> bool:
    return query.spans is None or any(span.overlaps(one) for one in query.spans)


def _hit(query: Query, video_id: str, one: KeyedSpan) -> Hit | None:
    if not len(query.vectors):
        return Hit(video_id, one.ordinal, one.span, 0.0, "")
    if not len(one.keys):
        return None
    scores = (one.keys.astype(np.float32) @ query.vectors.T).max(axis=1)
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    slot = int(np.argmax(scores))
    if scores[slot] == -np.inf:
        return None
    return Hit(video_id, one.ordinal, one.span, float(scores[slot]), one.key_kinds[slot])


def select(query: Query, found: Sequence[Hit], tokens_a_cube: int) -> list[Hit]:
    """At most as many supported hits as both budgets allow, where a cube costs `tokens_a_cube` (at least 1); in order
    of time."""
    room = min(query.cubes, query.tokens // max(tokens_a_cube, 1))
    supported = [hit for hit in found if not len(query.vectors) or hit.score >= query.threshold]
    supported.sort(key=lambda hit: hit.span)
    return sorted(_preferred(query.order, supported, room), key=lambda hit: hit.span)


def _preferred(order: Order, supported: list[Hit], room: int) -> list[Hit]:
    if room == 0 or len(supported) <= room:
        return supported[:room]
    if order == "first":
        return supported[:room]
    if order == "last":
        return supported[-room:]
    if order == "time":
        return [supported[(2 * i + 1) * len(supported) // (2 * room)] for i in range(room)]
    return sorted(supported, key=lambda hit: (-hit.score, hit.span))[:room]


def evidence(found: Iterable[Hit], threshold: float, gap_s: float) -> Evidence:
    """Counts separate appearances: hits at or above the threshold, joined where the pause between them is at most
    `gap_s` seconds. The spans kept are the first 20."""
    if not gap_s >= 0:
        raise ValueError(f"a gap of {gap_s} s")
    joined: list[TimeSpan] = []
    for span in sorted(hit.span for hit in found if hit.score >= threshold):
        if joined and span.start_s - joined[-1].end_s <= gap_s:
            joined[-1] = TimeSpan(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    if not joined:
        return Evidence(0, None, None, ())
    return Evidence(len(joined), joined[0].start_s, joined[-1].end_s, tuple(joined[:MOST_SPANS]))


@dataclass(frozen=True, slots=True)
class Found:
    """A closed cube found across videos: its best key's slot and score."""

    video_id: str
    ordinal: int
    slot: int
    score: float


def search_all(index: KeyIndex, vector: F32, limit: int, videos: Mapping[int, str]) -> list[Found]:
    """The `limit` best closed cubes over many videos, best first, each once; `videos` maps video number to id, and only
    these are searched."""
    if limit <= 0 or not videos:
        return []
    asked = 4 * limit
    while True:
        keys = index.search(vector, asked, list(videos))
        best: dict[tuple[int, int], Found] = {}
        for key, score in keys:
            number, ordinal, slot = split_id(key)
            best.setdefault((number, ordinal), Found(videos[number], ordinal, slot, score))
        if len(best) >= limit or len(keys) < asked:
            return list(best.values())[:limit]
        asked *= 2
