"""The version of a video's memory, requested early and read later, on every server."""

from __future__ import annotations

from contextlib import suppress

import pytest
import redis
from redis.cluster import RedisCluster

from memory.errors import StoreError, StoreUnavailable, UnknownVideo
from memory.store.base import Commit
from memory.store.connection import RedisKeys, commits_channel, sent
from memory.store.redis_store import RedisStore
from tests.contracts.store_cases import cube, full, opened, record


def version(store: RedisStore, video_id: str = "v1") -> str:
    with store.version_asked(video_id) as answer:
        return answer()


def test_each_commit_makes_another_version(store: RedisStore) -> None:
    store.create_video(record())
    epoch = store.claim("v1")
    versions = [version(store)]
    for commit in (
        full(epoch, 0, 16, [cube(0)]),
        Commit(epoch, 16, None, (), opened(), 17.0),
        Commit(epoch, 16, None, (), None, 17.5),
    ):
        store.commit("v1", commit)
        versions.append(version(store))
        assert store.searchable("v1").version == version(store)  # and nobody's reading makes one
    assert len(set(versions)) == 4


def test_it_is_of_the_moment_when_it_was_asked(store: RedisStore) -> None:
    store.create_video(record())
    before, epoch = version(store), store.claim("v1")
    with store.version_asked("v1") as answer:
        if not isinstance(store._client, RedisCluster):
            store.ping()  # over another connection, after the question was sent
        asked = answer()
        store.commit("v1", full(epoch, 0, 16, [cube(0)]))
    assert asked == before != version(store)


@pytest.mark.parametrize("how", ["anew", "end"])
def test_a_memory_that_a_new_layout_cut_is_another(store: RedisStore, how: str) -> None:
    store.create_video(record())
    store.commit("v1", full(store.claim("v1"), 0, 16, [cube(0)]))
    before = version(store)
    assert store._scripts.run("restart", RedisKeys("v1").all, [how, 99, commits_channel("v1"), "error", "null"])
    assert version(store) != before


@pytest.mark.parametrize("pending", [False, True])
def test_an_unknown_video_is_named(store: RedisStore, pending: bool) -> None:
    if pending:
        store.create_video(record("nobody"))
        store.mark_video_deleted("nobody")
    with pytest.raises(UnknownVideo, match="nobody"):
        version(store, "nobody")


def test_an_answer_that_nobody_reads_is_nobody_elses(store: RedisStore) -> None:
    store.create_video(record())
    for leave in (False, True):
        with suppress(KeyError), store.version_asked("v1"):
            if leave:
                raise KeyError
        assert store.video("v1").id == "v1"
        store.ping()


def test_a_connection_that_broke_meanwhile_is_made_again(store: RedisStore) -> None:
    store.create_video(record())
    before = version(store)
    with store.version_asked("v1") as answer:
        held = [] if isinstance(store._client, RedisCluster) else store._client.client_list()  # a cluster holds none
        for other in held:
            with suppress(redis.ResponseError):
                store._client.client_kill_filter(_id=other["id"], skipme=True)
        assert answer() == before
    assert version(store) == before


def test_what_the_server_refuses_and_a_server_that_is_away_are_told(store: RedisStore) -> None:
    store.create_video(record())
    with sent(store._client, "LPUSH", "lw:{v1}:video", "x") as answer, pytest.raises(StoreError) as refused:
        answer()
    assert not isinstance(refused.value, StoreUnavailable)
    with (
        pytest.raises(StoreUnavailable),
        sent(redis.Redis(unix_socket_path="/nonexistent/socket", retry=None), "PING") as answer,
    ):
        answer()
    assert version(store)


def test_no_connection_is_kept(store: RedisStore) -> None:
    store.create_video(record())
    with pytest.raises(KeyError), store.version_asked("v1"):
        raise KeyError
    if not isinstance(store._client, RedisCluster):  # which holds none before the call
        with pytest.raises(UnicodeEncodeError), sent(store._client, "PING", "\ud800"):
            pytest.fail("sent")
        assert not store._client.connection_pool._in_use_connections
    assert version(store)
