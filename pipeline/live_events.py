"""Numbered events of a live stream for its clients: credit, cubes and refused pictures, the last 1,024 of them.

log.emit("credit", {...})       by the stream, from any thread
log.after(number, wait_s)       by who passes them on; events have no gaps, so that nobody misses one
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from encoders.notes import Notes
from memory.records import CubeMemory, OpenCube
from pipeline.answering.phrases import notes_phrase

_KEPT = 1024


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event for the stream's clients: `kind` is ``credit``, ``cube`` or ``error``."""

    number: int
    kind: str
    data: dict[str, Any]


class EventLog:
    """Events of one stream, numbered from 1.

    Args:
        changed: the stream's condition; its lock must be one that its holder may take again.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._events: deque[LiveEvent] = deque(maxlen=_KEPT)
        self._number = 0
        self._ended = False

    @property
    def number(self) -> int:
        """The last event's."""
        with self._changed:
            return self._number

    def emit(self, kind: str, data: dict[str, Any]) -> None:
        """Adds an event."""
        with self._changed:
            self._number += 1
            self._events.append(LiveEvent(self._number, kind, data))
            self._changed.notify_all()

    def end(self) -> None:
        """From now on nobody waits for events."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def after(self, number: int, wait_s: float) -> list[LiveEvent]:
        """Events numbered above `number`; waits up to `wait_s` for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number or self._ended, wait_s)
            return [event for event in self._events if event.number > number]


def cube_event(cube: CubeMemory | OpenCube) -> dict[str, Any]:
    """The data of a ``cube`` event; the open cube has no ordinal yet."""
    ordinal = cube.ordinal if isinstance(cube, CubeMemory) else None
    return {
        "span": {"start_s": cube.span.start_s, "end_s": cube.span.end_s},
        "notes": notes_phrase(Notes.from_plain(dict(cube.notes))),
        "ordinal": ordinal,
        "open": ordinal is None,
    }
