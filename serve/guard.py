"""Who may talk to a service without keys: programs and pages of this machine.

Without keys Longwatch listens on loopback only; this middleware also refuses what a browser could be tricked into
sending there: a foreign Host (DNS rebinding) and a foreign Origin (another site's page), on HTTP and on websockets.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from .errors import OriginRefused
from .problems import problem_response

_NAMES = {"localhost"}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking a resolver."""
    if host.lower() in _NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refusal(headers: dict[bytes, bytes]) -> str | None:
    host = headers.get(b"host", b"").decode("latin-1")
    if not host or not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return "this service answers to its own address only"
    origin = headers.get(b"origin")
    if origin is None:
        return None
    try:
        page = urlsplit(origin.decode("latin-1"))
    except ValueError:
        return "unreadable Origin"
    if page.scheme not in ("http", "https") or page.netloc.lower() != host.lower():
        return "pages of other sites may not use this service"
    return None


class LoopbackOnly:
    """ASGI middleware: 403 `origin.refused`, or a websocket closed before it opens."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = _refusal(dict(scope["headers"]))
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            response = problem_response(HTTPStatus.FORBIDDEN, OriginRefused.code, reason)
            await response(scope, receive, send)
