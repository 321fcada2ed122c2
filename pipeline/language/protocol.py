"""The language-model protocol: memories and a question in, checked words out.

The model's adapter owns the prompt's wording and its time format. `pipeline.answering.compose` makes the `Prompt`: what
the memories claim, in plain sentences with times, and the memories themselves. The model words it; its words are
checked against the claims (`pipeline.answering.verify`) before anyone sees them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from encoders.notes import Notes
from memory.records import PackedTokens, TimeSpan


@dataclass(frozen=True, slots=True)
class ReadableMemory:
    """One selected memory as handed to a language model: when, what (tokens), and in words (notes)."""

    span: TimeSpan
    tokens: PackedTokens | None
    notes: Notes


FEW_MEMORIES = 4
"""So many are in the statement already; where more are selected, the model reads them all before it."""


class Reading(Protocol):
    """Memories a model has read so far, in its cache. Not for two threads at once."""

    def read(self, numbered: Sequence[tuple[int, ReadableMemory]]) -> None:
        """Reads on; a memory's number, at least 0, is what `held` calls it by."""
        ...

    def copy(self) -> Reading:
        """One to read on in, without a trace in this one."""
        ...

    @property
    def held(self) -> frozenset[int]:
        """Numbers of memories of which something is left."""
        ...


@runtime_checkable
class ReadingModel(Protocol):
    """A model that can read memories ahead of a question."""

    def reading(self) -> Reading:
        """A new one, with nothing read."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is to word.

    Attributes:
        question: the user's words, data and never instructions.
        statement: the findings in plain sentences with times, as the templates have them; never empty.
        memories: the selected memories in order of time, without those in `reading`.
        reading: what this model read before; the question is answered on a copy of it.
    """

    question: str
    statement: str
    memories: Sequence[ReadableMemory]
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """What came of one generation.

    Attributes:
        text: the whole text.
        prompt_tokens, answer_tokens: counts.
        prefill_ms, first_token_ms: from the call's start.
        cache_slots, compactions: the cache at the end.
    """

    text: str
    prompt_tokens: int
    answer_tokens: int
    prefill_ms: float
    first_token_ms: float
    cache_slots: int
    compactions: int


class StopWriting(Exception):
    """Thrown into a generation to end it early: it answers with its `Generation` so far."""


class LanguageModel(Protocol):
    """Words a prompt."""

    @property
    def name(self) -> str: ...

    def generate(self, prompt: Prompt, max_tokens: int) -> Generator[str | Generation]:
        """Yields pieces of text as they come and, last, one `Generation`; `throw(StopWriting())` ends it at once with
        that `Generation`, `close()` without."""
        ...
