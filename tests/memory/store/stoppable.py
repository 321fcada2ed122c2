"""A store elsewhere that a test can take away and bring back: a real Valkey on a socket, with its file."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import redis

from memory.store.connection import connect_socket
from memory.store.embedded import EmbeddedValkey, server_binary

START_LIMIT_S = 20.0


class StoppableServer:
    """One server on one folder. A context manager: it runs inside, unless `kill` took it away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = EmbeddedValkey(folder)._socket_path().with_suffix(".away")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def __enter__(self) -> StoppableServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Starts it where it does not run and returns when it answers."""
        if self._process is not None:
            return
        where = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder)]
        kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        command = [str(server_binary()), *where, *kept]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.01)

    def hang(self) -> None:
        """SIGSTOP: it takes connections and answers nothing, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; nothing answers any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        client = connect_socket(self._socket)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
