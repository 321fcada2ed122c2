"""Reads memories into the pocket model's cache, ahead of a question or along a live stream.

Each memory is read as its time and its words, and is one group of slots that is dropped as a whole. Which memories are
read is decided elsewhere (`pipeline.answering.context`). The pocket model takes no facts from them: code finds the
statement.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.language.decoding import GreedyDecoder, Prefix
from pipeline.language.protocol import ReadableMemory
from pipeline.language.smollm.chat_template import ChatTemplate


class PocketReading:
    """A `Reading` that begins from the constant beginning of all prompts.

    Attributes:
        so_far: what was read; answers fork it.
        next_number: above the numbers of all memories read.
    """

    def __init__(self, decoder: GreedyDecoder, template: ChatTemplate, beginning: Prefix) -> None:
        self._decoder = decoder
        self._template = template
        self.so_far = beginning.fork()
        self.next_number = 0
        if heading := template.memories():
            self.so_far.cache.announce(len(heading), protect="system")
            decoder.read(self.so_far, heading)

    def read(self, numbered: Sequence[tuple[int, ReadableMemory]]) -> None:
        """See `Reading.read`."""
        tokens: list[int] = []
        for number, memory in numbered:
            line = self._template.memory(memory.span, memory.notes)
            self.so_far.cache.announce(len(line), group=number)
            tokens += line
            self.next_number = max(self.next_number, number + 1)
        if tokens:
            self._decoder.read(self.so_far, tokens)

    def copy(self) -> PocketReading:
        """One to read on in, without a trace in this one."""
        twin = object.__new__(PocketReading)
        twin._decoder, twin._template = self._decoder, self._template
        twin.so_far, twin.next_number = self.so_far.fork(), self.next_number
        return twin

    @property
    def held(self) -> frozenset[int]:
        """See `Reading.held`."""
        return self.so_far.cache.groups
