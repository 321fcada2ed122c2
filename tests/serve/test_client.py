"""The Python client against a real HTTP server, and its reader of server-sent events against the standard's cases."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.api.event_stream import Message, messages
from serve.api.schemas import AnswerBody, SelectionBudget
from serve.client import Client, ClientError
from tests.serve.small_service import UNKIND, SmallService, problem, small_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SmallService]:
    with small_service(tmp_path) as state:
        yield state


@pytest.fixture
def client(service: SmallService) -> Iterator[Client]:
    with Client(service.url, timeout_s=20.0) as client:
        yield client


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "a film.mp4"
    path.write_bytes(os.urandom(300_000))
    return path


def test_an_upload_arrives_whole_and_tells_how_far_it_is(client: Client, service: SmallService, film: Path) -> None:
    reports: list[tuple[int, int]] = []
    video = client.upload(film, on_progress=lambda done, total: reports.append((done, total)))
    assert (video.name, video.status) == ("a film.mp4", "queued")
    assert service.files[video.id].read_bytes() == film.read_bytes()
    assert reports[-1] == (300_000, 300_000)
    assert all(before[0] <= after[0] for before, after in pairwise(reports))


def test_an_upload_is_read_in_small_pieces(client: Client, film: Path) -> None:
    steps: list[int] = []
    client.upload(film, on_progress=lambda done, total: steps.append(done))
    assert max(after - before for before, after in pairwise([0, *steps])) <= 2**20


def test_the_list_is_read_page_after_page(client: Client, service: SmallService) -> None:
    for number in range(5):
        service.add(f"{number}.mp4", b"")
    assert [video.name for video in client.videos()] == [f"{number}.mp4" for number in range(5)]


def test_events_end_with_the_final_state(client: Client, service: SmallService) -> None:
    video = service.add("a.mp4", b"")
    events = list(client.events(video.id))
    assert [name for name, _ in events] == ["progress", "progress", "ready"]
    assert [event.rate for event in events] == [7.5, 7.5, None]
    assert [event.video.ingested_s for event in events] == [4.0, 8.0, 12.0]
    assert client.video(video.id).status == "ready"


def test_events_that_break_off_are_told(client: Client, service: SmallService) -> None:
    video = service.add("a.mp4", b"")
    service.cut = True
    with pytest.raises(ClientError) as raised:
        list(client.events(video.id))
    assert raised.value.code == "stream.cut"


def test_ask_gives_the_whole_answer(client: Client, service: SmallService) -> None:
    video = service.add("a.mp4", b"")
    answer = client.ask(video.id, "When?", SelectionBudget(cubes=2, tokens=32))
    assert answer.citations[0].start_s == 4.0
    assert service.bodies == [{"question": "When?", "stream": False, "selection": {"cubes": 2, "tokens": 32}}]


def test_the_streamed_answer_is_the_same(client: Client, service: SmallService) -> None:
    video = service.add("a.mp4", b"")
    events = list(client.ask_stream(video.id, "When?"))
    assert [event[0] for event in events] == ["citations", "delta", "delta", "done"]
    whole = events[-1][1]
    assert isinstance(whole, AnswerBody)
    assert whole == client.ask(video.id, "When?")
    assert "".join(event[1] for event in events if event[0] == "delta") == whole.answer
    assert UNKIND in whole.answer


def test_a_problem_half_way_through_an_answer(client: Client, service: SmallService) -> None:
    video = service.add("a.mp4", b"")
    with pytest.raises(ClientError) as raised:
        list(client.ask_stream(video.id, "What trouble is there?"))
    assert (raised.value.status, raised.value.code) == (503, "store.unavailable")


def test_search(client: Client, service: SmallService) -> None:
    assert client.search("cat", videos=["v0"], limit=3).hits[0].start_s == 4.0
    client.search("dog")
    assert service.bodies == [{"query": "cat", "videos": ["v0"], "limit": 3}, {"query": "dog", "limit": 10}]


def test_timeline_and_delete(client: Client, service: SmallService) -> None:
    video = service.add("a.mp4", b"")
    list(client.events(video.id))
    assert [cube.start_s for cube in client.timeline(video.id).cubes] == [0.0, 4.0, 8.0]
    client.delete(video.id)
    with pytest.raises(ClientError) as raised:
        client.video(video.id)
    assert (raised.value.status, raised.value.code) == (404, "not_found")


def test_an_id_is_one_segment_of_the_path_whatever_it_holds(client: Client, service: SmallService) -> None:
    service.add("a.mp4", b"")
    with pytest.raises(ClientError) as raised:
        client.delete("v0?x#y")
    assert raised.value.code == "not_found"
    assert list(service.videos) == ["v0"]


@pytest.mark.parametrize("call", ["upload", "videos", "events", "ask_stream"])
def test_a_refusal_says_status_code_and_why(client: Client, service: SmallService, film: Path, call: str) -> None:
    service.add("a.mp4", b"")
    service.refusal = problem(413, "media.too_large", "The file is too large.")
    calls: dict[str, Callable[[], object]] = {
        "upload": lambda: client.upload(film),
        "videos": client.videos,
        "events": lambda: list(client.events("v0")),
        "ask_stream": lambda: list(client.ask_stream("v0", "When?")),
    }
    with pytest.raises(ClientError, match=r"too large\. \(media\.too_large\)") as raised:
        calls[call]()
    assert raised.value.status == 413


def test_an_error_that_is_no_problem_document(client: Client, service: SmallService) -> None:
    service.plain_refusal = 502
    with pytest.raises(ClientError) as raised:
        client.videos()
    assert (raised.value.status, raised.value.code) == (502, "http")


def test_an_answer_of_another_kind(client: Client, service: SmallService) -> None:
    service.plain_refusal = 200
    with pytest.raises(ClientError) as raised:
        client.videos()
    assert (raised.value.status, raised.value.code) == (None, "answer.unreadable")


def test_no_service(client: Client) -> None:
    with Client("http://127.0.0.1:1") as nobody, pytest.raises(ClientError) as raised:
        nobody.videos()
    assert (raised.value.status, raised.value.code) == (None, "unreachable")


def test_a_missing_file_is_the_callers_own_error(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.upload(tmp_path / "none.mp4")


def test_memory_does_not_grow_with_the_file(client: Client, tmp_path: Path) -> None:
    """The server is in this process and takes a refused body in without keeping it; 160 MB would show."""
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(160_000_000)
    steps = 0

    def refuse_later(done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if done > 120_000_000:
            raise InterruptedError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InterruptedError):
        client.upload(path, on_progress=refuse_later)
    assert steps > 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kilobytes


CASES = {
    "one": (b"data: a\n\n", [("message", "a")]),
    "named": (b"event: go\ndata: a\n\n", [("go", "a")]),
    "many lines": (b"data: a\ndata\ndata: b\n\n", [("message", "a\n\nb")]),
    "one space only": (b"data:  a\n\n", [("message", " a")]),
    "no space": (b"data:a\n\n", [("message", "a")]),
    "comments": (b": hello\n\n:\ndata: a\n: in between\n\n", [("message", "a")]),
    "unknown fields": (b"id: 7\nretry: 10\nother: x\ndata: a\n\n", [("message", "a")]),
    "a name without data": (b"event: go\n\ndata: a\n\n", [("message", "a")]),
    "cut off": (b"data: a\n\ndata: b\n", [("message", "a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
    "not UTF-8": (b"data: \xff\n\n", [("message", "\ufffd")]),
    "line separators inside": ("data: \u2028\x0b\x85\n\n".encode(), [("message", "\u2028\x0b\x85")]),
}


@pytest.mark.parametrize(("sent", "read"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_event_streams(sent: bytes, read: list[tuple[str, str]], end: bytes) -> None:
    assert list(messages([sent.replace(b"\n", end)])) == [Message(*pair) for pair in read]


@given(cuts=st.lists(st.integers(0, 80)), end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_event_streams_do_not_depend_on_how_they_are_cut(cuts: list[int], end: bytes) -> None:
    sent = "event: a\ndata: é\ndata: ü\n\n: hm\n\ndata: {}\n\n".encode().replace(b"\n", end)
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    pieces = [sent[start:stop] for start, stop in pairwise(places)]
    assert list(messages(pieces)) == [Message("a", "é\nü"), Message("message", "{}")]


def test_an_event_is_told_as_soon_as_it_is_whole() -> None:
    def arriving() -> Iterator[bytes]:
        yield b"data: a\r\n\r\n"
        raise AssertionError("read on without need")

    assert next(messages(arriving())) == Message("message", "a")
