"""The contract of `memory.store.base.MemoryStore`, against every server it is meant to run on. Deletion has its own
file."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest

from memory.errors import CommitRefused, StoreError, UnknownCube, UnknownVideo
from memory.records import TokenType, VideoError
from memory.store import codec
from memory.store.base import Commit, MemoryStore
from memory.store.connection import SCHEMA, RedisKeys, commits_channel
from memory.store.export import export_lines
from memory.store.packing import pack_tokens, unpack_tokens
from memory.store.redis_store import RedisStore
from tests.contracts.store_cases import SHA, cube, everything, full, opened, record, state


def test_it_is_a_memory_store(store: MemoryStore) -> None:
    store.ping()


def test_a_new_video_comes_back_as_it_was_with_a_number(store: RedisStore) -> None:
    error = VideoError("media.damaged", "the last minute cannot be read")
    asked = record(duration_s=0.1 + 0.2, media=None, start_utc_s=1.7e9, error=error)
    made = store.create_video(asked)
    assert made.number > 0
    assert made == dataclasses.replace(asked, number=made.number)
    assert store.video("v1") == made
    assert store.state("v1") is None
    assert store.open_cube("v1") is None
    assert store.applied("v1") == 0


def test_numbers_are_never_given_twice(store: RedisStore) -> None:
    first = store.create_video(record("a", sha256="")).number
    store.delete_video("a")
    assert store.create_video(record("a", sha256="")).number > first


def test_an_id_is_taken_once(store: RedisStore) -> None:
    store.create_video(record(sha256=""))
    with pytest.raises(StoreError, match="exists already"):
        store.create_video(record(sha256="", name="other"))
    assert store.video("v1").name == "a.mp4"


@pytest.mark.parametrize("bad", ["", "a}b", "{a"])
def test_ids_that_would_break_the_hash_tag_are_refused(store: RedisStore, bad: str) -> None:
    with pytest.raises(ValueError, match="cannot be a video's id"):
        store.create_video(record(bad))


def test_videos_come_newest_first_and_by_owner(store: RedisStore) -> None:
    for i, owner in enumerate(["ann", "bob", "ann"]):
        store.create_video(record(f"v{i}", owner=owner, sha256="", created_s=1000.0 + i))
    assert [v.id for v in store.videos()] == ["v2", "v1", "v0"]
    assert [v.id for v in store.videos("ann")] == ["v2", "v0"]


def test_content_is_found_until_its_video_is_deleted(store: RedisStore) -> None:
    store.create_video(record())
    assert store.find_content("local", SHA, "k:1:8", "1fps") == "v1"
    assert store.find_content("other", SHA, "k:1:8", "1fps") is None
    assert store.find_content("local", SHA, "k:2:8", "1fps") is None
    store.delete_video("v1")
    assert store.find_content("local", SHA, "k:1:8", "1fps") is None


def test_streams_have_no_content_identity(store: RedisStore) -> None:
    assert store.create_video(record("a", sha256="")).id == "a"
    assert store.create_video(record("b", sha256="")).id == "b"
    assert store.find_content("local", "", "k:1:8", "1fps") is None


def test_of_two_that_add_the_same_content_at_once_one_wins(store: RedisStore) -> None:
    gate = threading.Barrier(6)
    got: list[str] = []

    def add(video_id: str) -> None:
        gate.wait()
        got.append(store.create_video(record(video_id)).id)

    threads = [threading.Thread(target=add, args=(f"v{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = store.find_content("local", SHA, "k:1:8", "1fps")
    assert got == [winner] * 6
    assert [v.id for v in store.videos()] == [winner]
    assert store.repair() == 0


def test_a_stale_claim_on_content_does_not_block_it(store: RedisStore) -> None:
    store.create_video(record("a"))
    store._client.unlink(RedisKeys("a").video)
    assert store.create_video(record("b")).id == "b"
    assert store.find_content("local", SHA, "k:1:8", "1fps") == "b"


def test_descriptive_fields_may_change_and_others_not(store: RedisStore) -> None:
    store.create_video(record())
    error = VideoError("x", "y")
    changed = store.update_video("v1", name="b", status="partial", error=error, duration_s=4.5, media="/m/b.mp4")
    assert changed == store.video("v1")
    assert (changed.name, changed.status, changed.error, changed.duration_s) == ("b", "partial", error, 4.5)
    for fixed in ({"cubes": 3}, {"commits": 3}, {"id": "x"}, {}):
        with pytest.raises(ValueError, match="one may update"):
            store.update_video("v1", **fixed)


CALLS = "video state open_cube applied keyed_spans searchable claim epoch mark_video_deleted delete_video".split()


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_video_is_named(store: RedisStore, call: str) -> None:
    with pytest.raises(UnknownVideo, match="nobody"):
        getattr(store, call)("nobody")
    assert everything(store) == {}


def test_what_was_committed_comes_back(store: RedisStore) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    assert store.commit("v1", full(epoch, 0, 16, [cube(0), cube(1)])) == 1
    assert store.commit("v1", full(epoch, 16, 32, [cube(2)], ordinal=2)) == 2
    assert [codec.encode_cube(c) for c in store.cubes("v1")] == [codec.encode_cube(cube(i)) for i in range(3)]
    assert codec.encode_cube(store.cube("v1", 1)) == codec.encode_cube(cube(1))
    assert [c.ordinal for c in store.cubes("v1", 1, 2)] == [1]
    spans = store.keyed_spans("v1", 1)
    assert [codec.encode_keyed_span(s) for s in spans] == [codec.encode_keyed_span(cube(i)) for i in (1, 2)]
    kept_state, kept_open = store.state("v1"), store.open_cube("v1")
    assert kept_state is not None
    assert codec.encode_state(kept_state) == codec.encode_state(state(32, 3))
    assert kept_open is not None
    assert codec.encode_open_cube(kept_open) == codec.encode_open_cube(opened())
    searchable = store.searchable("v1", 1)
    assert [codec.encode_keyed_span(s) for s in searchable.closed] == [codec.encode_keyed_span(cube(i)) for i in (1, 2)]
    assert searchable.opened is not None
    assert codec.encode_open_cube(searchable.opened) == codec.encode_open_cube(opened())
    assert store.searchable("v1", 3).closed == []
    video = store.video("v1")
    sizes = [len(codec.encode_cube(cube(i))) + len(codec.encode_keyed_span(cube(i))) for i in range(3)]
    assert (video.cubes, video.ingested_s, video.bytes_stored) == (3, 32.0, sum(sizes))


@pytest.mark.parametrize("ordinal", [-1, 1])
def test_a_cube_that_is_not_there_is_named(store: RedisStore, ordinal: int) -> None:
    store.create_video(record())
    store.commit("v1", full(store.claim("v1"), 0, 16, [cube(0)]))
    with pytest.raises(UnknownCube):
        store.cube("v1", ordinal)
    with pytest.raises(UnknownCube):
        store.cubes_at("v1", [0, ordinal])


def test_many_cubes_come_in_order(store: RedisStore) -> None:
    store.create_video(record())
    store.commit("v1", full(store.claim("v1"), 0, 16, [cube(i) for i in range(70)]))
    assert [c.ordinal for c in store.cubes("v1")] == list(range(70))
    assert [s.ordinal for s in store.keyed_spans("v1", 60)] == list(range(60, 70))
    asked = [66, 3, *range(40), 3]
    assert [codec.encode_cube(c) for c in store.cubes_at("v1", asked)] == [codec.encode_cube(cube(i)) for i in asked]
    assert store.cubes_at("v1", []) == []


def test_a_light_commit_replaces_only_the_open_cube(store: RedisStore) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    store.commit("v1", full(epoch, 0, 16, [cube(0)]))
    assert store.commit("v1", Commit(epoch, 16, None, (), None, 17.5)) == 2
    assert store.open_cube("v1") is None
    assert store.video("v1").ingested_s == 17.5
    kept = store.state("v1")
    assert kept is not None
    assert kept.next_step == 16
    with pytest.raises(ValueError, match="carries the state"):
        store.commit("v1", Commit(epoch, 16, None, [cube(1)], None, 18.0))


def test_status_and_error_travel_with_a_commit(store: RedisStore) -> None:
    store.create_video(record())
    error = VideoError("media.damaged", "cut short")
    commit = dataclasses.replace(full(store.claim("v1"), 0, 16), status="partial", error=error)
    store.commit("v1", commit)
    assert (store.video("v1").status, store.video("v1").error) == ("partial", error)


def test_the_worker_that_was_replaced_is_refused(store: RedisStore) -> None:
    store.create_video(record())
    first, second = store.claim("v1"), store.claim("v1")
    assert second > first
    before = everything(store)
    with pytest.raises(CommitRefused) as refused:
        store.commit("v1", full(first, 0, 16, [cube(0)]))
    assert refused.value.reason == "epoch"
    assert everything(store) == before
    assert store.commit("v1", full(second, 0, 16, [cube(0)])) == 1


@pytest.mark.parametrize("light", [False, True])
def test_a_stale_step_is_refused(store: RedisStore, light: bool) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    store.commit("v1", full(epoch, 0, 16, [cube(0)]))
    before = everything(store)
    stale = Commit(epoch, 0, None, (), opened(), 1.0) if light else full(epoch, 0, 16, [cube(0, seed=1)])
    with pytest.raises(CommitRefused) as refused:
        store.commit("v1", stale)
    assert refused.value.reason == "step"
    assert everything(store) == before


@pytest.mark.parametrize("light", [False, True])
def test_a_commit_sent_again_is_answered_and_not_applied_twice(store: RedisStore, light: bool) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    store.commit("v1", full(epoch, 0, 16, [cube(0)]))
    commit = Commit(epoch, 16, None, (), None, 17.0) if light else full(epoch, 16, 32, [cube(1)], ordinal=1)
    assert store.commit("v1", commit) == 2
    before = everything(store)
    assert store.commit("v1", commit) == 2
    assert everything(store) == before
    other = full(epoch, 32, 48, ordinal=2) if not light else dataclasses.replace(commit, ingested_s=18.0)
    assert store.commit("v1", other) == 3


def test_a_replaced_workers_commit_sent_again_is_refused(store: RedisStore) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    store.commit("v1", commit := full(epoch, 0, 16, [cube(0)]))
    assert store.claim("v1") == store.epoch("v1") == epoch + 1
    with pytest.raises(CommitRefused) as refused:
        store.commit("v1", commit)
    assert refused.value.reason == "epoch"


def test_a_change_is_refused_where_another_has_claimed_since(store: RedisStore) -> None:
    store.create_video(record())
    assert store.epoch("v1") == 0
    mine = store.claim("v1")
    assert store.update_video("v1", while_epoch=mine, name="b").name == "b"
    store.claim("v1")
    with pytest.raises(CommitRefused) as refused:
        store.update_video("v1", while_epoch=mine, status="failed")
    assert refused.value.reason == "epoch"
    assert store.video("v1").status == "ingesting"
    assert store.update_video("v1", name="c").name == "c"


def test_a_commit_says_when_it_was(store: RedisStore) -> None:
    store.create_video(record())
    assert store.video("v1").watched_s is None
    before = time.time()
    store.commit("v1", full(store.claim("v1"), 0, 16))
    watched_s = store.video("v1").watched_s
    assert watched_s is not None
    assert before - 2 <= watched_s <= time.time() + 2


@pytest.mark.parametrize("dtype", ["int8", "bfloat16", "float32"])
def test_tokens_of_each_type_come_back(store: RedisStore, dtype: TokenType) -> None:
    tokens = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    packed = dataclasses.replace(cube(0), tokens=pack_tokens(tokens, dtype))
    store.create_video(record())
    store.commit("v1", full(store.claim("v1"), 0, 16, [packed]))
    back = store.cube("v1", 0).tokens
    assert back.dtype == dtype
    assert unpack_tokens(back).tobytes() == unpack_tokens(packed.tokens).tobytes()


@pytest.mark.parametrize(("ordinals", "after"), [([1], 1), ([0, 2], 2), ([0, 1, 1], 3), ([0], 2), ([], 1)])
def test_a_gap_in_the_ordinals_is_refused_and_nothing_changes(
    store: RedisStore, ordinals: list[int], after: int
) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    before = everything(store)
    with pytest.raises(CommitRefused) as refused:
        store.commit("v1", Commit(epoch, 0, state(16, after), [cube(i) for i in ordinals], opened(), 16.0, "ready"))
    assert refused.value.reason == "ordinal"
    assert everything(store) == before


def test_a_lost_cube_is_noticed(store: RedisStore) -> None:
    store.create_video(record())
    store.commit("v1", full(store.claim("v1"), 0, 16, [cube(0), cube(1)]))
    store._client.hdel(RedisKeys("v1")["cubes"], 1)
    assert store.cube("v1", 0).ordinal == 0
    with pytest.raises(StoreError, match="lost cube 1"):
        list(store.cubes("v1"))


def test_commits_and_changes_are_published(store: RedisStore) -> None:
    store.create_video(record())
    channel = commits_channel("v1")
    with store._client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(channel)
        assert listener.get_message(timeout=5) is None  # the subscription itself
        store.commit("v1", full(store.claim("v1"), 0, 16))
        store.update_video("v1", name="b")
        store.delete_video("v1")
        messages = [listener.get_message(timeout=5) for _ in range(3)]
    assert [message["data"] for message in messages] == [b"1", b"1", b"deleted"]


def test_the_server_is_checked(store: RedisStore) -> None:
    reports = store.check_server()
    assert all(report.eviction == "noeviction" for report in reports)
    assert all(report.version.startswith(("Valkey 9.", "Redis ")) for report in reports)


def test_the_layout_is_noted_and_what_lacks_it_is_moved(store: RedisStore) -> None:
    """What is moved, and how, is in `tests/memory/store/test_migration.py`."""
    assert (store.prepare(), len(store.identity())) == (0, 16)
    identity = store.identity()
    for video_id, status in (("done", "ready"), ("begun", "ingesting")):
        store.create_video(record(video_id, sha256="", status=status))
        store.commit(video_id, full(store.claim(video_id), 0, 16, [cube(0)]))
        store._client.hdel(RedisKeys(video_id).video, "layout")
    store._client.hdel(SCHEMA, "version")
    done = store.video("done")
    assert (store.prepare(), store.identity()) == (2, identity)
    assert store.video("done") == done
    assert (store.video("begun").status, store.video("begun").cubes, store.state("begun")) == ("queued", 0, None)
    assert store.prepare() == 0


def test_a_server_that_may_evict_is_refused(store: RedisStore) -> None:
    store._client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StoreError, match="noeviction"):
            store.check_server()
    finally:
        store._client.config_set("maxmemory-policy", "noeviction")


def test_the_export_depends_on_the_memory_alone(store: RedisStore) -> None:
    def watch(video_id: str, created_s: float, claims: int) -> str:
        store.create_video(record(video_id, created_s=created_s, owner=video_id, media=f"/media/{video_id}"))
        for _ in range(claims):
            epoch = store.claim(video_id)
        store.commit(video_id, full(epoch, 0, 16, [cube(0), cube(1)]))
        return "".join(export_lines(store, video_id))

    first, second = watch("one", 1.0, 1), watch("two", 99.5, 3)
    assert first == second
    assert first.count("\n") == 5
    store.update_video("two", name="other.mp4")
    assert "".join(export_lines(store, "two")) != first
