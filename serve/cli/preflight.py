"""Checks before a start: address, port, folders, disk, and whether another service holds the data folder.

    with ready(settings, host, port) as place:   # refuses with one sentence, in a second
        …                                        # place.host, place.port: where to listen

Ray and the models take half a minute to start; what would stop them then is looked for here first.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from memory.private_folder import private_folder
from serve.api.guard import is_loopback
from serve.api.web_server import PortTaken, WebServer
from serve.errors import DiskFull, FolderUnusable, ServiceRefused, ServiceRunning
from serve.settings import Settings

LEAST_FREE_BYTES = 256 << 20
"""A start writes converted weights and the store's log; with less nothing can be watched."""
_LOCK = "service.lock"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where the service will listen."""

    host: str
    port: int


@contextmanager
def ready(settings: Settings, host: str | None, port: int | None) -> Iterator[ListenAddress]:
    """Holds the data folder for this service until the block ends.

    Raises:
        ServiceRefused: the address is not this machine's, or the port is taken.
        FolderUnusable: a folder cannot be made or written.
        DiskFull: too little is free.
        ServiceRunning: another service holds the data folder.
    """
    host, port = host or settings.host, settings.port if port is None else port
    if not is_loopback(host):
        raise ServiceRefused(f"without keys Longwatch listens on this machine only, not on {host}")
    place = ListenAddress(host, free_port(host, port))
    for folder in (settings.data_dir, settings.cache_dir, settings.runtime_dir):
        check_folder(folder)
    private_folder(settings.runtime_dir)
    with _alone(settings.data_dir, place):
        yield place


def free_port(host: str, port: int) -> int:
    """Refuses a taken port; 0 becomes a free one."""
    try:
        probe = WebServer(None, host, port)
    except PortTaken as taken:
        raise ServiceRefused(str(taken)) from taken
    chosen = int(probe.url.rsplit(":", 1)[1])
    probe.close()
    return chosen


def check_folder(folder: Path) -> None:
    """Makes the folder, writes to it, and looks at the space."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"the disk of {folder} is full") from error
        raise FolderUnusable(f"{folder} cannot be written: {error.strerror}") from error
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise DiskFull(f"the disk of {folder} has {free >> 20} MB left; {LEAST_FREE_BYTES >> 20} are needed to start")


@contextmanager
def _alone(data_dir: Path, place: ListenAddress) -> Iterator[None]:
    """A lock that the kernel drops however the service ends."""
    descriptor = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceRunning(f"another service runs on {data_dir}{_where(lock.read())}") from error
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "address": f"http://{place.host}:{place.port}"}, lock)
        lock.flush()
        yield


def _where(about: str) -> str:
    try:
        running = json.loads(about)
        return f", at {running['address']} (process {running['pid']})"
    except (ValueError, KeyError, TypeError):
        return ""
