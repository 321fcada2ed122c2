"""A live stream that never got a picture ends after a set time; one that did, or is young, goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.store.opening import StoreHold
from serve.api.service import Service
from serve.settings import Settings
from tests.contracts.store_cases import cube, full, record


class Ending:
    """The supervisor and its live workers: told to end a stream, they end it."""

    def __init__(self, hold: StoreHold) -> None:
        self._hold = hold
        self.video_id = ""

    def __getattr__(self, name: str) -> Any:
        return _Call(self, name)


class _Call:
    def __init__(self, ending: Ending, name: str) -> None:
        self._ending, self._name = ending, name

    async def remote(self, *arguments: Any) -> Any:
        if self._name == "live":
            self._ending.video_id = arguments[0]
            return self._ending
        if self._name == "end":
            self._ending._hold.store.update_video(self._ending.video_id, status="ready")
        return None


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[StoreHold]:
    with StoreHold(Settings(data_dir=tmp_path).store_config()) as hold:
        yield hold


def test_only_streams_that_stayed_empty_end(hold: StoreHold, tmp_path: Path) -> None:
    now_s = 10_000.0
    for video_id, created_s in (("old", now_s - 601), ("young", now_s - 599), ("watched", now_s - 5000)):
        hold.store.create_video(record(video_id, status="live", created_s=created_s, sha256=""))
    hold.store.commit("watched", full(hold.store.claim("watched"), 0, 16, [cube(0)]))
    other: Any = None
    use = Service(Settings(data_dir=tmp_path), hold, other, other, other, Ending(hold))
    assert asyncio.run(use.end_empty_streams(now_s)) == ["old"]
    assert {video.id: video.status for video in hold.store.videos()} == {
        "old": "ready",
        "young": "live",
        "watched": "live",
    }
    assert asyncio.run(use.end_empty_streams(now_s)) == []
