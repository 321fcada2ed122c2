"""Deleting is whole, whatever dies half-way; what is too old or of no video goes, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from memory.config import StoreConfig
from memory.errors import CommitRefused, UnknownVideo
from memory.records import VideoError
from memory.store.connection import SCHEMA, RedisKeys
from memory.store.opening import StoreHold
from serve.actors.workers import fail
from serve.api.service import Service
from serve.jobs.job_queue import JobQueue
from serve.jobs.removal import Removal
from serve.settings import Settings
from tests.contracts.store_cases import cube, full, record

ROOT = Path(__file__).resolve().parents[3]
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def _hold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreHold]:
    with StoreHold(StoreConfig(tmp_path_factory.mktemp("store"))) as hold:
        yield hold


@pytest.fixture
def hold(_hold: StoreHold) -> StoreHold:
    """An empty store of the present layout."""
    _hold.store._client.flushall()
    _hold.store.prepare()
    return _hold


@pytest.fixture
def removal(hold: StoreHold, tmp_path: Path) -> Removal:
    jobs = JobQueue(hold.client(), 10.0)
    jobs.prepare()
    return Removal(hold.store, jobs, tmp_path)


def uploaded(removal: Removal, folder: Path, video_id: str, **fields: Any) -> Path:
    """A video with cubes, a leased job, a waiting job, something beside its keys, and a kept file."""
    (folder / "media").mkdir(exist_ok=True)
    file = folder / "media" / f"{video_id}.mp4"
    file.write_bytes(b"film")
    store, jobs = removal._store, removal._jobs
    store.create_video(record(video_id, **{"media": str(file), "sha256": "", **fields}))
    store.commit(video_id, full(store.claim(video_id), 0, 16, [cube(0)]))
    store._client.set(RedisKeys(video_id)["thread:1"], "asked")
    jobs.add(video_id)
    jobs.take("one", 0.01)
    jobs.add(video_id)
    return file


def naming(store: Any, video_id: str) -> list[bytes]:
    """Keys that name a video, or hold something that does: the whole keyspace is looked through."""
    client, name = store._client, video_id.encode()
    return [key for key in client.scan_iter() if name in key or name in client.dump(key)]


def test_nothing_of_a_deleted_video_is_left_anywhere(removal: Removal, tmp_path: Path) -> None:
    kept = uploaded(removal, tmp_path, "vid_kept")
    gone = uploaded(removal, tmp_path, "vid_gone")
    assert len(naming(removal._store, "vid_gone")) > 5
    assert removal.delete("vid_gone").id == "vid_gone"
    assert naming(removal._store, "vid_gone") == []
    assert not gone.exists()
    assert kept.exists()
    assert removal._jobs.waiting() == 2
    assert removal._store.video("vid_kept").cubes == 1
    with pytest.raises(UnknownVideo):
        removal.delete("vid_gone")


def on_disk(folder: Path) -> bytes:
    """All files of a folder from which the server may be removing some."""
    content = b""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            content += path.read_bytes()
    return content


def test_nothing_of_a_deleted_video_is_left_on_disk(tmp_path: Path) -> None:
    """The embedded server's log of commands is written anew, without it."""
    config = StoreConfig(tmp_path)
    with StoreHold(config) as hold:
        removal = Removal(hold.store, JobQueue(hold.client(), 10.0), tmp_path)
        removal._jobs.prepare()
        uploaded(removal, tmp_path, "vid_secret")
        logs = tmp_path / "store" / "appendonlydir"
        assert b"vid_secret" in on_disk(logs)
        removal.delete("vid_secret")
        deadline = time.monotonic() + 20
        while b"vid_secret" in on_disk(logs):
            assert time.monotonic() < deadline, "the log still names it"
            time.sleep(0.02)


def test_a_file_that_was_only_pointed_to_stays(removal: Removal, tmp_path: Path) -> None:
    theirs = tmp_path / "holiday.mp4"
    theirs.write_bytes(b"film")
    uploaded(removal, tmp_path, "vid_one", media=str(theirs))
    removal.delete("vid_one")
    assert theirs.exists()


def test_a_deletion_killed_anywhere_is_finished_at_the_next_start(
    removal: Removal, hold: StoreHold, tmp_path: Path
) -> None:
    survived = 0
    command = [sys.executable, "-m", "tests.serve.jobs.killed_deleter", hold.url, str(tmp_path), "vid_gone"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, **pipes) as deleters:  # type: ignore[call-overload]
        while True:
            file = uploaded(removal, tmp_path, "vid_gone")
            deleters.stdin.write(f"{survived}\n")
            deleters.stdin.flush()
            status = int(deleters.stdout.readline())
            if status == 0:
                break
            assert status == -signal.SIGKILL
            removal.resume()
            if survived == 0:
                removal.delete("vid_gone")  # it had not begun
            assert naming(removal._store, "vid_gone") == [], survived
            assert not file.exists()
            assert removal.resume() == 0
            survived += 1
        deleters.stdin.close()
    assert survived > 12


