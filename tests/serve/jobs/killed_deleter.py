"""Processes that delete a video and die by SIGKILL just before one of their commands; `test_removal.py` runs them.

Run as ``python -m tests.serve.jobs.killed_deleter URL DATA_DIR VIDEO``: for each number on standard input a child is
forked that survives so many commands; its exit status is written to standard output, negative for a signal.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from memory.store.connection import connect
from memory.store.redis_store import RedisStore
from serve.jobs.job_queue import JobQueue
from serve.jobs.removal import Removal


def delete(url: str, data_dir: Path, video_id: str, survived: int) -> None:
    """Deletes as the service does; the command after so many is its last."""
    client = connect(url)
    send, left = client.execute_command, [survived]

    def dying(*arguments: Any, **options: Any) -> Any:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return send(*arguments, **options)

    client.execute_command = dying
    Removal(RedisStore(client), JobQueue(client, 10.0), data_dir).delete(video_id)


def main(url: str, data_dir: str, video_id: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                delete(url, Path(data_dir), video_id, int(line))
                status = 0
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
