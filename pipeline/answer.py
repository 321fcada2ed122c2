"""READ SECOND: how a question becomes an answer. Question -> query -> findings -> draft -> verified words.

    QueryPlanner.plan()   the question as data                  pipeline/queries/planner.py, rules/, model.py
    Executor.run()        typed findings from the memory        pipeline/answering/execute.py, kinds/
    Composer.compose()    plain sentences, worded by a model    pipeline/answering/compose.py, context.py
    Verifier.check()      the words against the claims          pipeline/answering/verify.py

Frames are never read: an answer rests on what was remembered while watching.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from encoders.base import KeyEncoder
from memory.records import Appearances, TimeSpan, VideoRecord, VideoStatus
from memory.retrieval.retriever import Retriever
from memory.store.base import MemoryStore
from pipeline.answering.claims import Claim, Findings
from pipeline.answering.compose import Draft, ModelComposer, Selected
from pipeline.answering.context import ContextSelector
from pipeline.answering.execute import Executor
from pipeline.answering.match import Match
from pipeline.answering.phrases import notes_phrase
from pipeline.answering.retrieve import GROWING
from pipeline.answering.verify import VerifiedText, Verifier
from pipeline.config import AnswerConfig
from pipeline.errors import BackendMismatch, NotWatchedYet
from pipeline.language.protocol import Generation, LanguageModel
from pipeline.queries.planner import PlanContext, QueryPlanner
from pipeline.queries.planners import planner_of
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
    """The whole answer. `phrased_by`: ``model``, or ``memory`` where the model's words did not agree with it.
    `claims`: what it states, and what the memory says beside it; `supported` where the memory holds an answer."""

    text: str
    supported: bool
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    evidence: Appearances | None
    as_of_s: float
    video_status: VideoStatus
    phrased_by: str
    usage: Usage


AnswerEvent = tuple[Citation, ...] | str | Answer


class Answerer:
    """Answers questions about one video from its memory.

    Args:
        planner: takes questions apart; the one that the config names where None.

    Raises:
        BackendUnavailable: the language model cannot plan, and the config wants it to.
    """

    def __init__(
        self,
        store: MemoryStore,
        retriever: Retriever,
        keys: KeyEncoder,
        model: LanguageModel,
        config: AnswerConfig,
        planner: QueryPlanner | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._model = model
        self._config = config
        self._planner = planner or planner_of(config.planner, model)
        self._executor = Executor(store, retriever, keys, config)
        self._context = ContextSelector(store, retriever, model)

    def ask(self, video_id: str, text: str, config: AnswerConfig | None = None) -> Iterator[AnswerEvent]:
        """Yields the citations, then the answer's words as they come, then the whole `Answer`.

        Raises `UnknownVideo`, `BackendMismatch`, and `NotWatchedYet` before anything was watched.
        """
        began = time.perf_counter()
        config = config or self._config
        video = self._watched(video_id)
        query = self._planner.plan(text, PlanContext(video.ingested_s, video.status in GROWING))
        findings = self._executor.run(video, query, config)
        citations = tuple(_citation(match, video.start_utc_s) for match in findings.cited)
        select_ms = ms_since(began)
        yield citations

        def select(worded: bool) -> Selected:
            return self._context.select(video, findings.read, config, worded=worded)

        draft = ModelComposer(self._model, config.answer_tokens).compose(query, findings, select)
        final: VerifiedText | None = None
        first_ms = 0.0
        for piece in Verifier(config.verify).check(draft, findings):
            if isinstance(piece, VerifiedText):
                final = piece
            else:
                first_ms = first_ms or ms_since(began)
                yield piece
        if final is None or final.generation is None:
            raise RuntimeError("the language model ended without an account of itself")
        usage = _usage(draft, final.generation, select_ms, first_ms, ms_since(began))
        yield _answer(video, findings, citations, final, usage)

    def _watched(self, video_id: str) -> VideoRecord:
        video = self._store.video(video_id)
        if video.key_space != str(self._keys.space):
            raise BackendMismatch(f"this video's memory is in key space {video.key_space}, not {self._keys.space}")
        if video.ingested_s <= 0:
            raise NotWatchedYet("nothing of this video was watched yet")
        return video


def _answer(
    video: VideoRecord, findings: Findings, citations: tuple[Citation, ...], final: VerifiedText, usage: Usage
) -> Answer:
    return Answer(
        text=final.text,
        supported=findings.supported,
        claims=findings.claims,
        citations=citations,
        evidence=findings.evidence,
        as_of_s=video.ingested_s,
        video_status=video.status,
        phrased_by=final.phrased_by,
        usage=usage,
    )


def _usage(draft: Draft, made: Generation, select_ms: float, first_ms: float, total_ms: float) -> Usage:
    read, tokens = draft.reading, [memory.tokens for memory in draft.memories if memory.tokens is not None]
    return Usage(
        memory_cubes=len(draft.memories) + len(read.held if read else ()),
        memory_tokens=sum(packed.values.shape[1] for packed in tokens),
        prompt_tokens=made.prompt_tokens,
        answer_tokens=made.answer_tokens,
        cache_slots=made.cache_slots,
        compactions=made.compactions,
        select_ms=select_ms,
        prefill_ms=made.prefill_ms,
        first_token_ms=first_ms,
        total_ms=total_ms,
    )


def _citation(match: Match, start_utc_s: float | None) -> Citation:
    hit = match.hit
    start_utc = None if start_utc_s is None else start_utc_s + match.span.start_s
    return Citation(hit.video_id, hit.ordinal, match.span, start_utc, round(match.score, 4), notes_phrase(match.notes))
