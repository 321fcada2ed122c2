"""Helpers of the tests of the decoding child: find it, replace it, and check that nothing of it is left."""

from __future__ import annotations

import contextlib
import gc
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from encoders.frame import Frame
from pipeline.video.sandbox import process as sandbox_process


@contextlib.contextmanager
def nothing_is_left() -> Iterator[None]:
    """No child, not even a dead one, and no open file outlives what is done in here."""
    gc.collect()  # what earlier tests left behind is not ours
    before, files = children(), open_files()
    yield
    gc.collect()
    assert children() <= before
    assert open_files() <= files


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def the_child() -> int:
    """The number of the only decoding child."""
    pids = [c.pid for c in psutil.Process().children() if "pipeline.video.sandbox.child" in " ".join(c.cmdline())]
    assert len(pids) == 1
    return pids[0]


def same(a: list[Frame], b: list[Frame]) -> bool:
    return [f.time_s for f in a] == [f.time_s for f in b] and all(
        np.array_equal(x.rgb, y.rgb) for x, y in zip(a, b, strict=True)
    )


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """Every child that is started in here is killed before it can speak."""
    begun = subprocess.Popen.__init__

    def start(self: subprocess.Popen[bytes], *arguments: object, **options: object) -> None:
        begun(self, *arguments, **options)  # type: ignore[arg-type]
        self.send_signal(signal.SIGABRT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", start)
        yield


@contextlib.contextmanager
def children_that(do: str) -> Iterator[None]:
    """Every child that is started in here says that it is ready, and then does whatever the code `do` says."""
    code = (
        "import itertools, json, os, struct, sys, time\n"
        "def say(**message):\n"
        "    body = json.dumps(message).encode()\n"
        "    os.write(int(sys.argv[4]), struct.pack('>I', len(body)) + body)\n"
        "def show(number, time_s):\n"
        "    say(type='frame', slot=number % 4, width=1, height=1, time_s=time_s, damage=None)\n"
        "say(type='ready', guards=[])\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_process, "_PROGRAM", code + do)
        yield
