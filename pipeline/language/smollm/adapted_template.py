"""The prompt for the pocket model with Longwatch's adapter: a timeline of memories, the statement, the question.

The wording is the one the adapter was trained on (`pipeline.language.smollm.timeline_template`), in the parts that
`pipeline.language.smollm.model` asks of any prompt. The model without the adapter has its own wording in
`pipeline.language.smollm.chat_template`.
"""

from __future__ import annotations

from encoders.notes import Notes
from memory.records import TimeSpan
from pipeline.answering.phrases import notes_phrase
from pipeline.language.smollm.chat_template import STATEMENT_CHARS, plain
from pipeline.language.smollm.timeline_template import TimelineTemplate
from pipeline.times import format_time


class AdaptedTemplate(TimelineTemplate):
    """A short constant beginning and no worked examples: the adapter holds what those would show."""

    def prefix(self) -> list[int]:
        """The constant part: system line and the opening of the timeline."""
        return self.reading_start()

    def memories(self) -> list[int]:
        """Nothing opens the memories: the constant part did."""
        return []

    def memory(self, span: TimeSpan, notes: Notes) -> list[int]:
        """One memory, a line: ``[0:10-0:17] tabby cat and sofa``."""
        return self.reading_line(f"[{format_time(span.start_s)}-{format_time(span.end_s)}] {notes_phrase(notes)}")

    def question(self, question: str, statement: str, *, after_memories: bool = False) -> list[int]:
        """The rest of the prompt, up to where the answer begins."""
        fact = self._text(f"{plain(statement, STATEMENT_CHARS)}\n")
        return [*fact, *self.reading_question(question)]
