"""What is remembered of a video: frozen records, times in seconds.

Nothing here knows how a record was made (models) or where it is kept (`memory.store.base`). `notes` is JSON whose
meaning belongs to the encoders; components' states are opaque, bounded bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

VideoStatus = Literal["queued", "ingesting", "live", "ready", "partial", "failed", "canceled"]
FINAL_STATUSES: frozenset[VideoStatus] = frozenset({"ready", "partial", "failed", "canceled"})
Boundary = Literal["change", "limit", "interrupted", "end"]
TokenType = Literal["int8", "bfloat16", "float32"]

F16 = npt.NDArray[np.float16]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
Ids = npt.NDArray[np.int64]
"""Ids of keys in the index (`memory.index.base.key_id`)."""


@dataclass(frozen=True, slots=True, order=True)
class TimeSpan:
    """Half-open span [start_s, end_s) in seconds since the stream's first frame."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not self.end_s >= self.start_s:
            raise ValueError(f"a span cannot end before it starts: {self.start_s} .. {self.end_s}")

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    def overlaps(self, other: TimeSpan) -> bool:
        """Whether the two share time. An empty span is a moment: inside [start_s, end_s), or the same moment."""
        if self.seconds == 0 or other.seconds == 0:
            moment, span = (self, other) if self.seconds == 0 else (other, self)
            return span.start_s <= moment.start_s < span.end_s or moment.start_s == span.start_s
        return self.start_s < other.end_s and other.start_s < self.end_s


@dataclass(frozen=True, slots=True)
class PackedTokens:
    """Tokens as stored (see `memory.store.packing` for the error bounds).

    Attributes:
        values: [S, M, D]; int8, the bits of bfloat16 as uint16, or float32.
        scales: float16 [S, M] for int8, else None.
        dtype: which of the three.
    """

    values: I8 | npt.NDArray[np.uint16] | F32
    scales: F16 | None
    dtype: TokenType = "int8"


@dataclass(frozen=True, slots=True)
class CubeMemory:
    """A closed cube; never changes and is never renumbered.

    Attributes:
        ordinal: 0, 1, 2 … within the video, in order of time.
        tokens: S levels of at most M tokens of D channels.
        weights: float32 [M], patch tokens each stands for.
        positions: float32 [M, 3], time (s), row, column.
        keys: float16 [R, K], rows of unit length.
        key_kinds: R names.
        notes: JSON of the describer.
        thumbnail: JPEG bytes.
    """

    ordinal: int
    span: TimeSpan
    boundary: Boundary
    tokens: PackedTokens
    weights: F32
    positions: F32
    keys: F16
    key_kinds: tuple[str, ...]
    notes: Mapping[str, Any]
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class OpenCube:
    """The one cube still growing: provisional, overwritten at each commit, never in the index; no ordinal yet."""

    span: TimeSpan
    keys: F16
    key_kinds: tuple[str, ...]
    notes: Mapping[str, Any]
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class GlobalMemory:
    """Everything so far, constant size.

    Attributes:
        tokens: float32 [G, D], G <= 64 (0 where nothing is propagated).
        weights: float32 [G].
        positions: float32 [G, 3], time (s), row, column.
        until_s: end of the last cube taken in.
    """

    tokens: F32
    weights: F32
    positions: F32
    until_s: float

    @classmethod
    def empty(cls, dim: int) -> GlobalMemory:
        """The memory of nothing: no tokens, until 0 s."""
        return cls(np.zeros((0, dim), np.float32), np.zeros(0, np.float32), np.zeros((0, 3), np.float32), 0.0)


@dataclass(frozen=True, slots=True)
class IngestState:
    """All that a restarted worker needs to go on as if nothing had happened.

    Attributes:
        next_step: steps committed so far.
        next_ordinal: cubes closed so far.
        decode_mode: ``full``, ``keyframes`` or ``push``; decided once.
        resume_after_s: presentation time of the last committed step; None before the first.
        global_memory: what the propagator carries.
        components: opaque bounded bytes by component (cubing, compressor, key pool, describer …).
    """

    next_step: int
    next_ordinal: int
    decode_mode: str
    resume_after_s: float | None
    global_memory: GlobalMemory
    components: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VideoError:
    """Why a video is partial or failed: a stable code and a sentence for a person."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """One video, recorded or live.

    Attributes:
        id: opaque string.
        number: small integer, part of the index ids.
        owner: whose it is; one user until keys exist: ``local``.
        sha256: digest of the file; empty for streams.
        backend, key_space: names of what watched it; another backend refuses.
        sampling: how steps were chosen, for example ``1fps``.
        duration_s: the container's own claim; None where unknown (live).
        ingested_s: up to where it is watched and committed.
        created_s: Unix UTC.
        media: path of the kept file, or None.
        media_offset_s: the first frame's own timestamp in the file.
        start_utc_s: Unix UTC of the stream's first frame; None for recorded files.
        watched_s: Unix UTC of the last commit, by the store's clock; None before the first.
    """

    id: str
    number: int
    owner: str
    name: str
    status: VideoStatus
    sha256: str
    backend: str
    key_space: str
    sampling: str
    created_s: float
    duration_s: float | None = None
    ingested_s: float = 0.0
    cubes: int = 0
    bytes_stored: int = 0
    media: str | None = None
    media_offset_s: float = 0.0
    start_utc_s: float | None = None
    error: VideoError | None = None
    watched_s: float | None = None


@dataclass(frozen=True, slots=True)
class KeyedSpan:
    """What selection needs to know of a cube without its tokens: where it is and what it answers to.

    Attributes:
        ordinal: None for the open cube.
        keys: float16 [R, K].
    """

    ordinal: int | None
    span: TimeSpan
    keys: F16
    key_kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Searchable:
    """What recall needs of one video at one moment.

    Attributes:
        closed: cubes with their keys, from the ordinal that was asked for.
        version: what tells this moment of the video's memory from any other; the rest may be of a later one, and never
            of an earlier.
    """

    closed: list[KeyedSpan]
    opened: OpenCube | None
    version: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A cube that answers to a query: score is the best cosine over its keys, -1 to 1."""

    video_id: str
    ordinal: int | None
    span: TimeSpan
    score: float
    kind: str


@dataclass(frozen=True, slots=True)
class Appearances:
    """What a count rests on: every hit above the backend's threshold, neighbouring cubes joined.

    Attributes:
        count: number of separate appearances.
        first_s, last_s: start of the first and end of the last; None when count is 0.
        spans: at most 20, in order of time.
    """

    count: int
    first_s: float | None
    last_s: float | None
    spans: tuple[TimeSpan, ...]
