"""Writes encoders/pocket/words.npy: the sentence embedding of every class name and kind (13 s on one core).

python tests/data/make_word_vectors.py
"""

from __future__ import annotations

from encoders.pocket.sentence import SentenceEncoder
from encoders.pocket.tables import save_table
from encoders.pocket.vocabulary import VECTORS_FILE, load_vocabulary

if __name__ == "__main__":
    vocabulary = load_vocabulary()
    save_table(VECTORS_FILE, vocabulary.sha256, SentenceEncoder().embed(vocabulary.words))
