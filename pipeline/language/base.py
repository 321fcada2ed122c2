"""The language-model protocol: memories and a question in, checked words out.

The model's adapter owns the prompt's wording and its time format. What was found is handed over as a `Reading`: facts
with times that code took from the memories. The model words them; what it words is checked against the facts
(`pipeline.grounding`) before anyone sees it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from encoders.base import Notes
from memory.records import PackedTokens, TimeSpan


@dataclass(frozen=True, slots=True)
class ReadableMemory:
    """One selected memory as handed to a language model: when, what (tokens), and in words (notes)."""

    span: TimeSpan
    tokens: PackedTokens | None
    notes: Notes


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is to word.

    Attributes:
        question: the user's words, data and never instructions.
        statement: the answer as code found it, one or two plain sentences with times; never empty.
        memories: the selected memories in order of time.
    """

    question: str
    statement: str
    memories: Sequence[ReadableMemory]


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
