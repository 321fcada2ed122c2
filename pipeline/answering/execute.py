"""Runs a parsed question against one video's memory: retrieves, states the finding, and chooses what is cited and read.

    Candidates       retrieves cubes and reads their notes              pipeline/answering/retrieve.py
    temporal         relates the appearances of things in time          pipeline/answering/temporal.py
    within_budget()  chooses which of the matches are cited and read    pipeline/answering/budget.py

This is the one place that knows which kind of question needs which candidates. Use `Executor.run`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from encoders.base import TEXT_KEY_KINDS, KeyEncoder
from memory.records import VideoRecord
from memory.retrieval.retriever import Retriever
from memory.store.base import MemoryStore
from pipeline.answering import findings, temporal, timeline_findings
from pipeline.answering.budget import ORDERS, tokens_of, within_budget
from pipeline.answering.findings import Finding
from pipeline.answering.match import Match, called
from pipeline.answering.retrieve import Answering, Candidates
from pipeline.config import AnswerConfig
from pipeline.queries.question import Question
from pipeline.queries.rules.offsets import Offset
from pipeline.queries.spans import end_of, resolved

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""A question and its candidates in words -> a score each, by which the budget's choice is then made."""

_OR = re.compile(r"\bor\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The finding of a question and the matches that fit the budget.

    Attributes:
        cited: matches within the budget, in time order, those of the anchor last.
        read: the same cubes in time order, each once, as a language model reads them.
    """

    finding: Finding
    cited: tuple[Match, ...]
    read: tuple[Match, ...]


class Executor:
    """Answers parsed questions from one video's memory."""

    def __init__(
        self,
        store: MemoryStore,
        retriever: Retriever,
        keys: KeyEncoder,
        config: AnswerConfig,
        rerank: Rerank | None = None,
    ) -> None:
        self._candidates = Candidates(store, retriever, keys, config)
        self._rerank = rerank

    def run(self, video: VideoRecord, question: Question, config: AnswerConfig) -> ExecutionResult:
        """The finding and its memories; `config` limits cubes and tokens."""
        question = self._understood(resolved(question, video))
        finding, answering = self._finding(video, question)
        order = ORDERS.get(question.kind, "score")
        best = within_budget(self._judged(question, finding.cited), config, order, answering)
        room = replace(config, cubes=config.cubes - len(best), tokens=config.tokens - tokens_of(best))
        hits = {match.hit for match in best}
        cited = (*best, *within_budget([match for match in finding.context if match.hit not in hits], room))
        # several detections of one cube are one memory to a reader
        cubes = {match.hit: match for match in cited}.values()
        return ExecutionResult(finding, cited, tuple(sorted(cubes, key=lambda match: match.hit.span)))

    def _finding(self, video: VideoRecord, question: Question) -> tuple[Finding, Answering]:
        look, gap_s = self._candidates.look, self._candidates.gap_s
        empty = Answering([], None, None)
        if question.offset is not None and question.kind != "unknown":
            return self._offset(video, question, question.offset)
        match question.kind:
            case "unknown":
                return findings.unknown(question), empty
            case "before" | "after":
                return temporal.beside(self._candidates, video, question), empty
            case "between" | "which_first":
                return temporal.two(self._candidates, video, question), empty
            case "now":
                return timeline_findings.now(look(video.id, replace(question, span=end_of(video)))), empty
            case "at" if question.edge == "end" and video.status in temporal.GROWING:  # its end is not known yet
                return timeline_findings.now(look(video.id, question)), empty
            case "at":
                return timeline_findings.at_time(question, look(video.id, question), gap_s), empty
            case "summary":
                return timeline_findings.summary(look(video.id, question), gap_s), empty
            case "how_long" if not question.topic:
                last = look(video.id, replace(question, span=end_of(video)))
                return timeline_findings.whole(video.ingested_s, last), empty
            case "text":
                return self._text(video, question), empty
        return self._about_thing(video, question)

    def _about_thing(self, video: VideoRecord, question: Question) -> tuple[Finding, Answering]:
        """Kinds that ask about one thing by its words, or about each of several things."""
        each = self._each(question)
        if any(part.kind == "unknown" for part in each):  # "Are the cat and the dog brown?"
            return findings.unknown(question), Answering([], None, None)
        if each:
            parts = [self._about_thing(video, part) for part in each]
            matches = [match for _, answering in parts for match in answering.matches]
            return findings.together([finding for finding, _ in parts]), Answering(matches, None, None)
        answering, gap_s = self._candidates.answering(video.id, question), self._candidates.gap_s
        if question.kind == "exists":
            question, answering = self._either(video, question, answering)
        if question.kind == "how_long":
            return findings.how_long(
                question, answering.matches, gap_s, all_read=answering.everywhere is None
            ), answering
        return findings.about_thing(question, answering.matches, gap_s, answering.everywhere), answering

    def _each(self, question: Question) -> list[Question]:
        """The same question about each of several things; empty where the vocabulary does not know them all, or where
        all the words together name one thing ("mortar and pestle")."""
        topics = [part.topic for part in question.each]
        resolve_term = self._candidates.resolve_term
        named = " and ".join(topics)
        if not all(resolve_term(topic).word for topic in topics) or resolve_term(named).word == named:
            return []
        return [self._understood(replace(part, at_s=question.at_s, span=question.span)) for part in question.each]

    def _offset(self, video: VideoRecord, question: Question, offset: Offset) -> tuple[Finding, Answering]:
        """The same question about the moment that lies an offset away from another thing."""
        empty = Answering([], None, None)
        asked = self._understood(temporal.anchor_asked(question, offset))
        anchor = temporal.anchor_of(self._candidates, video, asked)
        if anchor is None:
            return findings.nothing(asked), empty
        counted = temporal.counted_from(anchor.span, question, offset, video.ingested_s)
        if counted is None:
            growing = video.status in temporal.GROWING
            return findings.unwatched(asked, anchor.span, offset, growing=growing), empty
        finding, answering = self._finding(video, resolved(counted, video))
        if not finding.supported:
            return finding, answering
        cited = {match.hit.span for match in finding.cited}
        held = tuple(
            match for match in anchor.matches if match.span.overlaps(anchor.span) and match.hit.span not in cited
        )
        return replace(finding, context=held), answering

    def _either(self, video: VideoRecord, question: Question, answering: Answering) -> tuple[Question, Answering]:
        """Kind exists where a second thing is named. "A cat or a dog" is answered by either; for "a dog with a ball"
        the dog alone is no yes. A thing that the vocabulary does not know gets no yes or no: "Is it raining?"."""
        if question.quoted is not None or question.about_text:
            return question, answering
        place = self._candidates.resolve_term(question.where)
        if _OR.search(question.text):
            if not answering.matches and place.word:
                question = replace(question, topic=question.where, where="")
                return question, self._candidates.answering(video.id, question)
            return question, answering
        matches = [] if place.word else answering.matches
        both = matches or [
            match for match in answering.matches if any(called(thing.name, place) for thing in match.notes.things)
        ]
        named = any(match.named is not None for match in answering.matches)
        sure = named or self._candidates.resolve_term(question.topic).word
        return (question if (both or not answering.matches) and sure else replace(question, kind="what")), answering

    def _text(self, video: VideoRecord, question: Question) -> Finding:
        """What the screen says beside a thing or in a time; all of it where the question names neither."""
        if question.topic:
            matches = self._candidates.answering(video.id, question).matches
            return timeline_findings.written(question, matches) if matches else findings.nothing(question)
        return timeline_findings.written(question, self._candidates.look(video.id, question, kinds=TEXT_KEY_KINDS))

    def _understood(self, question: Question) -> Question:
        """The question without the words that follow a known word: "taxi drive" becomes "taxi". What such words say
        about *the* thing is in no memory, so the kind becomes unknown: "Is the dog brown?"."""
        if question.quoted is not None or question.about_text:
            return question
        resolve_term = self._candidates.resolve_term
        term = resolve_term(question.topic, verb_last=question.verb_last)
        if not term.word and question.topic.endswith("ing") and (tool := resolve_term(question.where)).word:
            term = tool  # "somebody sweeping with a broom"
        if question.kind == "text" and term.word:  # "which dog is it"
            question = replace(question, kind="what", literal=False)
        if question.kind == "exists" and question.definite and term.word and (term.behind or question.predicate):
            return replace(question, kind="unknown")
        return replace(question, topic=term.bare, other=resolve_term(question.other).bare)

    def _judged(self, question: Question, matches: Sequence[Match]) -> Sequence[Match]:
        """The matches with the re-ranker's scores as their worth, where there is a re-ranker."""
        if self._rerank is None or len(matches) < 2:
            return matches
        scores = self._rerank(question.text, [findings.notes_phrase(match.notes) for match in matches])
        return [replace(match, worth=float(score)) for match, score in zip(matches, scores, strict=True)]
