from __future__ import annotations

import threading
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.errors import CorruptRecord, UnknownVideo
from memory.index.numpy_index import NumpyIndex
from memory.records import F32, KeyedSpan, OpenCube, TimeSpan
from memory.retrieval.retriever import LocalRetriever, RetrievalRequest
from tests.memory.retrieval.retrieval_oracle import KeysOnly, evidence, hits

DIM = 3
KINDS = ("seen", "text", "line")


def unit(rows: np.ndarray) -> F32:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def cubes_of(seed: int, keys_a_cube: list[int]) -> list[KeyedSpan]:
    """Cubes of random lengths that follow one another, with so many random keys each."""
    chance = np.random.default_rng(seed)
    ends = np.cumsum(chance.uniform(0.5, 9.0, len(keys_a_cube)))
    cubes = []
    for ordinal, (count, end_s) in enumerate(zip(keys_a_cube, ends, strict=True)):
        start_s = float(ends[ordinal - 1]) if ordinal else 0.0
        kinds = tuple(chance.choice(KINDS, count))
        keys = unit(chance.normal(size=(count, DIM))).astype(np.float16)
        cubes.append(KeyedSpan(ordinal, TimeSpan(start_s, float(end_s)), keys, kinds))
    return cubes


def retrieving(cubes: list[KeyedSpan], opened: OpenCube | None = None) -> LocalRetriever:
    store = KeysOnly({"v": cubes}, {} if opened is None else {"v": opened})
    return LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]


def as_open(cube: KeyedSpan) -> OpenCube:
    return OpenCube(cube.span, cube.keys, cube.key_kinds, {}, b"")


memories = st.builds(cubes_of, st.integers(0, 999), st.lists(st.integers(0, 5), max_size=25))
vectors = st.integers(0, 999).map(lambda seed: unit(np.random.default_rng(seed).normal(size=DIM)))
spans = st.none() | st.tuples(st.floats(0, 100), st.floats(0, 40)).map(lambda pair: TimeSpan(pair[0], sum(pair)))


@given(memories, vectors, spans, st.booleans(), st.floats(-1, 1))
@settings(deadline=None)
def test_it_is_what_the_slow_obvious_way_finds(
    cubes: list[KeyedSpan], vector: F32, span: TimeSpan | None, last_is_open: bool, threshold: float
) -> None:
    opened = as_open(cubes[-1]) if last_is_open and cubes else None
    reference = [*cubes[:-1], replace(cubes[-1], ordinal=None)] if opened else cubes
    retrieval = retrieving(reference[:-1] if opened else reference, opened).retrieve(
        "v", RetrievalRequest(vector, threshold, span)
    )
    expected = hits(vector, "v", reference, span)
    assert list(retrieval.hits) == expected
    assert retrieval.evidence == evidence(retrieval.hits, threshold, 1.5)
    assert retrieval.cubes == len(cubes)


@given(memories, vectors, st.sets(st.sampled_from(KINDS), min_size=1), st.booleans())
@settings(deadline=None)
def test_kinds_leave_other_keys_out(cubes: list[KeyedSpan], vector: F32, kinds: set[str], asked: bool) -> None:
    request = RetrievalRequest(vector if asked else None, kinds=tuple(sorted(kinds)))
    only = []
    for cube in cubes:
        rows = [i for i, kind in enumerate(cube.key_kinds) if kind in kinds]
        only.append(replace(cube, keys=cube.keys[rows], key_kinds=tuple(cube.key_kinds[i] for i in rows)))
    expected = hits(vector, "v", only)
    matches = retrieving(cubes).retrieve("v", request).hits
    assert [hit.ordinal for hit in matches] == [hit.ordinal for hit in expected]
    assert all(hit.kind in kinds for hit in matches)
    if asked:
        assert list(matches) == expected


@given(memories, vectors, st.integers(1, 30))
@settings(deadline=None)
def test_a_limit_keeps_the_best_and_the_evidence_of_all(cubes: list[KeyedSpan], vector: F32, limit: int) -> None:
    retriever = retrieving(cubes)
    whole = retriever.retrieve("v", RetrievalRequest(vector, 0.3))
    few = retriever.retrieve("v", RetrievalRequest(vector, 0.3, limit=limit))
    assert len(few.hits) == min(limit, len(whole.hits))
    assert list(few.hits) == sorted(few.hits, key=lambda hit: hit.span)
    left_out = set(whole.hits) - set(few.hits)
    assert not left_out or max(hit.score for hit in left_out) <= min(hit.score for hit in few.hits)
    assert few.evidence == whole.evidence


