"""The copy on a GPU: with one, the same answers; without one, the reason is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memory.config import IndexConfig
from memory.index.base import cube_ids
from memory.index.faiss_index import FaissIndex
from memory.index.numpy_index import NumpyIndex


def test_where_it_is_read_is_chosen_once_and_said() -> None:
    assert FaissIndex(4, IndexConfig(gpu=False)).device == "cpu: as configured"
    assert FaissIndex(4).device in ("gpu", "cpu: this build of FAISS knows no GPU", "cpu: no CUDA device")


@pytest.mark.gpu
def test_answers_are_the_same_as_without() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rows = np.random.default_rng(0).normal(size=(5000, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    copied, plain = FaissIndex(64), NumpyIndex(64)
    assert copied.device == "gpu"
    for video in range(5):
        ids = np.concatenate([cube_ids(1 + video, ordinal, 4) for ordinal in range(250)])
        for index in (copied, plain):
            index.add_many(ids, rows[1000 * video : 1000 * video + 1000])
    for remove in (False, True):
        if remove:
            assert copied.remove_video(2) == plain.remove_video(2) == 1000
        for query in rows[::500]:
            assert copied.search(query, 30) == plain.search(query, 30)
            assert copied.search(query, 3000) == plain.search(query, 3000)  # more than a GPU gives
            assert copied.search(query, 5, [3]) == plain.search(query, 5, [3])
