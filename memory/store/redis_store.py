"""The store on Redis or Valkey (7.0 or later), alone or as a cluster: the source of truth about every video.

Implements `memory.store.base.MemoryStore`. One Lua script makes a commit all-or-nothing; it refuses unless the worker's
epoch, its step and its cubes' ordinals are the ones that follow, and recognises a commit that is sent again. Key names
and errors: `memory.store.connection`. What spans videos: `memory.store.catalog`. Thread-safe; a client may be shared.

Every commit and every change of a record publishes the video's commit number on `commits_channel(id)`; notifications
may get lost, so a listener also compares `applied`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from memory.errors import CommitRefused, CorruptRecord, UnknownCube, UnknownVideo
from memory.records import CubeMemory, IngestState, KeyedSpan, OpenCube, Searchable, VideoRecord
from memory.store import codec
from memory.store.base import Commit
from memory.store.catalog import Catalog, content_identity
from memory.store.connection import (
    SCHEMA,
    TIMEOUT_S,
    RedisKeys,
    Scripts,
    commits_channel,
    connect,
    connect_socket,
    sent,
    translated,
)
from memory.store.migration import migrate
from memory.store.server import ServerReport, check_servers, rewrite_log

UPDATABLE = frozenset({"name", "status", "error", "duration_s", "media", "media_offset_s", "start_utc_s"})
"""Fields that `update_video` may change; the others are fixed at creation or move with commits."""
_CUBES_A_READ = 32
_SPANS_A_READ = 512
_HEAD = ("cubes", "gone", "commits", "mark")


class _Head(NamedTuple):
    """How many closed cubes a video has, and what its memory is at this moment."""

    cubes: int
    version: str


class RedisStore:
    """See the module. `rewrite_on_delete` rewrites the append-only file after a deletion, so that nothing deleted stays
    on disk; it needs the right to run BGREWRITEAOF, which the embedded server gives."""

    def __init__(self, client: Any, *, rewrite_on_delete: bool = False) -> None:
        self._client = client
        self._rewrite = rewrite_on_delete
        self._rewrite_due = False
        self._scripts = Scripts(client)
        self._catalog = Catalog(client, self._scripts)

    @classmethod
    def at_url(
        cls, url: str, *, cluster: bool | None = False, rewrite_on_delete: bool = False, timeout_s: float = TIMEOUT_S
    ) -> RedisStore:
        """A store on the server at `url`; `cluster` None asks it what it is, `timeout_s` is how long a call waits."""
        return cls(connect(url, cluster=cluster, timeout_s=timeout_s), rewrite_on_delete=rewrite_on_delete)

    @classmethod
    def at_socket(cls, path: Path) -> RedisStore:
        """A store on the embedded server's socket."""
        return cls(connect_socket(path), rewrite_on_delete=True)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def ping(self) -> None:
        with translated():
            self._client.ping()

    def check_server(self) -> list[ServerReport]:
        """One report a server. Raises StoreError where one may evict keys, which would lose memories silently."""
        return check_servers(self._client)

    def prepare(self) -> int:
        """Brings an older store to the present layout; returns how many videos were moved. Raises SchemaTooNew."""
        return migrate(self._client, self._scripts)

    def identity(self) -> str:
        """What tells this store from any other; given once, by `prepare`, and empty before."""
        with translated():
            value = self._client.hget(SCHEMA, "identity")
        return "" if value is None else str(value.decode())

    def create_video(self, record: VideoRecord) -> VideoRecord:
        """Adds a video under a new number. Where a living video already holds the same content (owner, sha256, key
        space, sampling) that one is returned instead, and nothing is added: of two that try at once, one wins, and the
        other learns of it by the returned id. Raises StoreError where the id is taken."""
        return self._catalog.create(record)

    def video(self, video_id: str) -> VideoRecord:
        record = self._catalog.get(video_id)
        if record is None:
            raise UnknownVideo(video_id)
        return record

    def videos(self, owner: str | None = None) -> list[VideoRecord]:
        return self._catalog.list(owner)

    def find_content(self, owner: str, sha256: str, key_space: str, sampling: str) -> str | None:
        return self._catalog.find_content(content_identity(owner, sha256, key_space, sampling)) if sha256 else None

    def update_video(self, video_id: str, *, while_epoch: int | None = None, **fields: object) -> VideoRecord:
        """Changes some of `UPDATABLE`; others are refused with ValueError."""
        if not fields or fields.keys() - UPDATABLE:
            raise ValueError(f"of a video one may update {sorted(UPDATABLE)}, not {sorted(fields)}")
        args: list[Any] = [commits_channel(video_id), "" if while_epoch is None else while_epoch]
        for name, value in fields.items():
            args += [name, codec.encode_video_field(value)]
        answer = self._scripts.run("update", [RedisKeys(video_id).video], args)
        if isinstance(answer, bytes):
            raise CommitRefused(answer.decode())
        if not answer:
            raise UnknownVideo(video_id)
        return self.video(video_id)

    def epoch(self, video_id: str) -> int:
        _, epoch = self._read(video_id, "hget", "video", "epoch")
        return int(epoch)

    def claim(self, video_id: str) -> int:
        epoch = int(self._scripts.run("claim", [RedisKeys(video_id).video]))
        if epoch == 0:
            raise UnknownVideo(video_id)
        return epoch

    def commit(self, video_id: str, commit: Commit) -> int:
        """See `MemoryStore.commit`. A full commit's state must carry the ordinal that follows its closed cubes; a light
        one (no state) cannot close cubes (ValueError). The same commit sent again, its first answer lost, is answered
        with the number it has and changes nothing."""
        answer = self._scripts.run("commit", RedisKeys(video_id).all, _commit_args(video_id, commit))
        if isinstance(answer, bytes):
            raise CommitRefused(answer.decode())
        return int(answer)

    def _read(self, video_id: str, command: str, part: str, *args: Any) -> tuple[_Head, Any]:
        """The head and one further answer, which may be newer and never older, in one round trip. Raises
        UnknownVideo."""
        keys = RedisKeys(video_id)
        with translated():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.hmget(keys.video, *_HEAD)
            getattr(pipeline, command)(keys[part], *args)
            head, answer = pipeline.execute()
        return _head(video_id, head), answer

    def state(self, video_id: str) -> IngestState | None:
        _, blob = self._read(video_id, "get", "state")
        return None if blob is None else codec.decode_state(blob)

    def open_cube(self, video_id: str) -> OpenCube | None:
        _, blob = self._read(video_id, "get", "open")
        return None if blob is None else codec.decode_open_cube(blob)

    def applied(self, video_id: str) -> int:
        _, number = self._read(video_id, "hget", "video", "commits")
        return int(number)

    def cube(self, video_id: str, ordinal: int) -> CubeMemory:
        """One closed cube. Raises UnknownCube."""
        head, _ = self._read(video_id, "hlen", "cubes")
        if not 0 <= ordinal < head.cubes:
            raise UnknownCube(video_id, ordinal)
        return next(self.cubes(video_id, ordinal, ordinal + 1))

    def cubes(self, video_id: str, start: int = 0, stop: int | None = None) -> Iterator[CubeMemory]:
        head, _ = self._read(video_id, "hlen", "cubes")
        stop = head.cubes if stop is None else min(stop, head.cubes)
        for first in range(max(start, 0), stop, _CUBES_A_READ):
            wanted = range(first, min(first + _CUBES_A_READ, stop))
            payloads = self._blobs(video_id, "cubes", wanted)
            keyed = self._blobs(video_id, "keys", wanted)
            yield from map(codec.decode_cube, payloads, keyed)

    def cubes_at(self, video_id: str, ordinals: Sequence[int]) -> list[CubeMemory]:
        """Some closed cubes, in the order asked for. Raises UnknownCube."""
        cubes: list[CubeMemory] = []
        for first in range(0, len(ordinals), _CUBES_A_READ):
            wanted = list(ordinals[first : first + _CUBES_A_READ])
            head, payloads = self._read(video_id, "hmget", "cubes", wanted)
            if unknown := [ordinal for ordinal in wanted if not 0 <= ordinal < head.cubes]:
                raise UnknownCube(video_id, unknown[0])
            keyed = self._blobs(video_id, "keys", wanted)
            if None in payloads:
                raise CorruptRecord(f"video {video_id!r} has lost cube {wanted[payloads.index(None)]}")
            cubes += map(codec.decode_cube, payloads, keyed)
        return cubes

    def keyed_spans(self, video_id: str, start: int = 0) -> list[KeyedSpan]:
        head, _ = self._read(video_id, "hlen", "keys")
        return self._keyed_spans(video_id, start, head.cubes)

    def searchable(self, video_id: str, start: int = 0) -> Searchable:
        head, blob = self._read(video_id, "get", "open")
        opened = None if blob is None else codec.decode_open_cube(blob)
        return Searchable(self._keyed_spans(video_id, start, head.cubes), opened, head.version)

    @contextmanager
    def version_asked(self, video_id: str) -> Iterator[Callable[[], str]]:
        """See `MemoryStore.version_asked`; by the number of cubes and the last commit's number and mark."""
        with sent(self._client, "HMGET", RedisKeys(video_id).video, *_HEAD) as answer:
            yield lambda: _head(video_id, answer()).version

    def _keyed_spans(self, video_id: str, start: int, count: int) -> list[KeyedSpan]:
        spans: list[KeyedSpan] = []
        for first in range(max(start, 0), count, _SPANS_A_READ):
            wanted = range(first, min(first + _SPANS_A_READ, count))
            spans += map(codec.decode_keyed_span, self._blobs(video_id, "keys", wanted))
        return spans

    def _blobs(self, video_id: str, part: str, ordinals: Sequence[int]) -> list[bytes]:
        """Blobs of closed cubes. Raises UnknownVideo where the video was deleted meanwhile, else CorruptRecord."""
        _, blobs = self._read(video_id, "hmget", part, list(ordinals))
        if None in blobs:
            raise CorruptRecord(f"video {video_id!r} has lost cube {ordinals[blobs.index(None)]}")
        return list(blobs)

    def mark_video_deleted(self, video_id: str) -> VideoRecord:
        return self._catalog.mark_deleted(video_id)

    def pending_deletions(self) -> list[VideoRecord]:
        return list(self._catalog.pending_deletions())

    def delete_video(self, video_id: str) -> VideoRecord:
        """Removes everything of it and returns what it was; afterwards no key or value names it. What died half-way is
        finished by calling again or by `repair`."""
        record = self._catalog.delete(video_id)
        self._rewritten(True)
        return record

    def _rewritten(self, wanted: bool) -> None:
        """Has the append-only file rewritten; what did not happen now is due at the next chance."""
        if self._rewrite and (wanted or self._rewrite_due):
            self._rewrite_due = not rewrite_log(self._client)

    def repair(self) -> int:
        """Finishes deletions that died half-way and derives the lists across videos again, by a scan. Safe beside
        running workers; returns how many entries were mended."""
        mended = self._catalog.repair()
        self._rewritten(mended > 0)
        return mended


