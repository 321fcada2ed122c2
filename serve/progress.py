"""A progress line on a terminal; whole lines, ten at most, where stderr is a file or a pipe."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

from pipeline.times import clock


class ProgressLine:
    """Shows how much of a video is watched."""

    def __init__(self, out: TextIO, name: str, duration_s: float | None) -> None:
        self._out = out
        self._name = name
        self._duration_s = duration_s
        self._live = out.isatty()
        self._shown_tenth = -1
        self._open = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._out.write("\n")

    def show(self, watched_s: float, cubes: int) -> None:
        """One more commit."""
        share = min(watched_s / self._duration_s, 1.0) if self._duration_s else None
        of = f" of {clock(self._duration_s)} ({share:.0%})" if self._duration_s and share is not None else ""
        line = f"watching {self._name}: {clock(watched_s)}{of}, {cubes} cubes closed"
        if self._live:
            self._out.write(f"\r\x1b[K{line}")
            self._open = True
        elif share is None or int(share * 10) > self._shown_tenth:
            self._shown_tenth = int((share or 0.0) * 10)
            self._out.write(line + "\n")
        self._out.flush()
