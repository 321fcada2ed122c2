"""Runs a query against one video's memory and returns typed findings; no sentence is made here.

    resolve_times, resolve_words   the query in times and words of this video   pipeline/queries/query.py
    findings_of()                  the findings of its kind                      pipeline/answering/kinds/
    within_budget()                which of the matches are cited and read      pipeline/answering/budget.py

Use `Executor.run`.
"""

from __future__ import annotations

from dataclasses import replace

from encoders.base import KeyEncoder
from memory.records import VideoRecord
from memory.retrieval.retriever import Retriever
from memory.store.base import MemoryStore
from pipeline.answering.anchors import find_from
from pipeline.answering.budget import tokens_of, within_budget
from pipeline.answering.claims import Findings
from pipeline.answering.kinds import findings_of
from pipeline.answering.retrieve import Candidates, VideoMemory
from pipeline.config import AnswerConfig
from pipeline.queries.query import Query, Unsupported


class Executor:
    """Answers queries from one video's memory."""

    def __init__(self, store: MemoryStore, retriever: Retriever, keys: KeyEncoder, config: AnswerConfig) -> None:
        self._candidates = Candidates(store, retriever, keys, config)

    def run(self, video: VideoRecord, query: Query, config: AnswerConfig) -> Findings:
        """The findings and their memories; `config` limits cubes and tokens."""
        memory = VideoMemory(self._candidates, video)
        query = query.resolve_times(memory.watched_s).resolve_words(memory.resolve)
        offset = query.scope.offset
        if offset is None or isinstance(query, Unsupported):
            return _cited(query, findings_of(query, memory), config)
        return _cited(query, find_from(query, offset, memory, findings_of), config)


def _cited(query: Query, findings: Findings, config: AnswerConfig) -> Findings:
    """The findings with those of their cubes that fit the budget."""
    best = within_budget(findings.matches, config, query.preference, findings.retrieved)
    room = replace(config, cubes=config.cubes - len(best), tokens=config.tokens - tokens_of(best))
    hits = {match.hit for match in best}
    cited = (*best, *within_budget([match for match in findings.context if match.hit not in hits], room))
    # several detections of one cube are one memory to a reader
    cubes = {match.hit: match for match in cited}.values()
    return replace(findings, cited=cited, read=tuple(sorted(cubes, key=lambda match: match.hit.span)))
