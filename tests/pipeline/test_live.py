from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import pytest

from encoders.notes import Notes
from memory.errors import CommitRefused
from memory.records import CubeMemory
from memory.store.redis_store import RedisStore
from pipeline.config import IngestConfig, LiveConfig
from pipeline.library import Identity, stream_record
from pipeline.live import LiveStream
from pipeline.live_events import LiveEvent
from tests.pipeline.fakes import colour_backend, scene

CONFIG = IngestConfig()
BACKEND = colour_backend()
LONG_IDLE = LiveConfig(idle_s=3600.0)
BEGAN_US = 1_900_000_000_000_000


def jpeg(colour: str, number: int = 0) -> bytes:
    written, data = cv2.imencode(".jpg", cv2.cvtColor(scene(colour, number), cv2.COLOR_RGB2BGR))
    assert written
    return bytes(data.tobytes())


def new_stream(store: RedisStore) -> str:
    identity = Identity("", BACKEND.name, str(BACKEND.keys.space), CONFIG.sampling)
    return store.create_video(stream_record(identity, "camera")).id


def live(store: RedisStore, video_id: str, config: LiveConfig = LONG_IDLE) -> LiveStream:
    return LiveStream(store, BACKEND, CONFIG, video_id, config)


def push(stream: LiveStream, seconds: float, picture: bytes | None = None) -> None:
    stream.push(BEGAN_US + round(seconds * 1e6), jpeg("red", int(seconds)) if picture is None else picture)


