"""Migration of a store from an older release: `data/layout_1.json` holds every key of one, and its export."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory.config import StoreConfig
from memory.errors import CommitRefused, SchemaTooNew, UnknownVideo
from memory.store import codec, migration
from memory.store.connection import SCHEMA, RedisKeys
from memory.store.embedded import EmbeddedValkey
from memory.store.export import export_lines
from memory.store.migration import LAYOUT, stored_layout
from memory.store.opening import StoreHold
from memory.store.packing import unpack_tokens
from memory.store.redis_store import RedisStore
from tests.contracts.store_cases import full

OLD = json.loads((Path(__file__).parent / "data" / "layout_1.json").read_text())
PARTS = ("cubes", "keys", "state", "open")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path_factory.mktemp("old")) as running:
        yield running


@pytest.fixture
def old(server: EmbeddedValkey) -> Iterator[RedisStore]:
    """A store as the first layout left it."""
    store = RedisStore.at_socket(server.socket)
    client = store._client
    client.flushall()
    for key, ((kind, value),) in ((key, held.items()) for key, held in OLD["keys"].items()):
        if kind == "hash":
            client.hset(key, mapping={field: raw(content) for field, content in value.items()})
        elif kind == "string":
            client.set(key, raw(value))
        elif kind == "zset":
            client.zadd(key, value)
        else:
            client.sadd(key, *value)
    yield store
    store.close()


def raw(value: str | dict[str, str]) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


def blobs(store: RedisStore, video_id: str) -> list[bytes]:
    """All that is stored of a video in this module's own form."""
    keys, values = RedisKeys(video_id), []
    for part in PARTS:
        if store._client.type(keys[part]) == b"hash":
            values += store._client.hvals(keys[part])
        elif (blob := store._client.get(keys[part])) is not None:
            values.append(blob)
    return values


def exported(store: RedisStore, video_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export_lines(store, video_id)]


