"""What a whole video was about, read from its global memory alone: names, their share of everything seen, and when.

What it is: the reader of `GlobalMemory`. Its cost does not grow with the video: at most 64 tokens, whatever the length.
What it is not: an answer to a question about one moment; what a token of the memory says it says of all it was merged
from. A backend whose evidence is read from tokens alone (pocket) can name them; one that looks at frames cannot, and
`overview` then has nothing to read. No source; ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from encoders.base import Describer, FrameTokens, KeyEncoder
from memory.records import GlobalMemory


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that was seen.

    Attributes:
        share: of everything seen, 0 to 1, by the weight of the tokens that name it.
        first_s, last_s: times of the first and last of those tokens; means themselves, so these are not borders.
        surest_s: time of the token that is surest of it.
    """

    name: str
    share: float
    first_s: float
    last_s: float
    surest_s: float


def overview(memory: GlobalMemory, keys: KeyEncoder, describer: Describer) -> tuple[Topic, ...]:
    """Everything the memory can name, largest share first; empty where it holds no tokens."""
    if not len(memory.tokens):
        return ()
    times = tuple(float(time_s) for time_s in memory.positions[:, 0])
    tokens = FrameTokens(torch.from_numpy(memory.tokens)[None, :, None], (1, 1), times)
    evidence = keys.evidence((), tokens)
    total = float(memory.weights.sum())
    named: dict[str, list[tuple[float, float, float]]] = {}
    for row, time_s, weight in zip(evidence, times, memory.weights, strict=True):
        pool = keys.pool()
        pool.add(row)
        for thing in describer.things(pool.summary()):
            named.setdefault(thing.name, []).append((time_s, float(weight) / total, thing.probability))
    topics = [_topic(name, found) for name, found in named.items()]
    return tuple(sorted(topics, key=lambda one: (-one.share, one.first_s, one.name)))


def _topic(name: str, found: list[tuple[float, float, float]]) -> Topic:
    times = [time_s for time_s, _, _ in found]
    surest_s, _, _ = max(found, key=lambda one: one[2])
    return Topic(name, sum(share for _, share, _ in found), min(times), max(times), surest_s)
