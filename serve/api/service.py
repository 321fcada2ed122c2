"""The service behind the routes: the store, the job queue and handles to the other processes; the gateway makes one."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from encoders.notes import Notes
from encoders.sketch import thumbnail_jpeg
from memory.errors import CorruptRecord, StoreUnavailable, UnknownCube, UnknownVideo
from memory.records import Hit, VideoRecord
from memory.store.disk_reserve import DiskReserve
from memory.store.opening import StoreHold
from pipeline.answer import AnswerEvent
from pipeline.config import AnswerConfig
from pipeline.errors import MediaNotKept, NotWatchedYet
from pipeline.library import Identity, new_video_id, register_file, stream_record
from pipeline.queries.rules.planner import search_topic
from pipeline.video.seek import frames_at
from serve.errors import NotFound, NotLive, NotReady
from serve.jobs.job_queue import JobQueue
from serve.jobs.media import media_file
from serve.jobs.removal import Removal
from serve.logs import log_event
from serve.settings import Settings
from serve.wiring import file_source

from . import convert
from .problems import unwrapped
from .store_watch import StoreWatch
from .upload import Received, receive

log = logging.getLogger("longwatch.service")
MAINTENANCE_S = 3600.0
"""How often what is too old or left over is looked for."""
STREAMS_S = 10.0
"""How often streams without pictures are looked for."""
READY_S = 1.8
"""So long `ready` waits for each part."""
_THREADS = 64
"""Calls that may wait for the store at once; where it is hung each waits for more than a second."""
STORE_S = 2.0
"""How often the embedded store is looked after."""


class Service:
    """The service behind the routes. Everything that waits for the store or a disk runs in a thread."""

    def __init__(
        self,
        settings: Settings,
        hold: StoreHold,
        encoder: Any,
        memory: Any,
        answerer: Any,
        supervisor: Any,
        head_alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self.settings = settings
        self.store = hold.asking
        self.store_url = hold.url
        self.jobs = JobQueue(hold.client(), settings.lease_s)
        self.removal = Removal(hold.store, self.jobs, settings.data_dir)
        self.watch = StoreWatch(self.store.ping)
        self._head_alive = head_alive
        self._encoder = encoder
        self._memory = memory
        self._answerer = answerer
        self.supervisor = supervisor
        self._about: dict[str, Any] | None = None
        self._hold = hold
        self._mended = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Mends what a crash left, makes the queue, queues what has no job, removes broken-off uploads. A store that
        is full or away keeps nobody from starting: what is left of this is done when it is back."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "service"))
        self.watch.start()
        shutil.rmtree(self._incoming, ignore_errors=True)
        await self._mend()
        loops = (self._maintain_hourly(), self._keep_store(), self._end_empty_streams())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def _mend(self) -> None:
        try:
            await asyncio.to_thread(self.removal.resume)
            await asyncio.to_thread(self.jobs.prepare)
            await asyncio.to_thread(self._queue_unfinished)
            self._mended = True
        except StoreUnavailable as error:
            log.warning("the service starts all the same: %s", error)

    def end(self) -> None:
        """Nothing is swept and no store revived any more."""
        self.watch.end()
        for task in self._tasks:
            task.cancel()

    async def _keep_store(self) -> None:
        """An embedded store that was killed with its keeper comes back although nobody watches anything."""
        while True:
            await asyncio.sleep(STORE_S)
            try:
                await asyncio.to_thread(self._hold.revive)
                if not self._mended:
                    await self._mend()
            except StoreUnavailable:
                pass  # whoever asks meanwhile gets this error
            except Exception:
                log.exception("the store could not be revived; it is tried again")

    async def _end_empty_streams(self) -> None:
        while True:
            await asyncio.sleep(STREAMS_S)
            try:
                await self.end_empty_streams(time.time())
            except StoreUnavailable:
                pass  # looked at again
            except Exception:
                log.exception("empty streams were not ended; it is tried again")

    async def end_empty_streams(self, now_s: float) -> list[str]:
        """Ends live streams that never got a picture within `empty_stream_s`; returns their ids."""
        before_s = now_s - self.settings.empty_stream_s
        records = await asyncio.to_thread(self.store.videos)
        empty = [video.id for video in records if video.status == "live" and not video.ingested_s]
        ended = []
        for video_id in empty:
            with suppress(UnknownVideo, NotLive):  # ended or deleted by somebody meanwhile
                record = await asyncio.to_thread(self.store.video, video_id)
                if record.created_s < before_s and not record.ingested_s:
                    await self.stop_stream(video_id)
                    log_event(log, "empty stream ended", video=video_id)
                    ended.append(video_id)
        return ended

    async def _maintain_hourly(self) -> None:
        while True:
            try:
                await self.maintain(time.time())
            except Exception:
                log.exception("maintenance failed; it is tried again")
            await asyncio.sleep(MAINTENANCE_S)

    async def maintain(self, now_s: float) -> None:
        """Finishes deletions, removes files of no video, deletes what is older than `retention_days`."""
        await asyncio.to_thread(self.removal.resume)
        await asyncio.to_thread(self.removal.sweep, now_s)
        days = self.settings.retention_days
        for record in await asyncio.to_thread(self.removal.expired, days, now_s) if days else []:
            with suppress(UnknownVideo):  # deleted by somebody meanwhile
                if await asyncio.to_thread(self.removal.still_old, record):
                    await self.delete(record.id)

    async def ready(self) -> None:
        """Returns where a question would be answered now. Raises `NotReady`, which names the parts that are not."""
        parts = {
            "store": asyncio.to_thread(self.store.ping),
            "models": self._warm(),
            "ray": asyncio.to_thread(self._check_head),
        }
        checks = (asyncio.wait_for(part, READY_S) for part in parts.values())
        results = await asyncio.gather(*checks, return_exceptions=True)
        troubles = {name: result for name, result in zip(parts, results, strict=True) if result is not None}
        if troubles:
            raise NotReady(troubles)

    async def _warm(self) -> None:
        await self._encoder.about.remote()
        await self._answerer.warm.remote()

    def _check_head(self) -> None:
        if not self._head_alive():
            raise TimeoutError

    @property
    def _incoming(self) -> Path:
        return self.settings.data_dir / "incoming"

    async def _identity(self, sha256: str) -> Identity:
        if self._about is None:
            self._about = await self._encoder.about.remote()
        sampling = self.settings.ingest_config().sampling
        return Identity(sha256, self._about["name"], str(self._about["space"]), sampling)

    async def upload(self, chunks: AsyncIterator[bytes], content_type: str) -> VideoRecord:
        """A multipart upload becomes a queued video, or the video that already holds this content."""
        video_id = new_video_id()
        folder = self._incoming / video_id
        try:
            room, limit = DiskReserve(self.settings.data_dir).check, self.settings.max_upload_bytes
            received = await receive(chunks, content_type, folder / "part", limit, room)
            identity = await self._identity(received.sha256)
            return await asyncio.to_thread(self._register, received, identity, video_id)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _register(self, received: Received, identity: Identity, video_id: str) -> VideoRecord:
        named = received.path.rename(received.path.with_name(received.name))  # refusals name the file
        source = file_source(self.settings, named)
        source.probe()  # refused before it takes a place among the media
        kept = self.removal.make_media() / f"{video_id}{Path(received.name).suffix.lower()[:10]}"
        named.rename(kept)
        try:
            registered = register_file(self.store, identity, source, kept, received.name, video_id)
        except Exception:
            kept.unlink()
            raise
        if registered.existed:
            kept.unlink()
        if registered.replaced is not None:
            self.removal.drop_outside(registered.replaced)
        self._queue([registered.video])
        return registered.video

    def _queue_unfinished(self) -> None:
        """A gateway that died between a video and its job; what `longwatch ask` is watching is not ours."""
        self._queue([record for record in self.store.videos() if self.removal.kept(record) is not None])

    def _queue(self, records: list[VideoRecord]) -> None:
        """Gives a job to each unfinished video that has none."""
        queued = self.jobs.videos()
        for record in records:
            if record.status in ("queued", "ingesting") and record.id not in queued:
                self.jobs.add(record.id)

    async def delete(self, video_id: str) -> VideoRecord:
        """Forgets a video and everything of it."""
        record = await asyncio.to_thread(self.store.mark_video_deleted, video_id)
        await self.supervisor.end_live.remote(video_id)
        await self._memory.forget.remote(video_id)
        await asyncio.to_thread(self.removal.drop_outside, record)
        with suppress(UnknownVideo):  # the sweep was quicker
            await asyncio.to_thread(self.store.delete_video, video_id)
        return record

    def media(self, video_id: str) -> Path:
        """The kept file. Raises `MediaNotKept`."""
        record = self.store.video(video_id)
        path = media_file(record, self.settings.data_dir)
        if path is None or not path.is_file():
            raise MediaNotKept("the file of this video was not kept")
        return path

    def frame_jpeg(self, video_id: str, time_s: float) -> bytes:
        """The picture on screen at a moment, as a JPEG."""
        path, record = self.media(video_id), self.store.video(video_id)
        if not 0.0 <= time_s <= record.ingested_s:
            raise NotFound(f"{time_s:g} s is not within what was watched")
        damaged, sandbox = record.error is not None, self.settings.sandbox_config()
        (frame,) = frames_at(path, [time_s], record.media_offset_s, damaged=damaged, sandbox=sandbox)
        return thumbnail_jpeg(frame, max_side_px=960)

    async def ask(self, video_id: str, question: str, config: AnswerConfig) -> AsyncIterator[AnswerEvent]:
        """See `pipeline.answer.Answerer.ask`; refusals come before the first event."""
        record = await self.watch.unless_silent(asyncio.to_thread(self.store.video, video_id))
        if record.ingested_s <= 0:
            raise NotWatchedYet("nothing of this video was watched yet")
        events = aiter(self._answerer.options(stream=True).ask.remote(video_id, question, config))
        try:
            while True:
                yield await self.watch.unless_silent(anext(events))
        except StopAsyncIteration:
            return
        except Exception as error:
            raise unwrapped(error) from error

    async def search(self, query: str, limit: int, videos: list[str] | None) -> list[tuple[Hit, Notes]]:
        """Best moments over many videos, with their notes."""
        for video_id in videos or []:
            await asyncio.to_thread(self.store.video, video_id)
        vector = await self._encoder.question.remote(search_topic(query))
        hits: list[Hit] = await self.watch.unless_silent(self._memory.search.remote(vector, limit, videos))
        results = []
        for hit in hits:
            with suppress(UnknownVideo, UnknownCube, CorruptRecord):  # gone since it was found, or damaged
                results.append((hit, await asyncio.to_thread(convert.notes_of, self.store, hit)))
        return results

    async def open_stream(self, name: str) -> VideoRecord:
        """A new live stream."""
        identity = await self._identity("")
        return await asyncio.to_thread(self.store.create_video, stream_record(identity, name))

    async def live_worker(self, video_id: str) -> Any:
        """The actor that watches a stream. Raises `NotLive` for anything else."""
        record = await asyncio.to_thread(self.store.video, video_id)
        if record.status != "live":
            raise NotLive(f"this video is {record.status}, not live")
        return await self.supervisor.live.remote(video_id)

    async def stop_stream(self, video_id: str) -> VideoRecord:
        """Ends a stream: what was sent is watched, the open cube closed."""
        worker = await self.live_worker(video_id)
        await worker.end.remote()
        await self.supervisor.end_live.remote(video_id)
        return await asyncio.to_thread(self.store.video, video_id)