@given(st.integers(0, 60), st.integers(1, 12))
@settings(deadline=None)
def test_without_a_vector_a_limit_spreads_evenly(count: int, limit: int) -> None:
    matches = retrieving(cubes_of(0, [1] * count)).retrieve("v", RetrievalRequest(None, limit=limit)).hits
    ordinals = [hit.ordinal for hit in matches if hit.ordinal is not None]
    assert len(ordinals) == min(limit, count)
    assert ordinals == sorted(set(ordinals))
    assert all(hit.score == 0.0 for hit in matches)
    steps = np.diff(ordinals)
    assert not len(steps) or steps.max() - steps.min() <= 1


def test_without_a_vector_cubes_without_keys_count_too() -> None:
    retrieval = retrieving(cubes_of(0, [0, 2, 0])).retrieve("v", RetrievalRequest(None))
    assert [hit.ordinal for hit in retrieval.hits] == [0, 1, 2]


def test_the_open_cube_is_found_as_it_is_now() -> None:
    red, green = np.eye(DIM, dtype=np.float32)[:2]
    store = KeysOnly({"v": []}, {"v": OpenCube(TimeSpan(0, 1), red[None].astype(np.float16), ("seen",), {}, b"")})
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    assert [hit.score for hit in retriever.retrieve("v", RetrievalRequest(red)).hits] == [1.0]
    store.opened["v"] = OpenCube(TimeSpan(0, 2), green[None].astype(np.float16), ("seen",), {}, b"")
    (hit,) = retriever.retrieve("v", RetrievalRequest(red)).hits
    assert (hit.score, hit.span, hit.ordinal) == (0.0, TimeSpan(0, 2), None)
    store.closed["v"].append(KeyedSpan(0, TimeSpan(0, 3), green[None].astype(np.float16), ("seen",)))
    del store.opened["v"]
    assert [hit.ordinal for hit in retriever.retrieve("v", RetrievalRequest(red)).hits] == [0]


@given(st.lists(memories, min_size=1, max_size=3), vectors, st.integers(1, 8), st.booleans())
@settings(deadline=None, max_examples=50)
def test_search_over_videos_finds_each_cube_once_and_the_best_first(
    all_cubes: list[list[KeyedSpan]], vector: F32, limit: int, last_is_open: bool
) -> None:
    closed = {f"v{i}": cubes[:-1] if last_is_open else cubes for i, cubes in enumerate(all_cubes)}
    opened = {f"v{i}": as_open(cubes[-1]) for i, cubes in enumerate(all_cubes) if last_is_open and cubes}
    retriever = LocalRetriever(KeysOnly(closed, opened), NumpyIndex(DIM))  # type: ignore[arg-type]
    expected = []
    for number, cubes in enumerate(all_cubes):
        reference = [*cubes[:-1], replace(cubes[-1], ordinal=None)] if last_is_open and cubes else cubes
        expected += hits(vector, f"v{number}", reference)
    expected.sort(key=lambda hit: (-hit.score, hit.video_id, hit.span))
    matches = retriever.search(vector, limit)
    assert matches == expected[:limit]


def test_search_looks_only_where_it_is_told() -> None:
    closed = {name: cubes_of(i, [2, 2]) for i, name in enumerate(("a", "b", "c"))}
    retriever = LocalRetriever(KeysOnly(closed), NumpyIndex(DIM))  # type: ignore[arg-type]
    vector = unit(np.ones(DIM))
    assert {hit.video_id for hit in retriever.search(vector, 9, ["a", "c"])} == {"a", "c"}
    assert retriever.search(vector, 9, []) == []
    assert retriever.search(vector, 0) == []


def test_neighbours_stand_beside_a_span() -> None:
    cubes = [KeyedSpan(i, TimeSpan(10.0 * i, 10.0 * i + 10), np.zeros((0, DIM), np.float16), ()) for i in range(3)]
    opened = OpenCube(TimeSpan(30, 35), np.zeros((0, DIM), np.float16), (), {}, b"")
    retriever = retrieving(cubes, opened)

    def beside(start_s: float, end_s: float) -> list[int | str | None]:
        return ["-" if hit is None else hit.ordinal for hit in retriever.neighbours("v", TimeSpan(start_s, end_s))]

    assert beside(10, 20) == [0, 2]
    assert beside(10, 30) == [0, None]
    assert beside(0, 10) == ["-", 1]
    assert beside(30, 35) == [2, "-"]
    assert beside(14, 16) == [0, 2]


