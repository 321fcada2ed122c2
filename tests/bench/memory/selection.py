"""Measures selection from a thousand to a million keys against FAISS alone; part of `python -m tests.bench memory`.

Videos of at most 10,000 keys are put into a real embedded store and loaded by a real `LocalRetriever`. Ours is the
whole call, with hits built and the store asked. FAISS alone is the same index's bare search for ten keys. The two take
turns, on one thread. The cache folder keeps the store, a snapshot for each size and version of the index, and finished
rows until there are all. The 1.11 million keys are made: scenes of ten words in the pocket backend's own vectors, two
to four keys a cube. Questions are single words. Recall is also measured on keys spread evenly.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from encoders.pocket.vocabulary import CLASSES, load_vectors, load_vocabulary
from memory.config import IndexConfig, StoreConfig
from memory.index.base import cube_ids
from memory.index.faiss_index import FaissIndex
from memory.index.scores import ranked
from memory.records import F32, CubeMemory, GlobalMemory, IngestState, PackedTokens, TimeSpan, VideoRecord, VideoStatus
from memory.retrieval.index_snapshot import Snapshot
from memory.retrieval.keeper import Began, IndexKeeper, begin
from memory.retrieval.retriever import LocalRetriever, RetrievalRequest
from memory.store.base import Commit
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from serve.measure.code_digest import code_digest
from serve.measure.rows import RowFile

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000, 1_000_000), (1_000, 10_000)
ONE_VIDEO, QUICK_ONE_VIDEO = (10_000, 30_000, 100_000), (10_000,)
EVEN = 100_000
_VIDEO_KEYS, _COMMIT_CUBES, _LIMIT, _SCENES = 10_000, 1_000, 10, 3_000
_DIM = 384


@dataclass(frozen=True, slots=True)
class Words:
    """The pocket backend's words as vectors: float32 [W, 384], unit length, centred; the first 1000 are classes."""

    vectors: F32

    @classmethod
    def load(cls) -> Words:
        vectors, _ = load_vectors(load_vocabulary())
        return cls(_unit(vectors - vectors[:CLASSES].mean(0)))

    def keys(self, count: int, chance: np.random.Generator) -> F32:
        """Keys as pictures give them: float32 [count, 384], of scenes that come again and never look quite the same."""
        scenes = np.random.default_rng(1)
        classes = scenes.integers(0, CLASSES, (_SCENES, 10))
        weights = scenes.dirichlet(np.full(10, 0.4), _SCENES)
        which = chance.integers(0, _SCENES, count)
        mixed = weights[which] * np.exp(0.5 * chance.standard_normal((count, 10)))
        keys = np.empty((count, _DIM), np.float32)
        for start in range(0, count, 4096):
            some = slice(start, start + 4096)
            keys[some] = np.einsum("nk,nkd->nd", mixed[some], self.vectors[classes[which[some]]])
        return _unit(keys)

    def questions(self, count: int, seed: int = 2) -> F32:
        """Single words: float32 [count, 384]."""
        return self.vectors[np.random.default_rng(seed).integers(0, len(self.vectors), count)]


def _unit(rows: F32) -> F32:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def selection(quick: bool, cache: Path) -> dict[str, Any]:
    """Keys ``select``, ``one_video``, ``recall_at_10`` (the worst of ``retriever``), ``owner_start``."""
    words = Words.load()
    cache.mkdir(parents=True, exist_ok=True)
    rows = RowFile("select-quick" if quick else "select", __name__, cache)
    figures: dict[str, Any] = {"select": {}, "index": {}, "one_video": {}, "recall": {}, "owner_start": {}}
    with StoreHold(StoreConfig(cache / "store")) as hold:
        for count in QUICK_SIZES if quick else SIZES:
            row = rows.row(str(count), partial(_across, hold.store, words, count, cache))
            figures["select"][str(count)] = row["select"]
            figures["owner_start"][str(count)] = row["start"]
            figures["index"][str(count)] = row["index"]
            figures["recall"][str(count)] = row["recall"]
        for count in QUICK_ONE_VIDEO if quick else ONE_VIDEO:
            row = rows.row(f"one-{count}", partial(_one_video, hold.store, words, count))
            figures["one_video"][str(count)] = row
    even = EVEN // 20 if quick else EVEN
    row = rows.row(f"even-{even}", partial(_even, even))
    figures["recall"]["spread_evenly"], figures["index"]["spread_evenly"] = row["recall"], row["index"]
    rows.done()
    return {**figures, "recall_at_10": min(figures["recall"].values())}


