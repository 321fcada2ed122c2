"""Tests the scorers of `python -m tests.bench memory`, and runs it small enough to check by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from encoders.base import Frame
from memory.config import IndexConfig
from memory.index.base import cube_ids
from memory.index.faiss_index import FaissIndex
from tests.bench.memory import selection, size
from tests.bench.memory.selection import Words


class Half(FaissIndex):
    """Finds five of ten."""

    def search(self, query: np.ndarray, limit: int, videos: object = None) -> list[tuple[int, float]]:
        return super().search(query, limit)[:5]


def test_recall_is_the_share_of_the_oracles_ten() -> None:
    rows = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    ids = np.concatenate([cube_ids(1, ordinal, 1) for ordinal in range(64)])
    for kind, share in ((FaissIndex, 1.0), (Half, 0.5)):
        index = kind(8, IndexConfig(flat_up_to=None))
        index.add_many(ids, rows)
        held = [(ids[:40], rows[:40]), (ids[40:], rows[40:])]
        assert selection._recall(index, held, rows[:6]) == share


def test_made_keys_are_like_pictures_keys() -> None:
    """Scenes that come again are near, others are not, and some word answers to each."""
    words = Words.load()
    keys = words.keys(600, np.random.default_rng(0))
    assert np.linalg.norm(keys, axis=1) == pytest.approx(np.ones(600), abs=1e-5)
    alike = np.sort(words.keys(3000, np.random.default_rng(1)) @ keys.T, axis=0)
    assert np.median(alike[-2]) > 0.7
    assert abs(np.median(alike)) < 0.2
    assert np.median((keys @ words.vectors.T).max(axis=1)) > 0.5


@pytest.mark.timeout(120)
def test_a_small_run_has_every_key_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "QUICK_SIZES", (300,))
    monkeypatch.setattr(selection, "QUICK_ONE_VIDEO", (500,))
    monkeypatch.setattr(selection, "EVEN", 4000)
    figures = selection.selection(True, tmp_path)
    measures = {"ours_p50_ms", "ours_p99_ms", "raw_p50_ms", "raw_p99_ms"}
    assert set(figures["select"]["300"]) == set(figures["one_video"]["500"]) == measures
    assert figures["owner_start"]["300"].keys() >= {"rebuild_s", "train_s", "save_s", "snapshot_s", "snapshot_mb"}
    assert figures["recall_at_10"] >= 0.99
    assert not list(tmp_path.glob("*.rows.json"))
    even = selection._even
    monkeypatch.setattr(selection, "_even", lambda count: pytest.fail("interrupted"))
    with pytest.raises(pytest.fail.Exception):
        selection.selection(True, tmp_path)
    monkeypatch.setattr(selection, "_even", even)
    monkeypatch.setattr(selection, "_across", lambda *arguments: pytest.fail("measured again"))
    assert selection.selection(True, tmp_path)["select"].keys() == {"300"}


def still(seconds: int) -> Iterator[Frame]:
    picture = np.random.default_rng(0).integers(0, 255, (90, 160, 3)).astype(np.uint8)
    return size._still(Frame(picture, 0.0), seconds // 60)


def test_a_still_camera_is_never_twice_the_same_and_hardly_changes() -> None:
    frames = list(still(120))
    assert [frame.time_s for frame in frames] == [float(i) for i in range(120)]
    changes = [np.abs(a.rgb.astype(int) - b.rgb).mean() for a, b in pairwise(frames)]
    assert 1.0 < min(changes) <= max(changes) < 5.0


def test_shots_are_so_long_and_fill_the_time() -> None:
    clips = [[Frame(np.full((2, 2, 3), 10 * c + i, np.uint8), float(i)) for i in range(9)] for c in range(2)]
    frames = list(size._cut(clips, 4, 1))
    assert [frame.time_s for frame in frames] == [float(i) for i in range(60)]
    values = [int(frame.rgb[0, 0, 0]) for frame in frames]
    for begins in range(0, 60, 4):
        assert values[begins : begins + 4] == list(range(values[begins], values[begins] + 4))
