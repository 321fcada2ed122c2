from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.base import Backend, Frame
from encoders.pocket.keys import PocketEvidencePool
from encoders.pocket.vocabulary import load_vocabulary

WORDS = load_vocabulary()
E = len(WORDS.words)


def summary_of(pocket: Backend, *pictures: str) -> torch.Tensor:
    """A pool's summary over pictures of scikit-image, one step each."""
    frames = [Frame(getattr(skimage.data, name)(), float(step)) for step, name in enumerate(pictures)]
    pool = pocket.keys.pool()
    for step in pocket.keys.evidence(frames, pocket.frames.encode(frames)):
        pool.add(step)
    return pool.summary()


def certain(**probabilities: float) -> torch.Tensor:
    """Evidence of one step that shows the named classes; underscores stand for spaces."""
    classes = torch.zeros(1000)
    for name, probability in probabilities.items():
        classes[WORDS.words.index(name.replace("_", " "))] = probability
    return WORDS.evidence(classes)


def summary(*steps: torch.Tensor) -> torch.Tensor:
    pool = PocketEvidencePool(E)
    for step in steps:
        pool.add(step)
    return pool.summary()


def best(pocket: Backend, topic: str, evidence: torch.Tensor, texts: tuple[str, ...] = ()) -> float:
    return float((pocket.keys.keys(evidence, texts).vectors @ pocket.keys.question(topic)).max())


def test_evidence_holds_classes_and_sums_of_kinds(pocket: Backend) -> None:
    frames = [Frame(skimage.data.chelsea(), 0.0)]
    evidence = pocket.keys.evidence(frames, pocket.frames.encode(frames))
    assert evidence.shape == (1, E)
    cat = WORDS.words.index("cat", 1000)
    torch.testing.assert_close(evidence[0, cat], (evidence[0, :1000] * WORDS.members[cat]).sum())
    assert evidence[0, WORDS.words.index("animal", 1000)] >= evidence[0, cat]


@pytest.mark.parametrize(
    ("picture", "right", "wrong"),
    [
        ("chelsea", ("cat", "kitten", "feline", "pet"), ("car", "football", "kitchen", "airplane")),
        ("coffee", ("coffee", "cup", "espresso", "beverage"), ("dog", "car", "mountain", "rocket")),
        ("rocket", ("missile",), ("dog", "pizza", "cup", "tree")),
    ],
)
def test_right_topics_reach_the_threshold_and_wrong_ones_do_not(
    pocket: Backend, picture: str, right: tuple[str, ...], wrong: tuple[str, ...]
) -> None:
    evidence = summary_of(pocket, picture)
    assert all(best(pocket, topic, evidence) >= pocket.keys.threshold for topic in right)
    assert all(best(pocket, topic, evidence) < pocket.keys.threshold for topic in wrong)


def test_what_is_spread_over_breeds_is_still_found_as_a_dog(pocket: Backend) -> None:
    breeds = certain(Beagle=0.2, pug=0.2, collie=0.2, Whippet=0.2, Samoyed=0.2)
    assert best(pocket, "dog", summary(breeds)) == pytest.approx(1.0, abs=0.01)


def test_the_peak_is_a_key_only_where_it_says_something_else(pocket: Backend) -> None:
    cat, car = certain(tabby_cat=1.0), certain(sports_car=1.0)
    assert "peak" not in pocket.keys.keys(summary(cat, cat), ()).kinds
    kinds = pocket.keys.keys(summary(*[cat] * 9, car), ()).kinds
    assert kinds[:2] == ("seen", "peak")


def test_screen_text_is_searchable_word_for_word(pocket: Backend) -> None:
    lines = ("Chapter two", "The quarterly report", "Chapter two", " ", "Ada Lovelace", "page 4")
    keys = pocket.keys.keys(summary(certain(monitor=1.0)), lines)
    assert keys.kinds[-4:] == ("text", "line", "line", "line")
    assert best(pocket, "the quarterly report", summary(certain(monitor=1.0)), lines) == pytest.approx(1.0, abs=0.01)


def test_one_line_is_one_key(pocket: Backend) -> None:
    assert pocket.keys.keys(torch.zeros(2, E), ["GAP"]).kinds == ("line",)


def test_nothing_seen_and_nothing_read_gives_no_keys(pocket: Backend) -> None:
    keys = pocket.keys.keys(torch.zeros(2, E), [])
    assert (keys.vectors.shape, keys.kinds) == ((0, 384), ())


def test_at_most_eight_keys_of_unit_length(pocket: Backend) -> None:
    crowded = summary(*[certain(tabby_cat=1.0)] * 9, certain(sports_car=1.0), certain(espresso=1.0))
    keys = pocket.keys.keys(crowded, [f"line number {n}" for n in range(20)])
    assert len(keys.kinds) == len(keys.vectors) == 8
    np.testing.assert_allclose(np.linalg.norm(keys.vectors, axis=1), 1.0, atol=1e-5)
    assert keys.vectors.dtype == np.float32


def test_the_key_space_names_the_encoder_and_its_weights(pocket: Backend) -> None:
    assert (pocket.keys.space.encoder, pocket.keys.space.dim) == ("conse-minilm", 384)
    assert len(pocket.keys.space.weights_sha256) == 64


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(0, 12), cut=st.integers(0, 12))
def test_a_restored_pool_goes_on_to_the_bit(seed: int, steps: int, cut: int) -> None:
    evidence = torch.rand(steps, 50, generator=torch.Generator().manual_seed(seed))
    whole, first, second = (PocketEvidencePool(50) for _ in range(3))
    for step in evidence:
        whole.add(step)
    for step in evidence[:cut]:
        first.add(step)
    second.restore(first.state())
    for step in evidence[cut:]:
        second.add(step)
    assert torch.equal(second.summary(), whole.summary())
    assert second.state() == whole.state()


def test_the_pool_keeps_mean_and_peak_and_forgets_on_reset() -> None:
    pool = PocketEvidencePool(3)
    pool.add(torch.tensor([1.0, 0.0, 0.5]))
    pool.add(torch.tensor([0.0, 0.5, 0.5]))
    assert pool.summary().tolist() == [[0.5, 0.25, 0.5], [1.0, 0.5, 0.5]]
    pool.reset()
    assert not pool.summary().any()


def test_the_pools_state_does_not_grow() -> None:
    pool = PocketEvidencePool(E)
    pool.add(torch.rand(E))
    size = len(pool.state())
    for _ in range(90):
        pool.add(torch.rand(E))
    assert len(pool.state()) <= size + 1  # one more digit of the step count


def test_evidence_or_state_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="evidence has shape"):
        PocketEvidencePool(3).add(torch.zeros(4))
    with pytest.raises(ValueError, match="4 words, not 3"):
        PocketEvidencePool(3).restore(PocketEvidencePool(4).state())
