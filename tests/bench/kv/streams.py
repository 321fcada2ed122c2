"""Streams for the cache benchmark: token ids, where facts are planted in them, and what is asked when.

What it is: plain data and its way through a file, with nothing but the standard library, so that kvpress's environment
can read it too. What it is not: the making of streams (`kv_planting`) or their reading (`kv_reading`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

CHUNK = 128
"""Tokens that come in at once."""


@dataclass(frozen=True, slots=True)
class ClozeQuestion:
    """One question to every stream of a batch.

    Attributes:
        ids: tokens of the cloze, without its time.
        choices: eight tokens.
        answers: for each stream, which of the choices is right (of a fact left out: would have been).
        told_at: for each stream, tokens read when the fact was complete; None where it was left out.
    """

    ids: list[int]
    choices: list[int]
    answers: list[int]
    planted_at: list[int | None]


@dataclass(frozen=True, slots=True)
class Streams:
    """A batch of streams of one length, a multiple of `CHUNK`.

    Attributes:
        ids: [B][n].
        filler: [B][n], 1 where the token is the novel's.
        turns: tokens read, then which questions are asked there one after another.
        stamps: tokens read -> ids of the time then, for the places where something is asked.
        full_stop: the token that ends a sentence.
    """

    ids: list[list[int]]
    filler: list[list[int]]
    questions: list[ClozeQuestion]
    turns: list[tuple[int, list[int]]]
    stamps: dict[int, list[int]]
    full_stop: int

    @property
    def length(self) -> int:
        """Tokens in each stream."""
        return len(self.ids[0])

    def digest(self) -> str:
        """Of all that is in it."""
        return hashlib.sha256(self.json().encode()).hexdigest()[:12]

    def json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def of(line: str) -> Streams:
        """From `json`."""
        told: dict[str, Any] = json.loads(line)
        told["questions"] = [ClozeQuestion(**one) for one in told["questions"]]
        told["turns"] = [(at, asked) for at, asked in told["turns"]]
        told["stamps"] = {int(at): ids for at, ids in told["stamps"].items()}
        return Streams(**told)
