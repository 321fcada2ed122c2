"""Wraps the pocket encoders so that each picture is encoded once: results are kept on disk and read back.

Ten hours of film at a picture a second are 36,000 steps of some 8,000 distinct pictures. When a picture comes again,
its tokens, evidence and colours are read back, bit for bit what the real encoder gave the first time. Screens are not
read, as nothing here is asked about text. One process at a time writes to a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Backend, Describer, EvidencePool, Frame, FrameEncoder, FrameTokens, KeyEncoder, Keys, KeySpace
from encoders.notes import FrameNotes, Thing

F32 = npt.NDArray[np.float32]
_DIGEST_BYTES = 16


class Table:
    """Rows of one width on disk, found by a digest of 16 bytes; rows are added and never changed.

    A row counts once its digest is written, which comes last: an interrupted writer leaves the table whole.
    """

    def __init__(self, folder: Path, name: str, width: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._digests, self._rows = folder / f"{name}.digests", folder / f"{name}-{width}.f32"
        self._digests.touch()
        self._rows.touch()
        self._width = width
        written = self._digests.read_bytes()
        count = min(len(written) // _DIGEST_BYTES, self._rows.stat().st_size // (4 * width))
        self._place = {written[i * _DIGEST_BYTES : (i + 1) * _DIGEST_BYTES]: i for i in range(count)}
        self._view: F32 | None = None

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._place

    def add(self, digests: Sequence[bytes], rows: F32) -> None:
        """Adds rows [n, width] under new digests."""
        for path, data, size in (
            (self._rows, rows.astype(np.float32).tobytes(), 4 * self._width),
            (self._digests, b"".join(digests), _DIGEST_BYTES),
        ):
            with path.open("r+b") as file:
                file.truncate(len(self._place) * size)
                file.seek(0, 2)
                file.write(data)
        for digest in digests:
            self._place[digest] = len(self._place)
        self._view = None

    def rows(self, digests: Sequence[bytes]) -> F32:
        """float32 [n, width]. Raises KeyError for a digest it does not hold."""
        if self._view is None:
            self._view = np.memmap(self._rows, np.float32, "r", shape=(len(self._place), self._width))
        return np.asarray(self._view[[self._place[digest] for digest in digests]])


def digest(frame: Frame) -> bytes:
    """The digest a picture is stored under."""
    return hashlib.blake2b(np.ascontiguousarray(frame.rgb).data, digest_size=_DIGEST_BYTES).digest()


class _Digests:
    """Digests of the latest pictures: every part of an encoder is handed the same arrays, a film often again."""

    _HELD = 6000

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[object, bytes]] = {}

    def of(self, frame: Frame) -> bytes:
        entry = self._by_id.get(id(frame.rgb))
        if entry is None:
            if len(self._by_id) >= self._HELD:
                self._by_id.clear()
            entry = self._by_id[id(frame.rgb)] = (frame.rgb, digest(frame))  # held, so that its id stays its own
        return entry[1]


class RememberedFrames:
    """A `FrameEncoder` that encodes a picture once."""

    def __init__(self, encoder: FrameEncoder, digests: _Digests, grid: tuple[int, int], folder: Path) -> None:
        self._encoder, self._digests, self._grid = encoder, digests, grid
        self.levels, self.dim, self.frames_per_step = encoder.levels, encoder.dim, encoder.frames_per_step
        self.table = Table(folder, "tokens", grid[0] * grid[1] * encoder.dim)

    def encode(self, frames: Sequence[Frame]) -> FrameTokens:
        digests = [self._digests.of(frame) for frame in frames]
        fresh = {digest: frame for digest, frame in zip(digests, frames, strict=True) if digest not in self.table}
        if fresh:
            encoded = self._encoder.encode(list(fresh.values()))
            self.table.add(list(fresh), encoded.tokens[0].flatten(1).numpy())
        rows = torch.from_numpy(self.table.rows(digests)).view(1, len(frames), -1, self.dim)
        return FrameTokens(rows, self._grid, tuple(frame.time_s for frame in frames))


class RememberedKeys:
    """A `KeyEncoder` that looks for evidence once in a picture."""

    def __init__(self, encoder: KeyEncoder, digests: _Digests, evidence: int, folder: Path) -> None:
        self._encoder, self._digests = encoder, digests
        self.space: KeySpace = encoder.space
        self.threshold = encoder.threshold
        self._table = Table(folder, "evidence", evidence)

    def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        digests = [self._digests.of(frame) for frame in frames]
        fresh = [i for i, digest in enumerate(digests) if digest not in self._table and digest not in digests[:i]]
        if fresh:
            some = FrameTokens(tokens.tokens[:, fresh], tokens.grid, tuple(tokens.times_s[i] for i in fresh))
            rows = self._encoder.evidence([frames[i] for i in fresh], some)
            self._table.add([digests[i] for i in fresh], rows.numpy())
        return torch.from_numpy(self._table.rows(digests))

    def pool(self) -> EvidencePool:
        return self._encoder.pool()

    def keys(self, summary: torch.Tensor, texts: Sequence[str]) -> Keys:
        return self._encoder.keys(summary, texts)

    def question(self, text: str) -> npt.NDArray[np.float32]:
        return self._encoder.question(text)

    def hyponyms(self, topic: str) -> frozenset[str]:
        return self._encoder.hyponyms(topic)


class RememberedDescriber:
    """A `Describer` that looks at a picture's colours once and never reads the screen."""

    def __init__(self, describer: Describer, digests: _Digests, colours: int, folder: Path) -> None:
        self._describer, self._digests = describer, digests
        self._table = Table(folder, "colours", colours)

    def describe_frame(self, frame: Frame, *, read_screen: bool) -> FrameNotes:
        digest = self._digests.of(frame)
        if digest not in self._table:
            self._table.add([digest], self._describer.describe_frame(frame, read_screen=False).colours[None])
        return FrameNotes(None, self._table.rows([digest])[0])

    def things(self, summary: torch.Tensor) -> tuple[Thing, ...]:
        return self._describer.things(summary)


def remembered(backend: Backend, folder: Path) -> Backend:
    """The backend with its memory in `folder`; another key space has another one."""
    blank = Frame(np.zeros((8, 8, 3), np.uint8), 0.0)
    tokens = backend.frames.encode([blank])
    evidence = backend.keys.evidence([blank], tokens).shape[1]
    colours = len(backend.describer.describe_frame(blank, read_screen=False).colours)
    place, digests = folder / backend.keys.space.weights_sha256[:12], _Digests()
    frames = RememberedFrames(backend.frames, digests, tokens.grid, place)
    keys = RememberedKeys(backend.keys, digests, evidence, place)
    describer = RememberedDescriber(backend.describer, digests, colours, place)
    return Backend(backend.name, frames, keys, describer, backend.notes)
