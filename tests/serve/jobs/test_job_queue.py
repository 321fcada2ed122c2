from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memory.store.connection import connect_socket
from memory.store.embedded import EmbeddedValkey
from serve.jobs.job_queue import STREAM, Job, JobQueue

LEASE_S = 0.2
LONG_S = 60.0


@pytest.fixture(scope="module")
def _client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with EmbeddedValkey(tmp_path_factory.mktemp("jobs")) as server:
        client = connect_socket(server.socket)
        yield client
        client.close()


@pytest.fixture
def client(_client: Any) -> Any:
    _client.flushall()
    return _client


@pytest.fixture
def jobs(client: Any) -> JobQueue:
    """A queue whose leases do not run out while a test runs."""
    queue = JobQueue(client, LONG_S)
    queue.prepare()
    return queue


@pytest.fixture
def short(jobs: JobQueue, client: Any) -> JobQueue:
    """The same queue as a worker with a short lease sees it."""
    return JobQueue(client, LEASE_S)


def taken(jobs: JobQueue, worker: str) -> Job:
    """A job that is there, or that is about to be given free."""
    deadline = time.monotonic() + 10
    while (job := jobs.take(worker, 0.01)) is None:
        assert time.monotonic() < deadline, "no job came"
    return job


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_empty_queue_gives_nothing(jobs: JobQueue) -> None:
    assert jobs.take("one", 0.01) is None
    assert jobs.waiting() == 0


def test_preparing_twice_keeps_what_is_there(jobs: JobQueue) -> None:
    jobs.add("v1")
    jobs.prepare()
    assert taken(jobs, "one").video_id == "v1"


def test_what_was_added_before_the_group_was_made_is_found(client: Any) -> None:
    early = JobQueue(client, LONG_S)
    early.add("v1")
    early.prepare()
    assert taken(early, "one").video_id == "v1"


def test_each_job_goes_to_one_worker_in_order(jobs: JobQueue) -> None:
    for video in ("v1", "v2", "v3"):
        jobs.add(video)
    got = [taken(jobs, worker) for worker in ("one", "two", "one")]
    assert [(job.video_id, job.tries) for job in got] == [("v1", 1), ("v2", 1), ("v3", 1)]
    assert jobs.take("two", 0.01) is None
    assert jobs.waiting() == 3


def test_done_removes_a_job(jobs: JobQueue, client: Any) -> None:
    jobs.add("v1")
    jobs.done(taken(jobs, "one"))
    assert jobs.waiting() == 0
    assert client.xpending(STREAM, "ingest")["pending"] == 0


def test_a_job_whose_lease_ran_out_goes_to_another(jobs: JobQueue, short: JobQueue) -> None:
    jobs.add("v1")
    first = taken(jobs, "one")
    second = taken(short, "two")
    assert (second.id, second.video_id, second.tries) == (first.id, "v1", 2)
    assert not jobs.renew("one", first)
    assert jobs.renew("two", second)
    assert taken(short, "three").tries == 3


def test_a_renewed_job_stays(jobs: JobQueue, short: JobQueue) -> None:
    jobs.add("v1")
    job = taken(jobs, "one")
    began = time.monotonic()
    while time.monotonic() < began + 3 * LEASE_S:
        renewed = time.monotonic()
        assert jobs.renew("one", job)
        other = short.take("two", 0.01)
        if other is not None:
            assert time.monotonic() - renewed > LEASE_S, "taken although it was renewed"  # a machine that stood still
            return
    assert taken(short, "two").tries == 2


def test_renewing_does_not_count_as_a_try(jobs: JobQueue, short: JobQueue) -> None:
    jobs.add("v1")
    job = taken(jobs, "one")
    assert all(jobs.renew("one", job) for _ in range(5))
    assert taken(short, "two").tries == 2


def test_a_job_that_is_done_cannot_be_renewed(jobs: JobQueue) -> None:
    jobs.add("v1")
    job = taken(jobs, "one")
    jobs.done(job)
    assert not jobs.renew("one", job)


def test_a_job_given_back_is_free_at_once_and_last(jobs: JobQueue) -> None:
    jobs.add("v1")
    jobs.add("v2")
    first = taken(jobs, "one")
    jobs.give_back(first)
    assert jobs.waiting() == 2
    assert [(job.video_id, job.tries) for job in (taken(jobs, "two"), taken(jobs, "two"))] == [("v2", 1), ("v1", 1)]
    assert not jobs.renew("one", first)


def test_a_videos_jobs_are_forgotten_leased_or_not(jobs: JobQueue, short: JobQueue, client: Any) -> None:
    for video in ("v1", "v2", "v1"):
        jobs.add(video)
    first = taken(jobs, "one")
    with short.held("one", first) as lost:
        jobs.forget("v1")
        assert lost.wait(10), "its worker learns of it"
    assert jobs.videos() == {"v2"}
    assert client.xpending(STREAM, "ingest")["pending"] == 0
    assert taken(jobs, "two").video_id == "v2"


def test_where_there_is_no_queue_nothing_is_forgotten(client: Any) -> None:
    JobQueue(client, LONG_S).forget("v1")
    assert client.exists(STREAM) == 0


def test_held_keeps_a_job_for_as_long_as_the_block_lasts(jobs: JobQueue, short: JobQueue, client: Any) -> None:
    jobs.add("v1")
    job = taken(short, "one")
    with short.held("one", job) as lost:
        idle = []
        until(lambda: _idle_ms(client, job, idle) and len(idle) > 3)
        assert not lost.is_set()
    assert client.xpending_range(STREAM, "ingest", job.id, job.id, 1)[0]["times_delivered"] == 1


def _idle_ms(client: Any, job: Job, renewals_ms: list[int]) -> bool:
    """Notes the time since the last renewal whenever it begins anew."""
    idle = int(client.xpending_range(STREAM, "ingest", job.id, job.id, 1)[0]["time_since_delivered"])
    if idle < 20 and (not renewals_ms or time.monotonic_ns() // 1_000_000 - renewals_ms[-1] > 25):
        renewals_ms.append(time.monotonic_ns() // 1_000_000)
    return True


def test_held_says_when_another_has_the_job(jobs: JobQueue, short: JobQueue, client: Any) -> None:
    jobs.add("v1")
    job = taken(jobs, "one")
    with short.held("one", job) as lost:
        client.xclaim(STREAM, "ingest", "two", 0, [job.id])
        assert lost.wait(10)


def test_held_says_when_the_job_is_gone(jobs: JobQueue, short: JobQueue) -> None:
    jobs.add("v1")
    job = taken(jobs, "one")
    with short.held("one", job) as lost:
        jobs.done(job)
        assert lost.wait(10)


def test_a_deleted_entry_of_a_dead_worker_is_passed_over(jobs: JobQueue, short: JobQueue, client: Any) -> None:
    jobs.add("v1")
    client.xdel(STREAM, taken(jobs, "one").id)
    jobs.add("v2")
    assert taken(short, "two").video_id == "v2"


def test_a_job_that_is_released_is_taken_at_once_and_its_try_counts_or_not(jobs: JobQueue) -> None:
    jobs.add("v1")
    for _ in range(3):
        job = taken(jobs, "a")
        assert job.tries == 1
        jobs.release("a", job, counted=False)
    job = taken(jobs, "b")
    assert job.tries == 1
    jobs.release("a", job, counted=False)
    assert jobs.take("a", 0.01) is None, "the job is another worker's"
    jobs.release("b", job, counted=True)
    assert taken(jobs, "c").tries == 2