def test_refresh_takes_in_what_closed_since() -> None:
    cubes = cubes_of(1, [2, 0, 3, 1])
    store = KeysOnly({"v": cubes[:2]})
    index = NumpyIndex(DIM)
    retriever = LocalRetriever(store, index)  # type: ignore[arg-type]
    assert (retriever.videos.refresh("v"), len(index)) == (2, 2)
    assert (retriever.videos.refresh("v"), len(index)) == (0, 2)
    store.closed["v"] = cubes
    assert (retriever.videos.refresh("v"), len(index)) == (2, 6)


def test_what_is_forgotten_is_gone() -> None:
    store = KeysOnly({"v": cubes_of(1, [2, 2]), "w": cubes_of(2, [1])})
    index = NumpyIndex(DIM)
    retriever = LocalRetriever(store, index)  # type: ignore[arg-type]
    retriever.search(unit(np.ones(DIM)), 5)
    retriever.videos.forget("v")
    assert len(index) == 1
    store.delete("v")
    with pytest.raises(UnknownVideo):
        retriever.retrieve("v", RetrievalRequest(None))
    assert not retriever.videos.forget("never known")


def test_an_unknown_video_is_refused() -> None:
    with pytest.raises(UnknownVideo):
        retrieving([]).retrieve("other", RetrievalRequest(None))


def test_likeness_is_between_the_keys_by_which_hits_were_found() -> None:
    cubes = cubes_of(3, [2, 3, 1])
    vector = unit(np.ones(DIM))
    retrieval = retrieving(cubes[:2], as_open(cubes[2])).retrieve("v", RetrievalRequest(vector))
    best = [cube.keys[int(np.argmax(cube.keys.astype(np.float32) @ vector))].astype(np.float32) for cube in cubes]
    assert retrieval.alike is not None
    assert retrieval.alike == pytest.approx(np.array(best) @ np.array(best).T, abs=1e-6)
    assert retrieving(cubes).retrieve("v", RetrievalRequest(None)).alike is None


@given(memories, vectors, st.integers(2, 12), st.sampled_from(["first", "last"]), st.floats(-1, 1))
@settings(deadline=None)
def test_the_earliest_and_the_latest_are_not_crowded_out(
    cubes: list[KeyedSpan], vector: F32, limit: int, order: str, threshold: float
) -> None:
    whole = retrieving(cubes).retrieve("v", RetrievalRequest(vector, threshold, limit=99)).hits
    few = retrieving(cubes).retrieve("v", RetrievalRequest(vector, threshold, limit=limit, order=order)).hits  # type: ignore[arg-type]
    supported = [hit for hit in whole if hit.score >= threshold]
    assert len(few) == min(limit, len(whole))
    assert list(few) == sorted(few, key=lambda hit: hit.span)
    if supported:
        assert supported[0 if order == "first" else -1].ordinal in [hit.ordinal for hit in few]
    if whole:
        assert max(whole, key=lambda hit: hit.score).ordinal in [hit.ordinal for hit in few]


def test_another_key_space_is_left_out_of_searches() -> None:
    store = KeysOnly({"a": cubes_of(1, [2]), "b": cubes_of(2, [2])}, key_spaces={"a": "ours", "b": "theirs"})
    retriever = LocalRetriever(store, NumpyIndex(DIM), key_space="ours")  # type: ignore[arg-type]
    vector = unit(np.ones(DIM))
    assert {hit.video_id for hit in retriever.search(vector, 9)} == {"a"}
    assert {hit.video_id for hit in retriever.search(vector, 9, ["a", "b"])} == {"a"}


def test_sync_follows_the_truth() -> None:
    store = KeysOnly({"a": cubes_of(1, [2, 1]), "b": cubes_of(2, [3])})
    index = NumpyIndex(DIM)
    retriever = LocalRetriever(store, index)  # type: ignore[arg-type]
    assert retriever.videos.sync() == (3, 0)
    assert retriever.videos.sync() == (0, 0)
    store.closed["a"] += [replace(cube, ordinal=2) for cube in cubes_of(5, [4])]
    store.delete("b")
    assert retriever.videos.sync() == (1, 1)
    assert len(index) == 7
    store.delete("a")
    store.closed["a"] = cubes_of(7, [1])  # of the same name and another number
    assert retriever.videos.sync() == (1, 1)
    assert len(index) == 1
    store.closed["a"] = []  # an older store came back
    assert retriever.videos.sync() == (0, 1)
    assert len(index) == 0


