"""Plain Ray actors that watch videos, and the supervisor that keeps them.

IngestWorker   takes jobs from the queue, one at a time; a killed one loses its lease, and another goes on
LiveWorker     one live stream (see `pipeline.live`)
Supervisor     a Serve deployment of one replica: starts the workers, starts dead ones anew, ends them cleanly
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from typing import Any

import ray

from memory.errors import CommitRefused, StoreError, StoreUnavailable, UnknownVideo
from memory.records import FINAL_STATUSES, VideoError
from memory.store.opening import StoreHold
from memory.store.retrying import RetryingStore
from pipeline.errors import BackendUnavailable, DecoderKilled, PipelineError
from pipeline.ingest import Ingest
from pipeline.times import ms_since
from serve.errors import code_of, detail_of
from serve.jobs.job_queue import MOST_TRIES, Job, JobQueue
from serve.jobs.media import media_file
from serve.logs import log_event, send_logs
from serve.settings import Settings
from serve.wiring import file_source

from .ray_node import begin_replica
from .remote import remote_backend

log = logging.getLogger("longwatch.workers")
_BLOCK_S = 1.0
_LOOK_S = 1.0
_LIVE_CALLS = 32  # each connection waits for events in one of them, for a while after it was lost too


class IngestWorker:
    """Works on jobs in a thread until told to leave."""

    def __init__(self, settings: Settings, encoder: Any, name: str) -> None:
        send_logs()
        log_event(log, "worker started", worker=name)
        self._settings = settings
        self._name = name
        self._hold = StoreHold(settings.store_config())
        self._jobs = JobQueue(self._hold.client(), settings.lease_s)
        self._jobs.prepare()
        self._backend = remote_backend(encoder)
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)
        self._thread.start()

    def ping(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    def leave(self) -> None:
        """Stops at the next commit, gives the job back and lets go of the store."""
        self._leave.set()
        self._thread.join()
        self._hold.close()

    def _work(self) -> None:
        while not self._leave.is_set():
            try:
                job = self._jobs.take(self._name, _BLOCK_S)
                if job is not None:
                    self._watch(job)
            except StoreUnavailable:
                self._leave.wait(_BLOCK_S)  # for longer than patience lasts; the job stays leased or queued
            except ray.exceptions.RayActorError:
                log.warning("what ingest worker %s encodes with has ended; its job begins anew", self._name)
                self._leave.wait(_BLOCK_S)
            except Exception:
                log.exception("worker failed; the supervisor starts another", extra={"fields": {"worker": self._name}})
                raise

    def _watch(self, job: Job) -> None:
        log_event(log, "job started", video=job.video_id, tries=job.tries, worker=self._name)
        began = time.perf_counter()
        with self._jobs.held(self._name, job) as lost:
            try:
                finished = self._run(job, lost)
            except StoreUnavailable:
                self._jobs.release(self._name, job, counted=False)
                raise
            except ray.exceptions.RayActorError:  # pictures may be what ends an encoder, so the try counts
                self._jobs.release(self._name, job, counted=True)
                raise
            except UnknownVideo:
                finished = True
            except CommitRefused as refused:
                log_event(log, "job left", video=job.video_id, reason=refused.reason)
                finished = self._over(job, refused)
        log_event(log, "job ended", video=job.video_id, finished=finished, ms=ms_since(began))
        if finished:
            self._jobs.done(job)
        elif self._leave.is_set() and not lost.is_set():  # a lost job is another worker's to give back
            self._jobs.give_back(job)

    def _over(self, job: Job, refused: CommitRefused) -> bool:
        """Whether a refused commit ends the job: the video was deleted, or is watched for somebody else's job. Where
        this very job is another worker's now, it stays that one's."""
        return refused.reason == "deleted" or (refused.reason == "epoch" and self._jobs.renew(self._name, job))

    def _run(self, job: Job, lost: threading.Event) -> bool:
        """Whether the video has reached a final status."""

        def stop() -> bool:
            return self._leave.is_set() or lost.is_set()

        store = self._hold.retrying(stop)
        record, epoch = store.video(job.video_id), store.epoch(job.video_id)
        if record.status in FINAL_STATUSES:
            return True
        path = media_file(record, self._settings.data_dir)
        if job.tries > MOST_TRIES or path is None:
            fail(store, job.video_id, epoch, VideoError("ingest.failed", "this file could not be watched to its end"))
            return True
        source = file_source(self._settings, path)
        ingest = Ingest(store, self._backend, self._settings.ingest_config(), lambda record, closed: None)
        try:
            record = ingest.run(job.video_id, source, stop)
        except BackendUnavailable:
            raise  # this process's trouble, not the file's: the job stays leased, and its tries are counted
        except DecoderKilled as killed:
            if job.tries < MOST_TRIES:
                log.warning("left %s at try %d: %s", job.video_id, job.tries, killed.code)
                return False  # nor is this: the job is tried again when its lease has run out
            fail(store, job.video_id, epoch, VideoError(killed.code, str(killed)))
            return True
        except PipelineError as error:
            fail(store, job.video_id, epoch, VideoError(code_of(error), detail_of(error)))
            return True
        return record.status in FINAL_STATUSES


def fail(store: RetryingStore, video_id: str, epoch: int, error: VideoError) -> None:
    """Gives a video up. Raises `CommitRefused` where somebody else has claimed it since this worker did, or since
    `epoch` where it never did: then it is not this worker's to give up."""
    status = "partial" if store.video(video_id).cubes else "failed"
    store.update_video(video_id, while_epoch=store.claimed.get(video_id, epoch), status=status, error=error)


