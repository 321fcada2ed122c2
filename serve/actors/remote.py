"""The encoder and memory protocols over Ray handles, for callers in other processes.

Each call is one round trip (about 5 ms on one machine); frames and tokens travel through Ray's object store. Watching
makes one for a group of steps (`RemoteBackend.observe`), one for each screen that is read, and one for the words and
keys of a cube. Calls block, so never make them from an event loop.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Backend, EvidencePool, Frame, FrameTokens, Keys, KeySpace, Observation
from encoders.notes import FrameNotes, Thing
from memory.records import F32, Hit, TimeSpan
from memory.retrieval.retriever import Retrieval, RetrievalRequest


class _Remote:
    """Something behind a deployment handle."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def _call(self, method: str, *arguments: object) -> Any:
        return getattr(self._handle, method).remote(*arguments).result()


class RemoteFrames(_Remote):
    """`FrameEncoder`; watching has its tokens from `RemoteBackend.observe`."""

    def __init__(self, handle: Any, levels: int, dim: int, frames_per_step: int) -> None:
        super().__init__(handle)
        self.levels = levels
        self.dim = dim
        self.frames_per_step = frames_per_step

    def encode(self, frames: Sequence[Frame]) -> FrameTokens:
        observation: Observation = self._call("observe", list(frames), [])
        return observation.tokens


class RemoteKeys(_Remote):
    """`KeyEncoder`."""

    def __init__(self, handle: Any, space: KeySpace, threshold: float) -> None:
        super().__init__(handle)
        self.space = space
        self.threshold = threshold

    def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        evidence: torch.Tensor = self._call("evidence", list(frames), tokens)
        return evidence

    def pool(self) -> EvidencePool:
        pool: EvidencePool = self._call("pool")
        return copy.deepcopy(pool)  # arrays out of Ray's object store are read-only

    def keys(self, summary: torch.Tensor, texts: Sequence[str]) -> Keys:
        _, keys = self._call("summarize", summary, list(texts))
        return cast(Keys, keys)

    def question(self, text: str) -> npt.NDArray[np.float32]:
        vector: npt.NDArray[np.float32] = self._call("question", text)
        return vector

    def hyponyms(self, topic: str) -> frozenset[str]:
        names: frozenset[str] = self._call("hyponyms", topic)
        return names


class RemoteDescriber(_Remote):
    """`Describer`."""

    def describe_frame(self, frame: Frame, *, read_screen: bool) -> FrameNotes:
        notes: FrameNotes = self._call("describe_frame", frame, read_screen)
        return notes

    def things(self, summary: torch.Tensor) -> tuple[Thing, ...]:
        things, _ = self._call("summarize", summary, [])
        return cast(tuple[Thing, ...], things)


class RemoteDetector(_Remote):
    """`Detector`; watching has its detections from `RemoteBackend.observe`."""

    def detect(
        self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor
    ) -> tuple[tuple[Thing, ...], ...]:
        observation: Observation = self._call("observe", list(frames), [True] * len(tokens.times_s))
        return observation.detections


@dataclass(frozen=True, slots=True)
class RemoteBackend(Backend):
    """A `Backend` whose calls for a group of steps, and for a cube, are one round trip each."""

    handle: Any = field(kw_only=True)

    def observe(self, frames: Sequence[Frame], *, detect: Sequence[bool] = ()) -> Observation:
        """See `Backend.observe`."""
        observation: Observation = self.handle.observe.remote(list(frames), list(detect)).result()
        return observation

    def summarize(self, summary: torch.Tensor, texts: Sequence[str]) -> tuple[tuple[Thing, ...], Keys]:
        """See `Backend.summarize`."""
        words_and_keys: tuple[tuple[Thing, ...], Keys] = self.handle.summarize.remote(summary, list(texts)).result()
        return words_and_keys


def remote_backend(handle: Any) -> RemoteBackend:
    """The encoder deployment as a `Backend`; asks it once what it is."""
    about: dict[str, Any] = handle.about.remote().result()
    return RemoteBackend(
        name=about["name"],
        frames=RemoteFrames(handle, about["levels"], about["dim"], about["frames_per_step"]),
        keys=RemoteKeys(handle, about["space"], about["threshold"]),
        describer=RemoteDescriber(handle),
        notes=about["notes"],
        detector=RemoteDetector(handle) if about["detects"] else None,
        handle=handle,
    )


class RemoteRetriever(_Remote):
    """`Retriever` at the memory owner's."""

    def retrieve(self, video_id: str, request: RetrievalRequest) -> Retrieval:
        retrieval: Retrieval = self._call("retrieve", video_id, request)
        return retrieval

    def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None = None) -> list[Hit]:
        hits: list[Hit] = self._call("search", vector, limit, video_ids)
        return hits

    def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        beside: tuple[Hit | None, Hit | None] = self._call("neighbours", video_id, span)
        return beside
