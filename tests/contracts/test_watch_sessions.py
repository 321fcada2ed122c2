"""What a watch session keeps, whether a file drives it or pushed pictures do, with one frame a step or two.

The oracle is a file watched without a pause: the same frames give the same cubes, in whatever groups they come, and a
worker that is killed at any commit and followed by another leaves the same bytes.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from encoders.base import Backend, Frame
from memory.errors import CommitRefused
from memory.store.embedded import EmbeddedValkey
from memory.store.export import export_lines
from memory.store.redis_store import RedisStore
from pipeline.config import IngestConfig, LiveConfig
from pipeline.errors import BackendMismatch
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file, stream_record
from pipeline.live import LiveStream
from pipeline.session import WatchSession, check_backend
from tests.pipeline.fakes import PictureSource, colour_backend, frames_of, paired_backend

ROOT = Path(__file__).resolve().parents[2]
CONFIG = IngestConfig(commit_steps=2, cube_tokens=4, screen_text_every_s=1.0)
BACKENDS = {"single": colour_backend(), "paired": paired_backend()}
COLOURS = ("red", "white", "blue", "green")
SIZES = (1, 3, 2, 5)
"""Pushed frames come in groups of these sizes, in turns."""

Lives = list[int]
"""How many commits each worker lives to make; the last one lives to the end."""


class KilledHere(Exception):
    """The worker is gone; what it had not committed is lost."""


class Worker:
    """A session that dies instead of making one commit too many."""

    def __init__(self, session: WatchSession, commits: int) -> None:
        self.session = session
        self._left = commits

    def commit(self, closed: Sequence, *, full: bool = True) -> None:  # type: ignore[type-arg]
        if self._left == 0:
            raise KilledHere
        self._left -= 1
        self.session.commit(closed, "ingesting", full=full)

    def finish(self) -> None:
        self.session.commit(self.session.finish("end"), "ready")


def from_a_file(worker: Worker, frames: list[Frame]) -> None:
    """Stages in threads, full commits only."""
    with worker.session.watching(iter(frames)) as groups:
        for closed in groups:
            worker.commit(closed)
    worker.finish()


def pushed(worker: Worker, frames: list[Frame]) -> None:
    """Groups of any size, in one thread; every second commit is light where no cube closed."""
    number = at = 0
    while at < len(frames):
        size = SIZES[number % len(SIZES)]
        before = worker.session.uncommitted_steps
        closed = worker.session.take(frames[at : at + size])
        at, number = at + size, number + 1
        if worker.session.uncommitted_steps > before:
            worker.commit(closed, full=bool(closed) or number % 2 == 0 or not worker.session.begun)
    worker.finish()


DRIVERS: dict[str, Callable[[Worker, list[Frame]], None]] = {"file": from_a_file, "pushed": pushed}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStore]:
    with EmbeddedValkey(tmp_path_factory.mktemp("store")) as server:
        opened = RedisStore.at_socket(server.socket)
        yield opened
        opened.close()


def new_video(store: RedisStore, backend: Backend) -> str:
    store._client.flushall()
    identity = Identity("a" * 64, backend.name, str(backend.keys.space), CONFIG.sampling)
    return register_file(store, identity, PictureSource(frames_of(["red"])), Path("none"), "test").video.id


def watched(store: RedisStore, backend: Backend, driver: str, frames: list[Frame], lives: Lives) -> list[str]:
    """The export after the workers, of which all but the last are killed."""
    video_id = new_video(store, backend)
    for commits in [*lives, -1]:
        session = WatchSession(store, backend, CONFIG, video_id, lambda: "full")
        left = [frame for frame in frames if session.committed_s is None or frame.time_s > session.committed_s]
        try:
            DRIVERS[driver](Worker(session, commits), left)
        except KilledHere:
            continue
        break
    return list(export_lines(store, video_id))


def uninterrupted(store: RedisStore, backend: Backend, frames: list[Frame]) -> list[str]:
    return watched(store, backend, "file", frames, [])


@st.composite
def films(draw: st.DrawFn) -> list[Frame]:
    """A few scenes, some of them still."""
    frames: list[Frame] = []
    for _ in range(draw(st.integers(1, 4))):
        colour, length, still = draw(st.sampled_from(COLOURS)), draw(st.integers(1, 7)), draw(st.booleans())
        moving = frames_of([colour] * length)
        frames += [Frame((moving[0] if still else frame).rgb, float(len(frames) + i)) for i, frame in enumerate(moving)]
    return frames


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("driver", DRIVERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=films(), lives=st.lists(st.integers(0, 4), max_size=4))
def test_killed_at_any_commit_and_resumed_it_leaves_the_same_bytes(
    store: RedisStore, backend: Backend, driver: str, frames: list[Frame], lives: Lives
) -> None:
    assert watched(store, backend, driver, frames, lives) == uninterrupted(store, backend, frames)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=films())
def test_a_file_and_a_camera_remember_the_same(store: RedisStore, backend: Backend, frames: list[Frame]) -> None:
    """The real drivers over the session, a camera's pictures without loss."""
    video_id = new_video(store, backend)
    Ingest(store, backend, CONFIG, lambda record, closed: None).run(video_id, PictureSource(frames))
    of_a_file = list(export_lines(store, video_id))
    assert of_a_file == uninterrupted(store, backend, frames)
    identity = Identity("", backend.name, str(backend.keys.space), CONFIG.sampling)
    stream_id = store.create_video(stream_record(identity, "camera")).id
    stream = LiveStream(store, backend, CONFIG, stream_id, LiveConfig(queue_frames=99, group_frames=3, full_steps=3))
    for frame in frames:
        stream.push(1_900_000_000_000_000 + round(frame.time_s * 1e6), lossless(frame))
    stream.leave()
    stream.run()
    stream.end()
    assert list(export_lines(store, stream_id))[:-1] == of_a_file[:-1]


