from __future__ import annotations

import pytest

from encoders.pocket.hyponyms import Hyponyms
from encoders.pocket.vocabulary import load_vocabulary
from pipeline.queries.terms import resolve_term

HYPONYMS = Hyponyms(load_vocabulary())


@pytest.mark.parametrize(
    ("topic", "verb_last", "word", "bare"),
    [
        ("golden retriever", False, "golden retriever", "golden retriever"),
        ("muddy red car", False, "car", "muddy red car"),
        ("gate open", False, "gate", "gate"),
        ("dog bowl", False, "bowl", "dog bowl"),
        ("taxi drive", True, "taxi", "taxi"),
        ("cup of coffee", False, "cup", "cup"),
        ("hen of the woods mushroom", False, "hen of the woods mushroom", "hen of the woods mushroom"),
        ("three taxis", False, "taxis", "taxis"),
        ("quarterly figures", False, "", "quarterly figures"),
        ("", False, "", ""),
    ],
)
def test_the_known_part_of_a_topic(topic: str, verb_last: bool, word: str, bare: str) -> None:
    term = resolve_term(topic, HYPONYMS.of, verb_last=verb_last)
    assert (term.word, term.bare) == (word, bare)


@pytest.mark.parametrize(
    ("topic", "name", "expected"),
    [
        ("dog", "Golden Retriever", True),
        ("dog", "golden retriever", True),
        ("dog", "shaggy sheepdog", True),  # not in the vocabulary: its last word decides
        ("dog", "hot dog", False),  # in the vocabulary: all of it decides
        ("dog", "dog bowl", False),
        ("husky", "Siberian Husky", True),
        ("tabby cat", "cat", True),  # the encoder was not sure of the breed
        ("hot dog", "dog", False),
        ("vehicle", "fire engine", True),
        ("vehicle", "car wheel", False),
        ("quarterly figures", "quarterly figures", False),  # unknown words are the spelling's business
    ],
)
def test_which_names_are_covered(topic: str, name: str, expected: bool) -> None:
    assert resolve_term(topic, HYPONYMS.of).covers(name) is expected
