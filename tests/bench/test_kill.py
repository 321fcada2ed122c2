"""Tests the kill test's scorer and its film; the kill test itself takes minutes and is in `tests/e2e/test_kill.py`."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.bench.memory.kill import _WorkerParent, scored
from tests.bench.memory.kill_film import FPS, write_film

WHOLE = ["cube 0", "cube 1", "video"]


@pytest.mark.parametrize(
    ("lines", "more", "lapses", "expected"),
    [
        (WHOLE, 0, 0, (0, 0, True)),
        (["cube 0", "video"], 0, 0, (1, 0, False)),
        (["cube 0", "cube 1", "cube 1", "video"], 0, 0, (0, 1, False)),
        (["cube 0", "cube x", "video"], 0, 0, (1, 1, False)),
        (["cube 1", "cube 0", "video"], 0, 0, (0, 0, False)),
        (WHOLE, 2, 0, (0, 2, True)),
        (WHOLE, -1, 0, (0, 0, True)),
        (WHOLE, 0, 3, (3, 0, True)),
    ],
)
def test_what_is_lost_and_what_is_doubled(lines: list[str], more: int, lapses: int, expected: tuple[Any, ...]) -> None:
    assert tuple(scored(WHOLE, lines, more, lapses).values()) == expected


class FakeProcess:
    """A process that has written some lines."""

    def __init__(self, *lines: str) -> None:
        self.stdout = io.BytesIO("".join(f"{line}\n" for line in lines).encode())

    def wait(self) -> int:
        return 7


def watching(*lines: str) -> _WorkerParent:
    process: Any = FakeProcess(*lines)
    parent = _WorkerParent(process)
    for _ in lines:
        parent.line()
    return parent


def test_a_restart_before_what_was_acknowledged_is_a_lapse() -> None:
    good = watching(
        "child 5", "begin 0.0", "commit 16.0", "ended -9", "child 6", "begin 16.0", "commit 32.0", "ended 0"
    )
    assert (good.lapses, good.acknowledged_s, good.statuses, good.pid) == (0, 32.0, [-9, 0], 0)
    ahead = watching("begin 0.0", "commit 16.0", "ended -9", "child 6", "begin 32.0")  # its last answer was lost
    assert (ahead.lapses, ahead.pid) == (0, 6)
    assert watching("commit 16.0", "begin 0.0").lapses == 1


def test_a_parent_that_has_ended_is_said_so() -> None:
    with pytest.raises(RuntimeError, match="status 7"):
        watching().until("warm")


def test_the_film_is_the_same_everywhere_and_has_the_cuts_it_says(tmp_path: Path) -> None:
    begins = write_film(tmp_path / "a.mp4", 60.0, seed=3)
    assert begins == write_film(tmp_path / "b.mp4", 60.0, seed=3)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in film.decode(video=0)]
    assert len(pictures) == 60 * FPS
    changes = [float(np.abs(b - a).mean()) for a, b in pairwise(pictures)]
    cut = {round(begin * FPS) - 1 for begin in begins if begin}
    assert min(changes[i] for i in cut) > max(change for i, change in enumerate(changes) if i not in cut)
