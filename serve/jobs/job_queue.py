"""The ingest queue on a Redis Stream: a job is leased, not handed out, so it survives whoever works on it.

A worker reads a job through a consumer group and renews its lease while it works. A worker that dies stops renewing;
after `lease_s` the next free worker claims the job and goes on from the video's last commit. A job is acknowledged, and
removed, only when its video has reached a final status. A job that was begun `MOST_TRIES` times without an end is given
up: some files kill decoders.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from memory.errors import StoreUnavailable
from memory.store.connection import translated

STREAM = "lw:jobs"
GROUP = "ingest"
MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One leased job. `tries` counts this one."""

    id: str
    video_id: str
    tries: int


class JobQueue:
    """The queue as a client of the store sees it. Every method may raise `StoreUnavailable`."""

    def __init__(self, client: Any, lease_s: float) -> None:
        self._client = client
        self._lease_ms = int(lease_s * 1000)

    def prepare(self) -> None:
        """Makes the consumer group; does nothing where it is."""
        with translated():
            try:
                self._client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def add(self, video_id: str) -> None:
        """Queues a video."""
        with translated():
            self._client.xadd(STREAM, {"video": video_id})

    def videos(self) -> set[str]:
        """Ids of the videos that have a job, waiting or leased."""
        with translated():
            entries = self._client.xrange(STREAM)
        return {_video(fields) for _, fields in entries}

    def take(self, worker: str, block_s: float) -> Job | None:
        """The next job: one whose lease ran out, else a new one; None when none comes within `block_s`."""
        with translated():
            _, claimed, *_ = self._client.xautoclaim(STREAM, GROUP, worker, self._lease_ms, count=1)
            if not claimed:
                fresh = self._client.xreadgroup(GROUP, worker, {STREAM: ">"}, count=1, block=int(block_s * 1000))
                claimed = _entries(fresh)
            if not claimed:
                return None
            entry, fields = claimed[0]
            pending = self._client.xpending_range(STREAM, GROUP, entry, entry, 1)
        tries = int(pending[0]["times_delivered"]) if pending else 1
        return Job(_text(entry), _video(fields), tries)

    def renew(self, worker: str, job: Job) -> bool:
        """Holds the lease for another `lease_s`; False when another worker has it or it is done."""
        with translated():
            mine = self._client.xpending_range(STREAM, GROUP, job.id, job.id, 1, consumername=worker)
            if not mine:
                return False
            self._client.xclaim(STREAM, GROUP, worker, 0, [job.id], idle=0, retrycount=job.tries, justid=True)
        return True

    def release(self, worker: str, job: Job, *, counted: bool) -> None:
        """Ends the lease at once, so that any worker may go on. Not `counted`: this try is none of those that a job
        has, since it was not for the file that it ended."""
        if self.renew(worker, job):
            tries = job.tries if counted else job.tries - 1
            with translated():
                self._client.xclaim(
                    STREAM, GROUP, worker, 0, [job.id], idle=self._lease_ms, retrycount=tries, justid=True
                )

    def done(self, job: Job) -> None:
        """Acknowledges and removes."""
        with translated():
            self._client.xack(STREAM, GROUP, job.id)
            self._client.xdel(STREAM, job.id)

    def give_back(self, job: Job) -> None:
        """Puts a job that was left half-way at the end of the queue, at once, without waiting for its lease."""
        with translated():
            pipe = self._client.pipeline(transaction=True)
            pipe.xadd(STREAM, {"video": job.video_id})
            pipe.xack(STREAM, GROUP, job.id)
            pipe.xdel(STREAM, job.id)
            pipe.execute()

    def forget(self, video_id: str) -> None:
        """Removes every job of a video, leased ones too: their workers learn of it when they renew."""
        with translated():
            mine = [entry for entry, fields in self._client.xrange(STREAM) if _video(fields) == video_id]
            for entry in mine:
                self._client.xdel(STREAM, entry)
                self._client.xack(STREAM, GROUP, entry)

    def waiting(self) -> int:
        """Jobs in the queue, those being worked on included."""
        with translated():
            return int(self._client.xlen(STREAM))

    @contextmanager
    def held(self, worker: str, job: Job) -> Iterator[threading.Event]:
        """Renews the lease from a thread of its own; the event is set when the lease is lost."""
        lost, leave = threading.Event(), threading.Event()

        def renew() -> None:
            while not leave.wait(self._lease_ms / 4000):
                try:
                    mine = self.renew(worker, job)
                except StoreUnavailable:
                    continue  # tried again; once the store is back it says whose the job is
                if not mine:
                    lost.set()
                    return

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            leave.set()
            thread.join()


def _entries(reply: Any) -> list[tuple[Any, dict[Any, Any]]]:
    """The entries of the one stream asked for; redis-py answers in a list (RESP2) or a dict (RESP3)."""
    if not reply:
        return []
    entries = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    while entries and isinstance(entries[0], list):
        entries = entries[0]
    return list(entries)


def _video(fields: dict[Any, Any]) -> str:
    return _text(fields[b"video"] if b"video" in fields else fields["video"])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
