"""Real servers for the store's contract: the embedded Valkey, Debian's Redis, and a cluster of three nodes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from memory.store.connection import connect, connect_socket
from memory.store.embedded import EmbeddedValkey, server_binary
from memory.store.redis_store import RedisStore

NODES = 3


def _await(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30.0
    while True:
        try:
            if ready():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not get ready")
        time.sleep(0.02)


@contextmanager
def _server(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


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
    """Three nodes on loopback, a third of the slots each; found from the first."""
    ports = _free_ports(2 * NODES)
    ports, buses = ports[:NODES], ports[NODES:]
    with ExitStack() as stack:
        for port, bus in zip(ports, buses, strict=True):
            (home := folder / str(port)).mkdir()
            where = ["--port", str(port), "--cluster-port", str(bus), "--bind", "127.0.0.1", "--dir", str(home)]
            stack.enter_context(_server([str(server_binary()), "--cluster-enabled", "yes", "--save", "", *where]))
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        for number, node in enumerate(nodes):
            _await(lambda node=node: bool(node.ping()), "a node")
            first, last = (16384 * n // NODES for n in (number, number + 1))
            node.execute_command("CLUSTER ADDSLOTSRANGE", first, last - 1)
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number:
                node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0], buses[0])
        for node in nodes:
            _await(lambda node=node: _agrees(node), "the cluster")
        yield RedisStore(connect(f"redis://127.0.0.1:{ports[0]}", cluster=None))


def _agrees(node: redis.Redis) -> bool:
    node.set_response_callback("CLUSTER INFO", bytes)
    info = bytes(node.execute_command("CLUSTER INFO"))
    return all(wanted in info for wanted in (b"cluster_state:ok", b"cluster_size:%d" % NODES))


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
