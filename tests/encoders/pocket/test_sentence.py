from __future__ import annotations

import numpy as np
import pytest

from encoders.pocket.sentence import SentenceEncoder
from encoders.pocket.vocabulary import load_vectors, load_vocabulary
from encoders.pocket.weights import MINILM, weight_file

TEXTS = ["a red car drives past", "Hello, world! 123 naïve", "coffee", "", "word " * 400]


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    return SentenceEncoder()


def test_equals_the_reference_implementation(sentences: SentenceEncoder) -> None:
    import torch
    from transformers import BertModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # it reports the unused pooler as an unexpected weight
    logging.disable_progress_bar()
    reference = BertModel.from_pretrained(weight_file(MINILM).parent, local_files_only=True, add_pooling_layer=False)
    for text in TEXTS:
        ids = sentences._tokenizer.encode(text).ids
        with torch.no_grad():
            mean = reference(torch.tensor([ids])).last_hidden_state[0].mean(0)
        expected = (mean / mean.norm()).numpy()
        np.testing.assert_allclose(sentences.embed([text])[0], expected, atol=2e-6)


def test_vectors_have_unit_length_and_do_not_depend_on_company(sentences: SentenceEncoder) -> None:
    together = sentences.embed(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(sentences.embed([text])[0], row)


def test_no_texts_give_no_rows(sentences: SentenceEncoder) -> None:
    assert sentences.embed([]).shape == (0, 384)


def test_meaning_is_nearer_than_spelling(sentences: SentenceEncoder) -> None:
    dog, hound, dock = sentences.embed(["dog", "hound", "dock"])
    assert dog @ hound > dog @ dock


def test_the_table_of_words_is_what_the_model_makes(sentences: SentenceEncoder) -> None:
    vocabulary = load_vocabulary()
    vectors, _ = load_vectors(vocabulary)
    some = range(0, len(vocabulary.words), 29)
    fresh = sentences.embed([vocabulary.words[index] for index in some])
    np.testing.assert_allclose(vectors[list(some)], fresh, atol=1e-3)
