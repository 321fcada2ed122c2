"""Who may talk to a service without keys: whoever started it, from this machine.

Without keys Longwatch listens on loopback only. This middleware stands before every route. It refuses what a browser
could be tricked into sending there, a foreign Host (DNS rebinding) or a foreign Origin (another site's page), and then
whoever does not have the start secret (`serve.api.access`), on HTTP and on websockets.
"""

from __future__ import annotations

import html
import ipaddress
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.responses import HTMLResponse, Response

from serve.errors import AccessRefused, OriginRefused

from .access import ENTER, Access
from .problems import problem_response

_NAMES = {"localhost"}
_HOW = "run `longwatch link` and open the address that it prints"
_PAGE = """<!doctype html><meta charset="utf-8"><title>Longwatch</title>
<body style="font: 1.1rem system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem">
<h1>Longwatch</h1><p>{}</p>"""

_IN = '<!doctype html><meta http-equiv="refresh" content="0; url=/"><title>Longwatch</title>'
"""Not a redirect: a browser sends a strict cookie only where a page of this service itself leads on."""

Headers = Sequence[tuple[bytes, bytes]]


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking a resolver."""
    if host.lower() in _NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _foreign(headers: Headers) -> str | None:
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


def _joined(headers: Headers, wanted: bytes) -> str:
    return "; ".join(value.decode("latin-1") for name, value in headers if name == wanted)


class Guard:
    """ASGI middleware: 403 `origin.refused`, 401 `access.refused`, or a websocket closed before it opens.

    Args:
        access: who is let in; None for a service that is open to every local user.
    """

    def __init__(self, app: Any, access: Access | None) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: dict[str, Any]) -> Response | None:
        headers: Headers = scope["headers"]
        foreign = _foreign(headers)
        if foreign is not None:
            return problem_response(HTTPStatus.FORBIDDEN, OriginRefused.code, foreign)
        if self._access is None:
            return None
        if scope["type"] == "http" and scope["path"] == ENTER and scope["method"] == "GET":
            return self._enter(self._access, scope)
        if self._access.allows(_joined(headers, b"authorization"), _joined(headers, b"cookie")):
            return None
        return _closed(headers, f"this service answers only to who started it: {_HOW}")

    def _enter(self, access: Access, scope: dict[str, Any]) -> Response:
        """A good one-time link becomes a cookie and the page."""
        (code,) = parse_qs(scope["query_string"].decode("latin-1")).get("code", [""])[:1]
        if not access.spend(code):
            return _closed(scope["headers"], f"this link was used before or is too old: {_HOW}")
        response = HTMLResponse(_IN, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        response.set_cookie(access.cookie_name, access.cookie, httponly=True, samesite="strict", path="/")
        return response


def _closed(headers: Headers, detail: str) -> Response:
    """A problem document for programs, a sentence for a browser."""
    if "text/html" in _joined(headers, b"accept"):
        text = html.escape(f"{detail[0].upper()}{detail[1:]}.").replace(
            "`longwatch link`", "<code>longwatch link</code>"
        )
        response: Response = HTMLResponse(_PAGE.format(text), HTTPStatus.UNAUTHORIZED)
    else:
        response = problem_response(HTTPStatus.UNAUTHORIZED, AccessRefused.code, detail)
    response.headers["WWW-Authenticate"] = "Bearer"
    response.headers["Cache-Control"] = "no-store"
    return response
