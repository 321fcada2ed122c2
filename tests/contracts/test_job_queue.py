"""The ingest queue on every server the store runs on, the cluster included; what it promises is in `test_jobs.py`."""

from __future__ import annotations

from memory.store.redis_store import RedisStore
from serve.jobs.job_queue import JobQueue


def test_a_job_is_taken_held_given_back_done_and_forgotten(store: RedisStore) -> None:
    jobs = JobQueue(store._client, 60.0)
    jobs.prepare()
    for video in ("v1", "v2", "v3"):
        jobs.add(video)
    first = jobs.take("one", 1.0)
    assert first is not None
    assert (first.video_id, first.tries) == ("v1", 1)
    assert jobs.renew("one", first)
    assert not jobs.renew("two", first)
    jobs.give_back(first)
    second = jobs.take("two", 1.0)
    assert second is not None
    jobs.done(second)
    jobs.forget("v3")
    assert jobs.videos() == {"v1"}
    assert jobs.waiting() == 1