def without_sizes(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An export without `bytes_stored`: a cube's header has become longer by its tokens' type."""
    return [{name: value for name, value in line.items() if name != "bytes_stored"} for line in lines]


def test_the_fixture_is_of_the_first_layout(old: RedisStore) -> None:
    assert stored_layout(old._client) is None
    assert {blob[0] for video in ("whole", "begun", "doomed") for blob in blobs(old, video)} == {1}


def stored_bytes(store: RedisStore, video_id: str) -> int:
    return sum(store._client.hstrlen(RedisKeys(video_id)[part], i) for part in PARTS[:2] for i in range(9))


def test_a_migrated_store_exports_what_the_old_release_did(old: RedisStore) -> None:
    assert old.prepare() == 2
    assert {blob[0] for blob in blobs(old, "whole")} == {codec.VERSION}
    assert without_sizes(exported(old, "whole")) == without_sizes(OLD["export"]["whole"])
    video = old.video("whole")
    assert video.bytes_stored == stored_bytes(old, "whole")
    assert video.watched_s == video.created_s
    assert stored_layout(old._client) == LAYOUT
    assert [cube.tokens.dtype for cube in old.cubes("whole")] == ["int8"] * 3
    assert len(old.identity()) == 16


def test_a_reader_that_does_not_wait_finds_the_same(old: RedisStore) -> None:
    tokens = [unpack_tokens(cube.tokens) for cube in old.cubes("whole")]
    assert exported(old, "whole") == OLD["export"]["whole"]
    old.prepare()
    np.testing.assert_array_equal(tokens, [unpack_tokens(cube.tokens) for cube in old.cubes("whole")])


def test_a_file_that_was_begun_is_watched_anew(old: RedisStore) -> None:
    """Its worker's state has components that nobody reads any more."""
    worker = old.epoch("begun")
    old.prepare()
    video = old.video("begun")
    assert (video.status, video.cubes, video.ingested_s, video.bytes_stored) == ("queued", 0, 0.0, 0)
    assert (old.state("begun"), old.open_cube("begun"), list(old.cubes("begun"))) == (None, None, [])
    with pytest.raises(CommitRefused, match="epoch"):
        old.commit("begun", full(worker, 12, 16, ordinal=1))
    commits = old.applied("begun")
    old.commit("begun", full(old.claim("begun"), 0, 4))
    assert old.applied("begun") == commits + 1


def test_a_stream_that_was_live_keeps_what_it_had_closed(old: RedisStore) -> None:
    old._client.hset(RedisKeys("begun").video, "status", '"live"')
    old.prepare()
    video = old.video("begun")
    assert (video.status, video.cubes, old.open_cube("begun")) == ("partial", 1, None)
    assert video.error is not None
    assert video.error.code == "stream.cut"
    assert exported(old, "begun")[0] == OLD["export"]["begun"][0]
    assert video.bytes_stored == stored_bytes(old, "begun")


def test_a_second_migration_changes_nothing(old: RedisStore) -> None:
    old.prepare()
    before = {key: old._client.dump(key) for key in old._client.scan_iter()}
    assert old.prepare() == 0
    old._client.delete(SCHEMA)  # as if the process had died before it said that it was done
    assert old.prepare() == 0
    after = {key: old._client.dump(key) for key in old._client.scan_iter()}
    assert {key: value for key, value in after.items() if key != SCHEMA.encode()} == {
        key: value for key, value in before.items() if key != SCHEMA.encode()
    }


@pytest.mark.parametrize("survived", range(8))
def test_a_migration_that_died_anywhere_goes_on(
    old: RedisStore, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    run, left = type(old._scripts).run, [survived]

    def dying(self: Any, *arguments: Any) -> Any:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return run(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(type(old._scripts), "run", dying)
        patched.setattr(migration, "_BLOBS_A_STEP", 1)
        with pytest.raises(KeyboardInterrupt):
            old.prepare()
    assert without_sizes(exported(old, "whole")) == without_sizes(OLD["export"]["whole"])  # readable at any moment
    old.prepare()
    assert without_sizes(exported(old, "whole")) == without_sizes(OLD["export"]["whole"])
    assert {blob[0] for video in ("whole", "begun") for blob in blobs(old, video)} == {codec.VERSION}
    assert old.video("whole").bytes_stored == stored_bytes(old, "whole")
    assert (old.video("begun").status, old.epoch("begun")) == ("queued", 2)


def test_many_that_migrate_at_once_do_it_once(old: RedisStore, server: EmbeddedValkey) -> None:
    stores = [RedisStore.at_socket(server.socket) for _ in range(4)]
    threads = [threading.Thread(target=store.prepare) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert without_sizes(exported(old, "whole")) == without_sizes(OLD["export"]["whole"])
    assert old.video("whole").bytes_stored == stored_bytes(old, "whole")
    assert (old.video("begun").status, old.epoch("begun")) == ("queued", 2)


def test_a_worker_that_began_anew_meanwhile_is_not_set_back(old: RedisStore, server: EmbeddedValkey) -> None:
    """Of two that migrate, the second must not reset what a worker has added since the first."""
    old.prepare()
    commit = full(old.claim("begun"), 0, 4)
    old.commit("begun", commit)
    late = RedisStore.at_socket(server.socket)
    migration.migrate_video(late._client, late._scripts, "begun")
    late.close()
    kept = old.state("begun")
    assert kept is not None
    assert codec.encode_state(kept) == codec.encode_state(commit.state)  # type: ignore[arg-type]


def test_a_deletion_that_had_begun_is_left_alone_and_finished(old: RedisStore) -> None:
    old.prepare()
    assert {blob[0] for blob in blobs(old, "doomed")} == {1}
    assert [record.id for record in old.pending_deletions()] == ["doomed"]
    old.repair()
    assert not [key for key in old._client.scan_iter() if b"doomed" in key]
    with pytest.raises(UnknownVideo):
        old.video("doomed")


def test_a_store_of_a_later_release_is_refused(old: RedisStore, server: EmbeddedValkey, tmp_path: Path) -> None:
    old._client.hset(SCHEMA, "version", LAYOUT + 1)
    before = {key: old._client.dump(key) for key in old._client.scan_iter()}
    with pytest.raises(SchemaTooNew, match=f"layout {LAYOUT + 1}.*up to {LAYOUT}"):
        old.prepare()
    hold = StoreHold(StoreConfig(tmp_path, url=f"unix://{server.socket}"))
    with hold, pytest.raises(SchemaTooNew):
        _ = hold.store
    assert {key: old._client.dump(key) for key in old._client.scan_iter()} == before


def test_a_new_store_is_of_this_layout_at_once(tmp_path: Path) -> None:
    with StoreHold(StoreConfig(tmp_path)) as hold:
        assert stored_layout(hold.store._client) == LAYOUT
        first = hold.store.identity()
        assert hold.store.prepare() == 0
        assert hold.store.identity() == first
