"""The service's Ray Serve classes: thin, each around one object that also works without Ray; handles are injected.

    Encoder       the backend's models               batched groups of frames in, tokens and keys out
    MemoryOwner   keys of every video, the index     exactly one for now
    AnswerReplica the language model                 streams answers
    Page          the user interface                 exactly one; imported by name, so that `serve` never imports `ui`

The gateway is in `serve.api.gateway`, the ingest workers and their supervisor are in `serve.actors.workers`.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import EvidencePool, Frame, FrameTokens, Keys, KeySpace, Observation
from encoders.notes import FrameNotes, Thing
from memory.private_folder import socket_path
from memory.records import F32, Hit, TimeSpan
from memory.retrieval.keeper import IndexKeeper
from memory.retrieval.retriever import LocalRetriever, Retrieval, RetrievalRequest
from memory.store.announcements import CommitAnnouncements
from memory.store.opening import StoreHold
from pipeline.answer import Answer, Answerer, AnswerEvent
from pipeline.config import AnswerConfig
from serve.logs import log_event
from serve.settings import Settings
from serve.wiring import kept_retriever, load_backend, load_language_model

from .ray_node import begin_replica
from .remote import RemoteKeys, RemoteRetriever

T = TypeVar("T")
log = logging.getLogger("longwatch.answers")


class Encoder:
    """The encoder backend, one group at a time."""

    def __init__(self, settings: Settings) -> None:
        begin_replica()
        self._backend = load_backend(settings)
        self._turn = ThreadPoolExecutor(1, "encode")  # of its own: those who wait take no threads from questions

    async def _run(self, work: Callable[[], T]) -> T:
        def in_turn() -> T:
            with torch.inference_mode():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._turn, in_turn)

    async def about(self) -> dict[str, Any]:
        """What `serve.actors.remote.remote_backend` needs to stand in for this backend."""
        frames, keys = self._backend.frames, self._backend.keys
        return {
            "name": self._backend.name,
            "levels": frames.levels,
            "dim": frames.dim,
            "frames_per_step": frames.frames_per_step,
            "space": keys.space,
            "threshold": keys.threshold,
            "notes": self._backend.notes,
            "detects": self._backend.detector is not None,
        }

    async def observe(self, frames: Sequence[Frame], detect: Sequence[bool]) -> Observation:
        return await self._run(lambda: self._backend.observe(frames, detect=detect))

    async def describe_frame(self, frame: Frame, read_screen: bool) -> FrameNotes:
        return await self._run(lambda: self._backend.describer.describe_frame(frame, read_screen=read_screen))

    async def summarize(self, summary: torch.Tensor, texts: Sequence[str]) -> tuple[tuple[Thing, ...], Keys]:
        return await self._run(lambda: self._backend.summarize(summary, texts))

    async def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        return await self._run(lambda: self._backend.keys.evidence(frames, tokens))

    async def pool(self) -> EvidencePool:
        return self._backend.keys.pool()

    async def question(self, text: str) -> npt.NDArray[np.float32]:
        return await asyncio.to_thread(self._backend.keys.question, text)  # a question never waits for a video

    async def hyponyms(self, topic: str) -> frozenset[str]:
        return self._backend.keys.hyponyms(topic)


class MemoryOwner:
    """Recall over all videos: begins from a snapshot, follows the store, saves snapshots
    (`memory.retrieval.keeper`)."""

    def __init__(self, settings: Settings, encoder: Any) -> None:
        begin_replica()
        self._hold = StoreHold(settings.store_config())
        self._settings = settings
        self._encoder = encoder
        self._keeper: IndexKeeper | None = None
        self._starting = asyncio.Lock()

    async def _ready(self) -> LocalRetriever:
        return (await self._kept()).retriever

    async def _kept(self) -> IndexKeeper:
        async with self._starting:
            if self._keeper is None:
                about = await self._encoder.about.remote()
                self._keeper = await asyncio.to_thread(self._begin, about["space"])
            return self._keeper

    def _begin(self, space: KeySpace) -> IndexKeeper:
        keeper, _ = kept_retriever(self._settings, self._hold.store, space, owner=True)
        keeper.follow(CommitAnnouncements(self._hold.client()))
        return keeper

    async def warm(self) -> None:
        """Returns when every video's keys are in."""
        await self._ready()

    async def retrieve(self, video_id: str, request: RetrievalRequest) -> Retrieval:
        owner = await self._ready()
        return await asyncio.to_thread(owner.retrieve, video_id, request)

    async def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None) -> list[Hit]:
        owner = await self._ready()
        return await asyncio.to_thread(owner.search, vector, limit, video_ids)

    async def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        owner = await self._ready()
        return await asyncio.to_thread(owner.neighbours, video_id, span)

    async def forget(self, video_id: str) -> None:
        """Drops a deleted video."""
        await asyncio.to_thread((await self._kept()).forget, video_id)

    def __del__(self) -> None:
        try:
            if self._keeper is not None:
                self._keeper.stop()
        finally:
            self._hold.close()


