"""The prompt that the pocket model's adapter is trained on: memories as a timeline, one line each, then a question.

`pipeline.training.smollm` trains with this wording and `PocketLanguageModel` reads memories with it, so a change here
needs a new adapter. The untrained model has its own wording in `pipeline.language.smollm.chat_template`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.language.smollm.chat_template import QUESTION_CHARS, ChatTemplate, plain

TIMELINE_SYSTEM = "You answer from the timeline of a video. Copy times and quoted words exactly."
LINE_CHARS = 240


class TimelineTemplate(ChatTemplate):
    """Token ids of a timeline, of a question on it and of an answer, in SmolLM2's chat format."""

    def reading_prefix(self, lines: Sequence[str]) -> list[int]:
        """What all questions on one timeline share. A line is ``[0:10-0:17] tabby cat and sofa``."""
        timeline = "\n".join(plain(line, LINE_CHARS) for line in lines)
        return [*self._turn("system", TIMELINE_SYSTEM), self._start, *self._text(f"user\n{timeline}\n")]

    def reading_start(self) -> list[int]:
        """What all timelines share: `reading_prefix` is this and then each line of `reading_line`."""
        return [*self._turn("system", TIMELINE_SYSTEM), self._start, *self._text("user\n")]

    def reading_line(self, line: str) -> list[int]:
        """One line of a timeline."""
        return self._text(f"{plain(line, LINE_CHARS)}\n")

    def reading_question(self, question: str) -> list[int]:
        """The rest of the prompt, up to where the answer begins."""
        asked = self._text(f"Question: {plain(question, QUESTION_CHARS)}")
        return [*asked, self._end, *self._text("\n"), self._start, *self._text("assistant\n")]

    def reading_answer(self, answer: str) -> list[int]:
        """The answer and the token that ends it."""
        return [*self._text(answer), self._end]
