"""Notices a store that is hung: it takes connections and answers nothing, so that who asks would wait for long.

watch = StoreWatch(store.ping)      # with a short time limit of its own
watch.start()                       # in an event loop; `end` stops it
answer = await watch.unless_silent(waiting)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from memory.errors import StoreError, StoreUnavailable

T = TypeVar("T")
PING_S = 0.3
"""Between two pings."""
_LOOK_S = 0.1


class StoreWatch:
    """Pings the store from a thread of its own, which no waiting call keeps busy."""

    def __init__(self, ping: Callable[[], None]) -> None:
        self._ping = ping
        self._thread = ThreadPoolExecutor(1, "store watch")
        self._task: asyncio.Task[None] | None = None
        self._silent = False

    @property
    def silent(self) -> bool:
        """Whether the last ping was not answered."""
        return self._silent

    def start(self) -> None:
        """Begins to ping, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def end(self) -> None:
        """No more pings."""
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(self._thread, self._ping)
                self._silent = False
            except StoreUnavailable:
                self._silent = True
            except StoreError:
                self._silent = False  # a refusal is an answer
            await asyncio.sleep(PING_S)

    async def unless_silent(self, waiting: Awaitable[T]) -> T:
        """What is waited for. Raises `StoreUnavailable` where the store falls silent before it is there."""
        task = asyncio.ensure_future(waiting)
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=_LOOK_S)
                if done:
                    return task.result()
                if self._silent:
                    raise StoreUnavailable("the store does not answer")
        finally:
            if not task.done():
                task.cancel()
