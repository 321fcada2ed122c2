"""Real servers for the store's contract: the embedded Valkey, Debian's Redis, and a cluster of one node."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from memory.embedded import EmbeddedValkey, server_binary
from memory.redis_link import connect, connect_socket
from memory.redis_store import RedisStore


def _await(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15.0
    while True:
        try:
            if ready():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not get ready")
        time.sleep(0.01)


@contextmanager
def _server(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _valkey(folder: Path) -> Iterator[RedisStore]:
    with EmbeddedValkey(folder) as server:
        yield RedisStore.at_socket(server.socket)


@contextmanager
def _debian_redis(folder: Path) -> Iterator[RedisStore]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    path = EmbeddedValkey(folder)._socket_path().with_suffix(".redis")
    options = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(folder)]
    with _server([binary, "--port", "0", "--unixsocket", str(path), *options]):
        client = connect_socket(path)
        _await(lambda: bool(client.ping()), "redis-server")
        yield RedisStore(client)


@contextmanager
def _cluster(folder: Path) -> Iterator[RedisStore]:
    port = _free_port()
    options = ["--cluster-enabled", "yes", "--cluster-port", str(_free_port()), "--save", "", "--dir", str(folder)]
    with _server([str(server_binary()), "--port", str(port), "--bind", "127.0.0.1", *options]):
        with redis.Redis(port=port) as node:
            _await(lambda: bool(node.ping()), "the cluster's node")
            node.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
            _await(lambda: b"cluster_state:ok" in _info(node), "the cluster")
        yield RedisStore(connect(f"redis://127.0.0.1:{port}", cluster=True))


def _info(node: redis.Redis) -> bytes:
    node.set_response_callback("CLUSTER INFO", bytes)
    return bytes(node.execute_command("CLUSTER INFO"))


SERVERS = {"valkey": _valkey, "redis": _debian_redis, "cluster": _cluster}


@pytest.fixture(scope="session", params=sorted(SERVERS))
def _running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStore]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as store:
        yield store
        store.close()


@pytest.fixture
def store(_running: RedisStore) -> RedisStore:
    """An empty store, on each server in turn."""
    _running._client.flushall()
    return _running
