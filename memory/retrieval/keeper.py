"""Keeps the retriever in step with the store: starts from a snapshot, follows changes, saves snapshots.

The steps at the start, each with its reason kept:

    snapshot   videos whose record still matches are taken over
    replay     what was committed since is read from the store; what was deleted is left out
    rebuild    everything is read from the store: no snapshot, one of another key space or store, or a damaged one

While it runs, a thread compares with the store whenever a commit is announced and every `COMPARE_S` at the latest,
since announcements get lost. It saves when enough has changed, when a video was deleted, and at the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from memory.errors import CorruptRecord, KeySpaceMismatch, StoreError, StoreUnavailable
from memory.index.faiss_index import FaissIndex
from memory.retrieval.index_snapshot import Snapshot, load, save, videos_in
from memory.retrieval.retriever import LocalRetriever
from memory.store.base import MemoryStore

log = logging.getLogger(__name__)

COMPARE_S = 2.0
_REST = 4.0  # times as long as a look took: however many commits come, a fifth of a core at most
_SAVE_AFTER_S = 60.0
_SAVE_AFTER_CUBES = 10_000


class Announcements(Protocol):
    """Where commits are announced."""

    def wait(self, timeout_s: float) -> bool:
        """Whether something was announced within the time. Raises StoreError where nobody announces any more."""
        ...


@dataclass(frozen=True, slots=True)
class Began:
    """How the retriever started.

    Attributes:
        kept: videos taken over from the snapshot.
        replayed: closed cubes read from the store.
        rebuilt: why the snapshot was not used; empty where it was.
    """

    kept: int
    replayed: int
    rebuilt: str


def snapshot_path(data_dir: Path, key_space: str) -> Path:
    """One file a key space."""
    return data_dir / "index" / f"{key_space.replace(':', '-').replace('/', '-')}.snapshot"


def drop_naming(data_dir: Path, video_id: str) -> int:
    """Removes snapshots that name a video, or that cannot be read; for a deletion where nobody keeps them. Returns how
    many went."""
    dropped = 0
    for path in sorted((data_dir / "index").glob("*.snapshot*")):
        try:
            unwanted = video_id in videos_in(path)
        except (CorruptRecord, FileNotFoundError):
            unwanted = True
        if unwanted:
            path.unlink(missing_ok=True)
            dropped += 1
    return dropped


def begin(
    store: MemoryStore,
    path: Path,
    key_space: str,
    identity: str,
    make_index: Callable[[Snapshot | None], FaissIndex],
    compare_s: float = 0.0,
) -> tuple[LocalRetriever, FaissIndex, Began]:
    """A retriever, by the steps above. `identity` is the store's; `make_index` makes an empty index with the lists of a
    snapshot."""
    snapshot, reason = _read(path, key_space, identity)
    index = make_index(snapshot)
    retriever = LocalRetriever(store, index, key_space=key_space, compare_s=compare_s)
    kept = 0
    if snapshot is not None:
        records = {record.id: record for record in store.videos() if record.key_space == key_space}
        for video_id, held in snapshot.videos.items():
            record = records.get(video_id)
            kept += record is not None and retriever.videos.adopt(video_id, held, record)
    replayed, _ = retriever.videos.sync()
    index.settle()
    return retriever, index, Began(kept, replayed, reason)


def _read(path: Path, key_space: str, identity: str) -> tuple[Snapshot | None, str]:
    try:
        return load(path, key_space, identity), ""
    except FileNotFoundError:
        return None, "there is no snapshot"
    except (CorruptRecord, KeySpaceMismatch) as error:
        return None, str(error)


class IndexKeeper:
    """Follows the store with one thread. `stop` saves and ends it."""

    def __init__(
        self,
        retriever: LocalRetriever,
        index: FaissIndex,
        path: Path,
        key_space: str,
        identity: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.retriever = retriever
        self._index, self._path = index, path
        self._key_space, self._identity = key_space, identity
        self._now = now
        self._saved_at, self._unsaved, self._video_went = now(), 0, False
        self._stopping = threading.Event()
        self._saving = threading.Lock()
        self._thread: threading.Thread | None = None

    def follow(self, announcements: Announcements) -> None:
        """Begins to follow. What an owner that died was writing is removed; there is one owner."""
        for unfinished in self._path.parent.glob(f"{self._path.name}.*.new"):
            unfinished.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._run, args=(announcements,), name="index keeper", daemon=True)
        self._thread.start()

    def _run(self, announcements: Announcements) -> None:
        while not self._stopping.is_set():
            try:
                announcements.wait(COMPARE_S)
                if not self._stopping.is_set():
                    began = time.monotonic()
                    self.sync_and_save()
                    self._stopping.wait(_REST * (time.monotonic() - began))
            except StoreUnavailable as error:
                log.info("the memory owner waits for the store: %s", error)
                self._stopping.wait(COMPARE_S)
            except (StoreError, OSError) as error:
                log.warning("the memory owner could not compare with the store or save: %s", error)
                self._stopping.wait(COMPARE_S)
            except Exception:
                log.exception("the memory owner could not follow the store; it is tried again")
                self._stopping.wait(COMPARE_S)

    def sync_and_save(self) -> None:
        """Compares once, and saves where it is time to."""
        came, went = self.retriever.videos.sync()
        self._unsaved += came
        if went:  # set, never or-ed: another thread may set it meanwhile
            self._video_went = True
        grown = self._unsaved >= _SAVE_AFTER_CUBES
        waited = self._unsaved and self._now() - self._saved_at >= _SAVE_AFTER_S
        if self._video_went or grown or waited:
            self.save()

    def forget(self, video_id: str) -> None:
        """Drops a deleted video; the next look saves a snapshot without it."""
        if self.retriever.videos.forget(video_id):
            self._video_went = True

    def save(self) -> int:
        """Writes a snapshot; returns its bytes. A video that goes while it is written is in no snapshot afterwards."""
        with self._saving:
            written = self._save()
            while self._video_went:
                written = self._save()
            return written

    def _save(self) -> int:
        unsaved, went, self._saved_at, self._video_went = self._unsaved, self._video_went, self._now(), False
        snapshot = Snapshot(self.retriever.videos.held(), self._index.lists())
        try:
            written = save(self._path, snapshot, self._key_space, self._identity)
        except BaseException:
            if went:
                self._video_went = True
            raise
        self._unsaved -= unsaved
        return written

    def begin_unsaved(self, cubes: int) -> None:
        """Counts what was read at the start and is in no snapshot yet."""
        self._unsaved += cubes

    def stop(self) -> None:
        """Ends the thread and saves what is not saved; may be called twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=4 * COMPARE_S)
            self._thread = None
        if self._unsaved or self._video_went:
            self.save()
