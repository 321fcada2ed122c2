"""Makes random timelines to learn reading on: what a memory's notes look like, without a video.

A timeline is random stretches of time with names of things from the encoder's vocabulary and lines of text, written as
the language model will read them. The frozen tests' words (index modulo 7 is 3 among the encoder's classes) never come
up here.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass, field
from pathlib import Path

from encoders.pocket.vocabulary import NAMES_FILE
from memory.records import TimeSpan
from pipeline.times import format_list, format_time

HELD_OUT = (7, 3)
"""Classes whose index leaves 3 when divided by 7 are for the tests."""

_COLOURS = ("grey", "black", "white", "brown", "green", "blue", "red", "orange")
_TEXTS = """
EXIT|Welcome|Chapter 2|The end|BREAKING NEWS|Tickets|OPEN 24 HOURS|Platform 3|Session one|Lunch break|Gate A 7|Room 214|
STOP|Danger|Keep left|Main Street|Bus 42|Figure 3|Table 1|Introduction|Method|Results|Thank you for watching|Part one|
Loading|Press start|Level 8|Game over|Score 3-0|Half time|No parking|For sale|Hotel Astoria|Pharmacy|Police|Taxi|Lap 12|
10 km|Speed limit 50|Do not touch|Fire exit|Caution|Wet floor|Camera 4|REC|Paused|Take two|Scene nine|To be continued
""".replace("\n", "").split("|")


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A stretch of time, whole seconds, and what its notes say."""

    start: int
    end: int
    things: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    colour: str = "grey"

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(float(self.start), float(self.end))

    @property
    def phrase(self) -> str:
        """The notes as a phrase, in the form of `pipeline.answering.phrases.notes_phrase`."""
        parts = [format_list(self.things)] if self.things else []
        if self.texts:
            parts.append("the screen says " + format_list(f'"{text}"' for text in self.texts))
        return "; ".join(parts) or f"nothing recognised, mostly {self.colour}"

    def __str__(self) -> str:
        return f"[{format_time(self.start)}-{format_time(self.end)}] {self.phrase}"


@dataclass(frozen=True, slots=True)
class Names:
    """Class names to learn with, and the kinds each is of, narrow to broad."""

    kinds: dict[str, tuple[str, ...]]
    all: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "all", tuple(self.kinds))

    @classmethod
    def for_training(cls, path: Path = NAMES_FILE) -> Names:
        """All of the vocabulary but what is held out."""
        listed_names = json.loads(path.read_text(encoding="utf-8"))
        every, held = HELD_OUT
        return cls({word["name"]: tuple(word["kinds"]) for i, word in enumerate(listed_names) if i % every != held})


def is_called(names: Names, thing: str, asked: str) -> bool:
    """Whether a thing answers to a word: its name, or a kind it is of."""
    return asked == thing or asked in names.kinds[thing]


def timeline(rng: random.Random, names: Names) -> list[TimelineEntry]:
    """2 to 12 stretches without pauses, from seconds to hours long; some things come back, some stretches show nothing,
    some text is misread."""
    count = rng.randint(2, 12)
    scale = rng.choices((1, 10, 300), weights=(6, 3, 1))[0]
    pool = rng.sample(names.all, min(count + 2, len(names.all)))
    returning = rng.sample(pool, rng.randint(0, 2))
    entries: list[TimelineEntry] = []
    now = 0 if rng.random() < 0.7 else rng.randint(0, 40) * scale
    for i in range(count):
        end = now + rng.randint(3, 50) * scale + (rng.randint(0, 9) if scale > 1 else 0)
        entries.append(TimelineEntry(now, end, _things(rng, pool[i], returning), _texts(rng), rng.choice(_COLOURS)))
        now = end
    return entries


def _things(rng: random.Random, own: str, returning: list[str]) -> tuple[str, ...]:
    things = [own] if rng.random() < 0.8 else []
    if returning and rng.random() < 0.35:
        things.insert(rng.randint(0, len(things)), rng.choice(returning))
    return tuple(dict.fromkeys(things))


def _texts(rng: random.Random) -> tuple[str, ...]:
    if rng.random() < 0.7:
        return ()
    return tuple(_misread(rng, text) for text in rng.sample(_TEXTS, rng.choice((1, 1, 2))))


def _misread(rng: random.Random, text: str) -> str:
    """Now and then a letter read wrongly, as screen text is."""
    if rng.random() < 0.85 or len(text) < 5:
        return text
    place = rng.randrange(len(text))
    return text[:place] + rng.choice(string.ascii_letters + string.digits) + text[place + 1 :]
