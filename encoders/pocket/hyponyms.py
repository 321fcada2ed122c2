"""The hyponyms of a word in the vocabulary: "dog" covers "golden retriever", "automobile" covers "sports car".

A table lookup over the names and kinds of `encoders.pocket.vocabulary` and over further words from WordNet, made by
`tests/data/make_called_words.py`. Likeness does not count: what a thing resembles, is worn by or is a part of is no
hyponym (a suit is no person, a car mirror no car).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from encoders.pocket.vocabulary import CLASSES, Vocabulary

CALLED_FILE = Path(__file__).with_name("called.json")
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_ENDINGS = (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", ""))


class Hyponyms:
    """Words people use -> names of the vocabulary that they cover."""

    def __init__(self, vocabulary: Vocabulary, path: Path = CALLED_FILE) -> None:
        table = json.loads(path.read_text("utf-8"))
        self._words = vocabulary.words
        self._plurals: dict[str, str] = table["plurals"]
        self._kind_names: dict[str, str] = table["kinds"]
        self._classes: dict[str, list[int]] = table["classes"]
        self._names: dict[str, list[int]] = {}
        for number, also in enumerate(vocabulary.also):
            for name in dict.fromkeys(map(_plain, (vocabulary.words[number], *also))):
                self._names.setdefault(name, []).append(number)
        hyponyms = [frozenset(row.nonzero().flatten().tolist()) for row in vocabulary.hyponyms[CLASSES:]]
        self._hyponyms = dict(enumerate(hyponyms, CLASSES))
        self._kinds = {_plain(vocabulary.words[number]): number for number in self._hyponyms}

    def of(self, topic: str) -> frozenset[str]:
        """All names that `topic`, a word in the singular or plural, covers; empty where it covers none."""
        for word in _forms(_plain(topic), self._plurals):
            if numbers := self._called(self._kind_names.get(word, word)):
                return frozenset(self._words[number] for number in numbers)
        return frozenset()

    def _called(self, word: str) -> set[int]:
        own = set(self._names.get(word, ()))
        kind = self._kinds.get(word)
        if kind is None and word not in self._classes:  # no word for many: a name, or the end of one ("hand blower")
            return own or {n for name, ns in self._names.items() if name.endswith(f" {word}") for n in ns}
        below = frozenset(self._classes[word]) if kind is None else self._hyponyms[kind]
        narrower = {number for number, hyponyms in self._hyponyms.items() if hyponyms and hyponyms <= below}
        return own | below | narrower | ({kind} if kind is not None else set())


def _plain(text: str) -> str:
    """Words in lower case, one space between them."""
    return " ".join(_WORD.findall(text.casefold()))


def _forms(word: str, plurals: dict[str, str]) -> Iterator[str]:
    """The word itself, then what it may be the plural of."""
    yield word
    *before, last = word.split(" ")
    singular = [plurals[last]] if last in plurals else []
    singular += [last[: -len(end)] + new for end, new in _ENDINGS if last.endswith(end) and len(last) > len(end) + 1]
    yield from (" ".join([*before, form]) for form in singular)
