"""End-to-end use of the real service: upload, events, ask, search, timeline, delete; a worker killed half-way."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import av
import httpx
import pytest

from serve.api import schemas
from serve.client import Client, ClientError
from tests.e2e.conftest import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.mp4"
TRUTH = json.loads(SAMPLE.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def sample(client: Client) -> schemas.Video:
    """The sample, uploaded and watched."""
    return watched(client, client.upload(SAMPLE))


def watched(client: Client, video: schemas.Video) -> schemas.Video:
    """Follows a video's events to its end."""
    *_, last = client.events(video.id)
    assert last.event == "ready", last
    return client.video(video.id)


def remade(target: Path, seconds: float) -> Path:
    """The first seconds of the sample as another file: the same packets, another content."""
    with av.open(str(SAMPLE)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None and float(packet.dts * packet.time_base) < seconds:
                packet.stream = copy
                out.mux(packet)
    return target


def test_upload_follows_events_to_ready(sample: schemas.Video) -> None:
    assert sample.status == "ready"
    assert sample.ingested_s == pytest.approx(TRUTH["seconds"], abs=1.0)
    assert sample.cubes >= len(TRUTH["scenes"]) - 1


def test_the_same_file_finds_its_memory(client: Client, sample: schemas.Video) -> None:
    assert client.upload(SAMPLE).id == sample.id


def test_ask_answers_with_the_times_of_both_appearances(client: Client, sample: schemas.Video) -> None:
    answer = client.ask(sample.id, "When does the cat appear?")
    assert answer.supported
    assert [(round(citation.start_s), round(citation.end_s)) for citation in answer.citations] == [(0, 9), (59, 68)]
    assert "0:00" in answer.answer
    assert "1:08" in answer.answer
    assert answer.as_of_s == pytest.approx(76.0, abs=0.1)


def test_ask_streamed_gives_citations_then_words_then_the_whole(client: Client, sample: schemas.Video) -> None:
    events = list(client.ask_stream(sample.id, "When does the tripod appear?"))
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "citations"
    assert kinds[-1] == "done"
    assert set(kinds[1:-1]) == {"delta"}
    done = events[-1][1]
    assert isinstance(done, schemas.AnswerBody)
    assert "".join(data for kind, data in events if kind == "delta") == done.answer


def test_search_over_two_videos(client: Client, sample: schemas.Video, tmp_path: Path) -> None:
    other = watched(client, client.upload(remade(tmp_path / "other.mp4", 17.0)))
    results = client.search("cat", videos=[sample.id, other.id], limit=3)
    assert {hit.video_id for hit in results.hits[:3]} == {sample.id, other.id}
    assert all(hit.score > 0.5 for hit in results.hits)
    only = client.search("cat", videos=[other.id])
    assert {hit.video_id for hit in only.hits} == {other.id}
    client.delete(other.id)


def test_timeline_thumbnails_and_media(service: RunningService, client: Client, sample: schemas.Video) -> None:
    cubes = client.timeline(sample.id).cubes
    assert all(a.end_s == b.start_s for a, b in pairwise(cubes))
    assert cubes[-1].boundary == "end"
    picture = httpx.get(service.url + str(cubes[2].thumbnail_url), headers=service.headers)
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8")
    part = httpx.get(service.url + str(sample.media_url), headers={**service.headers, "Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == SAMPLE.read_bytes()[10:20]
    moment = httpx.get(f"{service.url}/v1/videos/{sample.id}/frames", params={"time_s": 20.0}, headers=service.headers)
    assert moment.content.startswith(b"\xff\xd8")
    late = httpx.get(f"{service.url}/v1/videos/{sample.id}/frames", params={"time_s": 999.0}, headers=service.headers)
    assert (late.status_code, late.json()["code"]) == (404, "not_found")


def test_what_is_no_video_is_refused_with_its_name(client: Client, tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    with pytest.raises(ClientError) as refused:
        client.upload(text)
    assert (refused.value.status, refused.value.code) == (422, "media.unsupported")
    assert "notes.mp4" in refused.value.detail


def test_errors_are_problem_documents_and_the_connection_lasts(service: RunningService) -> None:
    with httpx.Client(base_url=service.url, headers=service.headers) as http:
        missing = http.get("/v1/videos/vid_none")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"
        assert missing.json()["code"] == "not_found"
        assert http.get("/v1/nothing/here").json()["code"] == "not_found"
        assert http.post("/v1/search", json={"query": ""}).json()["code"] == "request.invalid"
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/readyz").json() == {"status": "ready"}


def test_pages_of_other_sites_are_refused(service: RunningService) -> None:
    foreign = httpx.get(service.url + "/v1/videos", headers={"Origin": "https://elsewhere.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "origin.refused")
    rebound = httpx.get(service.url + "/v1/videos", headers={"Host": "elsewhere.example"})
    assert (rebound.status_code, rebound.json()["code"]) == (403, "origin.refused")


def test_an_ingest_goes_on_after_its_worker_was_killed(service: RunningService, client: Client, tmp_path: Path) -> None:
    video = client.upload(remade(tmp_path / "killed.mp4", 74.0))
    killed = False
    for event in client.events(video.id):
        if not killed and event.event == "progress" and 0 < event.video.ingested_s < 60:
            (worker,) = service.named("ray::IngestWorker")
            worker.kill()
            killed = True
    assert killed, "the worker was done before it could be killed"
    whole = client.video(video.id)
    assert whole.status == "ready"
    assert whole.ingested_s == pytest.approx(74.0, abs=1.0)
    cubes = client.timeline(video.id).cubes
    assert [cube.ordinal for cube in cubes] == list(range(len(cubes)))
    assert all(a.end_s == b.start_s for a, b in pairwise(cubes))
    client.delete(video.id)


def test_delete_leaves_nothing(service: RunningService, client: Client, tmp_path: Path) -> None:
    video = watched(client, client.upload(remade(tmp_path / "gone.mp4", 9.0)))
    client.delete(video.id)
    with pytest.raises(ClientError) as gone:
        client.video(video.id)
    assert gone.value.status == 404
    assert not [path for path in (service.data_dir / "media").iterdir() if video.id in path.name]
    assert not [hit for hit in client.search("cat").hits if hit.video_id == video.id]


def test_it_was_ready_in_time(service: RunningService) -> None:
    print(f"ready after {service.ready_after_s:.1f} s")
    assert service.ready_after_s < 120  # the goal is 45 s on two quiet cores; CI machines are not always quiet


def test_each_request_and_answer_is_a_line_without_content(
    service: RunningService, client: Client, sample: schemas.Video
) -> None:
    client.ask(sample.id, "When does the tabby teacup xylophone appear?")
    ask_lines = [line for line in service.stderr_lines if f"path=/v1/videos/{sample.id}/ask " in line]
    assert ask_lines, "".join(service.stderr_lines)
    assert " INFO longwatch.http request method=POST " in ask_lines[-1]
    assert " status=200 ms=" in ask_lines[-1]
    assert any(f" longwatch.answers answer video={sample.id} ms=" in line for line in service.stderr_lines)
    assert any(" longwatch.workers job ended video=" in line for line in service.stderr_lines)
    everything = "".join(service.stderr_lines)
    assert "xylophone" not in everything
    assert "Traceback" not in everything
