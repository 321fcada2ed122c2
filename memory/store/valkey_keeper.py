"""The process that owns an embedded Valkey server: starts it, restarts it, and ends it when its last user has left.

Not imported: `memory.store.embedded` runs this file by path, with the standard library alone. It detaches itself, so it
is nobody's child. It takes one JSON argument (see `KeeperSettings`). Exit status 3 means that another keeper or an
unfinished server still holds the data directory.

How it knows that the last user left, however that user ended: every user holds a shared `flock` on the lease file, and
the keeper waits for an exclusive one. The kernel drops the locks of the dead. A user who comes while the keeper is
leaving waits for its lock, and then finds no server and starts a new keeper.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

BUSY = 3
_PR_SET_PDEATHSIG = 1
_LOCK_WAIT_S = 5.0
_SHORT_LIFE_S = 2.0
_SHORT_LIVES = 3


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What the keeper is told.

    Attributes:
        command: the server's command line.
        lease, lock, info, log: files in the data directory.
        socket: the server's socket.
        secret: of the data directory's identity; tells who reads ``info`` that it is this directory's.
    """

    command: list[str]
    lease: str
    lock: str
    info: str
    log: str
    socket: str
    secret: str


def _hold(path: str) -> int | None:
    """Takes the exclusive lock that this process and its server hold while they live; None when it is not to be had."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        else:
            return lock


def _detach(log: str) -> None:
    """Becomes a session of its own, with the log for output; the process that was started ends here."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


class Keeper:
    """One server and the watch over its users."""

    def __init__(self, settings: KeeperSettings, lock: int) -> None:
        self._settings = settings
        self._lock = lock
        self._guard = threading.Lock()
        self._leaving = False
        self._server: subprocess.Popen[bytes] | None = None
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def run(self) -> int:
        """Until the last user left (0), or the server has failed to stay up three times running (1)."""
        threading.Thread(target=self._await_last_user, daemon=True).start()
        short_lives = 0
        while short_lives < _SHORT_LIVES and (server := self._start()):
            began = time.monotonic()
            server.wait()
            short_lives = short_lives + 1 if time.monotonic() - began < _SHORT_LIFE_S else 0
        Path(self._settings.info).unlink(missing_ok=True)
        Path(self._settings.socket).unlink(missing_ok=True)
        return 0 if self._leaving else 1

    def leave(self) -> None:
        """Ends the server, and with it `run`."""
        with self._guard:
            self._leaving = True
            if self._server is not None:
                self._server.terminate()

    def _await_last_user(self) -> None:
        lease = os.open(self._settings.lease, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lease, fcntl.LOCK_EX)
        self.leave()

    def _start(self) -> subprocess.Popen[bytes] | None:
        """Starts the server, which inherits the lock; None when it is time to go."""
        with self._guard:
            if self._leaving:
                return None
            self._server = server = subprocess.Popen(
                self._settings.command,
                pass_fds=(self._lock,),
                preexec_fn=self._die_with_keeper if self._libc else None,
            )
        about = {
            "pid": server.pid,
            "keeper": os.getpid(),
            "socket": self._settings.socket,
            "secret": self._settings.secret,
        }
        fresh = Path(self._settings.info + ".new")
        fresh.write_text(json.dumps(about))
        fresh.replace(self._settings.info)
        return server

    def _die_with_keeper(self) -> None:
        """Runs in the server's process first. The signal is tied to the thread that forks: always the main one."""
        if self._libc is not None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stay(*_: object) -> None:
    """A service manager that stops a service signals all its processes, the keeper too. The users decide when to leave;
    the keeper goes when they have. (A handler and not SIG_IGN, which the server would inherit.)"""


def main(argument: str) -> int:
    settings = KeeperSettings(**json.loads(argument))
    lock = _hold(settings.lock)
    if lock is None:
        return BUSY
    Path(settings.info).unlink(missing_ok=True)  # a dead keeper's, or another folder's that this one was copied from
    _detach(settings.log)
    keeper = Keeper(settings, lock)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stay)
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
