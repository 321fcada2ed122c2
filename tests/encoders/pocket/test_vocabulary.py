from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.errors import WeightsUnavailable
from encoders.pocket.tables import save_table
from encoders.pocket.vocabulary import NAMES_FILE, Vocabulary, load_vectors, load_vocabulary

WORDS = load_vocabulary()


def classes_of(word: str) -> set[str]:
    members = WORDS.members[WORDS.words.index(word, 1000)].nonzero().flatten().tolist()
    return {WORDS.words[index] for index in members}


def test_a_thousand_classes_with_names_of_their_own() -> None:
    names = WORDS.words[:1000]
    assert len({name.lower() for name in names}) == 1000
    assert len({name.lower() for name in WORDS.words}) == len(WORDS.words)


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("cat", {"tabby cat", "Siamese cat", "Persian cat"}),
        ("dog", {"Beagle", "pug", "Siberian Husky"}),
        ("car", {"sports car", "jeep", "taxicab", "station wagon"}),
        ("bottle", {"water bottle", "wine bottle", "beer bottle"}),
        ("cup", {"espresso", "coffee mug", "tea cup"}),
        ("coffee", {"espresso"}),
        ("rocket", {"missile", "projectile", "space shuttle"}),
        ("bird", {"bald eagle", "hen", "king penguin"}),
        ("boat", {"motorboat", "gondola"}),
        ("person", {"baseball player", "suit", "jeans"}),
        ("telephone", {"mobile phone"}),
    ],
)
def test_kinds_people_ask_for_have_their_classes(kind: str, members: set[str]) -> None:
    assert members <= classes_of(kind)


def test_a_kind_that_is_only_shown_does_not_explain_a_class() -> None:
    suit, person = WORDS.words.index("suit"), WORDS.words.index("person", 1000)
    assert WORDS.members[person, suit] == 1
    assert WORDS.hyponyms[person, suit] == 0


def test_the_file_is_small_and_complete() -> None:
    assert NAMES_FILE.stat().st_size < 400_000
    classes = json.loads(NAMES_FILE.read_text("utf-8"))
    assert all(entry["synset"].startswith("n") and entry["name"] for entry in classes)


def toy() -> Vocabulary:
    """Classes 0 and 1 are dogs, 2 is a cat, 3 a coat; all but the coat are animals, a coat shows a person."""
    hyponyms = torch.zeros(4, 1000)
    hyponyms[0, [0, 1]] = hyponyms[1, 2] = hyponyms[2, [0, 1, 2]] = 1
    shown = hyponyms.clone()
    shown[3, 3] = 1
    names = [f"class {number}" for number in range(1000)]
    eye = torch.eye(1000)
    return Vocabulary(
        (*names, "dog", "cat", "animal", "person"), torch.cat([eye, shown]), torch.cat([eye, hyponyms]), "0"
    )


def narrowest(**probabilities: float) -> list[str]:
    words = toy()
    classes = torch.zeros(1000)
    for name, probability in probabilities.items():
        classes[int(name[1:])] = probability
    return [words.words[word] for word in words.narrowest(words.evidence(classes), 0.33, 0.4, 5)]


def test_one_sure_class_is_named_by_itself() -> None:
    assert narrowest(c0=0.9) == ["class 0"]


def test_what_is_spread_is_named_by_its_kind() -> None:
    assert narrowest(c0=0.35, c1=0.35) == ["dog"]
    assert narrowest(c0=0.3, c2=0.3) == ["animal"]


def test_what_is_only_shown_is_named_too() -> None:
    assert narrowest(c3=0.8) == ["class 3", "person"]


def test_nothing_sure_is_not_named() -> None:
    assert narrowest(c0=0.1, c3=0.3) == []


def test_broad_kinds_have_to_be_surer_than_chance() -> None:
    spread = WORDS.evidence(torch.full((1000,), 0.001))
    assert spread[WORDS.words.index("animal", 1000)] > 0.33
    assert WORDS.narrowest(spread, 0.33, 0.4, 5) == WORDS.most_informative(spread, 0.25, 5) == []


def test_a_table_for_other_words_is_refused(tmp_path: Path) -> None:
    other = Vocabulary(WORDS.words, WORDS.members, WORDS.hyponyms, "ab" * 32)
    vectors = np.zeros((len(WORDS.words), 384), np.float32)
    save_table(tmp_path / "words.npy", other.sha256, vectors)
    with pytest.raises(WeightsUnavailable, match="made for other words"):
        load_vectors(WORDS, tmp_path / "words.npy")
    assert np.array_equal(load_vectors(other, tmp_path / "words.npy")[0], vectors)
