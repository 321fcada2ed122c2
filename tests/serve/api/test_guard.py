from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serve.api.access import LINK_S, Access, find_secret, write_secret
from serve.api.gateway import new_app
from serve.api.guard import Guard, is_loopback
from serve.api.live_socket import router as socket_routes
from serve.api.routes import router as rest_routes

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
    asyncio.run(Guard(app, None)(scope, receive, send))
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

    asyncio.run(Guard(app, None)({"type": "lifespan"}, None, None))
    assert reached == [{"type": "lifespan"}]


def test_two_hosts_are_refused() -> None:
    """A proxy and the service might believe different ones."""
    sent: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise AssertionError("reached")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"evil.com"), (b"host", b"localhost")]
    asyncio.run(Guard(app, None)({"type": "http", "headers": headers, "method": "GET", "path": "/"}, None, send))
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


SECRET = "lw_secret"


def asked(path: str, *headers: tuple[bytes, bytes], access: Access, query: bytes = b"", kind: str = "http") -> Message:
    """The first message that a request is answered with; "reached" where it came to the app."""
    sent: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": kind, "method": "GET", "path": path, "query_string": query, "headers": [HOST, *headers]}
    asyncio.run(Guard(app, access)(scope, None, send))
    return sent[0]


HOST = (b"host", b"localhost:8000")
REACHED = {"type": "reached"}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer lw_secret"),
        (b"authorization", b"bearer lw_secret"),
        (b"cookie", f"a=b; longwatch-8000={Access(SECRET, 8000).cookie}; c=d".encode()),
    ],
)
def test_who_has_the_secret_is_let_in(kind: str, header: tuple[bytes, bytes]) -> None:
    assert asked("/v1/videos", header, access=Access(SECRET, 8000), kind=kind) == REACHED


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"authorization", b""),),
        ((b"authorization", b"Bearer "),),
        ((b"authorization", b"Bearer lw_secreT"),),
        ((b"authorization", b"Basic lw_secret"),),
        ((b"authorization", "Bearer ü".encode()),),
        ((b"cookie", b"longwatch-8000=lw_secret"),),
        ((b"cookie", f"longwatch-8001={Access(SECRET, 8001).cookie}".encode()),),
        ((b"cookie", b"longwatch-8000="),),
        ((b"cookie", b"\xff=\xff; =;;"),),
    ],
)
def test_who_has_not_is_refused(kind: str, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    message = asked("/v1/videos", *headers, access=Access(SECRET, 8000), kind=kind)
    assert message.get("status") == 401 if kind == "http" else message["type"] == "websocket.close"


def test_a_link_is_good_once_and_brings_the_cookie() -> None:
    access = Access(SECRET, 8000)
    code = f"code={access.first_code}".encode()
    entered = asked("/enter", access=access, query=code)
    assert entered["status"] == 200
    cookie = dict(entered["headers"])[b"set-cookie"].decode()
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    value = cookie.partition(";")[0].encode()
    assert asked("/", (b"cookie", value), access=access) == REACHED
    assert asked("/enter", access=access, query=code)["status"] == 401


@pytest.mark.parametrize("query", [b"", b"code=", b"code=x", b"other=1", b"code=%ff"])
def test_no_other_link_is_good(query: bytes) -> None:
    assert asked("/enter", access=Access(SECRET, 8000), query=query)["status"] == 401


def test_a_link_that_was_asked_for_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("serve.api.access.time.monotonic", lambda: now[0])
    access = Access(SECRET, 8000)
    early, late = access.new_code(), access.new_code()
    now[0] = LINK_S - 1.0
    assert access.spend(early)
    now[0] = LINK_S + 1.0
    assert not access.spend(late)
    assert access.spend(access.first_code)


def test_a_foreign_origin_is_refused_with_the_secret_too() -> None:
    access, bearer = Access(SECRET, 8000), (b"authorization", b"Bearer lw_secret")
    assert asked("/v1/videos", bearer, (b"origin", b"http://evil.com"), access=access)["status"] == 403


def test_every_route_is_closed(tmp_path: Path) -> None:
    """All of them by their own paths and methods, with every way in, the page and the documents of the API included."""
    app = new_app(cast(Any, SimpleNamespace()), object(), Access(SECRET, 8000))
    every = [*app.routes, *rest_routes.routes, *socket_routes.routes]
    routes = [route for route in every if isinstance(route, Route | WebSocketRoute)]
    calls = [(method, route.path) for route in routes for method in getattr(route, "methods", None) or ["WS"]]
    assert len(calls) > 20
    client = TestClient(app, base_url="http://localhost:8000")
    for method, path in calls:
        if method == "WS":
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
                pass
        else:
            assert client.request(method, path).status_code == 401, (method, path)


def test_the_secret_is_its_users_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    path = write_secret(tmp_path / "run", 8000, SECRET)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert find_secret("http://127.0.0.1:8000", tmp_path / "run") == SECRET
    assert find_secret("http://127.0.0.1:8001", tmp_path / "run") is None
