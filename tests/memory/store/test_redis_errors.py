"""redis-py's errors become ours, all of them, in one place."""

from __future__ import annotations

import inspect
import socket
from importlib import resources
from pathlib import Path

import pytest
import redis
from redis import exceptions

from memory.errors import StoreError, StoreUnavailable
from memory.store.connection import Scripts, connect, translate, translated
from memory.store.redis_store import RedisStore

ALL = [e for _, e in inspect.getmembers(exceptions, inspect.isclass) if issubclass(e, redis.RedisError)]
AWAY = [
    "ConnectionError",
    "TimeoutError",
    "BusyLoadingError",
    "ReadOnlyError",
    "ClusterDownError",
    "AuthenticationError",
]


def made(kind: type[redis.RedisError]) -> redis.RedisError:
    if kind is exceptions.AskError or kind is exceptions.MovedError:
        return kind("1 127.0.0.1:6379")
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_no_error_of_redis_comes_through(kind: type[redis.RedisError]) -> None:
    with pytest.raises(StoreError) as caught, translated():
        raise made(kind)
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("name", AWAY)
def test_a_server_that_is_away_is_unavailable(name: str) -> None:
    assert isinstance(translate(getattr(exceptions, name)("gone")), StoreUnavailable)


@pytest.mark.parametrize("answer", ["MISCONF Errors writing to the AOF file", "NOREPLICAS not enough", "OOM command"])
def test_a_server_that_cannot_write_is_unavailable(answer: str) -> None:
    assert isinstance(translate(redis.ResponseError(answer)), StoreUnavailable)


def test_a_command_that_is_refused_is_not_unavailable() -> None:
    assert type(translate(redis.ResponseError("WRONGTYPE of key"))) is StoreError


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        store = RedisStore(connect(f"redis://127.0.0.1:{held.getsockname()[1]}"))
        with pytest.raises(StoreUnavailable):
            store.video("v")
        store.close()


def test_all_scripts_are_there() -> None:
    files = {Path(entry.name).stem for entry in (resources.files("memory") / "scripts").iterdir()}
    assert set(Scripts(redis.Redis())._registered) == files
