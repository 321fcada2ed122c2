"""Resolves a question's words to names in the vocabulary: "stick" to a drumstick, "red car" to any car.

`resolve_term` takes the longest part of the topic that the encoder's vocabulary knows (`KeyEncoder.hyponyms`);
`ResolvedTerm.covers` says whether a name in a cube's notes is of that kind. Nothing is compared by likeness. Where the
vocabulary knows no word of the topic, spelling decides (`pipeline.answering.match`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

HyponymLookup = Callable[[str], frozenset[str]]
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_NUMBER = re.compile(r"^(?:two|three|four|five|six|seven|eight|nine|ten|\d+)\s+(?=\S)", re.IGNORECASE)
_LONGEST = 6


@dataclass(frozen=True, slots=True)
class ResolvedTerm:
    """A topic, understood as far as the vocabulary goes.

    Attributes:
        topic: as asked.
        word: the part of it that is a word of the vocabulary; empty where none is.
        names: the names that this word covers, in lower case.
        behind: words of the topic behind that part: "open" of "gate open".
        hyponyms: looks names up in the vocabulary that are not among `names` as they are spelled.
    """

    topic: str
    word: str
    names: frozenset[str]
    behind: str
    hyponyms: HyponymLookup

    @property
    def bare(self) -> str:
        """The topic without what is behind `word`, and without a number before it: "three taxis"."""
        topic = self.topic.removesuffix(self.behind).strip()
        return topic if topic == self.word else _NUMBER.sub("", topic)

    def covers(self, name: str) -> bool:
        """Whether a thing of that name is what the topic asks for. Where the vocabulary knows the whole name, that
        decides (a hot dog is no dog), else its last words. A kind stands for one of its own where the encoder was not
        sure ("cat" for a tabby cat)."""
        words = _WORD.findall(name.casefold())
        for start in range(len(words)):
            end = " ".join(words[start:])
            if end in self.names:
                return True
            if own_names := {hyponym.casefold() for hyponym in self.hyponyms(end)}:
                return own_names <= self.names or self._ends(words) or self._within(words, own_names)
        return False

    def _ends(self, words: Sequence[str]) -> bool:
        """A Siberian husky is a husky, where "husky" is no kind of many."""
        return len(self.names) == 1 and any(" ".join(words[i:]) in self.names for i in range(1, len(words)))

    def _within(self, words: Sequence[str], own_names: set[str]) -> bool:
        own = _WORD.findall(self.word.casefold())
        return own[-len(words) :] == list(words) and self.names <= own_names


class Resolve(Protocol):
    """`resolve_term` in an encoder's vocabulary."""

    def __call__(self, topic: str, *, verb_last: bool = False) -> ResolvedTerm: ...


def resolve_term(topic: str, hyponyms: HyponymLookup, *, verb_last: bool = False) -> ResolvedTerm:
    """Resolves a topic to the longest run of its words that the vocabulary knows; of equals the last ("dog bowl"), but
    the first of "cup of coffee" and where the last may be a verb."""
    words = _WORD.findall(topic)[:_LONGEST]
    step = 1 if verb_last or "of" in words else -1
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1)[::step]:
            word = " ".join(words[start : start + length])
            if names := hyponyms(word):
                behind = " ".join(words[start + length :])
                return ResolvedTerm(topic, word, frozenset(name.casefold() for name in names), behind, hyponyms)
    return ResolvedTerm(topic, "", frozenset(), "", hyponyms)