class AnswerReplica:
    """Questions, one at a time on this replica's model; several may be selecting meanwhile."""

    def __init__(self, settings: Settings, encoder: Any, memory: Any) -> None:
        begin_replica()
        self._settings = settings
        self._hold = StoreHold(settings.store_config())
        self._model = load_language_model(settings)
        self._encoder = encoder
        self._memory = memory
        self._answerer: Answerer | None = None
        self._starting = asyncio.Lock()

    async def _ready(self) -> Answerer:
        async with self._starting:
            if self._answerer is None:
                about = await self._encoder.about.remote()
                keys = RemoteKeys(self._encoder, about["space"], about["threshold"])
                retriever = RemoteRetriever(self._memory)
                config = self._settings.answer_config()
                self._answerer = Answerer(self._hold.store, retriever, keys, self._model, config)
            return self._answerer

    async def warm(self) -> str:
        """Returns when the first question would not wait for anything to load."""
        await self._ready()
        await self._memory.warm.remote()
        return self._model.name

    async def ask(self, video_id: str, question: str, config: AnswerConfig | None) -> AsyncIterator[AnswerEvent]:
        """See `pipeline.answer.Answerer.ask`."""
        answerer = await self._ready()
        async for event in in_thread(lambda: answerer.ask(video_id, question, config)):
            if isinstance(event, Answer):
                ms, cubes = event.usage.total_ms, event.usage.memory_cubes
                log_event(log, "answer", video=video_id, ms=ms, cubes=cubes, supported=event.supported)
            yield event

    def __del__(self) -> None:
        self._hold.close()


async def in_thread(begin: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
    """A waiting iterator run in a thread of its own; closing this closes it, errors arrive here."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[tuple[T | None, BaseException | None, bool]] = asyncio.Queue()
    leave = threading.Event()

    def put(item: T | None, error: BaseException | None, last: bool) -> None:
        loop.call_soon_threadsafe(events.put_nowait, (item, error, last))

    def work() -> None:
        try:
            for item in begin():
                if leave.is_set():
                    break
                put(item, None, False)
            put(None, None, True)
        except BaseException as error:  # noqa: BLE001 - raised again where the events are awaited
            put(None, error, True)

    thread = threading.Thread(target=work, name="answer", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = await events.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]  # an item is None only with `last`
    finally:
        leave.set()


class Page:
    """Serves an ASGI app, imported by name, on a private unix socket; the gateway passes browsers on to it."""

    def __init__(self, import_string: str, api_url: str, settings: Settings, secret: str | None) -> None:
        from serve.api.web_server import WebServer

        begin_replica()
        module, _, name = import_string.partition(":")
        app = getattr(importlib.import_module(module), name)(api_url, api_url, settings.max_upload_bytes, secret)
        self._path = socket_path(settings.runtime_dir, f"page-{os.getpid()}.sock")
        self._server = WebServer.at_path(app, self._path)
        self._server.start()

    async def socket(self) -> str:
        """Where it listens."""
        return str(self._path)

    def __del__(self) -> None:
        self._server.stop()