def _head(video_id: str, values: Sequence[bytes | None]) -> _Head:
    """Of `_HEAD`'s fields. Raises UnknownVideo."""
    cubes, gone, commits, mark = values
    if cubes is None or gone is not None:
        raise UnknownVideo(video_id)
    return _Head(int(cubes), b":".join([cubes, commits or b"", mark or b""]).decode())


def _commit_args(video_id: str, commit: Commit) -> list[Any]:
    """What ``commit.lua`` takes, in its order."""
    state = commit.state
    if state is None and commit.closed:
        raise ValueError("a commit that closes cubes carries the state that follows")
    record: dict[str, object] = {"ingested_s": float(commit.ingested_s)}
    if commit.status is not None:
        record["status"] = commit.status
    if commit.error is not None:
        record["error"] = commit.error
    args: list[Any] = [commit.epoch, commit.expected_step, commits_channel(video_id)]
    args += ["", "", ""] if state is None else [codec.encode_state(state), state.next_step, state.next_ordinal]
    args.append(b"" if commit.open_cube is None else codec.encode_open_cube(commit.open_cube))
    rest: list[Any] = [len(record)]
    for name, value in record.items():
        rest += [name, codec.encode_video_field(value)]
    for cube in commit.closed:
        rest += [cube.ordinal, codec.encode_cube(cube), codec.encode_keyed_span(cube)]
    return [*args, _mark([*args, *rest]), *rest]


def _mark(args: list[Any]) -> str:
    """By what a commit is known when it is sent again: a digest of all of it, epoch and step included."""
    digest = hashlib.sha256()
    for arg in args:
        digest.update((raw := arg if isinstance(arg, bytes) else str(arg).encode()) + len(raw).to_bytes(8, "little"))
    return digest.hexdigest()[:32]