def lossless(frame: Frame) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame.rgb).save(out, "WEBP", lossless=True)
    return out.getvalue()


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_only_whole_steps_are_acknowledged(store: RedisStore, backend: Backend) -> None:
    size = backend.frames.frames_per_step
    session = WatchSession(store, backend, CONFIG, new_video(store, backend), lambda: "push")
    assert (session.begun, session.last_s, session.end_s) == (False, None, 0.0)
    session.commit(session.take(frames_of(["red"] * 5)), "live")
    assert session.committed_s == session.last_s == (5 // size) * size - 1.0
    assert session.uncommitted_steps == 0
    session.commit(session.finish("end"), "ready")
    assert (session.committed_s, session.end_s) == (4.0, 5.0)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_worker_that_was_replaced_commits_nothing(store: RedisStore, driver: str) -> None:
    backend, frames = BACKENDS["single"], frames_of(["red"] * 5)
    video_id = new_video(store, backend)
    first = WatchSession(store, backend, CONFIG, video_id, lambda: "full")
    second = WatchSession(store, backend, CONFIG, video_id, lambda: "full")
    assert second.epoch > first.epoch
    with pytest.raises(CommitRefused) as refused:
        DRIVERS[driver](Worker(first, -1), frames)
    assert refused.value.reason == "epoch"
    DRIVERS[driver](Worker(second, -1), frames)
    assert store.video(video_id).status == "ready"


def test_how_frames_are_got_is_asked_once(store: RedisStore) -> None:
    backend = BACKENDS["single"]
    video_id = new_video(store, backend)
    session = WatchSession(store, backend, CONFIG, video_id, lambda: "keyframes")
    session.commit(session.take(frames_of(["red"])), "ingesting")
    assert WatchSession(store, backend, CONFIG, video_id, lambda: "full").mode == "keyframes"


def test_another_backend_is_refused(store: RedisStore) -> None:
    record = store.video(new_video(store, BACKENDS["single"]))
    check_backend(record, BACKENDS["single"], CONFIG)
    with pytest.raises(BackendMismatch, match="paired"):
        check_backend(record, BACKENDS["paired"], CONFIG)


def test_a_commit_is_made_in_one_place() -> None:
    places = [
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "serve", "ui", "memory", "encoders")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Commit"
    ]
    assert places == ["pipeline/session.py"]
