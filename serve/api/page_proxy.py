"""Passes a browser's request for the page on to the page's replica, and its answer back, as they stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
}
_NOT_ITS_BUSINESS = {"authorization", "cookie"}
"""The page has the secret from the service itself."""


class PageProxy:
    """A reverse proxy to one address, which the page deployment names."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._client: httpx.AsyncClient | None = None

    async def _connected(self, *, anew: bool = False) -> httpx.AsyncClient:
        if self._client is None or anew:
            timeout = httpx.Timeout(30.0, read=None)
            limits = httpx.Limits(max_connections=None)
            transport = httpx.AsyncHTTPTransport(uds=await self._page.socket.remote(), limits=limits, trust_env=False)
            self._client = httpx.AsyncClient(base_url="http://page", timeout=timeout, transport=transport)
        return self._client

    async def pass_on(self, request: Request) -> StreamingResponse:
        """The page's answer; a replica that moved is asked for its new address once."""
        try:
            return await self._send(await self._connected(), request)
        except httpx.ConnectError:
            return await self._send(await self._connected(anew=True), request)

    async def _send(self, client: httpx.AsyncClient, request: Request) -> StreamingResponse:
        dropped = _HOP_BY_HOP | _NOT_ITS_BUSINESS
        headers = [(name, value) for name, value in request.headers.raw if name.decode().lower() not in dropped]
        target = httpx.URL(path=request.url.path, query=request.url.query.encode())
        body = request.stream() if request.method == "POST" else None
        outgoing = client.build_request(request.method, target, headers=headers, content=body)
        answer = await client.send(outgoing, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        return StreamingResponse(_raw(answer), answer.status_code, kept, background=BackgroundTask(answer.aclose))


async def _raw(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for chunk in answer.aiter_raw():
        yield chunk
