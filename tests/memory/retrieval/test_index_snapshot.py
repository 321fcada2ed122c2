"""Index snapshots: they hold what was saved, any damage is detected, and every start leads to the store's content."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from memory.config import IndexConfig
from memory.errors import CorruptRecord, KeySpaceMismatch
from memory.index.faiss_index import FaissIndex
from memory.records import F32, Hit, KeyedSpan, TimeSpan
from memory.retrieval.index_snapshot import Snapshot, load, save, videos_in
from memory.retrieval.keeper import IndexKeeper, begin, drop_naming, snapshot_path
from memory.retrieval.retriever import LocalRetriever
from tests.memory.retrieval.retrieval_oracle import KeysOnly

DIM, SPACE, STORE = 16, "conse:ab12:16", "store-1"
IVF = IndexConfig(flat_up_to=200, growth=4.0, recall=0.99)


def cubes_of(seed: int, count: int, start: int = 0) -> list[KeyedSpan]:
    chance = np.random.default_rng(seed)
    middles = np.random.default_rng(7).normal(size=(8, DIM))
    cubes = []
    for ordinal in range(start, start + count):
        rows = middles[chance.integers(0, 8, 3)] + 0.1 * chance.normal(size=(3, DIM))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        kinds = ("seen", "peak", "line") if ordinal % 2 else ("seen", "kind", "text")
        cubes.append(KeyedSpan(ordinal, TimeSpan(5.0 * ordinal, 5.0 * ordinal + 5), rows.astype(np.float16), kinds))
    return cubes


def store_of(**videos: list[KeyedSpan]) -> KeysOnly:
    return KeysOnly(dict(videos), key_spaces=dict.fromkeys("abcdefgh", SPACE), status="ready")


def opened(
    store: KeysOnly, path: Path, *, identity: str = STORE, space: str = SPACE
) -> tuple[LocalRetriever, str, int, int]:
    retriever, index, began = begin(
        store,
        path,
        space,
        identity,
        lambda snapshot: FaissIndex(DIM, IVF, snapshot.lists if snapshot else None),  # type: ignore[arg-type]
    )
    index.wait()
    return retriever, began.rebuilt, began.kept, began.replayed


def saved(store: KeysOnly, path: Path) -> LocalRetriever:
    retriever = LocalRetriever(store, index := FaissIndex(DIM, IVF), key_space=SPACE)  # type: ignore[arg-type]
    retriever.videos.sync()
    index.wait()
    IndexKeeper(retriever, index, path, SPACE, STORE).save()
    return retriever


def question(seed: int = 3) -> F32:
    vector = np.random.default_rng(seed).normal(size=DIM)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def answers(retriever: LocalRetriever) -> list[list[Hit]]:
    return [retriever.search(question(seed), 20) for seed in range(5)]


def test_a_snapshot_brings_back_what_was_held(tmp_path: Path) -> None:
    store = store_of(a=cubes_of(1, 100), b=cubes_of(2, 30), c=[])
    before = saved(store, tmp_path / "s")
    store.reads.clear()
    retriever, *ladder = opened(store, tmp_path / "s")
    assert ladder == ["", 3, 0]
    assert store.reads == []
    assert answers(retriever) == answers(before)
    loaded = load(tmp_path / "s", SPACE, STORE)
    assert loaded.lists is not None  # it was an IVF-Flat
    assert {video: held.applied for video, held in loaded.videos.items()} == {"a": 100, "b": 30, "c": 0}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_what_is_newer_is_replayed_and_what_was_deleted_is_gone(tmp_path: Path) -> None:
    store = store_of(a=cubes_of(1, 30), b=cubes_of(2, 20))  # few enough to stay flat, so answers are the same
    saved(store, tmp_path / "s")
    store.closed["a"] += cubes_of(4, 7, start=30)
    store.closed["d"] = cubes_of(5, 9)
    store.delete("b")
    retriever, *ladder = opened(store, tmp_path / "s")
    assert ladder == ["", 1, 16]
    fresh = LocalRetriever(store, FaissIndex(DIM), key_space=SPACE)  # type: ignore[arg-type]
    assert answers(retriever) == answers(fresh)
    assert {hit.video_id for hit in retriever.search(question(), 99)} == {"a", "d"}


def test_another_video_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    store = store_of(a=cubes_of(1, 10))
    saved(store, tmp_path / "s")
    store.delete("a")
    store.closed["a"] = cubes_of(9, 10)
    retriever, *ladder = opened(store, tmp_path / "s")
    assert ladder == ["", 0, 10]
    assert answers(retriever) == answers(LocalRetriever(store, FaissIndex(DIM), key_space=SPACE))  # type: ignore[arg-type]


def test_a_store_that_is_behind_the_snapshot_is_believed(tmp_path: Path) -> None:
    store = store_of(a=cubes_of(1, 10), b=cubes_of(2, 4))
    saved(store, tmp_path / "s")
    store.closed["a"] = cubes_of(1, 6)
    retriever, *ladder = opened(store, tmp_path / "s")
    assert ladder == ["", 1, 6]
    assert len(retriever.search(question(), 99)) == 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"identity": "store-2"}, "s is of another store"),
        ({"space": "other:1:16"}, f"this memory was made in key space {SPACE}, not other:1:16"),
    ],
)
def test_of_another_store_or_key_space_it_is_rebuilt(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    store = store_of(a=cubes_of(1, 10))
    saved(store, tmp_path / "s")
    store.key_spaces["a"] = change.get("space", SPACE)
    _, *ladder = opened(store, tmp_path / "s", **change)  # type: ignore[arg-type]
    assert ladder == [reason, 0, 10]
    assert opened(store, tmp_path / "none", **change)[1:] == ("there is no snapshot", 0, 10)  # type: ignore[arg-type]


def regions(path: Path) -> list[int]:
    """A place in every region of the file: magic, length, digest, header, each array's first and last byte."""
    blob = path.read_bytes()
    (length,) = struct.unpack_from("<I", blob, 5)
    header = json.loads(blob[41 : 41 + length])
    places, at = [0, 4, 5, 9, 40, 41, 41 + length // 2, 40 + length], 41 + length
    for entry in header["arrays"]:
        size = np.dtype(entry["type"]).itemsize * int(np.prod(entry["shape"]))
        places += [at, at + size - 1] if size else []
        at += size
    assert at == len(blob)
    return places


def test_a_flipped_byte_is_noticed_in_every_region(tmp_path: Path) -> None:
    store = store_of(a=cubes_of(1, 80), b=cubes_of(2, 5))
    whole = answers(saved(store, path := tmp_path / "s"))
    blob = path.read_bytes()
    places = regions(path)
    assert len(places) > 20
    for place in places:
        damaged = bytearray(blob)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(CorruptRecord):
            load(path, SPACE, STORE)
    retriever, reason, kept, replayed = opened(store, path)
    assert (reason, kept, replayed) == ("list_of in s is torn or damaged", 0, 85)
    assert answers(retriever) == whole


@given(share=st.floats(0, 1), more=st.booleans())
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_file_is_noticed(tmp_path: Path, share: float, more: bool) -> None:
    path = tmp_path / "s"
    if not path.exists():
        saved(store_of(a=cubes_of(1, 20)), path)
        (tmp_path / "whole").write_bytes(path.read_bytes())
    blob = (tmp_path / "whole").read_bytes()
    path.write_bytes(blob + b"x" if more else blob[: int(share * (len(blob) - 1))])
    with pytest.raises(CorruptRecord):
        load(path, SPACE, STORE)


def test_a_crash_while_writing_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(a=cubes_of(1, 10))
    saved(store, tmp_path / "s")
    old = (tmp_path / "s").read_bytes()
    store.closed["a"] += cubes_of(2, 5, start=10)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        saved(store, tmp_path / "s")
    assert (tmp_path / "s").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_only_its_own_key_space_is_read(tmp_path: Path) -> None:
    save(tmp_path / "s", Snapshot({}, None), SPACE, STORE)
    assert load(tmp_path / "s", SPACE, STORE) == Snapshot({}, None)
    with pytest.raises(KeySpaceMismatch, match="other"):
        load(tmp_path / "s", "other", STORE)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "t", SPACE, STORE)


