"""Who may talk to a service without keys: programs and pages of this machine.

Without keys Longwatch listens on loopback only; this middleware also refuses what a browser could be tricked into
sending there: a foreign Host (DNS rebinding) and a foreign Origin (another site's page), on HTTP and on websockets.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
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


def _refusal(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not is_loopback(_host_name(hosts[0])):
        return "this service answers to its own address only"
    for origin in (value.decode("latin-1") for name, value in headers if name == b"origin"):
        if origin.lower() not in {f"{scheme}://{hosts[0]}".lower() for scheme in ("http", "https")}:
            return "pages of other sites may not use this service"
    return None


def _host_name(host: str) -> str:
    """Without the port; empty where the header is unreadable."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class LoopbackOnly:
    """ASGI middleware: 403 `origin.refused`, or a websocket closed before it opens."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = _refusal(scope["headers"])
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            response = problem_response(HTTPStatus.FORBIDDEN, OriginRefused.code, reason)
            await response(scope, receive, send)
