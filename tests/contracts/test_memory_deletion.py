"""The contract of deletion and repair in the store, on every server: nothing is left, even after a crash half-way."""

from __future__ import annotations

import pytest

from memory.errors import CommitRefused, UnknownVideo
from memory.store.connection import DELETING, RedisKeys, commits_channel
from memory.store.redis_store import RedisStore
from tests.contracts.store_cases import SHA, cube, everything, full, record


def test_a_deleted_video_refuses_its_workers(store: RedisStore) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    store.commit("v1", full(epoch, 0, 16, [cube(0)]))
    gone = store.delete_video("v1")
    assert (gone.id, gone.cubes) == ("v1", 1)
    with pytest.raises(CommitRefused) as refused:
        store.commit("v1", full(epoch, 16, 32))
    assert refused.value.reason == "deleted"
    for call in (lambda: store.claim("v1"), lambda: store.update_video("v1", name="x")):
        with pytest.raises(UnknownVideo):
            call()


def test_nothing_of_a_deleted_video_is_left(store: RedisStore) -> None:
    store.create_video(record("kept", sha256=""))
    before = everything(store)
    store.create_video(record("secretly"))
    store.commit("secretly", full(store.claim("secretly"), 0, 16, [cube(0)]))
    store.delete_video("secretly")
    left = everything(store)
    assert left.pop(b"lw:numbers") == b"2"  # the counter alone remembers that there was a second video
    assert before.pop(b"lw:numbers") == b"1"
    assert left == before


def assert_gone(store: RedisStore, video_id: str) -> None:
    """Neither readers nor workers find it, not even a worker that guesses the next epoch."""
    for read in (store.video, store.state, store.keyed_spans, store.claim):
        with pytest.raises(UnknownVideo):
            read(video_id)
    assert store.videos() == []
    assert store.find_content("local", SHA, "k:1:8", "1fps") is None
    for epoch in (1, 2):
        with pytest.raises(CommitRefused) as refused:
            store.commit(video_id, full(epoch, 16, 32, ordinal=1))
        assert refused.value.reason == "deleted"


@pytest.mark.parametrize("died_after", ["marking", "tombstone", "content", "list", "remove"])
def test_a_deletion_that_died_half_way_is_finished(store: RedisStore, died_after: str) -> None:
    store.create_video(record())
    store.commit("v1", full(store.claim("v1"), 0, 16, [cube(0)]))
    steps = {
        "marking": lambda: store._client.sadd(DELETING, "v1"),
        "tombstone": lambda: store._scripts.run("tombstone", [RedisKeys("v1").video]),
        "content": lambda: store._client.delete("lw:content"),
        "list": lambda: store._client.zrem("lw:videos", "v1"),
        "remove": lambda: store._scripts.run("remove", RedisKeys("v1").all, [commits_channel("v1")]),
    }
    for name, step in steps.items():
        step()
        if name == died_after:
            break
    if died_after != "marking":
        assert_gone(store, "v1")
    assert store.repair() >= 1
    assert set(everything(store)) == {b"lw:numbers"}
    assert store.repair() == 0


def test_a_doomed_video_is_found_by_who_removes_it_alone(store: RedisStore) -> None:
    store.create_video(record(media="/media/v1.mp4"))
    store.commit("v1", full(store.claim("v1"), 0, 16, [cube(0)]))
    was = store.video("v1")
    assert store.pending_deletions() == []
    assert store.mark_video_deleted("v1") == was
    assert_gone(store, "v1")
    assert store.pending_deletions() == [was] == [store.mark_video_deleted("v1")]
    store._client.delete(DELETING)  # the mark can be derived too
    assert store.pending_deletions() == [was]
    assert store.delete_video("v1") == was
    assert store.pending_deletions() == []
    assert set(everything(store)) == {b"lw:numbers"}


@pytest.mark.parametrize("video_id", ["v1", "v*", "v[12]", "v?", "a\\b"])
def test_what_others_put_beside_a_video_goes_with_it_and_nothing_else(store: RedisStore, video_id: str) -> None:
    others = ["v1 too", "v12", "v2", "vid"]
    for name in [video_id, *others]:
        store.create_video(record(name, sha256=""))
        store._client.set(RedisKeys(name)["thread:7"], "asked")
    store.delete_video(video_id)
    kept = {RedisKeys(other)[part].encode() for other in others for part in ("video", "thread:7")}
    assert set(everything(store)) == kept | {b"lw:numbers", b"lw:videos"}


def test_leftovers_without_a_record_are_found_by_the_scan(store: RedisStore) -> None:
    store.create_video(record("kept", sha256=""))
    before = everything(store)
    store._client.set(RedisKeys("gone")["thread:7"], "asked")
    store._client.hset(RedisKeys("gone too")["cubes"], "0", "blob")
    assert store.repair() == 2
    assert everything(store) == before


def test_lists_are_derived_again_from_the_videos(store: RedisStore) -> None:
    made = [store.create_video(record(f"v{i}", sha256=f"{i}" * 64, created_s=1000.0 + i)) for i in range(3)]
    before = everything(store)
    for key in ("lw:videos", "lw:content", "lw:numbers"):
        store._client.delete(key)
    assert store.repair() == 6
    assert everything(store) == before
    assert store.create_video(record("new", sha256="")).number > max(v.number for v in made)


def test_entries_of_videos_that_are_gone_are_dropped(store: RedisStore) -> None:
    store.create_video(record())
    store._client.unlink(*RedisKeys("v1").all)
    assert store.videos() == []
    assert store.repair() == 2
    assert set(everything(store)) == {b"lw:numbers"}
