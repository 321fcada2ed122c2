"""An ingest killed with SIGKILL at random moments and restarted exports the same bytes as an uninterrupted one.

Five kills of a worker with a small backend here, and with the real command; thirty kills of workers and stores with the
real backend are `tests.bench.memory.kill`'s, asserted on below.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from memory.config import StoreConfig
from memory.store.export import export_lines
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from tests.bench.memory.kill import run_kill_test
from tests.e2e.killed_worker import LEFT, watch
from tests.pipeline.fakes import write_scenes

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.mp4"
KILLS = 5
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 s in 16 scenes: 200 steps, 100 commits."""
    colours = ["red", "white", "blue", "green", "yellow", "white", "green", "red"] * 2
    scenes = [(colour, 4.0 + index % 3 * 2.25) for index, colour in enumerate(colours)]
    return write_scenes(tmp_path_factory.mktemp("film") / "film.mp4", scenes, fps=4)


@pytest.fixture(scope="module")
def whole(film: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    """The export of an undisturbed ingest of the film, and its number of commits."""
    alone = tmp_path_factory.mktemp("alone")
    begun(alone, film).join()
    with opened(alone) as store:
        return export(store), commits(store)


@contextmanager
def opened(data_dir: Path) -> Iterator[RedisStore]:
    with StoreHold(StoreConfig(data_dir)) as hold:
        yield hold.store


def commits(store: RedisStore) -> int:
    return sum(store.applied(video.id) for video in store.videos())


def export(store: RedisStore) -> str:
    (video,) = store.videos()
    assert video.status == "ready"
    return "".join(export_lines(store, video.id))


def begun(data_dir: Path, film: Path) -> BaseProcess:
    """A worker in a process of its own, forked off a server that has the heavy imports behind it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.killed_worker"])
    process = context.Process(target=watch, args=(data_dir, film))
    process.start()
    return process


def await_commit(process: BaseProcess, store: RedisStore, wanted: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while commits(store) < wanted:
        assert process.is_alive(), f"ended before commit {wanted}"
        assert time.monotonic() < deadline, f"no commit {wanted}"
        time.sleep(0.001)


def kill_after(process: BaseProcess, store: RedisStore, wanted: int, delay_s: float) -> None:
    """SIGKILL some time after the commit of that number."""
    await_commit(process, store, wanted)
    process.join(timeout=delay_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_killed_five_times_it_remembers_the_same_bytes(tmp_path: Path, film: Path, whole: tuple[str, int]) -> None:
    chance, killed, steps = random.Random(0), tmp_path / "killed", whole[1]
    with opened(killed) as store:
        for number in range(KILLS):
            wanted = steps * number // (KILLS + 1) + chance.randrange(1, steps // (KILLS + 1) - 4)
            kill_after(begun(killed, film), store, wanted, chance.uniform(0.0, 0.01))
            (video,) = store.videos()
            assert video.status in ("queued", "ingesting")
        last = begun(killed, film)
        last.join()
        assert last.exitcode == 0
        assert (export(store), commits(store)) == whole


def test_of_two_workers_on_one_video_one_wins_and_the_other_leaves(
    tmp_path: Path, film: Path, whole: tuple[str, int]
) -> None:
    shared = tmp_path / "shared"
    with opened(shared) as store:
        first = begun(shared, film)
        await_commit(first, store, 5)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)  # as a machine that swaps would
        second = begun(shared, film)
        await_commit(second, store, commits(store) + 2)
        os.kill(first.pid, signal.SIGCONT)
        first.join(timeout=DEADLINE_S)
        second.join(timeout=DEADLINE_S)
        assert (first.exitcode, second.exitcode) == (LEFT, 0)
        assert (export(store), commits(store)) == whole


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_thirty_kills_of_workers_and_stores_lose_and_double_nothing() -> None:
    report = run_kill_test(seconds=1200.0, kills=30)
    assert report["identical"]
    assert (report["runs"], report["lost"], report["doubled"]) == (30, 0, 0)
    assert set(report["victims"]) == {"worker", "store", "both"}


def longwatch(data_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"LONGWATCH_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "serve", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(data_dir: Path, *arguments: str) -> str:
    process = longwatch(data_dir, *arguments)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def remembered(data_dir: Path) -> str:
    """The canonical export of the only video."""
    video_id, *_ = finished(data_dir, "videos").split()
    return finished(data_dir, "export", "--canonical", video_id)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_real_command_killed_five_times_remembers_the_same_bytes(tmp_path: Path) -> None:
    """With nobody else holding the store: its server goes with the killed command and is started again."""
    chance = random.Random(3)
    film = str(shutil.copy(SAMPLE, tmp_path))
    finished(tmp_path / "alone", "ingest", film)
    killed, ended = tmp_path / "killed", []
    for _ in range(KILLS):
        process = longwatch(killed, "ingest", film)
        assert process.stderr is not None
        for _ in range(chance.choice([0, 1, 1])):
            assert process.stderr.readline().startswith("watching")
        try:
            process.wait(timeout=chance.uniform(0.0, 6.0))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        ended.append(process.returncode)
    assert set(ended) <= {0, -signal.SIGKILL}
    assert ended.count(-signal.SIGKILL) >= 3, "it ended before it could be killed"
    finished(killed, "ingest", film)
    assert remembered(killed) == remembered(tmp_path / "alone")
