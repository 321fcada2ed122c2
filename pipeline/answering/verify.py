"""Checks a language model's words sentence by sentence before anyone reads them: `Verifier("strict").check(draft, …)`.

A sentence goes out when all the text so far agrees with the claims (`pipeline.answering.agreement`). Where the first
does not, the draft's own sentences are given instead; where a later one does not, the text ends before it.

    strict   times, spans, counts, quotations, negation and words are those of the claims
    cited    every time is one of the claims'; nothing else is checked
    off      nothing is checked
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from pipeline.answering.agreement import Stated, disagreement, uncited_time
from pipeline.answering.claims import Findings
from pipeline.answering.compose import Draft
from pipeline.config import VerifyMode
from pipeline.language.protocol import Generation, StopWriting

_SENTENCE_END = re.compile(r"[.!?…][\"”»']?(?=\s)|\n")


@dataclass(frozen=True, slots=True)
class VerifiedText:
    """What the reader got.

    Attributes:
        text: everything that was shown.
        phrased_by: ``model``, or ``memory`` where the draft's own sentences were shown.
        reason: why the model was stopped or not used; empty where all its words were shown.
        generation: the model's own account; None where it gave none.
    """

    text: str
    phrased_by: Literal["model", "memory"]
    reason: str
    generation: Generation | None


class Verifier:
    """Checks drafts against findings.

    Args:
        tolerance_s: how far a time may be off, in seconds.
    """

    def __init__(self, mode: VerifyMode = "strict", tolerance_s: float = 0.0) -> None:
        self._mode: VerifyMode = mode
        self._tolerance_s = tolerance_s

    def check(self, draft: Draft, findings: Findings) -> Iterator[str | VerifiedText]:
        """Yields the text sentence by sentence, each once all text so far is verified; last, one `VerifiedText`.

        The model is stopped by `StopWriting` where it goes wrong, and the draft's pieces are closed, which also happens
        when the caller closes this iterator. If the draft is a single sentence, the model must keep all of it.
        """
        if draft.pieces is None:
            statement = draft.statement
            yield statement
            yield VerifiedText(statement, "memory", "a list", Generation(statement, 0, 0, 0.0, 0.0, 0, 0))
            return
        query = findings.query
        stated = Stated.of(
            draft.sentences,
            findings.claims,
            query.text if query is not None else "",
            query.unused if query is not None else (),
        )
        yield from self._stream(draft.pieces, draft, stated)

    def refusal(self, text: str, stated: Stated, *, whole: bool = False) -> str:
        """Why a text may not be shown; empty where it may. `whole`: see `agreement.disagreement`."""
        match self._mode:
            case "strict":
                return disagreement(text, stated, self._tolerance_s, whole=whole)
            case "cited":
                return uncited_time(text, stated, self._tolerance_s)
            case "off":
                return ""
            case _:
                assert_never(self._mode)

    def _stream(self, pieces: Iterator[str | Generation], draft: Draft, stated: Stated) -> Iterator[str | VerifiedText]:
        text, reason, generation = "", "", None
        accounts: list[Generation] = []
        whole = len(draft.sentences) == 1
        try:
            for sentence in _sentences(_with_accounts(pieces, accounts)):
                if isinstance(sentence, Generation):
                    generation = sentence
                    break
                if reason := self.refusal(text + sentence, stated, whole=whole):
                    generation = accounts[0] if accounts else _stopped(pieces)
                    break
                yield sentence
                text += sentence
        finally:
            if isinstance(pieces, Generator):
                pieces.close()
        if not text:
            yield draft.statement
        shown = text or draft.statement
        yield VerifiedText(shown, "model" if text else "memory", reason or ("" if text else "no words"), generation)


def _with_accounts(pieces: Iterator[str | Generation], accounts: list[Generation]) -> Iterator[str | Generation]:
    """The pieces as they are; a `Generation` among them is also put into `accounts`."""
    for piece in pieces:
        if isinstance(piece, Generation):
            accounts.append(piece)
        yield piece


def _stopped(pieces: Iterator[str | Generation]) -> Generation | None:
    """Ends a model's generation; its account, where it gives one."""
    if not isinstance(pieces, Generator):
        return None
    try:
        last = pieces.throw(StopWriting())
    except (StopWriting, StopIteration):
        return None
    return last if isinstance(last, Generation) else None


def _sentences(pieces: Iterator[str | Generation]) -> Iterator[str | Generation]:
    """Whole sentences without surrounding white space (later ones begin with a space), then the `Generation`."""
    rest, lead = "", ""
    for piece in pieces:
        if isinstance(piece, Generation):
            if rest.strip():
                yield lead + rest.strip()
            yield piece
            return
        rest += piece
        while (end := _sentence_end(rest)) is not None:
            if sentence := rest[:end].strip():
                yield lead + sentence
                lead = " "
            rest = rest[end:]


def _sentence_end(text: str) -> int | None:
    for match in _SENTENCE_END.finditer(text):
        if text.count('"', 0, match.end()) % 2 == 0 or match[0] == "\n":
            return match.end()
    return None
