"""The memory owner without Ray: it answers, follows the store, and leaves a snapshot that the next one begins with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from encoders.base import KeySpace
from memory.records import CubeMemory, GlobalMemory, IngestState, PackedTokens, TimeSpan, VideoRecord
from memory.retrieval.index_snapshot import videos_in
from memory.retrieval.keeper import drop_naming, snapshot_path
from memory.retrieval.retriever import RetrievalRequest
from memory.store.base import Commit
from memory.store.opening import StoreHold
from serve.actors.deployments import MemoryOwner
from serve.settings import Settings

SPACE = KeySpace("made", "ab" * 32, 4)
RED = np.eye(4, dtype=np.float32)[0]


class About:
    """The encoder's handle as far as the owner asks it."""

    async def remote(self) -> dict[str, Any]:
        return {"space": SPACE}


def owner_on(settings: Settings) -> MemoryOwner:
    return MemoryOwner(settings, SimpleNamespace(about=About()))


def remember(hold: StoreHold, video_id: str) -> None:
    """A video of two cubes."""
    tokens = PackedTokens(np.zeros((1, 1, 2), np.int8), np.ones((1, 1), np.float16))
    ones, keys = np.ones((1, 3), np.float32), RED[None].astype(np.float16)
    cubes = [
        CubeMemory(i, TimeSpan(i, i + 1), "change", tokens, ones[:, 0], ones, keys, ("seen",), {}, b"")
        for i in range(2)
    ]
    hold.store.create_video(VideoRecord(video_id, 0, "local", "", "queued", "", "b", str(SPACE), "1fps", 5.0))
    state = IngestState(2, 2, "full", None, GlobalMemory.empty(2))
    hold.store.commit(video_id, Commit(hold.store.claim(video_id), 0, state, cubes, None, 2.0, "ready"))


@pytest.mark.timeout(60)
def test_it_answers_follows_and_leaves_a_snapshot(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", runtime_dir=tmp_path / "r")

    async def work() -> None:
        owner = owner_on(settings)
        with StoreHold(settings.store_config()) as hold:
            remember(hold, "a")
            assert [hit.ordinal for hit in await owner.search(RED, 9, None)] == [0, 1]
            remember(hold, "b")
            assert len((await owner.retrieve("b", RetrievalRequest(RED))).hits) == 2
            before, after = await owner.neighbours("b", TimeSpan(1, 2))
            assert (before and before.ordinal, after) == (0, None)
            while {hit.video_id for hit in await owner.search(RED, 9, None)} != {"a", "b"}:
                await asyncio.sleep(0.01)
            hold.store.delete_video("a")
            await owner.forget("a")
            assert {hit.video_id for hit in await owner.search(RED, 9, None)} == {"b"}
            owner.__del__()
            owner._keeper = None
            path = snapshot_path(settings.data_dir, str(SPACE))
            assert videos_in(path) == ["b"]
            again = owner_on(settings)
            assert {hit.video_id for hit in await again.search(RED, 9, None)} == {"b"}
            again.__del__()
            again._keeper = None
            assert drop_naming(settings.data_dir, "b") == 1

    asyncio.run(work())
