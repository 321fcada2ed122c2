"""The pocket backend's search keys: recognised classes, carried into the space of sentence embeddings.

ConSE (Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014, eq. 3 with T = 10):
the embeddings of the most probable class names, weighted by their probabilities. A question's topic is embedded by the
same sentence model, so "a hound" finds a beagle. As published for single pictures. Pooling over a cube, the keys for
kinds and for screen text, and centring are ours. Training-free. Centring: all vectors have the mean of the 1000 class
names' embeddings subtracted, since single words otherwise all look alike (cosine 0.3 to 0.5).

This is no text-image model: what ImageNet has no class for is found only by the screen text and the kinds.

A cube has at most 8 keys: ``seen`` (the mean step), ``peak`` (each word at its best step, where that says something
else), up to two ``kind``, ``text`` (all lines together) and up to three ``line``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Frame, FrameTokens, Keys, KeySpace
from encoders.pocket.hyponyms import Hyponyms
from encoders.pocket.sentence import DIM, SentenceEncoder
from encoders.pocket.vision import PocketFrameEncoder
from encoders.pocket.vocabulary import CLASSES, Vocabulary, load_vectors, load_vocabulary
from encoders.pocket.weights import EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER
from encoders.state_codec import pack, unpack

NAME = "conse-minilm"
_TOP = 10
_SAME_COSINE = 0.95
_KIND_LEAST, _KINDS = 0.25, 2
_LINES = 3
_MEAN, _PEAK = 0, 1


class PocketEvidencePool:
    """Running mean and element-wise peak of steps' evidence; 12 bytes a word, whatever the cube's length."""

    def __init__(self, words: int) -> None:
        self._words = words
        self._sum: torch.Tensor
        self._peak: torch.Tensor
        self.reset()

    def add(self, evidence: torch.Tensor) -> None:
        """Takes one step's evidence, float32 [E]."""
        if evidence.shape != (self._words,):
            raise ValueError(f"evidence has shape {tuple(evidence.shape)}, not ({self._words},)")
        self._steps += 1
        self._sum = self._sum + evidence.double()
        self._peak = torch.maximum(self._peak, evidence)

    def summary(self) -> torch.Tensor:
        """Mean and peak, float32 [2, E]; zeros before the first step."""
        return torch.stack([(self._sum / max(self._steps, 1)).float(), self._peak])

    def reset(self) -> None:
        self._steps = 0
        self._sum = torch.zeros(self._words, dtype=torch.float64)
        self._peak = torch.zeros(self._words)

    def state(self) -> bytes:
        return pack({"steps": self._steps}, {"sum": self._sum, "peak": self._peak})

    def restore(self, state: bytes) -> None:
        """Raises ValueError where the state was made for another vocabulary."""
        values, tensors = unpack(state)
        if tensors["sum"].shape != (self._words,):
            raise ValueError(f"the saved evidence has {len(tensors['sum'])} words, not {self._words}")
        self._steps, self._sum, self._peak = values["steps"], tensors["sum"], tensors["peak"]


class PocketKeyEncoder:
    """Evidence and words -> keys; a `KeyEncoder`.

    Args:
        vision: whose head turns tokens into class probabilities.
        sentences: embeds topics and lines; the words' own embeddings come from a table.
    """

    threshold = 0.5
    """About a third of right topics reach it and one in 200 wrong ones; at 0.4 a cat (0.48) would count as a dog. How
    it was measured is in docs/adr/0010."""

    def __init__(
        self, vision: PocketFrameEncoder, sentences: SentenceEncoder, vocabulary: Vocabulary | None = None
    ) -> None:
        self.vocabulary = vocabulary or load_vocabulary()
        self._vision, self._sentences = vision, sentences
        self._hyponyms = Hyponyms(self.vocabulary)
        vectors, vectors_sha256 = load_vectors(self.vocabulary)
        self._centre = vectors[:CLASSES].mean(0)
        self._vectors = _unit(vectors - self._centre)
        digests = [EFFICIENTNET_LITE2.sha256, MINILM.sha256, MINILM_TOKENIZER.sha256]
        joined = "".join([*digests, self.vocabulary.sha256, vectors_sha256])
        self.space = KeySpace(NAME, hashlib.sha256(joined.encode()).hexdigest(), DIM)

    def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        """A probability for each word on each step, float32 [T, E], from tokens alone. E: 1000 classes, then kinds."""
        return self.vocabulary.evidence(self._vision.class_probabilities(tokens.tokens[0]))

    def pool(self) -> PocketEvidencePool:
        return PocketEvidencePool(len(self.vocabulary.words))

    def keys(self, summary: torch.Tensor, texts: Sequence[str]) -> Keys:
        """At most 8 keys from a pool's summary [2, E] and the lines read, the most informative lines first."""
        rows = [*self._picture_keys(summary), *self._kinds(summary), *self._texts(texts)]
        vectors = np.stack([vector for _, vector in rows]) if rows else np.zeros((0, DIM), np.float32)
        return Keys(vectors, tuple(kind for kind, _ in rows))

    def question(self, text: str) -> npt.NDArray[np.float32]:
        """The topic's sentence embedding, float32 [384]."""
        return np.asarray(self._embed([text.strip()])[0])

    def hyponyms(self, topic: str) -> frozenset[str]:
        """See `KeyEncoder.hyponyms` and `encoders.pocket.hyponyms`."""
        return self._hyponyms.of(topic)

    def _picture_keys(self, summary: torch.Tensor) -> list[tuple[str, npt.NDArray[np.float32]]]:
        if not summary.any():
            return []
        mean, peak = self._conse(summary[_MEAN]), self._conse(summary[_PEAK])
        return [("seen", mean)] if float(mean @ peak) > _SAME_COSINE else [("seen", mean), ("peak", peak)]

    def _conse(self, evidence: torch.Tensor) -> npt.NDArray[np.float32]:
        """The convex combination of the `_TOP` most probable class names' embeddings, scaled to unit length."""
        top = evidence[:CLASSES].topk(_TOP)
        return _unit(top.values.numpy() @ self._vectors[top.indices.numpy()])

    def _kinds(self, summary: torch.Tensor) -> list[tuple[str, npt.NDArray[np.float32]]]:
        kinds = self.vocabulary.most_informative(sureness(summary), _KIND_LEAST, _KINDS)
        return [("kind", self._vectors[kind]) for kind in kinds]

    def _texts(self, texts: Sequence[str]) -> list[tuple[str, npt.NDArray[np.float32]]]:
        lines = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
        kinds = ["text"] * (len(lines) > 1) + ["line"] * len(lines[:_LINES])
        spoken = [" ".join(lines)] * (len(lines) > 1) + lines[:_LINES]
        return list(zip(kinds, self._embed(spoken), strict=True))

    def _embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return _unit(self._sentences.embed(texts) - self._centre)


def sureness(summary: torch.Tensor) -> torch.Tensor:
    """How sure a cube is of each word, [2, E] -> [E]: half its mean step, half its best one. A word seen throughout
    counts fully, one seen on a single step has to be twice as probable there."""
    return summary.mean(0)


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
