"""ASGI middleware that logs one line for each request and websocket: method, path, status, milliseconds."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from pipeline.times import ms_since
from serve.logs import log_event

log = logging.getLogger("longwatch.http")


class RequestLog:
    """The path is logged without its query, which may hold a one-time code. Requests of the page's own machinery are
    logged at level DEBUG."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            level = logging.INFO if scope["path"].startswith("/v1/") else logging.DEBUG
            method = scope.get("method", "WS")
            log_event(log, "request", level, method=method, path=scope["path"], status=status, ms=ms_since(began))