def _across(store: RedisStore, words: Words, count: int, cache: Path) -> dict[str, Any]:
    """Search over all videos of one size's key space, and how the memory owner begins with them."""
    space = f"bench-{count}"
    _fill(store, words, space, count, min(count, _VIDEO_KEYS))
    path = cache / f"{space}-{code_digest('memory.retrieval.keeper')[:8]}.snapshot"
    start: dict[str, float] = {}
    begun = cache / f"{space}.start.json"
    if not (path.exists() and begun.exists()):
        for old in cache.glob(f"{space}-*.snapshot"):
            old.unlink()
        keeper, index, start["rebuild_s"] = _opened(store, path, space)
        start["train_s"] = round(_seconds(index.wait), 2)
        start["save_s"] = round(_seconds(keeper.save), 2)
        del keeper, index
        begun.write_text(json.dumps(start))
    start = json.loads(begun.read_text())
    keeper, index, start["snapshot_s"] = _opened(store, path, space)
    start["snapshot_mb"] = round(path.stat().st_size / 1e6, 1)
    questions = words.questions(400 if count <= 100_000 else 150)
    ours = [partial(keeper.retriever.search, question, _LIMIT) for question in questions]
    raw = [partial(index.alone, question, _LIMIT) for question in questions]
    held = [(video.keys.ids(video.number), video.keys.rows) for video in keeper.retriever.videos.held().values()]
    return {
        "index": index.about,
        "select": _turns(ours, raw),
        "start": start,
        "recall": _recall(index, held, words.questions(100, seed=3)),
    }


def _opened(store: RedisStore, path: Path, space: str) -> tuple[IndexKeeper, FaissIndex, float]:
    def make(snapshot: Snapshot | None) -> FaissIndex:
        return FaissIndex(_DIM, IndexConfig(), None if snapshot is None else snapshot.lists, loading=True)

    def opened() -> tuple[LocalRetriever, FaissIndex, Began]:
        return begin(store, path, space, store.identity(), make, 999.0)

    began = time.perf_counter()
    retriever, index, _ = opened()
    took = time.perf_counter() - began
    return IndexKeeper(retriever, index, path, space, store.identity()), index, round(took, 2)


def _one_video(store: RedisStore, words: Words, count: int) -> dict[str, Any]:
    """What is asked of one video of so many keys, exact, against a bare flat index of the same keys."""
    space = f"bench-one-{count}"
    (video_id,) = _fill(store, words, space, count, count)
    retriever = LocalRetriever(store, FaissIndex(_DIM, IndexConfig(flat_up_to=None)), key_space=space)
    retriever.videos.refresh(video_id)
    flat = FaissIndex(_DIM, IndexConfig(flat_up_to=None))
    held = retriever.videos.held()[video_id]
    flat.add_many(held.keys.ids(1), held.keys.rows)
    questions = words.questions(300)
    ours = [partial(retriever.retrieve, video_id, RetrievalRequest(question, 0.5)) for question in questions]
    return _turns(ours, [partial(flat.alone, question, 64) for question in questions])