class Supervisor:
    """Keeps `ingest_workers` ingest workers and one live worker for each stream being pushed."""

    def __init__(self, settings: Settings, encoder: Any) -> None:
        begin_replica()
        self._settings = settings
        self._encoder = encoder
        self._workers: dict[str, Any] = {}
        self._live: dict[str, Any] = {}
        self._count = 0
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            try:
                await self._look_after()
            except Exception:
                log.exception("looking after the ingest workers failed; it is tried again")
            await asyncio.sleep(_LOOK_S)

    async def _look_after(self) -> None:
        for name in [name for name, worker in self._workers.items() if not await _answers(worker)]:
            log_event(log, "worker gone; another is started", logging.WARNING, worker=name)
            del self._workers[name]
        while len(self._workers) < self._settings.ingest_workers:
            self._start()

    def _start(self) -> None:
        self._count += 1
        name = f"ingest-{secrets.token_hex(4)}-{self._count}"
        actor = ray.remote(IngestWorker).options(num_cpus=0.01, max_concurrency=4, name=name)
        self._workers[name] = actor.remote(self._settings, self._encoder, name)

    async def workers(self) -> list[str]:
        """Names of the ingest workers' actors."""
        return sorted(self._workers)

    async def live(self, video_id: str) -> Any:
        """The live worker of a stream; started where it does not run."""
        from .live_worker import LiveWorker

        worker = self._live.get(video_id)
        alive = worker is not None and await _answers(worker)
        if not alive and self._live.get(video_id) is worker:  # else another call has replaced it meanwhile
            actor = ray.remote(LiveWorker).options(num_cpus=0.01, max_concurrency=_LIVE_CALLS)
            self._live[video_id] = actor.remote(self._settings, self._encoder, video_id)
        return self._live.get(video_id, worker)

    async def end_live(self, video_id: str) -> None:
        """Forgets a stream's worker after it ended."""
        worker = self._live.pop(video_id, None)
        if worker is not None:
            await _leave(worker)

    async def leave(self) -> None:
        """All workers stop at their next commit."""
        self._task.cancel()
        await asyncio.gather(*(_leave(worker) for worker in [*self._workers.values(), *self._live.values()]))
        self._workers.clear()
        self._live.clear()


async def _answers(worker: Any) -> bool:
    try:
        return bool(await worker.ping.remote())
    except ray.exceptions.RayActorError:
        return False


async def _leave(worker: Any) -> None:
    try:
        await worker.leave.remote()
    except (ray.exceptions.RayActorError, StoreError) as error:
        log_event(log, "worker left at once", error=type(error).__name__)  # dead already, or its video was deleted
    ray.kill(worker)
