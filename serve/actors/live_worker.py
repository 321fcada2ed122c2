"""The Ray actor around one `pipeline.live.LiveStream`."""

from __future__ import annotations

import logging
import threading
from typing import Any

from memory.store.opening import StoreHold
from pipeline.config import LiveConfig
from pipeline.live import LiveStream
from pipeline.live_events import LiveEvent
from serve.logs import log_event, send_logs
from serve.settings import Settings

from .remote import remote_backend

log = logging.getLogger("longwatch.live")


class LiveWorker:
    """Watches one pushed stream in a thread of its own."""

    def __init__(self, settings: Settings, encoder: Any, video_id: str) -> None:
        send_logs()
        log_event(log, "stream opened", video=video_id)
        self._hold = StoreHold(settings.store_config())
        self._leaving = threading.Event()
        store = self._hold.retrying(self._leaving.is_set)
        self._stream = LiveStream(store, remote_backend(encoder), settings.ingest_config(), video_id, LiveConfig())
        self._ending = False
        self._thread = threading.Thread(target=self._stream.run, name="live", daemon=True)
        self._thread.start()

    def ping(self) -> bool:
        """Whether it still watches."""
        return self._thread.is_alive()

    def begin(self) -> dict[str, Any]:
        """The credit a client begins with, and the number of the last event before it."""
        after = self._stream.last_event  # before the credit, which then is no older than it
        return {**self._stream.credit(), "after": after}

    def push(self, capture_us: int, picture: bytes) -> None:
        """See `LiveStream.push`."""
        self._check()
        self._stream.push(capture_us, picture)

    def events(self, after: int, timeout_s: float) -> list[LiveEvent]:
        """See `LiveStream.events`."""
        self._check()
        return self._stream.events(after, timeout_s)

    def _check(self) -> None:
        """A client of a stream that nobody watches any more is told so; when it comes back, another worker goes on."""
        if not self._thread.is_alive() and not self._ending:
            raise RuntimeError("this stream is not watched any more")

    def end(self) -> None:
        """The stream is over: what is queued is watched, the open cube closed, the video `ready`."""
        self._ending = True
        self._stream.leave()
        self._thread.join()
        self._stream.end()

    def leave(self) -> None:
        """The service ends, the stream does not: everything is committed, or lost unacknowledged where the store is
        away: then nobody waits for it."""
        self._ending = True
        self._leaving.set()
        self._stream.leave()
        self._thread.join()
        self._stream.checkpoint()
        self._hold.close()
