"""The retrying store with a real server that is stopped: workers wait, and each commit is applied once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.config import StoreConfig
from memory.errors import CommitRefused, StoreError, StoreUnavailable, UnknownVideo
from memory.store.base import Commit
from memory.store.embedded import EmbeddedValkey
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from memory.store.retrying import FIRST_PAUSE_S, LONGEST_PAUSE_S, RetryingStore
from tests.contracts.store_cases import cube, full, record


class Away:
    """A store that is away for the first calls, then answers with its own name and arguments."""

    def __init__(self, calls: int, error: type[StoreError] = StoreUnavailable) -> None:
        self.left = calls
        self.error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.left:
                self.left -= 1
                raise self.error("away") if self.error is StoreUnavailable else self.error("v")
            return name, arguments, named

        return call


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def retrying(store: Any, retry_s: float = 600.0, **more: Any) -> tuple[RetryingStore, FakeClock]:
    clock = FakeClock()
    return RetryingStore(store, retry_s, **more, sleep=clock.sleep, clock=clock), clock


def test_pauses_grow_up_to_a_bound() -> None:
    store, clock = retrying(Away(10))
    assert store.video("v") == ("video", ("v",), {})
    assert clock.pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert clock.pauses[-1] == LONGEST_PAUSE_S
    assert len(clock.pauses) == 10


def test_patience_ends() -> None:
    store, clock = retrying(Away(10**6), retry_s=60.0)
    with pytest.raises(StoreUnavailable):
        store.ping()
    assert 60.0 <= clock.now <= 60.0 + LONGEST_PAUSE_S


def test_without_patience_nothing_waits() -> None:
    store, clock = retrying(Away(1), retry_s=0.0)
    with pytest.raises(StoreUnavailable):
        store.ping()
    assert clock.pauses == []


def test_stop_is_heard() -> None:
    asked: list[int] = []
    store, clock = retrying(Away(10**6), stop=lambda: asked.append(1) is None and len(asked) > 3)
    with pytest.raises(StoreUnavailable):
        store.claim("v")
    assert len(clock.pauses) == 3
    assert store.claimed == {}


def test_what_is_refused_is_refused_at_once() -> None:
    for error in (UnknownVideo, CommitRefused):
        store, clock = retrying(Away(1, error))
        with pytest.raises(error):
            store.video("v")
        assert clock.pauses == []


def test_every_method_passes_its_arguments_on() -> None:
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("find_content", ("o", "s", "k", "1fps"), {}),
        ("update_video", ("v",), {"while_epoch": 3, "name": "n"}),
        ("commit", ("v", "c"), {}),
        ("keyed_spans", ("v", 4), {}),
        ("searchable", ("v", 4), {}),
        *[
            (name, ("v",), {})
            for name in ("state", "open_cube", "applied", "epoch", "mark_video_deleted", "delete_video")
        ],
        *[(name, (), {}) for name in ("pending_deletions",)],
        ("videos", ("o",), {}),
        ("create_video", ("r",), {}),
        ("cube", ("v", 2), {}),
    ]
    for name, arguments, named in calls:
        store, _ = retrying(Away(2))
        assert getattr(store, name)(*arguments, **named) == (name, arguments, named)


def test_reviving_that_fails_is_waited_for_too() -> None:
    tries: list[int] = []

    def revive() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnavailable("not yet")

    store, clock = retrying(Away(1), revive=revive)
    assert store.epoch("v") == ("epoch", ("v",), {})
    assert len(tries) == len(clock.pauses) == 3


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[StoreHold]:
    with StoreHold(StoreConfig(tmp_path)) as started:
        yield started


def kill_all(data_dir: Path) -> None:
    """The embedded server and its keeper, so that nobody but a user brings it back."""
    info = EmbeddedValkey(data_dir / "store")._info()
    for name in ("keeper", "pid"):
        os.kill(int(str(info[name])), signal.SIGKILL)


def test_a_worker_rides_out_a_killed_store_and_its_keeper(hold: StoreHold, tmp_path: Path) -> None:
    store = hold.retrying()
    store.create_video(record())
    epoch = store.claim("v1")
    assert store.claimed == {"v1": epoch}
    for step in range(2):
        assert store.commit("v1", full(epoch, 16 * step, 16 * step + 16, [cube(step)], step)) == step + 1
        kill_all(tmp_path)
    assert [stored.ordinal for stored in store.cubes("v1")] == [0, 1]
    assert [stored.ordinal for stored in store.cubes("v1", 1, 9)] == [1]
    assert store.video("v1").cubes == 2


def test_a_version_is_asked_for_patiently(hold: StoreHold, tmp_path: Path) -> None:
    store = hold.retrying()
    store.create_video(record())
    with store.version_asked("v1") as version:
        kill_all(tmp_path)
        assert version() == store.searchable("v1").version


class LosesAnswers:
    """A store whose commits are applied and whose answers are lost, every second time."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._sent = 0

    def commit(self, video_id: str, commit: Commit) -> int:
        number = self._store.commit(video_id, commit)
        self._sent += 1
        if self._sent % 2:
            raise StoreUnavailable("the answer was lost")
        return number


def test_a_commit_whose_answer_was_lost_is_applied_once(hold: StoreHold) -> None:
    hold.store.create_video(record())
    epoch = hold.store.claim("v1")
    store, _ = retrying(LosesAnswers(hold.store))
    for step in range(3):
        assert store.commit("v1", full(epoch, 16 * step, 16 * step + 16, [cube(step)], step)) == step + 1
    assert hold.store.video("v1").cubes == 3


def test_waiting_ends_when_told_to_leave(tmp_path: Path) -> None:
    """A store elsewhere that does not come back: the thread that waits leaves."""
    leave = threading.Event()
    with EmbeddedValkey(tmp_path) as server:
        elsewhere = StoreHold(StoreConfig(tmp_path, url=f"unix://{server.socket}"))
        store = elsewhere.retrying(leave.is_set)
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            store.ping()
        except StoreUnavailable as error:
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    leave.set()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert len(failed) == 1
    elsewhere.close()
