"""Watching while the store is away: a file's ingest and a live stream wait, and go on when it is back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memory.errors import StoreUnavailable
from memory.records import CubeMemory, VideoRecord
from memory.store.export import export_lines
from memory.store.redis_store import RedisStore
from memory.store.retrying import RetryingStore
from pipeline.config import IngestConfig, LiveConfig
from pipeline.ingest import Ingest
from tests.contracts.store_cases import record
from tests.memory.store.stoppable import StoppableServer
from tests.pipeline.fakes import PictureSource, colour_backend, frames_of
from tests.pipeline.test_live import jpeg, live, new_stream, push, running, spans, wait_for_event

CONFIG = IngestConfig(commit_steps=2)
COLOURS = [colour for colour in ("red", "blue", "white", "green") for _ in range(5)]
BACKEND = colour_backend()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoppableServer]:
    with StoppableServer(tmp_path) as stoppable:
        yield stoppable


@pytest.fixture
def store(server: StoppableServer) -> Iterator[RedisStore]:
    opened = RedisStore.at_url(server.url)
    yield opened
    opened.close()


def new_video(store: RedisStore, video_id: str) -> str:
    names = {"backend": BACKEND.name, "key_space": str(BACKEND.keys.space), "sampling": CONFIG.sampling}
    return store.create_video(record(video_id, status="queued", sha256=video_id * 32, **names)).id


def lines(store: RedisStore, video_id: str) -> list[str]:
    """A canonical export without the content's digest."""
    return [line.replace(video_id * 32, "") for line in export_lines(store, video_id)]


def test_ingest_waits_for_the_store_and_goes_on(store: RedisStore, server: StoppableServer) -> None:
    source = PictureSource(frames_of(COLOURS))
    Ingest(store, BACKEND, CONFIG, lambda record, closed: None).run(new_video(store, "v1"), source)
    waits: list[float] = []

    def back(pause_s: float) -> None:
        waits.append(pause_s)
        if len(waits) == 2:
            server.start()

    def gone(record: VideoRecord, closed: Sequence[CubeMemory]) -> None:
        if record.ingested_s == 12.0:
            server.kill()

    retrying = RetryingStore(store, 60.0, sleep=back)
    final = Ingest(retrying, BACKEND, CONFIG, gone).run(new_video(store, "v2"), source)
    assert final.status == "ready"
    assert len(waits) == 2
    assert lines(store, "v2") == lines(store, "v1")
    assert store.applied("v2") == store.applied("v1")


def test_ingest_leaves_when_told_to_while_it_waits(store: RedisStore, server: StoppableServer) -> None:
    leave = threading.Event()
    retrying = RetryingStore(store, 60.0, leave.is_set, sleep=lambda pause_s: leave.set())
    ingest = Ingest(retrying, BACKEND, CONFIG, lambda record, closed: server.kill())
    with pytest.raises(StoreUnavailable):
        ingest.run(new_video(store, "v1"), PictureSource(frames_of(COLOURS)), leave.is_set)
    server.start()
    assert store.video("v1").ingested_s == 2.0


def test_a_stream_holds_pictures_back_and_goes_on(store: RedisStore, server: StoppableServer) -> None:
    waiting, back = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        waiting.set()
        assert back.wait(30)

    retrying = RetryingStore(store, 600.0, sleep=pause)
    config = LiveConfig(queue_frames=6, group_frames=1, full_steps=1, idle_s=3600.0)
    stream = live(retrying, video_id := new_stream(store), config)  # type: ignore[arg-type]
    with running(stream):
        push(stream, 0)
        wait_for_event(stream, lambda event: event.kind == "credit" and event.data["committed_s"] == 0.0)
        server.kill()
        push(stream, 1)
        assert waiting.wait(30)
        last_event = stream.last_event
        for second in range(2, 8):  # as many as there is credit for
            push(stream, second, jpeg("red" if second < 5 else "blue", second))
        assert stream.credit()["frames"] == 0
        assert stream.credit()["committed_s"] == 0.0
        assert stream.last_event == last_event, "nothing was acknowledged, dropped or refused"
        server.start()
        back.set()
        wait_for_event(stream, lambda event: event.kind == "credit" and event.data["committed_s"] == 7.0)
    assert stream.credit()["dropped"] == 0
    stream.end()
    assert spans(list(store.cubes(video_id))) == [(0.0, 5.0, "change"), (5.0, 8.0, "end")]


def test_a_first_picture_does_not_wait_for_the_store(store: RedisStore, server: StoppableServer) -> None:
    stream = live(store, new_stream(store))
    server.kill()
    push(stream, 0)
    assert stream.credit()["frames"] == LiveConfig().queue_frames - 1
