"""Bounds on what a client may send: sizes and times of headers and bodies, on every route.

    BoundedH11       uvicorn's protocol, which closes a connection whose headers do not come within `HEADER_S`
    BoundedBodies    ASGI middleware: bodies up to `MOST_BODY_BYTES` within `BODY_S`; uploads may be larger and longer,
                     but not silent for longer than `SILENCE_S`

Header sizes are bounded by h11 itself (`MOST_HEADER_BYTES`, answered with 400).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .problems import problem_response

MOST_HEADER_BYTES = 64 << 10
MOST_BODY_BYTES = 1 << 20
HEADER_S = 10.0
BODY_S = 30.0
SILENCE_S = 60.0
_LARGE = frozenset({"/v1/videos", "/gradio_api/upload"})
"""Paths to which files are posted; their own limits are elsewhere."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BoundedH11(H11Protocol):
    """Closes a connection that has not sent the headers of its next request `HEADER_S` after it began to."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEADER_S, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the headers are whole, or refused
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADER_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedBodies:
    """413 `request.too_large` and 408 `request.too_slow`; a silent upload is taken as broken off."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"].rstrip("/") in _LARGE:
            await self._app(scope, _not_silent(receive), send)
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Message, receive: Receive, send: Any) -> None:
        refusal, body = await _whole(scope, receive)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()  # only to hear that the client left
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _whole(scope: Message, receive: Receive) -> tuple[Any, bytes]:
    """The body, or the refusal of one that is too large or too slow."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if declared.isdigit() and int(declared[:20]) > MOST_BODY_BYTES:
        return _too_large(), b""
    body, until = bytearray(), time.monotonic() + BODY_S
    while True:
        try:
            message = await asyncio.wait_for(receive(), max(until - time.monotonic(), 0.001))
        except TimeoutError:
            return _closing(HTTPStatus.REQUEST_TIMEOUT, "request.too_slow", "the request's body came too slowly"), b""
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return _too_large(), b""
        if message["type"] != "http.request" or not message.get("more_body", False):
            return None, bytes(body)


def _not_silent(receive: Receive) -> Receive:
    async def bounded() -> Message:
        try:
            return await asyncio.wait_for(receive(), SILENCE_S)
        except TimeoutError:
            return {"type": "http.disconnect"}

    return bounded


def _too_large() -> Any:
    detail = f"a request's body may have {MOST_BODY_BYTES} bytes; files are sent to POST /v1/videos"
    return _closing(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request.too_large", detail)


def _closing(status: HTTPStatus, code: str, detail: str) -> Any:
    """The rest of the body is not read: the connection ends with the answer."""
    return problem_response(status, code, detail, {"Connection": "close"})
