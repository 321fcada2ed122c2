"""Composes the answer's words from the findings: templates write plain sentences, a language model words them anew.

`TemplateComposer` is the extractive answer under every worded one. `ModelComposer` gives a language model that draft
and the memories; what it writes is still to be checked (`pipeline.answering.verify`). A draft that is a list goes out
as it is, since small models drop parts of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.answering.claims import Findings, Sentence
from pipeline.language.protocol import Generation, LanguageModel, Prompt, ReadableMemory, Reading
from pipeline.queries.query import Query

Selected = tuple[Sequence[ReadableMemory], Reading | None]
SelectMemories = Callable[[bool], Selected]
"""Whether a model will word the answer -> the memories for it, and what it read of a live stream before."""
_BREAK = re.compile(r"[.;] \S|\d: (?!\d)")


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer in words that are not checked yet.

    Attributes:
        sentences: what templates say, with the claims that each states; never empty.
        memories, reading: what was read for it.
        pieces: a language model's words as they come, and last its account; None where the sentences are the answer.
    """

    sentences: tuple[Sentence, ...]
    memories: Sequence[ReadableMemory] = ()
    reading: Reading | None = None
    pieces: Iterator[str | Generation] | None = None

    @property
    def statement(self) -> str:
        """The sentences as a text."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def listed(self) -> bool:
        """Whether it is a list: several sentences, or one with several parts."""
        return len(self.sentences) > 1 or any(_parts(sentence) for sentence in self.sentences)


def _parts(sentence: Sentence) -> bool:
    """Whether a sentence has several parts; names and words on the screen may look like several themselves."""
    words = (word for claim in sentence.claims for word in (claim.subject, claim.quote or "", *claim.names))
    return sentence.listed or any(_BREAK.search(word) for word in words)


class Composer(Protocol):
    """Words findings."""

    def compose(self, query: Query, findings: Findings, select: SelectMemories) -> Draft:
        """A draft; `select` is called once for the memories that are read for it."""
        ...


class TemplateComposer:
    """Plain sentences with times, without a model."""

    def compose(self, query: Query, findings: Findings, select: SelectMemories) -> Draft:
        """See `Composer.compose`."""
        memories, reading = select(False)
        return Draft(findings.facts.sentences(), memories, reading)


class ModelComposer:
    """A language model words what the templates say, unless that is a list.

    Args:
        tokens: longest answer of the model.
    """

    def __init__(self, model: LanguageModel, tokens: int) -> None:
        self._model = model
        self._tokens = tokens

    def compose(self, query: Query, findings: Findings, select: SelectMemories) -> Draft:
        """See `Composer.compose`."""
        draft = Draft(findings.facts.sentences())
        memories, reading = select(not draft.listed)
        draft = replace(draft, memories=memories, reading=reading)
        if draft.listed:
            return draft
        prompt = Prompt(query.text, draft.statement, memories, reading)
        return replace(draft, pieces=self._model.generate(prompt, self._tokens))
