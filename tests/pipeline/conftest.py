"""A real, empty store for the tests that need one: one embedded server for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from memory.store.embedded import EmbeddedValkey
from memory.store.redis_store import RedisStore


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStore]:
    with EmbeddedValkey(tmp_path_factory.mktemp("store")) as server:
        store = RedisStore.at_socket(server.socket)
        yield store
        store.close()


@pytest.fixture
def store(_server: RedisStore) -> RedisStore:
    """An empty store."""
    _server._client.flushall()
    return _server
