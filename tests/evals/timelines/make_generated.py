"""Made `generated.json`: timelines of things no training example names, asked in wordings no training example uses.

Run once, before any training; `frozen.sha256` holds what came out, `test_frozen.py` that it stays so. Words: every
seventh of the encoder's class names (index modulo 7 is 3). The wordings are `wordings.json`.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = HERE.parents[2] / "encoders" / "pocket" / "imagenet.json"
SEED = 20261122
A_KIND = 24
LINES = (
    "PLATFORM 9", "Closing soon", "GATE B 12", "Part two", "CAFE ROMA", "No entry", "5 km to go", "Thank you",
    "LEVEL 3", "Please wait", "SALE 30 %", "Chapter 6", "WARD 4", "Next stop: Mill Lane", "LIVE", "Score 2-1",
)  # fmt: skip

Item = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One stretch of a timeline: whole seconds, at most two things, at most one line of text."""

    start: int
    end: int
    things: tuple[str, ...]
    line: str | None

    def __str__(self) -> str:
        parts = [" and ".join(self.things)] if self.things else []
        parts += [f'the screen says "{self.line}"'] if self.line else []
        return f"[{clock(self.start)}-{clock(self.end)}] {'; '.join(parts) or 'nothing recognised, mostly grey'}"


def clock(seconds: int) -> str:
    """75 -> "1:15"; 3723 -> "1:02:03"."""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def spoken(rng: random.Random, seconds: int) -> str:
    """A moment as people type it: 2:10, 02:10, 130 s, 2 min 10 s, 1 h 3 min."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    forms = [
        clock(seconds),
        f"{seconds} s",
        f"{hours} h {minutes} min {left} s" if hours else f"{minutes} min {left} s",
    ]
    if not hours:
        forms.append(f"{minutes:02d}:{left:02d}")
    return rng.choice(forms)


def alike(a: str, b: str) -> bool:
    """Whether one name says the other: husky, Siberian husky."""
    one, two = set(a.casefold().split()), set(b.casefold().split())
    return one <= two or two <= one


def timeline(rng: random.Random, names: list[str]) -> list[Entry]:
    """5 to 9 stretches; things differ but for one, which comes back once or twice; one or two lines of text."""
    count = rng.randint(5, 9)
    scale = rng.choices((1, 8, 240), weights=(6, 3, 1))[0]
    picked = rng.sample(names, count + 2)
    while any(alike(a, b) for a, b in itertools.combinations(picked, 2)):
        picked = rng.sample(names, count + 2)
    things: list[tuple[str, ...]] = [(name,) for name in picked[:count]]
    again = sorted(rng.sample(range(count), rng.choice((2, 3)) if count > 6 else 2))
    if any(b - a == 1 for a, b in itertools.pairwise(again)):
        again = [0, count - 1]
    for place in again:
        things[place] = (picked[count],)
    if rng.random() < 0.4:
        place = rng.choice([i for i in range(count) if i not in again])
        things[place] = (*things[place], picked[count + 1])
    lines: list[str | None] = [None] * count
    for place, line in zip(rng.sample(range(count), rng.randint(1, 2)), rng.sample(LINES, 2), strict=False):
        lines[place] = line
    if rng.random() < 0.5:
        free = [i for i in range(count) if i not in again and lines[i] is None]
        if free:
            things[rng.choice(free)] = ()
    entries, now = [], 0
    for kinds, text_line in zip(things, lines, strict=True):
        end = now + rng.randint(4, 45) * scale
        entries.append(Entry(now, end, kinds, text_line))
        now = end
    return entries


def spans(entries: list[Entry], thing: str) -> list[str]:
    """Where the thing is, as "0:10-0:20"; no two stretches of one thing touch."""
    return [f"{clock(e.start)}-{clock(e.end)}" for e in entries if thing in e.things]


def said(entry: Entry) -> list[list[str]]:
    """What an answer about the stretch has to name."""
    return [[thing] for thing in entry.things] + ([[entry.line]] if entry.line else [])


def called(rng: random.Random, entries: list[Entry], thing: str, kinds: dict[str, list[str]]) -> str:
    """The thing by its name or, three times in ten, by the narrowest kind that nothing else in the timeline is of."""
    others = {kind for e in entries for t in e.things if t != thing for kind in (*kinds[t], t)}
    own = [kind for kind in kinds[thing] if kind not in others]
    return own[0] if own and rng.random() < 0.3 else thing


Maker = Callable[[random.Random, list[Entry], list[str]], tuple[dict[str, str], Item] | None]


def _once(rng: random.Random, entries: list[Entry]) -> tuple[int, str]:
    places = [i for i, e in enumerate(entries) if e.things and len(spans(entries, e.things[0])) == 1]
    place = rng.choice(places)
    return place, entries[place].things[0]


def _often(entries: list[Entry]) -> str:
    return next(t for e in entries for t in e.things if len(spans(entries, t)) > 1)


def when(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    thing = _often(entries) if rng.random() < 0.5 else _once(rng, entries)[1]
    return {"x": thing}, {"times": spans(entries, thing)}


def first(_: random.Random, entries: list[Entry], __: list[str]) -> tuple[dict[str, str], Item]:
    return {"x": _often(entries)}, {"times": spans(entries, _often(entries))[:1]}


def last(_: random.Random, entries: list[Entry], __: list[str]) -> tuple[dict[str, str], Item]:
    return {"x": _often(entries)}, {"times": spans(entries, _often(entries))[-1:]}


def count(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    thing = _often(entries) if rng.random() < 0.7 else _once(rng, entries)[1]
    return {"x": thing}, {"count": len(spans(entries, thing))}


def at(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    entry = rng.choice([e for e in entries if e.things or e.line])
    return {"t": spoken(rng, rng.randint(entry.start + 1, entry.end - 1))}, {"words": said(entry)}


def before(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item] | None:
    place, thing = _once(rng, entries)
    if place == 0 or not said(entries[place - 1]):
        return None
    return {"x": thing}, {"words": said(entries[place - 1])}


def after(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item] | None:
    place, thing = _once(rng, entries)
    if place + 1 == len(entries) or not said(entries[place + 1]):
        return None
    return {"x": thing}, {"words": said(entries[place + 1])}


def between(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item] | None:
    (a, x), (b, y) = sorted((_once(rng, entries), _once(rng, entries)))
    if b - a != 2 or not said(entries[a + 1]):
        return None
    return {"x": x, "y": y}, {"words": said(entries[a + 1])}


def yes(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    thing = _once(rng, entries)[1]
    return {"x": thing}, {"yes": True, "times": spans(entries, thing)}


def no(rng: random.Random, entries: list[Entry], names: list[str]) -> tuple[dict[str, str], Item]:
    return {"x": rng.choice([n for n in names if not any(alike(n, t) for e in entries for t in e.things)])}, {
        "yes": False
    }


def text(_: random.Random, entries: list[Entry], __: list[str]) -> tuple[dict[str, str], Item]:
    return {}, {"words": [[e.line] for e in entries if e.line]}


def which_first(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item] | None:
    (a, x), (b, y) = sorted((_once(rng, entries), _once(rng, entries)))
    if a == b:
        return None
    one, two = (x, y) if rng.random() < 0.5 else (y, x)
    return {"x": one, "y": two}, {"words": [[x]], "first": x, "other": y}


def how_long(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    place, thing = _once(rng, entries)
    return {"x": thing}, {"seconds": entries[place].end - entries[place].start}


def summary(_: random.Random, entries: list[Entry], __: list[str]) -> tuple[dict[str, str], Item]:
    return {}, {"words": [word for e in entries for word in said(e)]}


def stretch(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    begin = rng.randint(0, len(entries) - 2)
    asked = entries[begin : begin + 2]
    where = {"t": spoken(rng, asked[0].start + 1), "u": spoken(rng, asked[1].end - 1)}
    return where, {"words": [word for e in asked for word in said(e)]}


def now(_: random.Random, entries: list[Entry], __: list[str]) -> tuple[dict[str, str], Item] | None:
    return ({}, {"words": said(entries[-1])}) if said(entries[-1]) else None


def cannot(rng: random.Random, entries: list[Entry], _: list[str]) -> tuple[dict[str, str], Item]:
    return {"x": _once(rng, entries)[1]}, {"refuse": True}


MAKERS: dict[str, Maker] = {
    "when": when, "first": first, "last": last, "count": count, "at": at, "before": before, "after": after,
    "between": between, "exists": yes, "absent": no, "text": text, "which_first": which_first, "how_long": how_long,
    "summary": summary, "stretch": stretch, "now": now, "cannot": cannot,
}  # fmt: skip


BY_KIND = ("when", "first", "last", "count", "exists", "how_long")
"""Kinds whose question may name the thing by its kind: dog for golden retriever."""


def items() -> list[Item]:
    """`A_KIND` items of each kind, each with a timeline of its own."""
    rng = random.Random(SEED)
    known = [one for i, one in enumerate(json.loads(NAMES.read_text())) if i % 7 == 3 and len(one["name"]) > 3]
    names, kinds = [one["name"] for one in known], {one["name"]: one["kinds"] for one in known}
    wordings: dict[str, list[str]] = json.loads((HERE / "wordings.json").read_text())
    made: list[Item] = []
    for kind, maker in MAKERS.items():
        while sum(one["kind"] == kind for one in made) < A_KIND:
            entries = timeline(rng, names)
            if (asked := maker(rng, entries, names)) is None:
                continue
            words, wanted = asked
            if kind in BY_KIND:
                words["x"] = called(rng, entries, words["x"], kinds)
            question = re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", rng.choice(wordings[kind]).format(**words))
            made.append({"kind": kind, "timeline": [str(e) for e in entries], "question": question, **wanted})
    return made


if __name__ == "__main__":
    body = ",\n ".join(json.dumps(one) for one in items())
    (HERE / "generated.json").write_text(f"[\n {body}\n]\n")
