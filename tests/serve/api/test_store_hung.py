"""A store that is hung (SIGSTOP) costs a question two seconds at most, and afterwards all is as it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory.config import StoreConfig
from memory.store.opening import StoreHold
from serve.api.gateway import new_app
from serve.api.service import Service
from serve.settings import Settings
from tests.contracts.store_cases import cube, full, record
from tests.memory.store.stoppable import StoppableServer

LIMIT_S = 2.0
QUESTION = {"question": "When is it red?"}


class Waits:
    """Stands in for an answerer that says nothing, and notes that it was asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.ask = self

    def options(self, **_: object) -> Waits:
        return self

    async def remote(self, *_: object) -> AsyncIterator[Any]:
        self.asked.set()
        await asyncio.Event().wait()
        yield


class Ready:
    """Stands in for a deployment that answers at once."""

    def __init__(self) -> None:
        self.about = self.warm = self

    async def remote(self) -> None:
        return None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoppableServer]:
    with StoppableServer(tmp_path) as stoppable:
        yield stoppable


@pytest.fixture
def hold(server: StoppableServer, tmp_path: Path) -> Iterator[StoreHold]:
    with StoreHold(StoreConfig(tmp_path, url=server.url)) as opened:
        opened.store.create_video(record())
        opened.store.commit("v1", full(opened.store.claim("v1"), 0, 16, [cube(0)]))
        yield opened


@asynccontextmanager
async def client_of(hold: StoreHold, answerer: Any, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that has started."""
    settings = Settings(data_dir=Path(hold.reserve.data_dir), redis_url=hold.url)
    use = Service(settings, hold, Ready(), None, answerer, None, **more)
    app = new_app(use, None, None)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as client,
    ):
        yield client


async def timed(waiting: Any) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    response: httpx.Response = await waiting
    return response, time.monotonic() - began


def test_questions_and_readiness_say_so_soon_and_all_is_as_before_afterwards(
    server: StoppableServer, hold: StoreHold
) -> None:
    async def hung() -> None:
        async with client_of(hold, Ready()) as client:
            assert (await client.get("/readyz")).json() == {"status": "ready"}
            server.hang()
            asks = [timed(client.post("/v1/videos/v1/ask", json=QUESTION)) for _ in range(20)]
            looks = [timed(client.get("/v1/videos/v1/timeline")) for _ in range(20)]
            for response, took_s in await asyncio.gather(*asks, *looks):
                assert (response.status_code, response.json()["code"]) == (503, "store.unavailable")
                assert took_s < LIMIT_S
            response, took_s = await timed(client.get("/readyz"))
            assert (response.status_code, response.json()["code"]) == (503, "store.unavailable")
            assert response.json()["detail"] == "not ready: store"
            assert took_s < LIMIT_S
            server.go_on()
            assert (await client.get("/v1/videos/v1/timeline")).json()["cubes"][0]["ordinal"] == 0
            assert (await client.get("/readyz")).json() == {"status": "ready"}

    asyncio.run(hung())


def test_a_question_under_way_is_not_held_up_either(server: StoppableServer, hold: StoreHold) -> None:
    async def hung() -> None:
        answerer = Waits()
        async with client_of(hold, answerer) as client:
            asking = asyncio.create_task(client.post("/v1/videos/v1/ask", json=QUESTION))
            await asyncio.wait_for(answerer.asked.wait(), 10)
            server.hang()
            response, took_s = await timed(asking)
            server.go_on()
            assert (response.status_code, response.json()["code"]) == (503, "store.unavailable")
            assert took_s < LIMIT_S

    asyncio.run(hung())


def test_readiness_names_every_part_that_is_missing(hold: StoreHold) -> None:
    class Never(Ready):
        async def remote(self) -> None:
            await asyncio.Event().wait()

    async def look(answerer: Any, head: bool) -> tuple[int, str, str]:
        async with client_of(hold, answerer, head_alive=lambda: head) as client:
            response, took_s = await timed(client.get("/readyz"))
            assert took_s < LIMIT_S + 0.5
            return response.status_code, response.json()["code"], response.json()["detail"]

    assert asyncio.run(look(Never(), True)) == (503, "backend.unavailable", "not ready: models")
    assert asyncio.run(look(Ready(), False)) == (503, "ray.gone", "not ready: ray")
    assert asyncio.run(look(Never(), False))[2] == "not ready: models, ray"
