"""Asks one film for its needles with the real retriever and selection, runs the controls, and times both.

Films are made in `film`, scores are in `score`, and `benchmark` adds them up.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np

from encoders.base import KeyEncoder
from memory.index.faiss_index import FaissIndex
from memory.records import VideoRecord
from memory.retrieval.retriever import LocalRetriever, RetrievalRequest
from memory.retrieval.selection import select
from memory.store.base import MemoryStore
from pipeline.answer import Answer, Answerer, Usage
from pipeline.answering.execute import Executor
from pipeline.config import AnswerConfig
from pipeline.language.protocol import LanguageModel
from pipeline.queries.planner import PlanContext
from pipeline.queries.rules.planner import RulePlanner
from pipeline.times import ms_since
from tests.bench.memory.needle import score
from tests.bench.memory.needle.film import Film, Planted


def asked(topic: str) -> str:
    """The question for a needle."""
    return f"When does the {topic} appear?"


class Asker:
    """Questions about one film, with a memory owner that has its keys at hand."""

    def __init__(self, store: MemoryStore, keys: KeyEncoder, video: VideoRecord, config: AnswerConfig) -> None:
        self._store, self._keys, self._video, self._config = store, keys, video, config
        self._retriever = LocalRetriever(store, FaissIndex(keys.space.dim))
        self._strict = Executor(store, self._retriever, keys, config)
        self._lenient = Executor(store, self._retriever, _Unjudged(keys), config)
        self._every = store.keyed_spans(video.id)
        self._retriever.retrieve(video.id, RetrievalRequest(None))

    def trial(self, planted: Planted) -> dict[str, Any]:
        """One needle: was it among the chosen, among the cited, among what each control chose, and the times."""
        query = RulePlanner().plan(asked(planted.topic), PlanContext())
        vector = self._keys.question(planted.topic)
        select_ms = self._select_ms(planted.topic)
        began = time.perf_counter()
        cited = self._strict.run(self._video, query, self._config).cited
        gather_ms = ms_since(began)
        chosen = self._lenient.run(self._video, query, self._config).cited
        hits = score.plain_hits(self._video.id, self._every, vector)
        return {
            **{
                "topic": planted.topic,
                "kind": planted.shot.source.kind,
                "seed": planted.shot.seed,
                "depth": planted.depth,
            },
            **asdict(score.likeness(hits, planted.span)),
            "found": score.any_points_to((match.hit.span for match in chosen), planted.span),
            "cited": score.any_points_to((match.hit.span for match in cited), planted.span),
            "wrongly_cited": sum(not score.points_to(match.hit.span, planted.span) for match in cited),
            "last": score.any_points_to(score.last(hits), planted.span),
            "uniform": score.any_points_to(score.uniform(hits), planted.span),
            "topk": score.any_points_to(score.topk(hits), planted.span),
            "select_ms": select_ms,
            "gather_ms": gather_ms,
            "tokens": sum(match.tokens.values.shape[1] for match in chosen if match.tokens is not None),
        }

    def _select_ms(self, topic: str) -> float:
        """From the question's vector to the chosen cubes."""
        config = self._config
        vector = self._keys.question(topic)
        request = RetrievalRequest(vector, self._keys.threshold, limit=config.candidates, whole=config.read_whole)
        began = time.perf_counter()
        retrieval = self._retriever.retrieve(self._video.id, request)
        select(np.array([hit.score for hit in retrieval.hits]), config.cubes)
        return ms_since(began)

    def usages(self, model: LanguageModel, shown: Film, topics: Collection[str], count: int) -> list[Usage]:
        """What `count` whole answers took, about needles of these topics; one before them warms up."""
        answerer = Answerer(self._store, self._retriever, self._keys, model, self._config)
        chosen = [planted.topic for planted in shown.planted if planted.topic in topics][: count + 1]
        return [_answer(answerer, self._video.id, topic).usage for topic in chosen][1:]


class _Unjudged:
    """A key encoder that takes anything for support, so that the selection always fills its budget."""

    threshold = -1.0

    def __init__(self, encoder: KeyEncoder) -> None:
        self._encoder = encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def _answer(answerer: Answerer, video_id: str, topic: str) -> Answer:
    *_, answer = answerer.ask(video_id, asked(topic))
    if not isinstance(answer, Answer):
        raise TypeError("an answer ends with the whole of it")
    return answer