def _turns(ours: Sequence[Callable[[], Any]], raw: Sequence[Callable[[], Any]]) -> dict[str, float]:
    """Both measured turn by turn; milliseconds."""
    took: tuple[list[float], list[float]] = ([], [])
    for number, pair in enumerate(zip(ours, raw, strict=True)):
        for which in (0, 1) if number % 2 else (1, 0):
            took[which].append(1e3 * _seconds(pair[which]))
    warm = [np.array(some[10:]) for some in took]
    return {
        f"{name}_p{share}_ms": round(float(np.percentile(some, share)), 3)
        for name, some in zip(("ours", "raw"), warm, strict=True)
        for share in (50, 99)
    }


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _recall(index: FaissIndex, held: list[tuple[Any, F32]], questions: F32) -> float:
    """Share of the ten nearest keys, by the oracle's scores, that a search finds."""
    hits = 0
    for question in questions:
        near: list[tuple[Any, F32]] = []
        for ids, rows in held:
            scores = rows @ question
            best = np.argpartition(-scores, min(20, len(scores) - 1))[:20]
            near.append((ids[best], rows[best]))
        ids, rows = (np.concatenate(part) for part in zip(*near, strict=True))
        wanted = {key for key, _ in ranked(ids, rows, question, 10)}
        hits += len(wanted & {key for key, _ in index.search(question, 10)})
    return round(hits / 10 / len(questions), 4)


def _even(count: int) -> dict[str, Any]:
    """Recall on keys spread evenly over the sphere; each question is the unit sum of a key and a random vector."""
    chance = np.random.default_rng(4)
    rows = _unit(chance.standard_normal((count, _DIM), dtype=np.float32))
    index = FaissIndex(_DIM, IndexConfig(flat_up_to=count - 1))
    ids = np.concatenate([cube_ids(1, ordinal, 1) for ordinal in range(count)])
    index.add_many(ids, rows)
    index.wait()
    questions = _unit(rows[:100] + _unit(chance.standard_normal((100, _DIM), dtype=np.float32)))
    return {"recall": _recall(index, [(ids, rows)], questions), "index": index.about}


def _fill(store: RedisStore, words: Words, space: str, count: int, video_keys: int) -> list[str]:
    """Videos of one key space with so many keys together; what an earlier run wrote is kept."""
    ids, written = [], {video.id: video for video in store.videos()}
    for number in range(0, count, video_keys):
        video_id = f"{space}-{number}"
        ids.append(video_id)
        if video_id in written and written[video_id].status == "ready":
            continue
        if video_id in written:
            store.delete_video(video_id)
        store.create_video(VideoRecord(video_id, 0, "local", video_id, "ingesting", "", "b", space, "1fps", 1.0))
        _write(store, video_id, list(_cubes(words, video_keys, np.random.default_rng(number + count))))
    return ids


def _write(store: RedisStore, video_id: str, cubes: Sequence[CubeMemory]) -> None:
    """A video's cubes, a thousand a commit."""
    epoch = store.claim(video_id)
    for first in range(0, len(cubes), _COMMIT_CUBES):
        some = cubes[first : first + _COMMIT_CUBES]
        last = first + len(some)
        state = IngestState(last, last, "full", None, GlobalMemory.empty(1))
        status: VideoStatus = "ready" if last == len(cubes) else "ingesting"
        store.commit(video_id, Commit(epoch, first, state, some, None, some[-1].span.end_s, status))


def _cubes(words: Words, keys: int, chance: np.random.Generator) -> Iterator[CubeMemory]:
    """Cubes of two to four keys, a few seconds each, with a single token."""
    rows = words.keys(keys, chance).astype(np.float16)
    tokens = PackedTokens(np.zeros((1, 1, 1), np.int8), np.ones((1, 1), np.float16))
    ones, place, ordinal, time_s = np.ones((1, 3), np.float32), 0, 0, 0.0
    while place < keys:
        size = min(int(chance.integers(2, 5)), keys - place)
        span = TimeSpan(time_s, time_s + float(chance.integers(2, 12)))
        kinds = ("seen", "peak", "kind", "line")[:size]
        some = rows[place : place + size]
        yield CubeMemory(ordinal, span, "change", tokens, ones[:, 0], ones, some, kinds, {}, b"")
        place, ordinal, time_s = place + size, ordinal + 1, span.end_s
