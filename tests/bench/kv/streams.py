"""Streams for the cache benchmark as plain data: token ids, where facts are planted, and what is asked when.

They are written to a file and read back with nothing but the standard library, so that kvpress's environment can read
them too. Streams are made in `planting` and read through a cache in `reading`.
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
        planted_at: for each stream, tokens read when the fact was complete; None where it was left out.
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
        fields: dict[str, Any] = json.loads(line)
        fields["questions"] = [ClozeQuestion(**question) for question in fields["questions"]]
        fields["turns"] = [(at, asked) for at, asked in fields["turns"]]
        fields["stamps"] = {int(at): ids for at, ids in fields["stamps"].items()}
        return Streams(**fields)
