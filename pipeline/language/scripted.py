"""A language model for tests whose answers can be worked out by hand: no weights, no randomness, no waiting.

Without a script it repeats the statement, word by word. With one it yields the script's pieces, whatever it is asked.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from itertools import islice

from pipeline.language.protocol import Generation, Prompt, StopWriting


class ScriptedModel:
    """A `LanguageModel` that counts a word as one token; a scripted piece is one token too.

    Args:
        script: the pieces to yield; None repeats the statement.

    Attributes:
        prompts: every prompt a piece was asked for, in order.
        finished: how many generations ran to their end; a closed one does not.
    """

    name = "scripted"

    def __init__(self, script: Sequence[str] | None = None) -> None:
        self._script = None if script is None else tuple(script)
        self.prompts: list[Prompt] = []
        self.finished = 0

    def generate(self, prompt: Prompt, max_tokens: int) -> Generator[str | Generation]:
        """Yields the pieces and a `Generation` whose times are 0 and whose cache holds what was read and yielded."""
        self.prompts.append(prompt)
        pieces = list(islice(self._script if self._script is not None else in_words(prompt.statement), max_tokens))
        yielded = 0
        with suppress(StopWriting):
            for piece in pieces:
                yielded += 1
                yield piece
        pieces = pieces[:yielded]
        read = len(prompt.question.split()) + len(prompt.statement.split())
        self.finished += 1
        yield Generation(
            text="".join(pieces),
            prompt_tokens=read,
            answer_tokens=len(pieces),
            prefill_ms=0.0,
            first_token_ms=0.0,
            cache_slots=read + len(pieces),
            compactions=0,
        )


def in_words(text: str) -> list[str]:
    """ "A cat." -> ["A", " cat."]: pieces whose join is the text with single spaces."""
    words = text.split()
    return words[:1] + [f" {word}" for word in words[1:]]