def test_what_nothing_was_added_to_for_long_is_deleted(removal: Removal, tmp_path: Path) -> None:
    now_s = time.time()
    statuses = {"vid_old": "ready", "vid_live": "live", "vid_new": "ready", "vid_left": "live", "vid_wait": "ingesting"}
    for video_id, status in statuses.items():
        uploaded(removal, tmp_path, video_id, status=status, created_s=now_s - 50 * DAY_S)
    removal._store.create_video(record("vid_never", status="failed", sha256="", created_s=now_s - 9 * DAY_S))
    watched = {"vid_old": 8, "vid_live": 0, "vid_new": 1, "vid_left": 40, "vid_wait": 40}
    for video_id, days in watched.items():
        removal._store._client.hset(RedisKeys(video_id).video, "watched_s", now_s - days * DAY_S)
    old, kept = ["vid_left", "vid_never", "vid_old"], {"vid_live", "vid_new", "vid_wait"}
    assert [video.id for video in removal.expired(7.0, now_s)] == old
    assert [video.id for video in removal.delete_older_than(7.0, now_s)] == old
    assert {video.id for video in removal._store.videos()} == kept
    assert {path.stem for path in (tmp_path / "media").glob("vid_*")} == kept


def test_a_folder_that_nobody_marked_is_not_swept_for_what_is_unknown(removal: Removal, tmp_path: Path) -> None:
    """It may be another store's, made before folders were marked."""
    uploaded(removal, tmp_path, "vid_kept")
    foreign = tmp_path / "media" / "vid_foreign.mp4"
    foreign.write_bytes(b"film")
    assert removal.sweep(time.time() + 7200) == []
    assert foreign.exists()


def test_kept_files_without_a_video_are_swept(removal: Removal, tmp_path: Path) -> None:
    removal.make_media()
    kept = uploaded(removal, tmp_path, "vid_kept")
    pending = uploaded(removal, tmp_path, "vid_doomed")
    removal._store.mark_video_deleted("vid_doomed")
    lost, young, note = (tmp_path / "media" / name for name in ("vid_lost.mp4", "vid_young.mp4", "note.txt"))
    for path in (kept, pending, lost, young, note):
        path.write_bytes(b"film")
        os.utime(path, (0, 0 if path is not young else time.time()))
    assert removal.sweep() == [lost]
    assert all(path.exists() for path in (kept, pending, young, note))
    assert removal.sweep(time.time() + 7200) == [young]


def test_files_of_another_store_are_left_alone(removal: Removal, tmp_path: Path) -> None:
    """Settings that name an empty store must not cost anybody their files."""
    uploaded(removal, tmp_path, "vid_one")
    removal.sweep()
    store = removal._store
    store._client.flushall()
    assert removal.sweep(time.time() + 7200) == []  # a store that says nothing of itself
    store.prepare()
    assert removal.sweep(time.time() + 7200) == []
    assert (tmp_path / "media" / "vid_one.mp4").exists()
    assert store._client.hget(SCHEMA, "identity") is not None


class Handle:
    """A deployment handle that notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        async def remote(*arguments: Any) -> None:
            self.asked.append((name, *arguments))

        return SimpleNamespace(remote=remote)


@pytest.mark.parametrize("days", [0.0, 7.0])
def test_the_service_keeps_house(removal: Removal, hold: StoreHold, tmp_path: Path, days: float) -> None:
    settings = Settings(data_dir=tmp_path, retention_days=days)
    memory, supervisor = Handle(), Handle()
    use = Service(settings, hold, Handle(), memory, Handle(), supervisor)
    old = uploaded(removal, tmp_path, "vid_old", status="ready", created_s=1.0)
    half = uploaded(removal, tmp_path, "vid_half")
    hold.store.mark_video_deleted("vid_half")
    asyncio.run(use.maintain(time.time() + 8 * DAY_S))
    assert not half.exists()
    assert naming(hold.store, "vid_half") == []
    assert old.exists() == (days == 0)
    assert memory.asked == ([("forget", "vid_old")] if days else [])
    assert supervisor.asked == ([("end_live", "vid_old")] if days else [])


def test_a_video_is_given_up_only_by_who_holds_it(hold: StoreHold) -> None:
    hold.store.create_video(record("vid_one"))
    mine, error = hold.retrying(), VideoError("media.damaged", "not one picture")
    before = mine.epoch("vid_one")
    mine.claim("vid_one")
    hold.store.claim("vid_one")  # another worker took it over
    for worker, epoch in ((mine, before), (hold.retrying(), before)):
        with pytest.raises(CommitRefused) as refused:
            fail(worker, "vid_one", epoch, error)
        assert refused.value.reason == "epoch"
    assert hold.store.video("vid_one").status == "ingesting"
    mine.claim("vid_one")
    fail(mine, "vid_one", before, error)
    assert (hold.store.video("vid_one").status, hold.store.video("vid_one").error) == ("failed", error)
