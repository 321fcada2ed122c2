"""What a path may be asked with: `HEAD` wherever there is `GET`, and the `Allow` of a 405.

methods_of(routes)    scope -> the methods that its path has
HeadAsGet             ASGI middleware: a HEAD is answered as its GET would be, without the body
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope, Send

_OWN_HEAD = ("/media",)
"""Ends of paths whose routes answer HEAD themselves, without opening what GET would send."""
_NO_HEAD = ("/events",)
"""Streams have no end that a HEAD could wait for."""


def methods_of(routes: Callable[[], Sequence[BaseRoute]]) -> Callable[[Scope], list[str]]:
    """A function from a request's scope to all methods that its path has, sorted; empty where there is no such path.
    `routes`: asked at each request, as routes are added one after another."""

    def methods(scope: Scope) -> list[str]:
        names: set[str] = set()
        for route in routes():
            if (
                getattr(route, "include_in_schema", False)
                and route.matches({**scope, "type": "http"})[0] is not Match.NONE
            ):
                names |= getattr(route, "methods", None) or set()
        if "GET" in names and not scope["path"].endswith(_NO_HEAD):
            names.add("HEAD")
        return sorted(names)

    return methods


class HeadAsGet:
    """For the service's own routes; the page answers its own HEAD requests."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD" and _is_ours(scope["path"]):
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)


def _is_ours(path: str) -> bool:
    return path.startswith(("/v1/", "/healthz", "/readyz")) and not path.endswith((*_OWN_HEAD, *_NO_HEAD))


def _without_body(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return headers_only
