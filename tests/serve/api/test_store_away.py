"""While the store is away, clients get `store.unavailable` at once; when it is back, all is well again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory.config import StoreConfig
from memory.errors import StoreUnavailable
from memory.store.embedded import EmbeddedValkey
from memory.store.opening import StoreHold
from serve.api import service
from serve.api.gateway import new_app
from serve.api.service import Service
from serve.settings import Settings
from tests.contracts.store_cases import cube, full, record
from tests.memory.store.stoppable import StoppableServer

SOON_S = 8.0
Ask = Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]

ASKS: dict[str, Ask] = {
    "list": lambda client: client.get("/v1/videos"),
    "video": lambda client: client.get("/v1/videos/v1"),
    "timeline": lambda client: client.get("/v1/videos/v1/timeline"),
    "ask": lambda client: client.post("/v1/videos/v1/ask", json={"question": "When is it red?"}),
    "delete": lambda client: client.delete("/v1/videos/v1"),
    "stream": lambda client: client.get("/readyz"),
}


async def _response(use: Service, ask: Ask) -> httpx.Response:
    transport = httpx.ASGITransport(new_app(use, None, None))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        return await asyncio.wait_for(ask(client), SOON_S)


@pytest.mark.parametrize("name", ["ask", "list", "video", "timeline", "delete", "stream"])
def test_a_store_that_is_away_is_said_so_at_once(name: str, away: Service) -> None:
    response = asyncio.run(_response(away, ASKS[name]))
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "store.unavailable"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with StoppableServer(tmp_path_factory.mktemp("away")) as stoppable:
        yield stoppable


@pytest.fixture(scope="module")
def use(server: StoppableServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("data")
    with StoreHold(StoreConfig(folder, url=server.url)) as hold:
        hold.store.create_video(record())
        hold.store.commit("v1", full(hold.store.claim("v1"), 0, 16, [cube(0)]))
        yield Service(Settings(data_dir=folder, redis_url=server.url), hold, None, None, None, None)


@pytest.fixture(scope="module")
def away(server: StoppableServer, use: Service) -> Any:
    """The service, its store killed for as long as these tests run."""
    server.kill()
    yield use
    server.start()


def test_when_it_is_back_everything_is_as_it_was(server: StoppableServer, use: Service) -> None:
    server.kill()
    server.start()
    response = asyncio.run(_response(use, ASKS["video"]))
    assert (response.status_code, response.json()["cubes"]) == (200, 1)


def test_an_embedded_store_killed_with_its_keeper_comes_back_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STORE_S", 0.05)

    async def killed(use: Service, server: EmbeddedValkey) -> None:
        await use.start()
        old = server.pid
        for pid in (server.keeper_pid, old):
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(answers, use):
                await asyncio.sleep(0.05)
        assert server.pid != old
        use.end()

    with StoreHold(StoreConfig(tmp_path)) as hold:
        use = Service(Settings(data_dir=tmp_path), hold, None, None, None, None)
        asyncio.run(killed(use, EmbeddedValkey(tmp_path / "store")))


def answers(use: Service) -> bool:
    try:
        use.store.ping()
    except StoreUnavailable:
        return False
    return True
