"""READ SECOND: how a question becomes an answer. Question -> select -> prompt -> generate -> cite.

    parse()          the question's own time, kind and topic    pipeline/queries/question.py
    Executor.run()   candidates from memory, their notes read   pipeline/answering/execute.py
    findings         the facts as a statement with times        pipeline/answering/findings.py
    ContextSelector  other memories for the model to read       pipeline/answering/context.py
    generate()       the model words the statement              pipeline/language/
    verify_stream()  checks the words against the statement     pipeline/answering/verify.py

Frames are never read: an answer rests on what was remembered while watching.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from encoders.base import KeyEncoder
from memory.records import Appearances, TimeSpan, VideoStatus
from memory.retrieval.retriever import Retriever
from memory.store.base import MemoryStore
from pipeline.answering.context import ContextSelector
from pipeline.answering.execute import Executor, Rerank
from pipeline.answering.findings import notes_phrase
from pipeline.answering.match import Match
from pipeline.answering.verify import VerifiedText, verify_stream
from pipeline.config import AnswerConfig
from pipeline.errors import BackendMismatch, NotWatchedYet
from pipeline.language.protocol import Generation, LanguageModel, Prompt
from pipeline.queries.question import parse
from pipeline.times import ms_since


@dataclass(frozen=True, slots=True)
class Citation:
    """A span the answer rests on; copied, so it stays true whatever happens later. Times in seconds."""

    video_id: str
    ordinal: int | None
    span: TimeSpan
    start_utc_s: float | None
    score: float
    notes: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost."""

    memory_cubes: int
    memory_tokens: int
    prompt_tokens: int
    answer_tokens: int
    cache_slots: int
    compactions: int
    select_ms: float
    prefill_ms: float
    first_token_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. `phrased_by`: ``model``, or ``memory`` where the model's words did not agree with it."""

    text: str
    supported: bool
    citations: tuple[Citation, ...]
    evidence: Appearances | None
    as_of_s: float
    video_status: VideoStatus
    phrased_by: str
    usage: Usage


AnswerEvent = tuple[Citation, ...] | str | Answer


class Answerer:
    """Answers questions about one video from its memory."""

    def __init__(
        self,
        store: MemoryStore,
        retriever: Retriever,
        keys: KeyEncoder,
        model: LanguageModel,
        config: AnswerConfig,
        rerank: Rerank | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._model = model
        self._config = config
        self._executor = Executor(store, retriever, keys, config, rerank)
        self._context = ContextSelector(store, retriever, model)

    def ask(self, video_id: str, text: str, config: AnswerConfig | None = None) -> Iterator[AnswerEvent]:
        """Yields the citations, then the answer's words as they come, then the whole `Answer`.

        Raises `UnknownVideo`, `BackendMismatch`, and `NotWatchedYet` before anything was watched.
        """
        began = time.perf_counter()
        config = config or self._config
        video = self._store.video(video_id)
        if video.key_space != str(self._keys.space):
            raise BackendMismatch(f"this video's memory is in key space {video.key_space}, not {self._keys.space}")
        if video.ingested_s <= 0:
            raise NotWatchedYet("nothing of this video was watched yet")
        gathered = self._executor.run(video, parse(text), config)
        citations = tuple(_citation(match, video.start_utc_s) for match in gathered.cited)
        select_ms = ms_since(began)
        yield citations
        statement = gathered.finding.statement
        memories, reading = self._context.select(video, gathered.read, config, spoken=not _LIST.search(statement))
        prompt = Prompt(text, statement, memories, reading)
        final: VerifiedText | None = None
        first_ms = 0.0
        for piece in self._words(prompt, config.answer_tokens):
            if isinstance(piece, VerifiedText):
                final = piece
            else:
                first_ms = first_ms or ms_since(began)
                yield piece
        if final is None or final.generation is None:
            raise RuntimeError("the language model ended without an account of itself")
        made = final.generation
        usage = Usage(
            memory_cubes=len(memories) + len(reading.held if reading else ()),
            memory_tokens=sum(memory.tokens.values.shape[1] for memory in memories if memory.tokens is not None),
            prompt_tokens=made.prompt_tokens,
            answer_tokens=made.answer_tokens,
            cache_slots=made.cache_slots,
            compactions=made.compactions,
            select_ms=select_ms,
            prefill_ms=made.prefill_ms,
            first_token_ms=first_ms,
            total_ms=ms_since(began),
        )
        yield Answer(
            text=final.text,
            supported=gathered.finding.supported,
            citations=citations,
            evidence=gathered.finding.evidence,
            as_of_s=video.ingested_s,
            video_status=video.status,
            phrased_by=final.phrased_by,
            usage=usage,
        )

    def _words(self, prompt: Prompt, most_tokens: int) -> Iterator[str | VerifiedText]:
        """The model's words where they agree with the statement. A statement that lists several things is given as it
        is: small models drop its parts."""
        if _LIST.search(prompt.statement):
            generation = Generation(prompt.statement, 0, 0, 0.0, 0.0, 0, 0)
            return iter([prompt.statement, VerifiedText(prompt.statement, "memory", "a list", generation)])
        written = self._model.generate(prompt, most_tokens)
        return verify_stream(written, prompt.statement, question=prompt.question)


_LIST = re.compile(r'[.;] \S|\d\)?: (?!\d)|"[^"]*"[^"]*"')
"""Several sentences, a heading of times, or several quotations."""


def _citation(match: Match, start_utc_s: float | None) -> Citation:
    hit = match.hit
    start_utc = None if start_utc_s is None else start_utc_s + match.span.start_s
    return Citation(hit.video_id, hit.ordinal, match.span, start_utc, round(match.score, 4), notes_phrase(match.notes))
