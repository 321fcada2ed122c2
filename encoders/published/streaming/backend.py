"""A backend whose clip memories and search keys come from a trained streaming encoder.

A clip's memory is H_k and its key is the indicator Ĥ_k, in a key space of its own. A question is read by the same
encoder. Frames, evidence and words stay those of the backend underneath. The per-stream part, which carries H from clip
to clip, is in `pipeline.watching.clips`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from encoders.base import Backend, EvidencePool, Frame, FrameTokens, KeyEncoder, Keys, KeySpace
from encoders.published.streaming.encoder import StreamingEncoder

NAME = "videostreaming"


class StreamingKeys:
    """A `KeyEncoder` whose keys are clip indicators.

    Args:
        inner: whose evidence is gathered, for the describer.
        encoder: reads questions.
        weights_sha256: digest of the trained weights.
        threshold: smallest cosine that counts as support; it has to be measured for each set of weights.
    """

    def __init__(self, inner: KeyEncoder, encoder: StreamingEncoder, weights_sha256: str, threshold: float) -> None:
        self._inner, self._encoder = inner, encoder
        self.space = KeySpace(NAME, weights_sha256, encoder.dim)
        self.threshold = threshold

    def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        return self._inner.evidence(frames, tokens)

    def pool(self) -> EvidencePool:
        return self._inner.pool()

    def keys(self, summary: torch.Tensor, texts: Sequence[str]) -> Keys:
        """None: a clip's key comes with its tokens (`CubeTokens.key`), so an open clip is not found yet."""
        return Keys(np.zeros((0, self.space.dim), np.float32), ())

    def question(self, text: str, memory: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """The question's indicator, unit length, float32 [D]. `memory` is H, float32 [TP, D]: published is to read the
        question with it; without it (ours) the question is read alone."""
        with torch.inference_mode():
            asked = self._encoder.question(None if memory is None else torch.from_numpy(memory), text)
            return np.asarray(F.normalize(asked, dim=0).numpy(), np.float32)

    def hyponyms(self, topic: str) -> frozenset[str]:
        return self._inner.hyponyms(topic)


@dataclass(frozen=True, slots=True)
class StreamingBackend(Backend):
    """A backend with its streaming encoder; an `IngestConfig` that names the propagator ``streaming`` uses it."""

    encoder: StreamingEncoder = field(kw_only=True)


def with_streaming(
    backend: Backend, encoder: StreamingEncoder, weights_sha256: str, threshold: float
) -> StreamingBackend:
    """The backend, remembering clips through `encoder`.

    Raises:
        ValueError: the encoder was made for frames of another width.
    """
    if encoder.config.vision_dim != backend.frames.dim:
        raise ValueError(f"frames have {backend.frames.dim} channels, the encoder reads {encoder.config.vision_dim}")
    keys = StreamingKeys(backend.keys, encoder, weights_sha256, threshold)
    name = f"{backend.name}+{NAME}"
    return StreamingBackend(name, backend.frames, keys, backend.describer, backend.notes, encoder=encoder.eval())
