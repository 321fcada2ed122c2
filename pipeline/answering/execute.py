"""From a parsed question to what was found, and what of it is cited and read.

    Candidates       cubes recalled, their notes read             pipeline/answering/retrieve.py
    relations        what is asked of two things, and beside one  pipeline/answering/temporal.py
    within_budget()  what of the found is cited and read          pipeline/answering/budget.py

Between the memory (vectors and spans) and the findings (words): the one place that knows which kind of question needs
which candidates.
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
"""A question and candidates in words -> a score each; what fits the budget is then chosen by it."""

_OR = re.compile(r"\bor\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What was found, and what of it fits the budget: what is cited, in order of time but for what it stands next to,
    which is last; and the same in order of time, as a model reads it."""

    finding: Finding
    cited: tuple[Match, ...]
    read: tuple[Match, ...]


class Executor:
    """Finds what answers to a question in one video's memory."""

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
        """The finding and its memories; `config` binds cubes and tokens."""
        question = self._understood(resolved(question, video))
        finding, answering = self._finding(video, question)
        order = ORDERS.get(question.kind, "score")
        best = within_budget(self._judged(question, finding.cited), config, order, answering)
        room = replace(config, cubes=config.cubes - len(best), tokens=config.tokens - tokens_of(best))
        told = {one.hit for one in best}
        cited = (*best, *within_budget([one for one in finding.context if one.hit not in told], room))
        cubes = {one.hit: one for one in cited}.values()  # several sightings are one cube to a reader
        return ExecutionResult(finding, cited, tuple(sorted(cubes, key=lambda one: one.hit.span)))

    def _finding(self, video: VideoRecord, question: Question) -> tuple[Finding, Answering]:
        look, gap_s = self._candidates.look, self._candidates.gap_s
        told = Answering([], None, None)
        if question.offset is not None and question.kind != "unknown":
            return self._offset(video, question, question.offset)
        match question.kind:
            case "unknown":
                return findings.unknown(question), told
            case "before" | "after":
                return temporal.beside(self._candidates, video, question), told
            case "between" | "which_first":
                return temporal.two(self._candidates, video, question), told
            case "now":
                return timeline_findings.now(look(video.id, replace(question, span=end_of(video)))), told
            case "at" if question.edge == "end" and video.status in temporal.GROWING:  # nobody knows its end yet
                return timeline_findings.now(look(video.id, question)), told
            case "at":
                return timeline_findings.at_time(question, look(video.id, question), gap_s), told
            case "summary":
                return timeline_findings.summary(look(video.id, question), gap_s), told
            case "how_long" if not question.topic:
                last = look(video.id, replace(question, span=end_of(video)))
                return timeline_findings.whole(video.ingested_s, last), told
            case "text":
                return self._text(video, question), told
        return self._about_thing(video, question)

    def _about_thing(self, video: VideoRecord, question: Question) -> tuple[Finding, Answering]:
        """Kinds that look for a thing by its words, or for each of several."""
        each = self._each(question)
        if any(one.kind == "unknown" for one in each):  # "Are the cat and the dog brown?"
            return findings.unknown(question), Answering([], None, None)
        if each:
            parts = [self._about_thing(video, one) for one in each]
            matches = [cube for _, told in parts for cube in told.matches]
            return findings.together([finding for finding, _ in parts]), Answering(matches, None, None)
        told, gap_s = self._candidates.answering(video.id, question), self._candidates.gap_s
        if question.kind == "exists":
            question, told = self._either(video, question, told)
        if question.kind == "how_long":
            return findings.how_long(question, told.matches, gap_s, all_read=told.everywhere is None), told
        return findings.about_thing(question, told.matches, gap_s, told.everywhere), told

    def _each(self, question: Question) -> list[Question]:
        """The same question of each of several things, where the vocabulary knows them all, and none that is called by
        all the words: "mortar and pestle"."""
        topics = [one.topic for one in question.each]
        resolve_term = self._candidates.resolve_term
        named = " and ".join(topics)
        if not all(resolve_term(topic).word for topic in topics) or resolve_term(named).word == named:
            return []
        return [self._understood(replace(one, at_s=question.at_s, span=question.span)) for one in question.each]

    def _offset(self, video: VideoRecord, question: Question, offset: Offset) -> tuple[Finding, Answering]:
        """The same question of the moment that is so far from another thing."""
        told = Answering([], None, None)
        asked = self._understood(temporal.anchor_asked(question, offset))
        anchor = temporal.anchor_of(self._candidates, video, asked)
        if anchor is None:
            return findings.nothing(asked), told
        counted = temporal.counted_from(anchor.span, question, offset, video.ingested_s)
        if counted is None:
            growing = video.status in temporal.GROWING
            return findings.unwatched(asked, anchor.span, offset, growing=growing), told
        finding, told = self._finding(video, resolved(counted, video))
        if not finding.supported:
            return finding, told
        cited = {one.hit.span for one in finding.cited}
        held = tuple(one for one in anchor.matches if one.span.overlaps(anchor.span) and one.hit.span not in cited)
        return replace(finding, context=held), told

    def _either(self, video: VideoRecord, question: Question, told: Answering) -> tuple[Question, Answering]:
        """Whether there is a thing, where a second one is named: "a cat or a dog" is answered by either; of "a dog with
        a ball" the dog alone is no yes. Nor is there a no for what the vocabulary does not know: "Is it raining?"."""
        if question.quoted is not None or question.about_text:
            return question, told
        place = self._candidates.resolve_term(question.where)
        if _OR.search(question.text):
            if not told.matches and place.word:
                question = replace(question, topic=question.where, where="")
                return question, self._candidates.answering(video.id, question)
            return question, told
        matches = [] if place.word else told.matches
        both = matches or [one for one in told.matches if any(called(thing.name, place) for thing in one.notes.things)]
        named = any(one.named is not None for one in told.matches)
        sure = named or self._candidates.resolve_term(question.topic).word
        return (question if (both or not told.matches) and sure else replace(question, kind="what")), told

    def _text(self, video: VideoRecord, question: Question) -> Finding:
        """What the screen says, where or when it was asked for; all of it where nothing stands beside that."""
        if question.topic:
            matches = self._candidates.answering(video.id, question).matches
            return timeline_findings.written(question, matches) if matches else findings.nothing(question)
        return timeline_findings.written(question, self._candidates.look(video.id, question, kinds=TEXT_KEY_KINDS))

    def _understood(self, question: Question) -> Question:
        """Without the words behind a known one: "taxi drive" is a taxi. What they say of *the* thing, no memory holds:
        "Is the dog brown?"."""
        if question.quoted is not None or question.about_text:
            return question
        resolve_term = self._candidates.resolve_term
        one = resolve_term(question.topic, verb_last=question.verb_last)
        if not one.word and question.topic.endswith("ing") and (tool := resolve_term(question.where)).word:
            one = tool  # "somebody sweeping with a broom"
        if question.kind == "text" and one.word:  # "which dog is it"
            question = replace(question, kind="what", literal=False)
        if question.kind == "exists" and question.definite and one.word and (one.behind or question.predicate):
            return replace(question, kind="unknown")
        return replace(question, topic=one.bare, other=resolve_term(question.other).bare)

    def _judged(self, question: Question, found: Sequence[Match]) -> Sequence[Match]:
        """With the re-ranker's scores in the place of their own, where there is one."""
        if self._rerank is None or len(found) < 2:
            return found
        scores = self._rerank(question.text, [findings.notes_phrase(one.notes) for one in found])
        return [replace(one, worth=float(score)) for one, score in zip(found, scores, strict=True)]
