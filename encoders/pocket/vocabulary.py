"""The words the pocket backend recognises: 1000 class names and the kinds above them.

A word is a class ("espresso") or a kind ("coffee", "drink"). A kind's probability is the sum over its classes, so a
probability that is spread over forty breeds still makes a dog. Evidence is a probability for each word: [..., W],
classes first. The table of the words' sentence embeddings is kept beside this file, made by
`tests/data/make_word_vectors.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from encoders.digest import file_sha256
from encoders.pocket.tables import load_table

NAMES_FILE = Path(__file__).with_name("imagenet.json")
VECTORS_FILE = Path(__file__).with_name("words.npy")
CLASSES = 1000
VECTOR_DIM = 384


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Classes and kinds.

    Attributes:
        words: W names, the 1000 classes first, then the kinds, narrow to broad.
        members: float32 [W, 1000], 1 where a picture of the class shows the word: the class is of that kind, or its
            pictures nearly always have one in them (a worn coat shows a person, an espresso a cup).
        hyponyms: float32 [W, 1000], 1 only where the class is of that kind.
        sha256: digest of the names.
        also: for each class, other names of the same thing.
    """

    words: tuple[str, ...]
    members: torch.Tensor
    hyponyms: torch.Tensor
    sha256: str
    also: tuple[tuple[str, ...], ...] = ()

    def evidence(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Class probabilities float32 [..., 1000] -> a probability for each word, [..., W]."""
        kinds = probabilities @ self.members[CLASSES:].T
        return torch.cat([probabilities, kinds], -1)

    def most_informative(self, probabilities: torch.Tensor, least: float, limit: int) -> list[int]:
        """The most informative kinds: probability times the information of the word, log(1000 / classes).

        Args:
            probabilities: float32 [W].
            least: the smallest probability of a narrow kind; see `_sure`.
        """
        information = probabilities * (CLASSES / self.members.sum(1)).log()
        kinds = [word for word in self._sure(probabilities, least) if word >= CLASSES]
        return sorted(kinds, key=lambda index: (-float(information[index]), index))[:limit]

    def narrowest(
        self, probabilities: torch.Tensor, least: float, least_class: float, limit: int, explained: float = 0.6
    ) -> list[int]:
        """The narrowest words that are sure enough, most probable first: a class where one is, the kind where it is
        spread over many. A kind is left out when narrower ones chosen already make up the share `explained` of it.

        Args:
            probabilities: float32 [W].
            least, least_class: the smallest probability of a narrow kind, and of a class.
        """
        sure = [
            word for word in self._sure(probabilities, least) if word >= CLASSES or probabilities[word] >= least_class
        ]
        chosen: list[int] = []
        for word in sorted(
            sure, key=lambda index: (float(self.members[index].sum()), -float(probabilities[index]), index)
        ):
            inside = [other for other in chosen if bool((self.hyponyms[other] <= self.hyponyms[word]).all())]
            if sum(float(probabilities[other]) for other in inside) < explained * float(probabilities[word]):
                chosen = [other for other in chosen if other not in inside or other < CLASSES]
                chosen.append(word)
        return sorted(chosen, key=lambda index: (-float(probabilities[index]), index))[:limit]

    def _sure(self, probabilities: torch.Tensor, least: float) -> list[int]:
        """Words above `least` plus half of what chance alone would give them (an animal: 398 classes of 1000)."""
        bar = least + 0.5 * self.members.sum(1) / CLASSES
        sure: list[int] = (probabilities >= bar).nonzero().flatten().tolist()
        return sure


def load_vocabulary(path: Path = NAMES_FILE) -> Vocabulary:
    """Reads the names. Kinds are ordered by breadth, then by name."""
    classes = json.loads(path.read_text("utf-8"))
    hyponyms, shown = _members(classes, ("kinds",)), _members(classes, ("kinds", "shows"))
    kinds = sorted(shown, key=lambda kind: (len(shown[kind]), kind))
    words = tuple([entry["name"] for entry in classes] + kinds)
    also = tuple(tuple(entry["also"]) for entry in classes)
    return Vocabulary(words, _rows(kinds, shown), _rows(kinds, hyponyms), file_sha256(path), also)


def _members(classes: Sequence[Mapping[str, Any]], fields: tuple[str, ...]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for number, entry in enumerate(classes):
        for word in (word for field in fields for word in entry[field]):
            members.setdefault(word, []).append(number)
    return members


def _rows(kinds: Sequence[str], members: Mapping[str, list[int]]) -> torch.Tensor:
    """float32 [W, 1000]: the classes themselves, then each kind's."""
    rows = torch.zeros(len(kinds), CLASSES)
    for row, kind in zip(rows, kinds, strict=True):
        row[members.get(kind, [])] = 1.0
    return torch.cat([torch.eye(CLASSES), rows])


def load_vectors(vocabulary: Vocabulary, path: Path = VECTORS_FILE) -> tuple[npt.NDArray[np.float32], str]:
    """The words' sentence embeddings float32 [W, 384], and the table's SHA-256.

    Raises:
        WeightsUnavailable: the table was made for other words.
    """
    shape = (len(vocabulary.words), VECTOR_DIM)
    return load_table(path, vocabulary.sha256, shape, "tests/data/make_word_vectors.py")
