"""The pocket model's chat prompt: fixed wording around memories, question and statement, as token ids.

The constant part (system line and worked examples) comes first, so that its prefill can be shared. Data can never
become structure: question and statement are put on one line, cut, stripped of anything that looks like a special token,
and then encoded with special tokens switched off.
"""

from __future__ import annotations

import re
from pathlib import Path

from tokenizers import Tokenizer

from encoders.notes import Notes
from memory.records import TimeSpan
from pipeline.answering.phrases import notes_phrase
from pipeline.times import format_span

QUESTION_CHARS = 200
STATEMENT_CHARS = 600
MEMORY_CHARS = 120
"""Longest pieces that reach the model; what is checked against is the whole statement."""

MEMORIES = "What was seen in the video, in order of time:"

SYSTEM = (
    "You answer questions about a video. Use only the fact you are given. "
    "Answer in one short sentence and copy all times and quoted words exactly."
)

EXAMPLES = (
    (
        'Nothing matching "bicycle" was found.',
        "How often does a bicycle appear?",
        'Nothing matching "bicycle" was found.',
    ),
    (
        'At 1:15: piano; the screen says "ACT TWO".',
        "What is shown at 1:15?",
        'At 1:15 there is a piano and the screen says "ACT TWO".',
    ),
    (
        "At 5:36: lamp and desk.",
        "What happens at 5:36?",
        "At 5:36 there is a lamp and a desk.",
    ),
    (
        'The screen says "EXIT 12" from 0:31 to 0:36.',
        "What is written there?",
        'The screen says "EXIT 12" from 0:31 to 0:36.',
    ),
    (
        "A red bus is seen 2 times: 0:05 to 0:09 and 0:44 to 0:50.",
        "How often does the bus come by?",
        "The red bus comes by 2 times: 0:05 to 0:09 and 0:44 to 0:50.",
    ),
    (
        "Yes, a horse is seen from 2:03 to 2:08.",
        "Is there a horse?",
        "Yes, a horse is seen from 2:03 to 2:08.",
    ),
    (
        "A child is seen from 3:03 to 3:08 and from 4:20 to 4:26.",
        "When does the child show up?",
        "The child is seen from 3:03 to 3:08 and from 4:20 to 4:26.",
    ),
)
"""Statement, question, answer: one for each form of statement that `pipeline.answer` makes."""

_CONTROL = re.compile(r"<\|[^<>|]{0,40}\|>|<[a-z]+_[a-z]+>|<reponame>|<filename>")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def plain(text: str, limit: int) -> str:
    """Data made harmless: no control tokens, no control or invisible characters, one line, at most `limit` characters.

    Taking a token out may join two halves into another one, so it is repeated until nothing is left to take.
    """
    text = _INVISIBLE.sub(" ", text)
    while (cleaned := _CONTROL.sub("", text)) != text:
        text = cleaned
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


class ChatTemplate:
    """SmolLM2's chat format (ChatML), as its own template writes it.

    Args:
        tokenizer_file: ``tokenizer.json``. The object keeps a tokenizer of its own, since switching special tokens off
            is a property of the tokenizer, not of a call.
    """

    def __init__(self, tokenizer_file: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self.tokenizer.encode_special_tokens = True  # "encode as text": nothing in a text becomes a special token
        self._start = self._special("<|im_start|>")
        self._end = self._special("<|im_end|>")
        self.stop_tokens = frozenset({self._end, self._special("<|endoftext|>")})

    def prefix(self) -> list[int]:
        """The constant part: system line and worked examples."""
        ids = self._turn("system", SYSTEM)
        for statement, question, answer in EXAMPLES:
            ids += self._turn("user", _ask(statement, question)) + self._turn("assistant", answer)
        return ids

    def memories(self) -> list[int]:
        """Opens a turn that lists memories; `question` closes it."""
        return [self._start, *self._text(f"system\n{MEMORIES}\n")]

    def memory(self, span: TimeSpan, notes: Notes) -> list[int]:
        """One memory, a line: its time and its words."""
        return self._text(f"{format_span(span)}: {plain(notes_phrase(notes), MEMORY_CHARS)}\n")

    def question(self, question: str, statement: str, *, after_memories: bool = False) -> list[int]:
        """The part that differs, up to where the model's answer begins."""
        asked = _ask(plain(statement, STATEMENT_CHARS), plain(question, QUESTION_CHARS))
        closing = [self._end, *self._text("\n")] if after_memories else []
        return [*closing, *self._turn("user", asked), self._start, *self._text("assistant\n")]

    def _turn(self, role: str, text: str) -> list[int]:
        return [self._start, *self._text(f"{role}\n{text}"), self._end, *self._text("\n")]

    def _text(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _special(self, token: str) -> int:
        index = self.tokenizer.token_to_id(token)
        if index is None:
            raise ValueError(f"the vocabulary has no {token}")
        return int(index)


def _ask(statement: str, question: str) -> str:
    return f"Fact: {statement}\nQuestion: {question}"
