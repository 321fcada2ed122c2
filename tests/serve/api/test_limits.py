"""What a client may send is bounded on every route, over a real uvicorn on loopback: sizes and times."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from serve.api import limits
from serve.api.gateway import new_app
from serve.api.limits import MOST_BODY_BYTES, BoundedBodies
from serve.api.web_server import WebServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """All routes over nothing, with times that a test can wait for."""
    monkeypatch.setattr(limits, "HEADER_S", 0.5)
    monkeypatch.setattr(limits, "BODY_S", 0.5)
    monkeypatch.setattr(limits, "SILENCE_S", 0.5)

    async def start() -> None:
        return None

    use = SimpleNamespace(start=start, end=lambda: None, settings=SimpleNamespace(max_upload_bytes=1 << 30))
    web = WebServer(new_app(cast(Any, use), None, None), "127.0.0.1", 0, drain_s=1.0)
    web.start()
    yield web.url
    web.stop()


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def answer(connection: socket.socket) -> bytes:
    """All that is sent until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_header_without_end_is_refused_and_stalls_nobody(server: str) -> None:
    with closing(connected(server)) as flood:
        flood.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        began = time.monotonic()

        def pour() -> None:
            try:
                for _ in range(200):
                    flood.sendall(b"x" * (1 << 20))
            except OSError:
                pass  # refused, as it should be

        pouring = threading.Thread(target=pour)
        pouring.start()
        assert httpx.get(f"{server}/healthz").json() == {"status": "ok"}
        assert time.monotonic() - began < 5
        pouring.join(30)
        assert not pouring.is_alive(), "200 MB of a header were taken"


def test_headers_that_never_end_are_not_waited_for(server: str) -> None:
    connections = [connected(server) for _ in range(10)]
    for connection in connections:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    began = time.monotonic()
    for connection in connections:
        assert answer(connection) == b""
        connection.close()
    assert time.monotonic() - began < 10


def test_a_silent_connection_is_not_held(server: str) -> None:
    with closing(connected(server)) as connection:
        assert answer(connection) == b""


def test_a_second_request_on_a_kept_connection_is_bounded_too(server: str) -> None:
    with closing(connected(server)) as connection:
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        connection.sendall(request + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(request)
        assert answer(connection) == b""


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_300_mb_is_refused_before_it_is_held(server: str, declared: bool) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(300):
            sent += 1
            yield b"x" * (1 << 20)

    headers = {"Content-Length": str(300 << 20)} if declared else {}
    try:
        refusal = httpx.post(f"{server}/v1/search", content=body(), headers=headers)
        assert (refusal.status_code, refusal.json()["code"]) == (413, "request.too_large")
    except httpx.WriteError:
        pass  # the connection was closed while the rest was being sent
    assert sent < 100


def test_a_body_that_does_not_come_is_not_waited_for(server: str) -> None:
    with closing(connected(server)) as connection:
        connection.sendall(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        text = answer(connection)
    assert text.startswith(b"HTTP/1.1 408")
    assert json.loads(text.split(b"\r\n\r\n", 1)[1])["code"] == "request.too_slow"


def test_an_upload_may_be_large_but_not_silent() -> None:
    import asyncio

    messages = [{"type": "http.request", "body": b"x" * (2 * MOST_BODY_BYTES), "more_body": True}]
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            events.append((await receive())["type"])

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        limits.SILENCE_S, before = 0.1, limits.SILENCE_S
        try:
            scope = {"type": "http", "method": "POST", "path": "/v1/videos", "headers": []}
            await BoundedBodies(app)(scope, receive, None)
        finally:
            limits.SILENCE_S = before

    asyncio.run(run())
    assert events == ["http.request", "http.disconnect"]


def test_deep_json_is_an_ordinary_error(server: str) -> None:
    refusal = httpx.post(f"{server}/v1/search", content=b"[" * 500_000)
    assert refusal.status_code in (400, 422)
    assert refusal.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("words", ["   ", "\n\t", "9" * 990, "x" * 1001, ""])
@pytest.mark.parametrize("path", ["/v1/search", "/v1/videos/v/ask"])
def test_what_is_no_question_is_refused(server: str, path: str, words: str) -> None:
    field = "query" if path == "/v1/search" else "question"
    refusal = httpx.post(f"{server}{path}", json={field: words})
    assert (refusal.status_code, refusal.json()["code"]) == (422, "request.invalid")
