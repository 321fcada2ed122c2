"""Writes encoders/pocket/words.npy: the sentence embedding of every class name and kind (13 s on one core).

python tests/data/make_word_vectors.py
"""

from __future__ import annotations

from encoders.pocket.sentence import SentenceEncoder
from encoders.pocket.vocabulary import load_vocabulary, save_vectors

if __name__ == "__main__":
    vocabulary = load_vocabulary()
    save_vectors(vocabulary, SentenceEncoder().embed(vocabulary.words))