def test_a_deletion_without_a_keeper_leaves_no_snapshot_that_names_it(tmp_path: Path) -> None:
    path = snapshot_path(tmp_path, SPACE)
    assert drop_naming(tmp_path, "a") == 0
    saved(store_of(a=cubes_of(1, 3)), path)
    assert videos_in(path) == ["a"]
    assert drop_naming(tmp_path, "b") == 0
    assert drop_naming(tmp_path, "a") == 1
    assert not list(path.parent.iterdir())
    path.write_bytes(b"LWIX1 of an older release")
    assert drop_naming(tmp_path, "b") == 1


def test_spans_and_kinds_come_back_too(tmp_path: Path) -> None:
    cubes = [*cubes_of(1, 3), replace(cubes_of(2, 1, start=3)[0], keys=np.zeros((0, DIM), np.float16), key_kinds=())]
    before = saved(store_of(a=cubes), tmp_path / "s").videos.held()["a"]
    after = load(tmp_path / "s", SPACE, STORE).videos["a"]
    assert (after.number, after.created_s, after.applied) == (before.number, before.created_s, before.applied)
    assert after.keys.kind_names == before.keys.kind_names
    for name in ("rows", "first_row", "kinds", "spans"):
        assert np.array_equal(getattr(after.keys, name), getattr(before.keys, name)), name
