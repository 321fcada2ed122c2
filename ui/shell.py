"""Keeps the page to this service: nothing of it names, loads or calls another host.

Gradio's shell carries preview tags that point at its own site; they are left out. A content security policy then makes
the browser itself refuse any other host. Scripts and styles inside the page stay allowed, as Gradio's own need them.
"""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_TAG_LEFT_OUT = re.compile(rb'<(?:meta\s+(?:property="og:|name="twitter:)|link\s+rel="manifest")[^>]*>\s*')
"""Previews for other sites; and the manifest, which browsers fetch without the cookie that lets them in."""


class OwnHostOnly:
    """ASGI middleware around the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Policy on every answer; the shell itself also loses some tags."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/" and scope["method"] == "GET":
            await self._app(_uncompressed(scope), receive, _Rewritten(send))
        else:
            await self._app(scope, receive, _with_policy(send))


def _uncompressed(scope: Scope) -> Scope:
    """The same request, asking for plain bytes, since those can be rewritten."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": headers}


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["content-security-policy"] = POLICY
        await send(message)

    return sending


class _Rewritten:
    """Holds the shell (about 20 kB) back until it is whole, then sends it without the tags left out."""

    def __init__(self, send: Send) -> None:
        self._send = _with_policy(send)
        self._start: Message = {}
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = _TAG_LEFT_OUT.sub(b"", bytes(self._body))
        headers = MutableHeaders(scope=self._start)
        if "content-length" in headers:
            headers["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})
