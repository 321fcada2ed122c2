"""A camera over the real websocket: pictures pushed, found while they come, asked about, remembered after the end."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from serve.client import Client
from tests.e2e.conftest import RunningService
from tests.e2e.test_service import remade

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "tests" / "data" / "sample.mp4"


def pictures(until_s: float) -> Iterator[tuple[float, bytes]]:
    """One JPEG a second of the sample."""
    with av.open(str(SAMPLE)) as video:
        due = 0.0
        for frame in video.decode(video=0):
            if frame.time >= until_s:
                return
            if frame.time >= due:
                due = frame.time + 1.0
                out = io.BytesIO()
                frame.to_image().save(out, "JPEG")
                yield frame.time, out.getvalue()


def opened(service: RunningService, name: str) -> tuple[str, ClientConnection]:
    stream = (
        httpx.post(f"{service.url}/v1/streams", json={"name": name}, headers=service.headers).raise_for_status().json()
    )
    assert stream["status"] == "live"
    return stream["id"], connected(service, stream["id"])


def connected(service: RunningService, video_id: str) -> ClientConnection:
    address = f"ws{service.url.removeprefix('http')}/v1/streams/{video_id}/live"
    return connect(address, additional_headers=service.headers, subprotocols=["longwatch.v1"])  # type: ignore[list-item]


def next_message(live: ClientConnection, kind: str, timeout_s: float = 60.0) -> dict[str, Any]:
    """The next message of a kind."""
    deadline = time.monotonic() + timeout_s
    while True:
        message: dict[str, Any] = json.loads(live.recv(timeout=max(deadline - time.monotonic(), 0.01)))
        if message["type"] == kind:
            return message


def test_a_stream_is_found_and_answers_while_it_runs(service: RunningService, client: Client) -> None:
    video_id, live = opened(service, "porch")
    began_us = time.time_ns() // 1000
    with live:
        ready = next_message(live, "ready")
        assert ready["video_id"] == video_id
        assert ready["credit"] >= 8
        for time_s, picture in pictures(9.0):  # the cat
            live.send(struct.pack(">q", began_us + round(time_s * 1e6)) + picture)
            next_message(live, "credit")
        sent = time.monotonic()
        while not (hits := client.search("cat", videos=[video_id]).hits) or hits[0].score < 0.5:
            assert time.monotonic() - sent < 3.0, "the open cube was not found within 3 s"
        assert hits[0].open
        live.send(json.dumps({"type": "ask", "id": 7, "question": "When does the cat appear?"}))
        answer = next_message(live, "done")
        assert answer["id"] == 7
        assert "0:00" in answer["answer"]
        assert answer["video_status"] == "live"
        assert answer["citations"][0]["start_utc"] is not None
        for time_s, picture in pictures(17.0):
            if time_s >= 9.0:
                live.send(struct.pack(">q", began_us + round(time_s * 1e6)) + picture)
        live.send(struct.pack(">q", began_us + 17_000_000) + b"no picture")
        refused = next_message(live, "error")
        assert (refused["code"], refused["fatal"]) == ("media.unsupported", False)
        live.send(json.dumps({"type": "bye"}))
        assert next_message(live, "ended")["video"]["status"] == "ready"
    cubes = client.timeline(video_id).cubes
    assert [cube.boundary for cube in cubes] == ["change", "end"]
    assert abs(cubes[1].start_s - 9.0) <= 1.0
    client.delete(video_id)


def test_a_stream_goes_on_after_a_lost_connection(service: RunningService, client: Client) -> None:
    video_id, live = opened(service, "hall")
    began_us = time.time_ns() // 1000
    shots = list(pictures(17.0))
    with live:
        next_message(live, "ready")
        for time_s, picture in shots[:6]:
            live.send(struct.pack(">q", began_us + round(time_s * 1e6)) + picture)
        credit = next_message(live, "credit")
        while (credit["committed_s"] or 0.0) < shots[5][0] - 1e-3:
            credit = next_message(live, "credit")
    with connected(service, video_id) as again:
        committed_s = next_message(again, "ready")["committed_s"]
        assert committed_s == pytest.approx(shots[5][0], abs=1e-3)
        for time_s, picture in shots:
            if time_s > committed_s + 1e-3:
                again.send(struct.pack(">q", began_us + round(time_s * 1e6)) + picture)
        again.send(json.dumps({"type": "bye"}))
        assert next_message(again, "ended")["video"]["status"] == "ready"
    cubes = client.timeline(video_id).cubes
    assert cubes[0].start_s == 0.0
    assert cubes[-1].end_s == pytest.approx(17.0, abs=0.1)
    client.delete(video_id)


def test_a_finished_video_is_no_stream(service: RunningService) -> None:
    video_id, live = opened(service, "yard")
    with live:
        next_message(live, "ready")
        live.send(json.dumps({"type": "bye"}))
        next_message(live, "ended")
    with connected(service, video_id) as late:
        error = next_message(late, "error")
    assert (error["code"], error["fatal"]) == ("stream.not_live", True)


def test_the_readme_example_prints_an_answer(service: RunningService, tmp_path: Path) -> None:
    clip = remade(tmp_path / "clip.mp4", 17.0)
    script = ROOT / "docs" / "examples" / "push_frames.py"
    command = [sys.executable, str(script), str(clip), "When does the cat appear?", service.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "0:00" in done.stdout
