"""The service's workers without Ray, on a store that is killed under them: they wait, go on, and leave when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.config import StoreConfig
from memory.store.export import export_lines
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from pipeline.library import Identity, stream_record
from serve.actors import live_worker, workers
from serve.actors.live_worker import LiveWorker
from serve.actors.workers import IngestWorker
from serve.jobs.job_queue import MOST_TRIES, JobQueue
from serve.settings import Settings
from tests.contracts.store_cases import record
from tests.memory.store.stoppable import StoppableServer
from tests.pipeline.fakes import colour_backend, write_scenes
from tests.pipeline.test_live import BEGAN_US, jpeg
from tests.pipeline.video.sandbox.children import children_that

BACKEND = colour_backend()
DEADLINE_S = 60.0
COLOURS = ["red", "blue", "white", "green"] * 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoppableServer]:
    with StoppableServer(tmp_path) as stoppable:
        yield stoppable


@pytest.fixture
def settings(server: StoppableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in (workers, live_worker):
        monkeypatch.setattr(module, "remote_backend", lambda encoder: encoder)
    return Settings(data_dir=tmp_path, redis_url=server.url, lease_s=30.0)


@pytest.fixture
def hold(server: StoppableServer, tmp_path: Path) -> Iterator[StoreHold]:
    with StoreHold(StoreConfig(tmp_path, url=server.url)) as opened:
        yield opened


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """80 s in 8 scenes: five commits."""
    return write_scenes(tmp_path / "film.mp4", [(colour, 10.0) for colour in COLOURS], 2)


def queued(hold: StoreHold, settings: Settings, film: Path, video_id: str) -> None:
    sampling = settings.ingest_config().sampling
    names = {"backend": BACKEND.name, "key_space": str(BACKEND.keys.space), "sampling": sampling}
    hold.store.create_video(record(video_id, status="queued", sha256=video_id, media=str(film), **names))
    JobQueue(hold.client(), 30.0).add(video_id)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_ingest_worker_waits_for_its_store_without_losing_the_job(
    hold: StoreHold, settings: Settings, film: Path, server: StoppableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(hold, settings, film, "v1")
    queued(hold, settings, film, "v2")
    original, committed, gone = RedisStore.commit, [], threading.Event()

    def commit(self: RedisStore, video_id: str, commit: Any) -> int:
        if video_id == "v2" and len(committed) == 2 and not gone.is_set():
            server.kill()
            gone.set()
        number = original(self, video_id, commit)
        committed.extend([number] if video_id == "v2" else [])
        return number

    monkeypatch.setattr(RedisStore, "commit", commit)
    worker = IngestWorker(settings, BACKEND, "one")
    assert gone.wait(DEADLINE_S)
    assert worker.ping()
    server.start()
    until(lambda: hold.store.video("v2").status == "ready")
    until(lambda: JobQueue(hold.client(), 30.0).waiting() == 0)
    worker.leave()
    assert committed == list(range(1, len(committed) + 1)), "one worker, one claim, every commit once"
    exports = [list(export_lines(hold.store, video_id))[:-1] for video_id in ("v1", "v2")]
    assert exports[0] == exports[1]


def test_an_ingest_worker_leaves_although_its_store_is_away(
    hold: StoreHold, settings: Settings, film: Path, server: StoppableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(hold, settings, film, "v1")
    original, gone = RedisStore.commit, threading.Event()

    def commit(self: RedisStore, video_id: str, commit: Any) -> int:
        server.kill()
        gone.set()
        return original(self, video_id, commit)

    monkeypatch.setattr(RedisStore, "commit", commit)
    worker = IngestWorker(settings, BACKEND, "one")
    assert gone.wait(DEADLINE_S)
    worker.leave()
    assert not worker.ping()
    server.start()
    assert JobQueue(hold.client(), 30.0).videos() == {"v1"}, "whoever starts next goes on"


def test_a_live_worker_goes_on_after_its_store_was_away(
    hold: StoreHold, settings: Settings, server: StoppableServer
) -> None:
    identity = Identity("", BACKEND.name, str(BACKEND.keys.space), settings.ingest_config().sampling)
    video_id = hold.store.create_video(stream_record(identity, "camera")).id
    worker = LiveWorker(settings, BACKEND, video_id)
    worker.push(BEGAN_US, jpeg("red"))
    until(lambda: worker.begin()["committed_s"] == 0.0)
    server.kill()
    for second in range(1, 6):
        worker.push(BEGAN_US + second * 1_000_000, jpeg("red", second))
    assert worker.begin()["committed_s"] == 0.0
    assert worker.ping()
    server.start()
    until(lambda: worker.begin()["committed_s"] == 5.0)
    worker.end()
    worker.end()
    video = hold.store.video(video_id)
    assert (video.status, video.ingested_s, video.cubes) == ("ready", 6.0, 1)
    worker.leave()


DIES = "import signal; os.kill(os.getpid(), signal.SIGKILL)"


def test_a_video_whose_decoder_is_killed_every_time_fails_for_that_reason(
    hold: StoreHold, settings: Settings, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queued(hold, settings, film, "v1")
    with children_that(DIES):
        worker = IngestWorker(settings.model_copy(update={"lease_s": 0.2}), BACKEND, "one")
        until(lambda: hold.store.video("v1").status == "failed")
        until(lambda: JobQueue(hold.client(), 30.0).waiting() == 0)
        worker.leave()
    error = hold.store.video("v1").error
    assert error is not None
    assert error.code == "decoder.killed"
    assert "film.mp4 was killed from outside" in error.detail
    assert [entry.message for entry in caplog.records if "at try" in entry.message] == [
        f"left v1 at try {number}: decoder.killed" for number in range(1, MOST_TRIES)
    ]


def test_a_video_whose_decoder_was_killed_is_watched_to_its_end_later(
    hold: StoreHold, settings: Settings, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queued(hold, settings, film, "v1")
    with children_that(DIES):
        worker = IngestWorker(settings.model_copy(update={"lease_s": 0.2}), BACKEND, "one")
        until(lambda: "at try 1" in caplog.text)
    until(lambda: hold.store.video("v1").status == "ready")
    worker.leave()
    assert hold.store.video("v1").error is None
