"""All routes of the service as one ASGI app.

/v1/…                 routes (serve.api.routes, serve.api.live_socket)
/healthz, /readyz     alive; store reachable and models loaded
everything else       the page, passed on to its own replica
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from . import live_socket, problems, routes
from .access import Access
from .guard import Guard
from .limits import BoundedBodies
from .methods import HeadAsGet, methods_of
from .page_proxy import PageProxy
from .request_log import RequestLog
from .service import Service


def new_app(use: Service, page: Any | None, access: Access | None) -> FastAPI:
    """All routes over one service; `page` is the page deployment's handle, `access` None answers every local user."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await use.start()
        yield
        use.end()

    app = FastAPIOffline(title="Longwatch", version="1", lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.state.service = use
    app.state.access = access
    methods = methods_of(lambda: [*routes.router.routes, *app.router.routes])
    problems.install(app, methods)
    app.include_router(routes.router)
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
                raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED if methods(request.scope) else HTTPStatus.NOT_FOUND)
            return await proxy.pass_on(request)

    problems.describe(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BoundedBodies)
    app.add_middleware(Guard, access=access)  # nothing of a stranger's request is read
    app.add_middleware(RequestLog)
    return app
