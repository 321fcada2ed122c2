"""The FAISS index as it grows: when it becomes an IVF-Flat, its recall, and that searches never wait for training."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from memory.config import IndexConfig
from memory.index import ivf
from memory.index.base import cube_ids
from memory.index.faiss_index import FaissIndex
from memory.index.numpy_index import NumpyIndex
from memory.records import F32

DIM = 32
SMALL = IndexConfig(flat_up_to=2000, growth=3.0)


def clustered(count: int, seed: int = 0) -> F32:
    """Unit keys around 200 middles, as films give them: the same things come again."""
    chance = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(size=(200, DIM))
    rows = middles[chance.integers(0, 200, count)] + 0.35 * chance.normal(size=(count, DIM))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def uniform(count: int, seed: int = 0) -> F32:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def ids_of(count: int, video: int = 1) -> np.ndarray:
    return np.concatenate([cube_ids(video, ordinal, 4) for ordinal in range(count // 4)])


def recall_at_10(index: FaissIndex, oracle: NumpyIndex, queries: F32) -> float:
    shares = []
    for query in queries:
        wanted = {key for key, _ in oracle.search(query, 10)}
        shares.append(len(wanted & {key for key, _ in index.search(query, 10)}) / 10)
    return float(np.mean(shares))


def questions(rows: F32, count: int = 100) -> F32:
    """Like keys, from barely to plainly."""
    chance = np.random.default_rng(5)
    noise = chance.normal(size=(count, DIM))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    share = np.resize([0.3, 0.5, 0.7, 0.9], count)[:, None]
    mixed = share * rows[:: len(rows) // count][:count] + np.sqrt(1 - share**2) * noise
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def held_training(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Training waits: set when it has begun, and what it waits for."""
    training, go_on = threading.Event(), threading.Event()
    train = ivf.train

    def held_up(*arguments: object) -> object:
        training.set()
        assert go_on.wait(60)
        return train(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ivf, "train", held_up)
    return training, go_on


@pytest.mark.parametrize("keys", [clustered, uniform])
def test_recall_at_10_against_the_oracle(keys: object) -> None:
    rows = keys(6000)  # type: ignore[operator]
    index, oracle = FaissIndex(DIM, SMALL), NumpyIndex(DIM)
    for target in (index, oracle):
        target.add_many(ids_of(6000), rows)
    index.wait()
    assert recall_at_10(index, oracle, questions(rows)) >= 0.99
    best = index.search(rows[17], 3)
    assert best == oracle.search(rows[17], 3)  # with the oracle's scores to the bit


def test_it_becomes_ivf_by_size_and_is_trained_again_when_grown() -> None:
    index = FaissIndex(DIM, SMALL)
    rows = clustered(12_000)
    index.add_many(ids_of(2000), rows[:2000])
    index.wait()
    assert (index.kind, index.lists()) == ("flat", None)
    index.add_many(ids_of(4, 2), rows[2000:2004])
    index.wait()
    first = index.lists()
    assert index.kind == "ivf"
    assert first is not None
    assert len(first.ids) == 2004
    index.add_many(ids_of(4000, 3), rows[2004:6004])
    index.wait()
    second = index.lists()
    assert second is not None
    assert len(second.centroids) == len(first.centroids)
    index.add_many(ids_of(4000, 4), rows[6004:10_004])
    index.wait()
    third = index.lists()
    assert third is not None
    assert len(third.centroids) > len(first.centroids)
    assert len(index) == 10_004


def test_evenly_spread_keys_stay_flat() -> None:
    index = FaissIndex(DIM, SMALL)
    index.add_many(ids_of(4000), uniform(4000))
    index.wait()
    assert index.kind == "flat"
    assert len(index) == 4000


def test_searches_additions_and_removals_go_on_while_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    training, go_on = held_training(monkeypatch)
    rows = clustered(9000)
    index, oracle = FaissIndex(DIM, SMALL), NumpyIndex(DIM)

    def both(act: object) -> None:
        assert act(index) == act(oracle)  # type: ignore[operator]

    both(lambda target: target.add_many(ids_of(2000, 1), rows[:2000]))
    both(lambda target: target.add_many(ids_of(2000, 2), rows[2000:4000]))
    assert training.wait(60)
    both(lambda target: target.add_many(ids_of(2000, 3), rows[4000:6000]))
    both(lambda target: target.remove_video(1))
    both(lambda target: target.remove_video(1))
    both(lambda target: target.add_many(ids_of(400, 1), rows[6000:6400]))
    both(len)
    for query in rows[::900]:
        both(lambda target, query=query: target.search(query, 12))
        both(lambda target, query=query: target.search(query, 12, [1, 3]))
    go_on.set()
    index.wait()
    assert index.kind == "ivf"
    both(len)
    both(lambda target: target.search(rows[6001], 4, [1]))
    assert recall_at_10(index, oracle, questions(rows[2000:6400])) >= 0.98
    both(lambda target: target.remove_video(2))
    both(lambda target: target.remove_video(1))
    both(len)


