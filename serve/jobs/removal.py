"""Deletes videos completely: what the store holds of a video, and its jobs, files and index snapshots beside it.

The order makes deletion resumable: the video is marked as deleted first, and its record is kept until everything
outside the store is gone. A deletion that died anywhere is found again by `resume` and goes on. `sweep` finds kept
files of which the store has no record, left by an upload that died between its last byte and its record.

A file that was only pointed to (`longwatch ask`) is its owner's and stays.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path

from memory.errors import UnknownVideo
from memory.private_folder import private_folder
from memory.records import VideoRecord, VideoStatus
from memory.retrieval.keeper import drop_naming
from memory.store.redis_store import RedisStore

from .job_queue import JobQueue
from .media import FOLDER, kept_file

_DAY_S = 86_400.0
_OWNER = ".store"
_GRACE_S = 3600.0
_WAITING: frozenset[VideoStatus] = frozenset({"queued", "ingesting"})


class Removal:
    """Deletes from one store, its queue and one data folder. Any number of processes may, at once."""

    def __init__(self, store: RedisStore, jobs: JobQueue, data_dir: Path) -> None:
        self._store = store
        self._jobs = jobs
        self._data_dir = data_dir
        self._media = data_dir.resolve() / FOLDER

    def delete(self, video_id: str) -> VideoRecord:
        """Forgets a video and everything of it. Raises `UnknownVideo`."""
        pending = self._store.mark_video_deleted(video_id)
        self.drop_outside(pending)
        try:
            return self._store.delete_video(video_id)
        except UnknownVideo:
            return pending  # somebody finished it meanwhile

    def resume(self) -> int:
        """Finishes deletions that died half-way and mends the store's lists; returns how many videos were finished."""
        pending = self._store.pending_deletions()
        for record in pending:
            self.drop_outside(record)
        self._store.repair()
        return len(pending)

    def drop_outside(self, record: VideoRecord) -> None:
        """Removes what lies beside a video's own keys: its jobs, its kept file, and index snapshots that name it (the
        memory owner saves one without it)."""
        self._jobs.forget(record.id)
        drop_naming(self._data_dir, record.id)
        kept = self.kept(record)
        if kept is not None:
            kept.unlink(missing_ok=True)

    def kept(self, record: VideoRecord) -> Path | None:
        """The record's file, where it is Longwatch's own."""
        return kept_file(record, self._data_dir)

    def expired(self, days: float, now_s: float) -> list[VideoRecord]:
        """Videos to which nothing was added for so many days, oldest first; none that is waiting to be watched."""
        before_s = now_s - days * _DAY_S
        old = [v for v in self._store.videos() if v.status not in _WAITING and last_added_s(v) < before_s]
        return sorted(old, key=last_added_s)

    def delete_older_than(self, days: float, now_s: float) -> list[VideoRecord]:
        """Deletes the expired; returns what they were."""
        deleted = []
        for record in self.expired(days, now_s):
            with suppress(UnknownVideo):  # somebody else was quicker
                if self.still_old(record):
                    deleted.append(self.delete(record.id))
        return deleted

    def still_old(self, record: VideoRecord) -> bool:
        """Whether nothing was added to the video since `record` was read. Raises `UnknownVideo`."""
        return last_added_s(self._store.video(record.id)) == last_added_s(record)

    def sweep(self, now_s: float | None = None) -> list[Path]:
        """Removes kept files without a video, an hour old or older: younger ones may be about to get theirs. A folder
        that belongs to another store is left alone, for that one's files have no video here. Returns what went."""
        now_s = time.time() if now_s is None else now_s
        if not self._media.is_dir():
            return []
        video_ids = {video.id for video in [*self._store.videos(), *self._store.pending_deletions()]}
        if not self._ours(video_ids):
            return []
        orphans = [path for path in sorted(self._media.glob("vid_*")) if path.stem not in video_ids]
        old = [path for path in orphans if _changed_s(path) < now_s - _GRACE_S]
        for path in old:
            path.unlink(missing_ok=True)
        return old

    def make_media(self) -> Path:
        """The folder of kept files, closed to other users; a new one is marked as this store's."""
        new = not self._media.is_dir()
        private_folder(self._media)
        if new:
            (self._media / _OWNER).write_text(self._store.identity())
        return self._media

    def _ours(self, video_ids: set[str]) -> bool:
        """Whether this store's files lie in the folder. One without a mark becomes this store's where none of its files
        is of a video that the store has no record of."""
        mark, identity = self._media / _OWNER, self._store.identity()
        if identity and not mark.exists():
            if any(path.stem not in video_ids for path in self._media.glob("vid_*")):
                return False
            mark.write_text(identity)
        return bool(identity) and mark.read_text() == identity


def _changed_s(path: Path) -> float:
    """When the file was last changed; now, where it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def last_added_s(video: VideoRecord) -> float:
    """Unix UTC of the last commit, or of the video's creation."""
    return video.created_s if video.watched_s is None else video.watched_s
