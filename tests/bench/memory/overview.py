"""Lists what a whole video was about, from its global memory alone: names, their share of the video, and when.

`overview` names the tokens of a `GlobalMemory`. Its cost does not grow with the video: at most 64 tokens, whatever the
length. It says nothing about one moment, since a token is the mean of all it was merged from. It needs a backend that
makes evidence from tokens alone (pocket). A backend that looks at frames cannot name tokens, and the result is then
empty. No source; ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from encoders.base import Describer, FrameTokens, KeyEncoder
from memory.records import GlobalMemory


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that the video shows.

    Attributes:
        share: of the whole video, 0 to 1, by the weight of the tokens that name it.
        first_s, last_s: times of the first and last of those tokens, in seconds; means, so not exact borders.
        surest_s: time of the token with the highest probability, in seconds.
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
    topics = [_topic(name, readings) for name, readings in named.items()]
    return tuple(sorted(topics, key=lambda topic: (-topic.share, topic.first_s, topic.name)))


def _topic(name: str, readings: list[tuple[float, float, float]]) -> Topic:
    times = [time_s for time_s, _, _ in readings]
    surest_s, _, _ = max(readings, key=lambda reading: reading[2])
    return Topic(name, sum(share for _, share, _ in readings), min(times), max(times), surest_s)
