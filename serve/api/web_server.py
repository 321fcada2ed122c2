"""One uvicorn on one socket, in a thread: what the gateway and the page listen with.

Not Ray Serve's proxy, because a request body must be able to wait: the proxy reads as fast as the client sends and
holds what the application has not taken yet (measured on Ray 2.60: 400 MB sent to a slow reader grew the proxy by
500 MB). Uvicorn stops reading the socket instead.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn

from .limits import MOST_HEADER_BYTES, BoundedH11

MOST_CONNECTIONS = 1000
"""Beyond these, requests are answered with 503."""


class PortTaken(OSError):
    """Another program listens there."""


class WebServer:
    """Serves `app` on `host`:`port` (0: any free port) until `stop`."""

    def __init__(self, app: Any, host: str, port: int, *, drain_s: float = 20.0) -> None:
        self._set_up(app, _listen(host, port), drain_s)

    @classmethod
    def at_path(cls, app: Any, path: Path, *, drain_s: float = 20.0) -> WebServer:
        """Serves `app` on a unix socket at `path` instead."""
        server = cls.__new__(cls)
        server._set_up(app, _listen_at(path), drain_s)
        return server

    def _set_up(self, app: Any, listening: socket.socket, drain_s: float) -> None:
        self._socket = listening
        config = uvicorn.Config(
            app,
            log_config=None,  # uvicorn's own would close the handlers that this process has
            log_level="warning",
            access_log=False,
            http=BoundedH11,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            limit_concurrency=MOST_CONNECTIONS,
            ws="websockets-sansio",
            ws_max_size=16 * 2**20,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(drain_s),
            lifespan="on",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._address = listening.getsockname()

    @property
    def url(self) -> str:
        """Where it listens."""
        if isinstance(self._address, str):
            return f"unix://{self._address}"
        return f"http://{self._address[0]}:{self._address[1]}"

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begins to serve; connections made from now on are answered."""
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Lets go of the socket of a server that was never started."""
        self._socket.close()

    def stop(self) -> None:
        """Takes no new connections, lets answers under way finish (bounded), and returns when all is closed."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        if isinstance(self._address, str):
            Path(self._address).unlink(missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def _listen_at(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen(256)
    return listening
