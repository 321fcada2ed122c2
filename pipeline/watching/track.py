"""Tracks detections through an open cube, step by step in bounded space (`encoders.base.Detector`).

A word that stands out begins a detection, which goes on while the detector gives the word at all and survives one step
without it. It counts where the word stood out on two steps, or very clearly on one: what chance does on a single
picture it seldom does twice. The words come from the backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

from encoders.notes import Detection, Thing

OUT, ALONE = 0.5, 0.6
"""How clearly a word has to stand out to begin a detection, and to count on a single step."""
MOST_KEPT, MOST_REPORTED = 128, 40


@dataclass(slots=True)
class _Track:
    """One word's steps. `clear`: how many of them it stood out on; `gone_s`: the first step without it, if any."""

    name: str
    best: float
    clear: int
    start_s: float
    gone_s: float | None = None

    @property
    def counts(self) -> bool:
        return self.clear >= 2 or self.best >= ALONE


@dataclass(slots=True)
class Tracker:
    """Detections of one open cube: those going on, and at most `MOST_KEPT` that are over, the clearest."""

    going: dict[str, _Track] = field(default_factory=dict)
    over: list[_Track] = field(default_factory=list)

    def add(self, detections: Sequence[Thing], time_s: float) -> None:
        """Takes one step."""
        names = {thing.name for thing in detections}
        for thing in detections:
            self._enter(thing, time_s)
        for run in [run for name, run in self.going.items() if name not in names]:
            if run.gone_s is None:
                run.gone_s = time_s
            else:
                del self.going[run.name]
                self.over += [run] * run.counts
        if len(self.over) > MOST_KEPT:
            self.over = sorted(self.over, key=_clearest)[:MOST_KEPT]

    def _enter(self, thing: Thing, time_s: float) -> None:
        clear = int(thing.probability >= OUT)
        run = self.going.get(thing.name)
        if run is None:
            if clear:
                self.going[thing.name] = _Track(thing.name, thing.probability, 1, time_s)
            return
        run.best, run.clear, run.gone_s = max(run.best, thing.probability), run.clear + clear, None

    def clearest(self) -> tuple[Detection, ...]:
        """Those that count so far, at most `MOST_REPORTED`, most clearly seen first."""
        runs = sorted((run for run in (*self.over, *self.going.values()) if run.counts), key=_clearest)
        return tuple(Detection(run.name, run.best, run.start_s, run.gone_s) for run in runs[:MOST_REPORTED])

    def plain(self) -> list[list[list[object]]]:
        """JSON-ready and exact."""
        return [[list(astuple(run)) for run in runs] for runs in (self.going.values(), self.over)]

    @classmethod
    def restored(cls, plain: Sequence[Sequence[Sequence[object]]]) -> Tracker:
        """What `plain` was made of."""
        going, over = ([_Track(*run) for run in runs] for runs in plain)  # type: ignore[arg-type]
        return cls({run.name: run for run in going}, over)


def _clearest(run: _Track) -> tuple[float, float, str]:
    return -run.best, run.start_s, run.name
