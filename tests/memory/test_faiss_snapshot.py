from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memory.errors import CorruptRecord, KeySpaceMismatch
from memory.faiss_index import FaissIndex

QUERY = np.ones(8, np.float32)


def filled() -> FaissIndex:
    index = FaissIndex(8)
    rng = np.random.default_rng(0)
    for ordinal in range(10):
        index.add(1 + ordinal % 2, ordinal, rng.normal(size=(3, 8)))
    return index


def test_a_snapshot_is_the_index(tmp_path: Path) -> None:
    index = filled()
    index.save(tmp_path / "index", "k:1:8", {"v1": 7})
    loaded, applied = FaissIndex.load(tmp_path / "index", 8, "k:1:8")
    assert applied == {"v1": 7}
    assert loaded.search(QUERY, 30) == index.search(QUERY, 30)
    loaded.add(1, 0, np.zeros((3, 8)))
    assert len(loaded) == 30
    assert loaded.remove_video(2) == 15
    loaded.add(2, 1, np.ones((1, 8)))
    assert len(loaded) == 16
    assert [p.name for p in tmp_path.iterdir()] == ["index"]


def test_an_empty_index_is_saved_too(tmp_path: Path) -> None:
    FaissIndex(8).save(tmp_path / "index", "k", {})
    assert len(FaissIndex.load(tmp_path / "index", 8, "k")[0]) == 0


@pytest.mark.parametrize("place", [0, 10, 45, -1])
def test_a_flipped_byte_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "index"
    filled().save(path, "k", {})
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(CorruptRecord):
        FaissIndex.load(path, 8, "k")


def test_another_key_space_is_refused_by_name(tmp_path: Path) -> None:
    filled().save(tmp_path / "index", "k:1:8", {})
    with pytest.raises(KeySpaceMismatch, match="k:1:8, not k:2:8"):
        FaissIndex.load(tmp_path / "index", 8, "k:2:8")


def test_no_snapshot_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FaissIndex.load(tmp_path / "index", 8, "k")
