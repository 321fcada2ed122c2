"""The real service, started once: Ray, Valkey, models, page. Ended with SIGTERM at the end, and nothing may be left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from serve.client import Client, access_headers

START_S = 240
END_S = 90


@dataclass
class RunningService:
    """A running `longwatch serve`."""

    url: str
    process: subprocess.Popen[str]
    data_dir: Path
    ready_after_s: float
    stderr_lines: list[str]
    listening: threading.Thread

    @property
    def headers(self) -> dict[str, str]:
        """What a program of the same user sends along."""
        return access_headers(self.url)

    def family(self) -> list[psutil.Process]:
        """All its processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def named(self, part: str) -> list[psutil.Process]:
        """Those whose command line has `part`."""
        processes = []
        for process in self.family():
            try:
                if part in " ".join(process.cmdline()):
                    processes.append(process)
            except psutil.NoSuchProcess:
                continue
        return processes


def start(folder: Path, **settings: str) -> RunningService:
    """Starts the service on a free port with a data folder of its own; returns when it says that it listens. `settings`
    are variables of its environment."""
    environment = {**os.environ, "LONGWATCH_DATA_DIR": str(folder), "LONGWATCH_LEASE_S": "3", **settings}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "serve", "serve", "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    stderr_lines: list[str] = []
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        for line in process.stderr:
            stderr_lines.append(line)
            if "listening on " in line:
                url = line.split("listening on ")[1].split()[0]
                break
        else:
            process.stderr.close()
            pytest.fail("the service did not start:\n" + "".join(stderr_lines))
    finally:
        watchdog.cancel()
    listening = threading.Thread(target=lambda: stderr_lines.extend(process.stderr or ()), daemon=True)
    listening.start()
    return RunningService(url, process, folder, time.monotonic() - began, stderr_lines, listening)


def end(service: RunningService) -> None:
    """SIGTERM; the service ends with status 0 and leaves no process behind."""
    family = service.family()
    service.process.send_signal(signal.SIGTERM)
    status = service.process.wait(END_S)
    service.listening.join(30)
    if service.process.stderr is not None:
        service.process.stderr.close()
    _, left = psutil.wait_procs(family, timeout=30)
    for process in left:
        process.kill()
    assert status == 0, "".join(service.stderr_lines)
    assert not left, left


@pytest.fixture(scope="session")
def client(service: RunningService) -> Iterator[Client]:
    """A client of the real service."""
    with Client(service.url) as new_client:
        yield new_client


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = start(tmp_path_factory.mktemp("service"))
    yield running
    end(running)