@contextmanager
def running(stream: LiveStream) -> Iterator[None]:
    """The stream's thread; leaving waits until all that was pushed is watched."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            stream.run()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stream.leave()
        thread.join(timeout=30)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


def watch_all(stream: LiveStream) -> None:
    with running(stream):
        pass


def wait_for_event(stream: LiveStream, true: Callable[[LiveEvent], bool]) -> LiveEvent:
    """The first event of which `true` holds, waited for."""
    after = 0
    while events := stream.events(after, 10.0):
        for event in events:
            if true(event):
                return event
        after = events[-1].number
    raise AssertionError("not heard of")


def events(stream: LiveStream, kind: str) -> list[LiveEvent]:
    return [event for event in stream.events(0, 0.0) if event.kind == kind]


def spans(cubes: list[CubeMemory]) -> list[tuple[float, float, str]]:
    return [(cube.span.start_s, cube.span.end_s, cube.boundary) for cube in cubes]


def test_one_picture_a_second_is_taken(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    for tenth in range(36):
        push(stream, tenth / 10)
    assert stream.credit()["frames"] == LONG_IDLE.queue_frames - 4
    watch_all(stream)
    stream.end()
    (cube,) = store.cubes(video_id)
    assert Notes.from_plain(dict(cube.notes)).steps == 4
    assert store.video(video_id).ingested_s == 4.0


def test_the_first_picture_is_second_zero(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    push(stream, 0.75)
    push(stream, 2.0)
    assert stream.credit()["received_s"] == 1.25
    watch_all(stream)
    assert store.video(video_id).start_utc_s == BEGAN_US / 1e6 + 0.75


def test_time_never_runs_back(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    for seconds in (0.0, 5.0, 1.0, 2.0, 4.9, -100.0, 6.0):
        push(stream, seconds)
    assert stream.credit()["frames"] == LONG_IDLE.queue_frames - 3
    assert stream.credit()["received_s"] == 6.0
    watch_all(stream)
    stream.end()
    assert spans(list(store.cubes(video_id))) == [(0.0, 7.0, "end")]


def test_a_full_queue_drops_its_oldest_picture_and_says_so(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store), LiveConfig(queue_frames=4, idle_s=3600.0))
    assert stream.credit() == {"frames": 4, "dropped": 0, "received_s": 0.0, "committed_s": None}
    for second in range(10):
        push(stream, second)
    assert stream.credit() == {"frames": 0, "dropped": 6, "received_s": 9.0, "committed_s": None}
    assert [event.data["dropped"] for event in events(stream, "credit")] == [1, 2, 3, 4, 5, 6]
    watch_all(stream)
    assert stream.credit() == {"frames": 4, "dropped": 6, "received_s": 9.0, "committed_s": 9.0}
    stream.end()
    assert spans(list(store.cubes(video_id))) == [(6.0, 10.0, "end")]


def test_only_a_full_commit_acknowledges(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store), LiveConfig(group_frames=4, full_steps=16, idle_s=3600.0))
    for second in range(12):
        push(stream, second)
    watch_all(stream)
    state = store.state(video_id)
    assert state is not None
    assert (state.next_step, state.resume_after_s, stream.committed_s) == (4, 3.0, 3.0)
    assert store.video(video_id).ingested_s == 12.0
    opened = store.open_cube(video_id)
    assert opened is not None
    assert (opened.span.start_s, opened.span.end_s) == (0.0, 12.0)
    assert [event.data["committed_s"] for event in events(stream, "credit")] == [3.0, 3.0, 3.0]
    stream.checkpoint()
    assert stream.committed_s == 11.0
    assert store.state(video_id).next_step == 12  # type: ignore[union-attr]
    assert store.video(video_id).status == "live"


def test_every_so_many_steps_everything_is_committed(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store), LiveConfig(group_frames=2, full_steps=4, idle_s=3600.0))
    for second in range(11):
        push(stream, second)
    watch_all(stream)
    acknowledged = [event.data["committed_s"] for event in events(stream, "credit")]
    assert acknowledged == [1.0, 1.0, 5.0, 5.0, 9.0, 9.0]
    assert store.applied(video_id) == 6


def test_without_pictures_everything_is_committed(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store), LiveConfig(group_frames=1, idle_s=0.02))
    for second in range(3):
        push(stream, second)
    with running(stream):
        wait_for_event(stream, lambda event: event.kind == "credit" and event.data["committed_s"] == 2.0)
    assert store.state(video_id).next_step == 3  # type: ignore[union-attr]


def test_a_cube_that_closes_is_told_and_acknowledged(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    for second in range(8):
        push(stream, second, jpeg("red" if second < 6 else "blue", second))
    watch_all(stream)
    assert spans(list(store.cubes(video_id))) == [(0.0, 6.0, "change")]
    assert stream.committed_s == 7.0
    cube_events = [(event.data["ordinal"], event.data["open"], event.data["span"]) for event in events(stream, "cube")]
    assert cube_events == [
        (None, True, {"start_s": 0.0, "end_s": 4.0}),
        (0, False, {"start_s": 0.0, "end_s": 6.0}),
        (None, True, {"start_s": 6.0, "end_s": 8.0}),
    ]
    assert "red" in events(stream, "cube")[1].data["notes"]


def test_events_are_numbered_without_gaps(store: RedisStore) -> None:
    stream = live(store, new_stream(store))
    for second in range(8):
        push(stream, second)
    watch_all(stream)
    numbers = [event.number for event in stream.events(0, 0.0)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [event.number for event in stream.events(3, 0.0)] == numbers[3:]
    assert stream.events(numbers[-1], 0.0) == []


@pytest.mark.parametrize("bad", [b"", b"not a picture", jpeg("red")[:200], b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_a_damaged_picture_is_refused_alone(store: RedisStore, bad: bytes) -> None:
    stream = live(store, video_id := new_stream(store))
    for second in range(6):
        push(stream, second, bad if second in (1, 4) else None)
    watch_all(stream)
    assert [(event.data["code"], event.data["fatal"]) for event in events(stream, "error")] == [
        ("media.unsupported", False)
    ] * 2
    stream.end()
    (cube,) = store.cubes(video_id)
    assert Notes.from_plain(dict(cube.notes)).steps == 4
    assert store.video(video_id).ingested_s == 6.0


def test_damaged_pictures_give_their_credit_back(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    for second in range(4):
        push(stream, second, b"not a picture")
    watch_all(stream)
    (credit,) = events(stream, "credit")
    assert credit.data["frames"] == LONG_IDLE.queue_frames
    stream.end()
    assert (store.video(video_id).status, store.video(video_id).cubes) == ("ready", 0)


def test_an_ended_stream_is_ready(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    push(stream, 0)
    push(stream, 1)
    watch_all(stream)
    stream.end()
    video = store.video(video_id)
    assert (video.status, video.cubes, video.ingested_s) == ("ready", 1, 2.0)
    assert spans(list(store.cubes(video_id))) == [(0.0, 2.0, "end")]
    assert store.open_cube(video_id) is None
    assert stream.committed_s == 1.0


def test_of_two_that_end_a_stream_at_once_one_does(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    push(stream, 0)
    watch_all(stream)
    before, failed = store.applied(video_id), []

    def end() -> None:
        try:
            stream.end()
            stream.checkpoint()
        except BaseException as error:  # noqa: BLE001 - asserted below
            failed.append(error)

    threads = [threading.Thread(target=end) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert store.applied(video_id) == before + 1
    assert spans(list(store.cubes(video_id))) == [(0.0, 1.0, "end")]
    assert store.video(video_id).status == "ready"


def test_a_stream_without_a_picture_can_be_ended(store: RedisStore) -> None:
    stream = live(store, video_id := new_stream(store))
    watch_all(stream)
    stream.end()
    assert (store.video(video_id).status, store.video(video_id).cubes) == ("ready", 0)


def test_after_a_crash_the_open_cube_is_interrupted_and_the_stream_goes_on(store: RedisStore) -> None:
    video_id = new_stream(store)
    crashed = live(store, video_id)
    for second in range(8):
        push(crashed, second)
    watch_all(crashed)  # the second group of four was committed lightly: it is lost with the worker
    again = live(store, video_id)
    assert again.committed_s == 3.0
    assert store.open_cube(video_id) is None
    for second in (2, 3, 4, 5):  # sent again from before what was acknowledged
        push(again, second)
    assert again.credit()["frames"] == LONG_IDLE.queue_frames - 2
    watch_all(again)
    again.end()
    assert spans(list(store.cubes(video_id))) == [(0.0, 4.0, "interrupted"), (4.0, 6.0, "end")]
    assert [cube.ordinal for cube in store.cubes(video_id)] == [0, 1]
    assert store.video(video_id).start_utc_s == BEGAN_US / 1e6


def test_after_a_crash_a_clock_that_was_put_back_does_not_run_back(store: RedisStore) -> None:
    video_id = new_stream(store)
    first = live(store, video_id)
    for second in range(4):
        push(first, second)
    watch_all(first)
    again = live(store, video_id)
    push(again, -3600.0)
    assert again.credit()["received_s"] == 3.0
    assert again.credit()["frames"] == LONG_IDLE.queue_frames


def test_a_stream_that_was_taken_over_is_refused(store: RedisStore) -> None:
    video_id = new_stream(store)
    first = live(store, video_id)
    live(store, video_id)
    push(first, 0)
    with pytest.raises(CommitRefused) as refused:
        watch_all(first)
    assert refused.value.reason == "epoch"


def test_a_crash_before_the_first_commit_loses_nothing_that_was_acknowledged(store: RedisStore) -> None:
    video_id = new_stream(store)
    push(live(store, video_id), 0)
    again = live(store, video_id)
    assert again.committed_s is None
    push(again, 1)
    watch_all(again)
    again.end()
    assert spans(list(store.cubes(video_id))) == [(0.0, 1.0, "end")]
    assert store.video(video_id).start_utc_s == BEGAN_US / 1e6 + 1


def test_two_streams_are_two_videos(store: RedisStore) -> None:
    assert new_stream(store) != new_stream(store)
    assert len(store.videos()) == 2
