"""A Ray of this service's own, closed to other users of the machine.

    with RayNode(runtime_dir) as node:   # before Ray is imported: it reads its environment then
        import ray
        ray.init(**node.options())
        node.check_ports()

What is closed, and how. Ray's sockets, logs and token lie in a folder that only this user may enter; it goes when the
block ends, and what a killed service left goes at the next start. Ray's own ports want the token. Its servers of
metrics, which want none, are off. Serve's replicas listen for each other on all interfaces (Ray 2.60,
`Replica._on_initialized`); `begin_replica` puts them on loopback, and `check_ports` refuses to go on where any
process of the service is reachable from outside all the same.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from memory.private_folder import short_private_folder
from serve.errors import ServeError
from serve.logs import send_logs

_LONGEST_SESSION = "ray-0000000/session_2000-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_LONGEST_BYTES = 107
_HEAD = ("gcs_server", "raylet")
_KILLED_S = 5.0
_OPENS = "add_port_to_grpc_server"


class WorldReachable(ServeError):
    """A process of the service listens on more than loopback."""

    code = "serve.reachable"


class HeadGone(ServeError):
    """A process without which Ray is none has ended."""

    code = "ray.gone"


class RayNode:
    """The folder and the environment of one Ray. A context manager."""

    def __init__(self, runtime_dir: Path) -> None:
        parent = short_private_folder(runtime_dir, _LONGEST_SESSION, _LONGEST_BYTES)
        self._parent = parent
        remove_abandoned(parent)
        self._folder = parent / f"ray-{os.getpid()}"
        self._head: list[psutil.Process] = []
        self._family: dict[int, psutil.Process] = {}

    def __enter__(self) -> RayNode:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        token = self._folder / "token"
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32))
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.update(
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(token),
            # Ray's node address becomes 127.0.0.1. (Named after the systems where that is the default.)
            RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
            RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
            RAY_enable_metrics_collection="0",
            # No port has this number, so these two servers of metrics never start; only Ray's log mentions it.
            AUTOSCALER_METRIC_PORT="-1",
            DASHBOARD_METRIC_PORT="-1",
        )
        for name in ("GRADIO_TEMP_DIR", "TORCHINDUCTOR_CACHE_DIR"):  # else they stay behind in the temporary folder
            os.environ.setdefault(name, str(self._folder / name.lower()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        remove_abandoned(self._parent)

    @property
    def folder(self) -> Path:
        """Private to this user; it goes when the block ends."""
        return self._folder

    def options(self) -> dict[str, Any]:
        """Arguments of `ray.init`."""
        return {
            "address": "local",
            "include_dashboard": False,
            "log_to_driver": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": str(self._folder),
        }

    def follow(self) -> None:
        """Called when Ray has started: from now on `check_head` knows what belongs to it."""
        self._head = [child for child in psutil.Process().children() if _name(child) in _HEAD]
        self._note_family()

    def check_head(self) -> None:
        """Raises `HeadGone` where a process of Ray's head has ended."""
        self._note_family()
        if len(self._head) < len(_HEAD) or not all(_alive(process) for process in self._head):
            raise HeadGone("a process that the service runs on (Ray's head) has ended, and so the service ends")

    def _note_family(self) -> None:
        """Those whose parent dies are nobody's children afterwards, so they are noted while all is well."""
        alive = {process.pid: process for process in self._family.values() if _alive(process)}
        self._family = alive | {child.pid: child for child in psutil.Process().children(recursive=True)}

    def end_family(self, within_s: float = 0.0) -> None:
        """Returns when no process of this Ray is left; those that have not ended `within_s` are killed. What they had
        committed is kept. The store's keeper is none of them."""
        self._note_family()
        _, left = psutil.wait_procs(list(self._family.values()), timeout=within_s)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=_KILLED_S)

    def check_ports(self) -> None:
        """Raises `WorldReachable` where this process or a child of it listens on another address than loopback."""
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        open_ports = sorted({port for process in processes for port in _reachable(process)})
        if open_ports:
            raise WorldReachable(f"ports {open_ports} could be reached from other machines, so the service ends")


def head_answers() -> bool:
    """Whether Ray's head takes connections, asked from a process that Ray started."""
    import ray

    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1.0):
            return True
    except OSError:
        return False


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return str(process.name())
    return ""


def _lives(pid: int) -> bool:
    """Whether a process of that number is at work. One that has ended may keep its number for a while."""
    with suppress(psutil.Error):
        return _alive(psutil.Process(pid))
    return False


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _reachable(process: psutil.Process) -> list[int]:
    with suppress(psutil.Error):
        listening = [c for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN]
        return [c.laddr.port for c in listening if not _is_loopback(c.laddr.ip)]
    return []


def _is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def remove_abandoned(parent: Path) -> None:
    """Removes what processes that were killed left in the runtime folder: Ray's folders and the page's sockets."""
    for left in [*parent.glob("ray-*"), *parent.glob("page-*.sock")]:
        pid = left.name.split("-", 1)[1].removesuffix(".sock")
        if pid.isdecimal() and not _lives(int(pid)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def begin_replica() -> None:
    """What every Serve replica does first: its port opens on loopback, its log lines go to the main process."""
    send_logs()
    _listen_on_loopback()


def _listen_on_loopback() -> None:
    """Called in a Serve replica's constructor, before Serve opens the port for calls from other replicas: it opens on
    loopback. Where this Ray has another name for it, `RayNode.check_ports` says that the port is open."""
    from ray.serve._private import replica

    opens = getattr(replica, _OPENS, None)
    if opens is None or getattr(opens, "on_loopback", False):
        return

    def on_loopback(server: Any, address: str) -> Any:
        return opens(server, address.replace("[::]", "127.0.0.1"))

    on_loopback.on_loopback = True  # type: ignore[attr-defined]
    setattr(replica, _OPENS, on_loopback)
