"""The keeper with a real server: commits are found and deletions followed, also where no announcement comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from memory.config import StoreConfig
from memory.errors import StoreUnavailable
from memory.index.faiss_index import FaissIndex
from memory.records import CubeMemory, GlobalMemory, IngestState, PackedTokens, TimeSpan, VideoRecord
from memory.retrieval import keeper as index_keeper
from memory.retrieval.index_snapshot import videos_in
from memory.retrieval.keeper import IndexKeeper, begin
from memory.retrieval.retriever import LocalRetriever
from memory.store.announcements import CommitAnnouncements
from memory.store.base import Commit
from memory.store.opening import StoreHold

DIM, SPACE = 4, "k:1:4"
RED = np.eye(DIM, dtype=np.float32)[0]


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreHold]:
    with StoreHold(StoreConfig(tmp_path_factory.mktemp("data"), runtime_dir=tmp_path_factory.mktemp("r"))) as started:
        yield started


def record(video_id: str) -> VideoRecord:
    return VideoRecord(video_id, 0, "local", video_id, "ingesting", "", "b", SPACE, "1fps", 5.0)


def commit(hold: StoreHold, video_id: str, ordinal: int) -> None:
    """One closed cube more."""
    tokens = PackedTokens(np.zeros((1, 1, 2), np.int8), np.ones((1, 1), np.float16))
    ones = np.ones((1, 3), np.float32)
    span = TimeSpan(float(ordinal), ordinal + 1.0)
    keys = RED[None].astype(np.float16)
    cube = CubeMemory(ordinal, span, "change", tokens, ones[:, 0], ones, keys, ("seen",), {}, b"")
    state = IngestState(ordinal + 1, ordinal + 1, "full", None, GlobalMemory.empty(2))
    epoch = hold.store.claim(video_id)
    hold.store.commit(video_id, Commit(epoch, ordinal, state, [cube], None, ordinal + 1.0))


class Kept:
    """A keeper, and how one waits for what it does."""

    def __init__(self, hold: StoreHold, path: Path) -> None:
        retriever, index, self.began = begin(
            hold.store, path, SPACE, "s", lambda snapshot: FaissIndex(DIM), compare_s=999.0
        )
        self.looked = threading.Condition()
        self.keeper = IndexKeeper(retriever, index, path, SPACE, "s")
        sync_and_save = self.keeper.sync_and_save

        def signalled() -> None:
            sync_and_save()
            with self.looked:
                self.looked.notify_all()

        self.keeper.sync_and_save = signalled  # type: ignore[method-assign]

    @property
    def retriever(self) -> LocalRetriever:
        return self.keeper.retriever

    def until(self, true: Callable[[], bool]) -> bool:
        with self.looked:
            return self.looked.wait_for(true, timeout=30)


def searched(retriever: LocalRetriever) -> set[tuple[str, int | None]]:
    return {(hit.video_id, hit.ordinal) for hit in retriever.search(RED, 99)}


def test_what_is_announced_is_taken_in(hold: StoreHold, tmp_path: Path) -> None:
    kept = Kept(hold, tmp_path / "s")
    kept.keeper.follow(CommitAnnouncements(hold.client()))
    hold.store.create_video(record("a"))
    commit(hold, "a", 0)
    assert kept.until(lambda: ("a", 0) in searched(kept.retriever))
    commit(hold, "a", 1)
    assert kept.until(lambda: ("a", 1) in searched(kept.retriever))
    hold.store.delete_video("a")
    assert kept.until(lambda: not searched(kept.retriever))
    kept.keeper.stop()


class NoAnnouncements:
    """Announcements that got lost."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)

    def wait(self, timeout_s: float) -> bool:
        self.asked.acquire(timeout=0.05)
        return False


class AwayAtFirst(NoAnnouncements):
    away = True

    def wait(self, timeout_s: float) -> bool:
        if self.away:
            self.away = False
            raise StoreUnavailable("away")
        return super().wait(timeout_s)


def test_what_nobody_announced_is_found_by_comparing(hold: StoreHold, tmp_path: Path) -> None:
    kept = Kept(hold, tmp_path / "s")
    kept.keeper.follow(NoAnnouncements())
    hold.store.create_video(record("b"))
    commit(hold, "b", 0)
    assert kept.until(lambda: ("b", 0) in searched(kept.retriever))
    hold.store.delete_video("b")
    assert kept.until(lambda: not searched(kept.retriever))
    kept.keeper.stop()


def test_a_store_that_is_away_does_not_end_the_keeper(hold: StoreHold, tmp_path: Path) -> None:
    kept = Kept(hold, tmp_path / "s")
    hold.store.create_video(record("e"))
    commit(hold, "e", 0)
    kept.keeper.follow(AwayAtFirst())
    assert kept.until(lambda: ("e", 0) in searched(kept.retriever))
    kept.keeper.stop()
    hold.store.delete_video("e")


def test_leaving_saves_and_the_next_one_begins_there(hold: StoreHold, tmp_path: Path) -> None:
    path = tmp_path / "s"
    hold.store.create_video(record("c"))
    commit(hold, "c", 0)
    first = Kept(hold, path)
    assert (first.began.kept, first.began.replayed) == (0, 1)
    first.keeper.sync_and_save()
    commit(hold, "c", 1)
    first.keeper.sync_and_save()
    first.keeper.stop()
    assert videos_in(path) == ["c"]
    second = Kept(hold, path)
    assert (second.began.kept, second.began.replayed, second.began.rebuilt) == (1, 0, "")
    assert searched(second.retriever) == {("c", 0), ("c", 1)}
    hold.store.delete_video("c")
    second.keeper.forget("c")
    second.keeper.sync_and_save()
    assert videos_in(path) == []


def test_it_saves_after_a_while_and_not_at_every_commit(hold: StoreHold, tmp_path: Path) -> None:
    path = tmp_path / "s"
    time_s = [0.0]
    retriever, index, _ = begin(hold.store, path, SPACE, "s", lambda snapshot: FaissIndex(DIM))
    keeper = IndexKeeper(retriever, index, path, SPACE, "s", now=lambda: time_s[0])
    hold.store.create_video(record("d"))
    commit(hold, "d", 0)
    keeper.sync_and_save()
    assert not path.exists()
    time_s[0] = 61.0
    keeper.sync_and_save()
    assert videos_in(path) == ["d"]
    hold.store.delete_video("d")


def test_what_goes_while_it_is_saved_is_in_no_snapshot(
    hold: StoreHold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, save = tmp_path / "s", index_keeper.save
    retriever, index, _ = begin(hold.store, path, SPACE, "s", lambda snapshot: FaissIndex(DIM))
    keeper = IndexKeeper(retriever, index, path, SPACE, "s")
    for name in ("f", "g"):
        hold.store.create_video(record(name))
        commit(hold, name, 0)
    keeper.sync_and_save()
    deleted: list[str] = []

    def slowly(*arguments: object) -> int:
        if not deleted:
            hold.store.delete_video("f")
            keeper.forget("f")
            deleted.append("f")
        return save(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index_keeper, "save", slowly)
    keeper.save()
    assert videos_in(path) == ["g"]
    hold.store.delete_video("g")