def test_what_comes_while_it_trains_goes_in_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """More comes, goes and comes again than fits the last exchange: in rounds, and nothing is lost or doubled."""
    training, go_on = held_training(monkeypatch)
    rows = clustered(20_000)
    index, oracle = FaissIndex(DIM, IndexConfig(flat_up_to=2000, growth=99.0)), NumpyIndex(DIM)
    for target in (index, oracle):
        target.add_many(ids_of(2400, 1), rows[:2400])
    assert training.wait(60)
    for target in (index, oracle):
        target.add_many(ids_of(8000, 2), rows[2400:10_400])
        target.remove_video(1)
        target.add_many(ids_of(4000, 1), rows[10_400:14_400])
        target.add_many(ids_of(4000, 3), rows[14_400:18_400])
        target.remove_video(3)
    go_on.set()
    index.wait()
    assert (index.kind, len(index)) == ("ivf", 12_000)
    for video in (1, 2, 3):
        assert index.search(rows[10_500], 12_000, [video]) == oracle.search(rows[10_500], 12_000, [video])


def test_nothing_is_trained_while_it_loads() -> None:
    index = FaissIndex(DIM, SMALL, loading=True)
    index.add_many(ids_of(4000), clustered(4000))
    index.wait()
    assert index.kind == "flat"
    index.settle()
    index.wait()
    assert index.kind == "ivf"


def test_a_training_that_fails_leaves_the_index_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))

    def fails(*arguments: object) -> None:
        raise OSError("no memory left")

    monkeypatch.setattr(ivf, "train", fails)
    rows = clustered(2004)
    index = FaissIndex(DIM, SMALL)
    index.add_many(ids_of(2004), rows)
    index.wait()
    assert [str(error) for error in errors] == ["no memory left"]
    assert (index.kind, len(index)) == ("flat", 2004)
    assert index.search(rows[5], 1)[0][0] == int(ids_of(2004)[5])


def test_a_catching_up_that_fails_leaves_the_index_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    index, oracle = FaissIndex(DIM, IndexConfig(flat_up_to=2000, growth=99.0)), NumpyIndex(DIM)
    rows = clustered(12_000)
    catch_up = FaissIndex._catch_up

    def fails(self: FaissIndex, made: object) -> None:
        catch_up(self, made)
        for target in (index, oracle):
            target.remove_video(2)
            target.add_many(ids_of(400, 2), rows[11_000:11_400])
        raise OSError("no memory left")

    monkeypatch.setattr(FaissIndex, "_catch_up", fails)
    train, go_on = ivf.train, threading.Event()
    monkeypatch.setattr(ivf, "train", lambda *arguments: go_on.wait(60) and train(*arguments))
    for target in (index, oracle):
        target.add_many(ids_of(2400, 1), rows[:2400])
        target.add_many(ids_of(4000, 2), rows[2400:6400])
        target.add_many(ids_of(4000, 3), rows[6400:10_400])
    go_on.set()
    index.wait()
    assert (index.kind, len(index)) == ("flat", 6800)
    assert index.search(rows[3], 7000) == oracle.search(rows[3], 7000)


def test_lists_bring_it_back_without_training() -> None:
    rows = clustered(4000)
    index = FaissIndex(DIM, SMALL)
    index.add_many(ids_of(4000), rows)
    index.wait()
    lists = index.lists()
    again = FaissIndex(DIM, SMALL, lists)
    again.add_many(ids_of(4000), rows)
    again.settle()
    assert again.kind == "ivf"
    for query in rows[::500]:
        assert again.search(query, 20) == index.search(query, 20)
    again.add_many(ids_of(40, 2), clustered(40, 1))
    assert len(again) == 4040
    assert again.search(clustered(40, 1)[3], 1)[0][0] == int(ids_of(40, 2)[3])


def test_many_threads_search_beside_additions() -> None:
    rows = clustered(4000)
    index = FaissIndex(DIM, IndexConfig(flat_up_to=1000, growth=1.5))
    wrong: list[str] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            hits = index.search(rows[3], 5)
            if hits and (hits[0][0] != int(ids_of(4)[3]) or [s for _, s in hits] != sorted((s for _, s in hits))[::-1]):
                wrong.append(str(hits))

    index.add_many(ids_of(4), rows[:4])
    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for video in range(2, 40):
        index.add_many(ids_of(100, video), rows[100 * (video - 1) : 100 * video])
        if video % 5 == 0:
            assert index.remove_video(video) == 100
    index.wait()
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 4 + 38 * 100 - 7 * 100
