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
from memory.retrieval.retriever import Recall
from memory.store.base import MemoryStore
from pipeline.answering import findings, temporal, timeline_findings
from pipeline.answering.budget import ORDERS, tokens_of, within_budget
from pipeline.answering.findings import Finding
from pipeline.answering.match import Seen, called
from pipeline.answering.retrieve import Answering, Candidates
from pipeline.config import AnswerConfig
from pipeline.queries.question import Question
from pipeline.queries.rules.offsets import Offset
from pipeline.queries.spans import end_of, resolved

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""A question and candidates in words -> a score each; what fits the budget is then chosen by it."""

_OR = re.compile(r"\bor\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, and what of it fits the budget: what is cited, in order of time but for what it stands next to,
    which is last; and the same in order of time, as a model reads it."""

    finding: Finding
    cited: tuple[Seen, ...]
    read: tuple[Seen, ...]


class Gatherer:
    """Finds what answers to a question in one video's memory."""

    def __init__(
        self,
        store: MemoryStore,
        recall: Recall,
        keys: KeyEncoder,
        config: AnswerConfig,
        rerank: Rerank | None = None,
    ) -> None:
        self._candidates = Candidates(store, recall, keys, config)
        self._rerank = rerank

    def gather(self, video: VideoRecord, question: Question, config: AnswerConfig) -> Gathered:
        """The finding and its memories; `config` binds cubes and tokens."""
        question = self._understood(resolved(question, video))
        finding, answering = self._finding(video, question)
        order = ORDERS.get(question.kind, "score")
        best = within_budget(self._judged(question, finding.cited), config, order, answering)
        room = replace(config, cubes=config.cubes - len(best), tokens=config.tokens - tokens_of(best))
        told = {one.hit for one in best}
        cited = (*best, *within_budget([one for one in finding.context if one.hit not in told], room))
        cubes = {one.hit: one for one in cited}.values()  # several sightings are one cube to a reader
        return Gathered(finding, cited, tuple(sorted(cubes, key=lambda one: one.hit.span)))

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
            seen = [cube for _, told in parts for cube in told.seen]
            return findings.together([finding for finding, _ in parts]), Answering(seen, None, None)
        told, gap_s = self._candidates.answering(video.id, question), self._candidates.gap_s
        if question.kind == "exists":
            question, told = self._either(video, question, told)
        if question.kind == "how_long":
            return findings.how_long(question, told.seen, gap_s, all_read=told.everywhere is None), told
        return findings.about_thing(question, told.seen, gap_s, told.everywhere), told

    def _each(self, question: Question) -> list[Question]:
        """The same question of each of several things, where the vocabulary knows them all, and none that is called by
        all the words: "mortar and pestle"."""
        topics = [one.topic for one in question.each]
        seek = self._candidates.seek
        named = " and ".join(topics)
        if not all(seek(topic).known for topic in topics) or seek(named).known == named:
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
        held = tuple(one for one in anchor.seen if one.span.overlaps(anchor.span) and one.hit.span not in cited)
        return replace(finding, context=held), told

    def _either(self, video: VideoRecord, question: Question, told: Answering) -> tuple[Question, Answering]:
        """Whether there is a thing, where a second one is named: "a cat or a dog" is answered by either; of "a dog with
        a ball" the dog alone is no yes. Nor is there a no for what the vocabulary does not know: "Is it raining?"."""
        if question.quoted is not None or question.about_text:
            return question, told
        place = self._candidates.seek(question.where)
        if _OR.search(question.text):
            if not told.seen and place.known:
                question = replace(question, topic=question.where, where="")
                return question, self._candidates.answering(video.id, question)
            return question, told
        seen = [] if place.known else told.seen
        both = seen or [one for one in told.seen if any(called(thing.name, place) for thing in one.notes.things)]
        named = any(one.named is not None for one in told.seen)
        sure = named or self._candidates.seek(question.topic).known
        return (question if (both or not told.seen) and sure else replace(question, kind="what")), told

    def _text(self, video: VideoRecord, question: Question) -> Finding:
        """What the screen says, where or when it was asked for; all of it where nothing stands beside that."""
        if question.topic:
            seen = self._candidates.answering(video.id, question).seen
            return timeline_findings.written(question, seen) if seen else findings.nothing(question)
        return timeline_findings.written(question, self._candidates.look(video.id, question, kinds=TEXT_KEY_KINDS))

    def _understood(self, question: Question) -> Question:
        """Without the words behind a known one: "taxi drive" is a taxi. What they say of *the* thing, no memory holds:
        "Is the dog brown?"."""
        if question.quoted is not None or question.about_text:
            return question
        seek = self._candidates.seek
        one = seek(question.topic, verb_last=question.verb_last)
        if not one.known and question.topic.endswith("ing") and (tool := seek(question.where)).known:
            one = tool  # "somebody sweeping with a broom"
        if question.kind == "text" and one.known:  # "which dog is it"
            question = replace(question, kind="what", literal=False)
        if question.kind == "exists" and question.definite and one.known and (one.behind or question.said_of):
            return replace(question, kind="unknown")
        return replace(question, topic=one.bare, other=seek(question.other).bare)

    def _judged(self, question: Question, found: Sequence[Seen]) -> Sequence[Seen]:
        """With the re-ranker's scores in the place of their own, where there is one."""
        if self._rerank is None or len(found) < 2:
            return found
        scores = self._rerank(question.text, [findings.notes_said(one.notes) for one in found])
        return [replace(one, worth=float(score)) for one, score in zip(found, scores, strict=True)]
