"""Builds films with needles in them: which shot comes when, and a source of frames that shows them.

Needles are planted at 11 depths, evenly from the beginning to the end of a film. Between them runs filler, every shot
of it once in a seeded order, then all again in another order. The pictures are made in
`tests.bench.memory.needle.shots`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.base import Frame
from memory.records import TimeSpan
from pipeline.video.source import DecodeMode, MediaInfo
from tests.bench.memory.needle.shots import HEIGHT_PX, WIDTH_PX, Shot
from tests.bench.memory.needle.sources import Source

DEPTHS = 11
NEEDLE_STEPS = 5
_FILLER_STEPS = (3, 4)
_FILLER_SEEDS, _CLIP_SEEDS = 1, 20


@dataclass(frozen=True, slots=True)
class Planted:
    """A needle in a film: the shot, how deep it lies (0 to 10), and when it is shown."""

    shot: Shot
    depth: int
    span: TimeSpan

    @property
    def topic(self) -> str:
        """What a question calls it."""
        return self.shot.source.topic or ""


@dataclass(frozen=True, slots=True)
class Film:
    """Shots back to back, one step a second, from 0 s on."""

    shots: tuple[Shot, ...]
    planted: tuple[Planted, ...]

    @property
    def seconds(self) -> int:
        return sum(shot.steps for shot in self.shots)


def film(seconds: int, each_depth: int, number: int, filler: Sequence[Source], needles: Sequence[Source]) -> Film:
    """The film `number` of a length, with `each_depth` needles at each depth, all of different topics.

    Films take needles in turn, so that as many places ask for the same needles whatever the length, in the same
    pictures; which depth a needle comes to is drawn anew for each film. A needle stands between two shots of filler.

    Raises:
        ValueError: fewer needles than places, or more than fit.
    """
    places = DEPTHS * each_depth
    if places > len(needles) or places * (NEEDLE_STEPS + _FILLER_STEPS[1]) > seconds:
        raise ValueError(f"{places} needles do not fit into {seconds} s, or there are fewer ({len(needles)})")
    order = np.random.default_rng(7).permutation(len(needles))
    turns = [divmod(number * places + place, len(needles)) for place in range(places)]
    drawn = np.random.default_rng([number, places]).permutation(places)
    chosen = [(needles[order[turns[i][1]]], turns[i][0]) for i in drawn]
    block_s = each_depth * (NEEDLE_STEPS + _FILLER_STEPS[1])
    shots: list[Shot] = []
    planted: list[Planted] = []
    stock, now = _stock(filler, number), 0
    for place, (needle, seed) in enumerate(chosen):
        depth, nth = divmod(place, each_depth)
        begins = round(depth / (DEPTHS - 1) * (seconds - block_s)) + nth * (NEEDLE_STEPS + _FILLER_STEPS[1])
        now = _fill(shots, stock, now, begins)
        shots.append(Shot(needle, seed, NEEDLE_STEPS))
        planted.append(Planted(shots[-1], depth, TimeSpan(now, now + NEEDLE_STEPS)))
        now += NEEDLE_STEPS
    _fill(shots, stock, now, seconds)
    return Film(tuple(shots), tuple(planted))


def _stock(filler: Sequence[Source], number: int) -> Iterator[Shot]:
    """Filler without end: every shot once, then all again in another order; a clip has more shots than a picture."""
    chance = np.random.default_rng([number, 1])
    kinds = [
        (piece, seed) for piece in filler for seed in range(_CLIP_SEEDS if piece.kind == "clip" else _FILLER_SEEDS)
    ]
    while True:
        for i in chance.permutation(len(kinds)):
            source, seed = kinds[i]
            yield Shot(source, seed, int(chance.integers(_FILLER_STEPS[0], _FILLER_STEPS[1] + 1)))


def _fill(shots: list[Shot], stock: Iterator[Shot], now: int, until: int) -> int:
    """Adds filler up to exactly `until`; the last shot is cut short, or the one before it lengthened by a step."""
    while now < until:
        shot = next(stock)
        steps = min(shot.steps, until - now)
        if until - now - steps == 1:
            steps += 1
        shots.append(Shot(shot.source, shot.seed, steps))
        now += steps
    return now


class FilmSource:
    """A film as a source of frames."""

    def __init__(self, shown: Film, cache: Path) -> None:
        self._film = shown
        self._cache = cache

    @property
    def damage(self) -> str | None:
        return None

    def probe(self) -> MediaInfo:
        return MediaInfo(WIDTH_PX, HEIGHT_PX, float(self._film.seconds), "none", "none", 1.0, 0.0, None, False)

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        """One frame a second."""
        begins = 0
        for shot in self._film.shots:
            for step in range(shot.steps):
                time_s = float(begins + step)
                if resume_after_s is None or time_s > resume_after_s:
                    yield Frame(shot.frame(step, self._cache), time_s)
            begins += shot.steps
