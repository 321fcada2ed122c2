"""FAISS's IVF-Flat for keys: how many lists it has, their training, and how many lists a search reads.

An inverted file splits the keys among lists by the nearest of `nlist` centroids, and a search reads `nprobe` of them.
Which recall that gives depends on the keys, so `nprobe` is measured on the keys at hand against an exhaustive search.
Few lists suffice where keys form clusters; where keys are spread evenly over the sphere, no small number does. Then
`train` returns None and every key is searched.

Trained centroids and each key's list can be taken out (`Lists`) and put back without training. Not thread-safe; FAISS
computes on the calling thread.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.records import F32, I32, Ids

Rows = Callable[[int, int], tuple[Ids, F32]]
"""Ids and keys of the places from start to stop."""

_LISTS_A_ROOT = 4.0
_TRAIN_A_LIST = 24
_ROUNDS = 6
_BLOCK = 65536
_TRIALS = 96
_NEAREST = 10
_LIKENESS = (0.1, 0.25, 0.5)
_MOST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Lists:
    """What training and adding found out, enough to rebuild an index by copying.

    Attributes:
        centroids: float32 [L, K].
        nprobe: lists that a search looks into.
        ids: int64 [n], ascending.
        list_of: int32 [n], the list that each of these keys is in.
    """

    centroids: F32
    nprobe: int
    ids: Ids
    list_of: I32


def train(faiss: Any, count: int, rows: Rows, target: float, seed: int = 0) -> Any | None:
    """An IVF-Flat with all of `rows` (places 0 to `count`) whose recall@10 is at least `target` on questions made from
    keys; None where that takes more than half of the lists, so that a flat index is as good. Deterministic."""
    faiss.omp_set_num_threads(1)
    chance = np.random.default_rng(seed)
    dim = rows(0, 1)[1].shape[1]
    index = _empty(faiss, dim, max(1, min(round(_LISTS_A_ROOT * math.sqrt(count)), count // 2)))
    index.cp.seed, index.cp.niter, index.cp.spherical = 1 + seed, _ROUNDS, True
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, _TRAIN_A_LIST
    index.train(_sample(rows, count, min(count, _TRAIN_A_LIST * index.nlist), chance))
    for start in range(0, count, _BLOCK):
        ids, block = rows(start, min(start + _BLOCK, count))
        index.add_with_ids(block, ids)
    index.nprobe = _probes(faiss, index, _questions(_sample(rows, count, min(count, _TRIALS), chance), chance), target)
    return index if index.nprobe <= _MOST_SHARE * index.nlist else None


def _empty(faiss: Any, dim: int, nlist: int) -> Any:
    return faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, nlist, faiss.METRIC_INNER_PRODUCT)


def _sample(rows: Rows, count: int, wanted: int, chance: np.random.Generator) -> F32:
    """`wanted` of the keys, spread over all of them."""
    places = np.sort(chance.choice(count, wanted, replace=False))
    taken = []
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        here = places[(places >= start) & (places < stop)] - start
        if len(here):
            taken.append(rows(start, stop)[1][here])
    return np.ascontiguousarray(np.concatenate(taken))


def _questions(keys: F32, chance: np.random.Generator) -> F32:
    """Unit vectors whose cosine with a key is about 0.1, 0.25 or 0.5: most questions in words are like no picture at
    all, and the lists near them are many (with 0.35 to 0.85 a search looked into too few for real words)."""
    noise = chance.standard_normal(keys.shape, dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    likeness = np.resize(np.array(_LIKENESS, np.float32), len(keys))[:, None]
    mixed = likeness * keys + np.sqrt(1 - likeness**2) * noise
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def _probes(faiss: Any, index: Any, questions: F32, target: float) -> int:
    """The fewest lists with which recall@10 is at least `target`: by the place, among a question's lists, of the list
    that holds each of its ten nearest keys."""
    everywhere = faiss.SearchParametersIVF(nprobe=index.nlist)
    _, ids, codes = index.search_and_return_codes(questions, _NEAREST, params=everywhere)
    whose, rank = np.nonzero(ids >= 0)
    keys = np.ascontiguousarray(codes[whose, rank]).view(np.float32)
    _, lists = index.quantizer.search(keys, 1)
    likeness = questions @ index.quantizer.reconstruct_n(0, index.nlist).T
    own = likeness[whose, lists[:, 0]]
    places = np.sort(1 + (likeness[whose] > own[:, None]).sum(axis=1))
    return int(places[math.ceil(target * len(places)) - 1])


def view(pointer: Any, count: int, kind: Any) -> npt.NDArray[Any]:
    """FAISS's own memory behind a pointer as an array [count], not copied: void after the next change. (FAISS's
    `rev_swig_ptr` copies.)"""
    kind = np.dtype(kind)
    if count == 0:
        return np.zeros(0, kind)
    return np.frombuffer((ctypes.c_char * (count * kind.itemsize)).from_address(int(pointer)), kind)


def members(index: Any, number: int) -> tuple[Ids, F32]:
    """Ids and keys of one list: views on FAISS's own memory, void after the next change."""
    size = index.invlists.list_size(number)
    keys = view(index.invlists.get_codes(number), size * index.d, np.float32)
    return view(index.invlists.get_ids(number), size, np.int64), keys.reshape(size, index.d)


def lists_of(index: Any) -> Lists:
    """What `restore` needs of an index besides its keys."""
    ids = [members(index, number)[0].copy() for number in range(index.nlist)]
    numbers = np.repeat(np.arange(index.nlist, dtype=np.int32), [len(some) for some in ids])
    joined = np.concatenate(ids)
    order = np.argsort(joined)
    centroids = index.quantizer.reconstruct_n(0, index.nlist)
    return Lists(np.asarray(centroids, np.float32), int(index.nprobe), joined[order], numbers[order])


def restore(faiss: Any, lists: Lists) -> Any:
    """An index with the lists' centroids and no keys yet."""
    index = _empty(faiss, lists.centroids.shape[1], len(lists.centroids))
    index.quantizer.add(np.ascontiguousarray(lists.centroids))
    index.is_trained = True
    index.nprobe = lists.nprobe
    return index


def put_back(faiss: Any, index: Any, lists: Lists, ids: Ids, rows: F32) -> None:
    """Adds keys to the lists they were in, by copying; those that `lists` does not know are assigned as new ones."""
    places = np.searchsorted(lists.ids, ids)
    listed = lists.ids[np.minimum(places, len(lists.ids) - 1)] == ids if len(lists.ids) else np.zeros(len(ids), bool)
    if not listed.all():
        index.add_with_ids(np.ascontiguousarray(rows[~listed]), np.ascontiguousarray(ids[~listed]))
    if listed.any():
        some, whose = np.ascontiguousarray(rows[listed], np.float32), np.ascontiguousarray(ids[listed])
        numbers = lists.list_of[places[listed]].astype(np.int64)
        pointers = (faiss.swig_ptr(array) for array in (some, whose, numbers))
        index.add_core(len(some), *pointers)
