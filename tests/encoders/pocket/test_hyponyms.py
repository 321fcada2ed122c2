from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.pocket.hyponyms import CALLED_FILE, Hyponyms
from encoders.pocket.vocabulary import CLASSES, load_vocabulary

WORDS = load_vocabulary()
HYPONYMS = Hyponyms(WORDS)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("dog", {"Golden Retriever", "Beagle", "terrier", "dog"}),
        ("car", {"sports car", "taxicab", "car"}),
        ("automobile", {"sports car", "taxicab", "car"}),
        ("raptor", {"bald eagle", "owl", "bird of prey"}),
        ("people", {"person", "scuba diver"}),
        ("phone", {"mobile phone", "telephone"}),
        ("loudspeaker", {"music speaker"}),
        ("dryer", {"hair dryer"}),
    ],
)
def test_a_word_is_said_for_what_is_of_that_kind(word: str, names: set[str]) -> None:
    assert names <= HYPONYMS.of(word)


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("dog", "hot dog"),
        ("car", "car mirror"),
        ("person", "suit"),
        ("bird", "airliner"),
        ("Golden Retriever", "dog"),
        ("sports car", "car"),
        ("container", "minivan"),
    ],
)
def test_what_is_beside_wider_or_only_sounds_alike_is_no_hyponym(word: str, other: str) -> None:
    assert other in WORDS.words
    assert HYPONYMS.of(word)
    assert other not in HYPONYMS.of(word)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("wolves", "wolf"), ("buses", "bus"), ("Sports  Cars", "sports car"), ("knives", "knife"), ("berries", "berry")],
)
def test_plurals_and_capitals_change_nothing(plural: str, singular: str) -> None:
    assert HYPONYMS.of(plural) == HYPONYMS.of(singular) != frozenset()


@pytest.mark.parametrize("word", ["", "justice", "?", "entity", "instrumentality"])
def test_what_covers_nothing_known_has_no_hyponyms(word: str) -> None:
    assert HYPONYMS.of(word) == frozenset()


@given(st.sampled_from(WORDS.words))
def test_every_word_of_the_vocabulary_is_its_own_kin(word: str) -> None:
    assert word in HYPONYMS.of(word)


@given(st.sampled_from(sorted(json.loads(CALLED_FILE.read_text("utf-8"))["classes"])))
def test_every_further_word_covers_names_of_the_vocabulary(word: str) -> None:
    assert HYPONYMS.of(word)
    assert HYPONYMS.of(word) <= set(WORDS.words)


def test_a_wider_word_covers_what_a_narrower_one_does() -> None:
    assert HYPONYMS.of("terrier") < HYPONYMS.of("dog") < HYPONYMS.of("animal")
    assert len(HYPONYMS.of("animal") & set(WORDS.words[:CLASSES])) == 398
