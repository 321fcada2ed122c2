"""The gateway: the one address of the service, a Ray Serve deployment that listens with a uvicorn of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from memory.store.opening import StoreHold
from serve.actors.ray_node import begin_replica, head_answers
from serve.api.access import Access, secret_path, write_secret
from serve.api.gateway import new_app
from serve.api.service import Service
from serve.api.web_server import WebServer
from serve.settings import Settings


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
        begin_replica()
        self._hold = StoreHold(settings.store_config())
        self._supervisor = supervisor
        use = Service(settings, self._hold, encoder, memory, answerer, supervisor, head_answers)
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
