"""Opens the store that a `StoreConfig` asks for: the embedded server or one elsewhere. Chosen by the config alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from memory.config import StoreConfig
from memory.store.connection import TIMEOUT_S, connect
from memory.store.disk_reserve import DiskReserve
from memory.store.embedded import EmbeddedValkey
from memory.store.redis_store import RedisStore
from memory.store.retrying import RetryingStore


class StoreHold:
    """A process's hold on the store. The embedded server is shared by all processes on one data folder and lives as
    long as anyone holds it. Everything is opened on first use; a context manager.

    Raises `StoreUnavailable` on first use when the server does not answer, `StoreError` where it may evict keys,
    `SchemaTooNew` where a later release wrote it.
    """

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        self._stack = ExitStack()

    def __enter__(self) -> StoreHold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @functools.cached_property
    def url(self) -> str:
        """``redis://``, ``rediss://`` or ``unix://``."""
        if self._config.url is not None:
            return self._config.url
        return f"unix://{self._stack.enter_context(self._embedded).socket}"

    @functools.cached_property
    def _embedded(self) -> EmbeddedValkey:
        return EmbeddedValkey(self._config.data_dir / "store", self._config.runtime_dir)

    def revive(self) -> None:
        """Starts the embedded server anew where it is gone with its keeper; does nothing for one elsewhere. Raises
        `StoreUnavailable`."""
        if self._config.url is None:
            self._embedded.ensure()

    @functools.cached_property
    def store(self) -> RedisStore:
        """The store, its server checked and its layout the present one."""
        store = self._opened(TIMEOUT_S)
        store.check_server()
        store.prepare()
        return store

    @functools.cached_property
    def asking(self) -> RedisStore:
        """The same store for those who wait for an answer: a server that is hung is unavailable to them soon."""
        _ = self.store
        return self._opened(self._config.answer_s)

    def _opened(self, timeout_s: float) -> RedisStore:
        config = self._config
        store = RedisStore.at_url(
            self.url, cluster=config.cluster, rewrite_on_delete=config.url is None, timeout_s=timeout_s
        )
        self._stack.callback(store.close)
        return store

    def retrying(self, stop: Callable[[], bool] = lambda: False) -> RetryingStore:
        """The store as a worker sees it: what it calls waits while the store is away or full, until `stop()`."""
        return RetryingStore(self.store, self._config.retry_s, stop, self.revive, self.reserve.check)

    @property
    def reserve(self) -> DiskReserve:
        """What stays free on the disk of the data folder."""
        return DiskReserve(self._config.data_dir, self._config.reserve_bytes)

    def client(self) -> Any:
        """A connection of its own to the same server."""
        client = connect(self.url, cluster=self._config.cluster)
        self._stack.callback(client.close)
        return client

    def await_end(self) -> None:
        """Where nobody uses the embedded server any more: returns when it has ended. Called without a hold."""
        if self._config.url is None:
            EmbeddedValkey(self._config.data_dir / "store", self._config.runtime_dir).await_end()

    def close(self) -> None:
        """Lets go; may be called twice."""
        self._stack.close()