def test_between_comparisons_growing_videos_are_followed_all_the_same() -> None:
    time_s = [0.0]
    store = KeysOnly({"a": cubes_of(1, [1])})
    retriever = LocalRetriever(store, NumpyIndex(DIM), compare_s=2.0, now=lambda: time_s[0])  # type: ignore[arg-type]
    vector = unit(np.ones(DIM))
    assert len(retriever.search(vector, 9)) == 1
    store.closed["a"] += [replace(cube, ordinal=1) for cube in cubes_of(4, [1])]
    store.closed["b"] = cubes_of(2, [1])
    assert {(hit.video_id, hit.ordinal) for hit in retriever.search(vector, 9)} == {("a", 0), ("a", 1)}
    time_s[0] = 2.0
    assert {hit.video_id for hit in retriever.search(vector, 9)} == {"a", "b"}


def test_recall_beside_additions_sees_whole_cubes() -> None:
    store = KeysOnly({"v": []})
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    cubes = cubes_of(9, [3] * 400)
    vector = unit(np.ones(DIM))

    def grow() -> None:
        for cube in cubes:
            store.closed["v"].append(cube)
            retriever.videos.refresh("v")

    grower = threading.Thread(target=grow)
    grower.start()
    while grower.is_alive():
        retrieval = retriever.retrieve("v", RetrievalRequest(vector, -1.0, limit=999))
        assert [hit.ordinal for hit in retrieval.hits] == list(range(retrieval.cubes))
        assert list(retrieval.hits) == hits(vector, "v", cubes[: retrieval.cubes])
    grower.join()
    assert retriever.retrieve("v", RetrievalRequest(vector)).cubes == 400


@pytest.mark.parametrize(("whole", "handed_back"), [(0, 4), (11, 4), (12, 12)])
def test_a_short_video_hands_all_its_cubes_back(whole: int, handed_back: int) -> None:
    retriever = LocalRetriever(KeysOnly({"v": cubes_of(1, [2] * 12)}), NumpyIndex(DIM))  # type: ignore[arg-type]
    vector = unit(np.ones(DIM))
    retrieval = retriever.retrieve("v", RetrievalRequest(vector, 0.9, limit=4, whole=whole))
    assert len(retrieval.hits) == handed_back
    assert retrieval.alike is not None
    assert retrieval.alike.shape == (handed_back, handed_back)
    every = retriever.retrieve("v", RetrievalRequest(vector, 0.9, limit=99)).hits
    assert set(retrieval.hits) <= set(every)
    assert retrieval.cubes == 12


def test_one_damaged_video_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    store = KeysOnly({"a": cubes_of(1, [2, 1]), "b": cubes_of(2, [3]), "c": cubes_of(3, [1])})
    read = store.keyed_spans

    def damaged(video_id: str, start: int = 0) -> list[KeyedSpan]:
        if video_id == "b":
            raise CorruptRecord("a record's checksum is wrong")
        return read(video_id, start)

    store.keyed_spans = damaged  # type: ignore[method-assign]
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    for _ in range(2):
        assert {hit.video_id for hit in retriever.search(unit(np.ones(DIM)), 9)} == {"a", "c"}
    assert [record.getMessage() for record in caplog.records] == [
        "video b cannot be searched to its end: a record's checksum is wrong"
    ]
    assert set(retriever.videos.held()) == {"a", "b", "c"}
    with pytest.raises(CorruptRecord):
        retriever.retrieve("b", RetrievalRequest(None))


def test_what_the_store_says_is_unchanged_is_not_read_again() -> None:
    cubes = cubes_of(4, [2, 1, 3, 2])
    store = KeysOnly({"v": cubes[:2]}, {"v": as_open(cubes[2])})
    retriever = LocalRetriever(store, NumpyIndex(DIM))  # type: ignore[arg-type]
    request = RetrievalRequest(unit(np.ones(DIM)))
    first = retriever.retrieve("v", request)
    assert (retriever.retrieve("v", request).hits, len(store.reads)) == (first.hits, 1)
    store.opened["v"] = as_open(cubes[3])
    assert retriever.retrieve("v", request).hits[-1].span == cubes[3].span
    store.closed["v"] = cubes[:3]
    assert retriever.videos.refresh("v") == 1  # taken in by somebody else, without the open cube
    assert [hit.ordinal for hit in retriever.retrieve("v", request).hits] == [0, 1, 2, None]
    assert len(store.reads) == 4
    del store.opened["v"]
    assert [hit.ordinal for hit in retriever.retrieve("v", request).hits] == [0, 1, 2]
    store.delete("v")
    with pytest.raises(UnknownVideo):
        retriever.retrieve("v", request)
