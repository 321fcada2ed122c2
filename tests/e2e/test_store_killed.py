"""The store and its keeper are killed under the real service: watching goes on, and nothing is doubled."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from memory.store.embedded import EmbeddedValkey
from serve.api.schemas import Video
from serve.client import Client, ClientError
from tests.e2e.conftest import RunningService
from tests.e2e.test_service import remade

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]
DEADLINE_S = 180.0


def finished(client: Client, video: Video, refusals: set[tuple[int | None, str]]) -> Video:
    """The video at its end; what the service refused meanwhile is noted."""
    deadline = time.monotonic() + DEADLINE_S
    while video.status in ("queued", "ingesting"):
        assert time.monotonic() < deadline, video
        time.sleep(0.2)
        try:
            video = client.video(video.id)
        except ClientError as refused:
            refusals.add((refused.status, refused.code))
    return video


def test_a_killed_store_comes_back_and_ingest_goes_on(service: RunningService, client: Client, tmp_path: Path) -> None:
    video = client.upload(remade(tmp_path / "store.mp4", 70.0))
    for event in client.events(video.id):
        if event.video.ingested_s > 0:
            break
    store = EmbeddedValkey(service.data_dir / "store")
    for pid in (store.keeper_pid, store.pid):
        os.kill(pid, signal.SIGKILL)
    refusals: set[tuple[int | None, str]] = set()
    ended_video = finished(client, video, refusals)
    assert refusals <= {(503, "store.unavailable")}
    assert ended_video.status == "ready"
    assert ended_video.ingested_s == pytest.approx(70.0, abs=1.5)
    cubes = client.timeline(video.id).cubes
    assert [cube.ordinal for cube in cubes] == list(range(len(cubes)))
    assert all(a.end_s == b.start_s for a, b in pairwise(cubes))
    client.delete(video.id)
