from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from serve.guard import LoopbackOnly, is_loopback

Message = dict[str, Any]


def call(kind: str, host: str | None, origin: str | None) -> tuple[bool, list[Message]]:
    """Whether the app behind the guard was reached, and what was sent."""
    reached: list[Message] = []
    sent: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def receive() -> Message:
        raise AssertionError("the guard reads nothing")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())] if host is not None else []
    headers += [(b"origin", origin.encode("latin-1"))] if origin is not None else []
    scope = {"type": kind, "headers": headers, "method": "GET", "path": "/"}
    asyncio.run(LoopbackOnly(app)(scope, receive, send))
    return bool(reached), sent


LET_IN = [
    ("localhost", None),
    ("localhost:8000", None),
    ("LocalHost:8000", None),
    ("127.0.0.1:8000", None),
    ("127.8.9.1", None),
    ("[::1]", None),
    ("[::1]:8000", None),
    ("localhost:8000", "http://localhost:8000"),
    ("localhost:8000", "http://LOCALHOST:8000"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("[::1]:8000", "http://[::1]:8000"),
    ("localhost", "https://localhost"),
]
REFUSED = [
    (None, None),
    ("", None),
    ("evil.com", None),
    ("evil.com:8000", None),
    ("localhost.evil.com", None),
    ("127.0.0.1.evil.com", None),
    ("evil.com", "http://evil.com"),
    ("192.168.0.7:8000", None),
    ("0.0.0.0:8000", None),
    ("user@evil.com", None),
    ("[::1", None),
    ("localhost:8000", "http://evil.com"),
    ("localhost:8000", "http://localhost.evil.com:8000"),
    ("localhost:8000", "null"),
    ("localhost:8000", ""),
    ("localhost:8000", "http://localhost:9000"),
    ("localhost:8000", "http://localhost"),
    ("localhost:8000", "http://127.0.0.1:8000"),
    ("localhost:8000", "file://localhost:8000"),
    ("localhost:8000", "http://[::1"),
    ("localhost:8000", "http://evil.com@localhost:8000"),
    ("localhost:8000", "\xff"),
]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(("host", "origin"), LET_IN)
def test_this_machine_is_let_in(kind: str, host: str, origin: str | None) -> None:
    assert call(kind, host, origin) == (True, [])


@pytest.mark.parametrize(("host", "origin"), REFUSED)
def test_others_get_a_403(host: str | None, origin: str | None) -> None:
    reached, (start, body) = call("http", host, origin)
    assert not reached
    assert start["status"] == 403
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    assert json.loads(body["body"])["code"] == "origin.refused"


@pytest.mark.parametrize(("host", "origin"), REFUSED)
def test_others_websockets_are_closed_before_they_open(host: str | None, origin: str | None) -> None:
    reached, (close,) = call("websocket", host, origin)
    assert not reached
    assert (close["type"], close["code"]) == ("websocket.close", 1008)


def test_what_has_no_headers_passes() -> None:
    reached: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        reached.append(scope)

    asyncio.run(LoopbackOnly(app)({"type": "lifespan"}, None, None))
    assert reached == [{"type": "lifespan"}]


def test_two_hosts_are_refused() -> None:
    """A proxy and the service might believe different ones."""
    sent: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise AssertionError("reached")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"evil.com"), (b"host", b"localhost")]
    asyncio.run(LoopbackOnly(app)({"type": "http", "headers": headers, "method": "GET", "path": "/"}, None, send))
    assert sent[0]["status"] == 403


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("example.org", False),
        ("10.0.0.1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("127.1", False),
    ],
)
def test_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
