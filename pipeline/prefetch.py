"""Runs an iterator in a thread of its own, a bounded number of items ahead: decoding overlaps with encoding."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._offer(item)
                if self._leave.is_set():
                    break
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer, which raises it
            error = caught
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._offer(_End(error))

    def _offer(self, item: T | _End) -> None:
        while not self._leave.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def stop(self) -> None:
        self._leave.set()
        self._thread.join()


@contextmanager
def prefetched(items: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """Items of `items` in order, at most `depth` of them waiting. Leaving the block stops the thread and closes the
    iterator; an error inside `items` is raised where the consumer stands."""
    ahead = _Ahead(items, depth)
    try:
        yield iter(ahead)
    finally:
        ahead.stop()
