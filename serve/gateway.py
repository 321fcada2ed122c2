"""The gateway: the one address of the service. A Ray Serve deployment that listens with a uvicorn of its own.

/v1/…                 routes (serve.http, serve.live_socket)
/healthz, /readyz     alive; store reachable and models loaded
everything else       the page, passed on to its own replica
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request

from memory.store.opening import StoreHold

from . import http, live_socket, problems
from .access import Access, secret_path, write_secret
from .guard import Guard
from .page_proxy import PageProxy
from .ray_node import listen_on_loopback
from .service_parts import Service
from .settings import Settings
from .web_server import WebServer


def new_app(use: Service, page: Any | None, access: Access | None) -> FastAPI:
    """All routes over one service; `page` is the page deployment's handle, `access` None answers every local user."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await use.start()
        yield
        use.end()

    app = FastAPI(title="Longwatch", version="1", lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.state.service = use
    app.state.access = access
    problems.install(app)
    app.include_router(http.router)
    app.include_router(live_socket.router)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The gateway is alive."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        """The store answers and the models are loaded."""
        await use.ready()
        return {"status": "ready"}

    if page is not None:
        proxy = PageProxy(page)

        @app.api_route("/{path:path}", methods=["GET", "POST", "HEAD"], include_in_schema=False)
        async def to_page(request: Request, path: str) -> Any:
            if path.startswith("v1/"):
                return problems.problem_response(HTTPStatus.NOT_FOUND, "not_found", "no such route")
            return await proxy.pass_on(request)

    app.add_middleware(Guard, access=access)
    return app


class Gateway:
    """Listens where the settings say, from the moment the replica is up until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        encoder: Any,
        memory: Any,
        answerer: Any,
        supervisor: Any,
        page: Any | None,
        secret: str | None,
    ) -> None:
        listen_on_loopback()
        self._hold = StoreHold(settings.store_config())
        self._supervisor = supervisor
        use = Service(settings, self._hold, encoder, memory, answerer, supervisor)
        access = None if secret is None else Access(secret, settings.port)
        self._server = WebServer(new_app(use, page, access), settings.host, settings.port)
        self._secret = secret_path(settings.runtime_dir, settings.port)
        self._secret.unlink(missing_ok=True)  # a killed service's
        if secret is not None:
            write_secret(settings.runtime_dir, settings.port, secret)
        self._server.start()
        self._leaving = False

    async def url(self) -> str:
        """Where it listens."""
        return self._server.url

    async def leave(self) -> None:
        """Answers under way finish, workers checkpoint, then nothing listens any more."""
        self._leaving = True
        await asyncio.to_thread(self._server.stop)
        self._secret.unlink(missing_ok=True)
        await self._supervisor.leave.remote()
        self._hold.close()

    def check_health(self) -> None:
        """Ray starts the replica anew when this raises."""
        if not self._server.alive and not self._leaving:
            raise RuntimeError("the gateway's web server has ended")
