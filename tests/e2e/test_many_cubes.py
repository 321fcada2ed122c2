"""A video of many cubes, uploaded and asked with 64 of them: read through the pruned cache, and answered right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from serve.api.schemas import SelectionBudget
from serve.client import Client

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.mp4"
SCENE_S, SCENES, CAT_AT = 3, 90, 25


def many_scenes(target: Path) -> Path:
    """90 scenes of three seconds, stills out of the sample; the cat in one of them."""
    with av.open(str(SAMPLE)) as source:
        stills = {}
        for frame in source.decode(video=0):
            stills.setdefault(int(frame.time), frame.to_image().resize((320, 180)))
    cat, others = stills[4], [stills[second] for second in (13, 21, 30, 55, 71)]
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(SCENES * SCENE_S * 2):
            scene = number // (SCENE_S * 2)
            frame = av.VideoFrame.from_image(cat if scene == CAT_AT else others[scene % len(others)])
            frame.pts, frame.time_base = number, Fraction(1, 2)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target


def test_a_video_asked_with_64_cubes(client: Client, tmp_path: Path) -> None:
    video = client.upload(many_scenes(tmp_path / "many.mp4"))
    *_, last = client.events(video.id)
    assert last.event == "ready", last
    assert client.video(video.id).cubes >= 64
    answer = client.ask(video.id, "When does the cat appear?", SelectionBudget(cubes=64, tokens=4096))
    assert answer.usage.cache.compactions > 0
    assert answer.usage.cache.slots <= 768
    assert answer.usage.memory_cubes == 64
    assert answer.supported
    assert "1:15" in answer.answer
    assert [round(citation.start_s) for citation in answer.citations] == [CAT_AT * SCENE_S]
