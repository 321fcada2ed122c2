"""The kill test: a film is watched while its worker, its store, or both are killed at random moments, again and again.

Nothing may be lost or doubled, and the memory must be byte for byte that of an undisturbed run. Part of
`python -m tests.bench memory`; `tests/e2e/test_kill.py` asserts on its figures. It does not measure speed.

Moments are chosen by progress and chance: after so many more commits of the running worker (none: while it starts), a
random fraction of a second later. The signal is always SIGKILL, to processes that this test started: the worker
(`tests.bench.memory.kill_worker`), the store's server, and half of the times its keeper too, so that the worker itself
has to bring the store back.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from memory.config import StoreConfig
from memory.errors import StoreUnavailable
from memory.store.embedded import EmbeddedValkey
from memory.store.export import export_lines
from memory.store.opening import StoreHold
from serve.measure.code_digest import ROOT

from .kill_film import write_film

VICTIMS = ("worker", "store", "both")
MOST_COMMITS = 3
LONGEST_DELAY_S = 0.4


@dataclass
class _WorkerParent:
    """The worker's parent, and what it reported of its children.

    Attributes:
        acknowledged_s: up to where a worker's commits were acknowledged.
        lapses: restarts that began before that.
    """

    process: subprocess.Popen[bytes]
    pid: int = 0
    acknowledged_s: float = 0.0
    lapses: int = 0
    statuses: list[int] = field(default_factory=list)

    def line(self) -> list[str]:
        """The next line, in words. Raises RuntimeError where the parent has ended."""
        if self.process.stdout is None or not (line := self.process.stdout.readline()):
            raise RuntimeError(f"the parent of the workers has ended with status {self.process.wait()}")
        kind, *values = line.decode().split()
        if kind == "child":
            self.pid = int(values[0])
        elif kind == "begin":
            self.lapses += float(values[0]) < self.acknowledged_s
        elif kind == "commit":
            self.acknowledged_s = float(values[0])
        elif kind == "ended":
            self.pid = 0
            self.statuses.append(int(values[0]))
        return [kind, *values]

    def until(self, *kinds: str) -> str:
        """Reads until a line of one of these kinds, which it returns."""
        while (kind := self.line()[0]) not in kinds:
            pass
        return kind

    def start(self) -> None:
        """A new worker."""
        if self.process.stdin is None:
            raise RuntimeError("the parent of the workers cannot be told anything")
        self.process.stdin.write(b"start\n")
        self.process.stdin.flush()
        self.until("child")


@contextmanager
def _workers(data_dir: Path, film: Path) -> Iterator[_WorkerParent]:
    command = [sys.executable, "-m", "tests.bench.memory.kill_worker", str(data_dir), str(film)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        watching = _WorkerParent(process)
        try:
            watching.until("warm")
            yield watching
        finally:
            if watching.pid:
                _kill(watching.pid)
            if process.stdin is not None:
                process.stdin.close()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_store(server: EmbeddedValkey, *, keeper: bool) -> None:
    with suppress(StoreUnavailable):  # between two servers
        if keeper:
            _kill(server.keeper_pid)
        _kill(server.pid)


def _remembered(data_dir: Path) -> tuple[list[str], int]:
    """The canonical export of the only video, and its number of commits."""
    with StoreHold(StoreConfig(data_dir)) as hold:
        (video,) = hold.store.videos()
        return list(export_lines(hold.store, video.id)), hold.store.applied(video.id)


def _undisturbed(data_dir: Path, film: Path) -> tuple[list[str], int]:
    with _workers(data_dir, film) as watching:
        watching.start()
        watching.until("ended")
        if watching.statuses != [0]:
            raise RuntimeError(f"the undisturbed worker ended with status {watching.statuses}")
    return _remembered(data_dir)


def _disturbed(data_dir: Path, film: Path, victims: Sequence[str], chance: random.Random) -> tuple[_WorkerParent, int]:
    """Kills the victims in turn while the film is watched, then lets it end; returns the number of kills."""
    server, killed = EmbeddedValkey(data_dir / "store"), 0
    with _workers(data_dir, film) as watching:
        for victim in victims:
            if not watching.pid:
                watching.start()
            if not _progressed(watching, chance.choice((0, 1, 1, 2, MOST_COMMITS))):
                break  # it came to its end first
            time.sleep(chance.uniform(0.0, LONGEST_DELAY_S))
            if victim != "worker":
                _kill_store(server, keeper=chance.random() < 0.5)
            if victim != "store":
                _kill(watching.pid)
                watching.until("ended")
                if watching.statuses[-1] == 0:
                    break  # it was quicker than the signal
            killed += 1
        if not watching.pid:
            watching.start()
        watching.until("ended")
        return watching, killed


def _progressed(watching: _WorkerParent, commits: int) -> bool:
    """Waits for so many more commits of the running worker; False where it ended before."""
    return all(watching.until("commit", "ended") == "commit" for _ in range(commits))


def scored(whole: Sequence[str], disturbed: Sequence[str], more_commits: int, lapses: int) -> dict[str, Any]:
    """Two exports, line by line, with how many more commits the disturbed one took, and restarts that began before
    what had been acknowledged -> `lost`, `doubled`, `identical`."""
    missing, extra = Counter(whole) - Counter(disturbed), Counter(disturbed) - Counter(whole)
    return {
        "lost": missing.total() + lapses,
        "doubled": extra.total() + max(0, more_commits),
        "identical": list(disturbed) == list(whole),
    }


def run_kill_test(seconds: float = 1200.0, kills: int = 30, seed: int = 0) -> dict[str, Any]:
    """Watches a film of so many seconds twice, once in peace.

    Returns:
        `runs`: kills that happened, `victims` whose; `lost`: lines of the undisturbed export that the other lacks, and
        restarts that began before what had been acknowledged to a worker; `doubled`: lines and commits that only the
        disturbed one has; `identical`: whether the two exports are the same bytes; `cubes`: of the undisturbed one.

    Raises RuntimeError where a worker ended by itself without having watched the film.
    """
    chance = random.Random(seed)
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]
    chance.shuffle(victims)
    with TemporaryDirectory(prefix="longwatch-kill-") as name:
        folder = Path(name)
        write_film(film := folder / "film.mp4", seconds, seed)
        whole, commits = _undisturbed(folder / "alone", film)
        watching, killed = _disturbed(folder / "killed", film, victims, chance)
        if set(watching.statuses) - {0, -signal.SIGKILL} or watching.statuses[-1] != 0:
            raise RuntimeError(f"workers ended with status {watching.statuses}")
        disturbed, applied = _remembered(folder / "killed")
    return {
        "runs": killed,
        **scored(whole, disturbed, applied - commits, watching.lapses),
        "victims": dict(Counter(victims[:killed])),
        "cubes": sum(line.startswith('{"boundary"') for line in whole),
    }
