"""The worker that the kill test kills: a real ingest in a process of its own, forked off a parent that is warm.

Run as ``python -m tests.bench.memory.kill_worker DATA_DIR FILM``: it loads the pocket backend once, which takes
seconds, and then forks one child for each line on its standard input, so that thirty starts cost next to nothing. Each
child is a process like any other: it opens the store, finds the video, claims it, goes on where the last one was, and
can be killed by its id. What it says, one line each, on standard output:

    warm                     the backend is loaded
    child PID                a child was forked
    begin SECONDS            up to where the child found the video watched
    commit SECONDS           a commit was answered: watched up to there
    ended STATUS             the child is gone: its exit status, negative for a signal
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from encoders.base import Backend
from encoders.digest import file_sha256
from memory.config import StoreConfig
from memory.store.opening import StoreHold
from pipeline.config import IngestConfig
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig

CONFIG = IngestConfig(propagator="merging", screen_text_every_s=30.0)


def say(*words: object) -> None:
    """One line in one write, so that lines of parent and child never mix."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def watch(data_dir: Path, film: Path, backend: Backend) -> None:
    """Finds or registers the film and watches it to its end, as `longwatch ingest` does."""
    source = FileSource(film, DecodeConfig(fps=CONFIG.fps))
    identity = Identity(file_sha256(film), backend.name, str(backend.keys.space), CONFIG.sampling)
    with StoreHold(StoreConfig(data_dir)) as hold:
        store = hold.retrying()
        video = register_file(store, identity, source, film, film.name).video
        say("begin", video.ingested_s)
        Ingest(store, backend, CONFIG, lambda record, closed: say("commit", record.ingested_s)).run(video.id, source)


def main(data_dir: str, film: str) -> int:
    from encoders.pocket.backend import load

    backend = load(threads=1)
    say("warm")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                watch(Path(data_dir), Path(film), backend)
                status = 0
            finally:
                os._exit(status)
        say("child", child)
        say("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
