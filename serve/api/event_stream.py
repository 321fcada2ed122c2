"""Parses server-sent events (WHATWG HTML, section 9.2.6) from a response's bytes.

It does not reconnect. Lines end in CR LF, LF or CR only; `str.splitlines` would also cut at U+2028 and its like, which
JSON leaves inside strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
"""A CR at the end of what has come is left there: the next byte may be its LF."""
_BYTE_ORDER_MARK = "\ufeff"


class Message(NamedTuple):
    """One event: its name (`message` where none was sent) and its data lines joined by LF."""

    event: str
    data: str


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Events in order. Comments, ids and retry times are passed over; an event that was cut off is dropped."""
    event, data = "", list[str]()
    for line in _lines(chunks):
        if not line:
            if data:
                yield Message(event or "message", "\n".join(data))
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines without their ends; a last line that was cut off is dropped."""
    first = True
    for line in _byte_lines(chunks):
        text = line.decode("utf-8", errors="replace")
        yield text.removeprefix(_BYTE_ORDER_MARK) if first else text
        first = False


def _byte_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending = b""
    for chunk in chunks:
        *whole, pending = _LINE_END.split(pending + chunk)
        yield from whole
    if pending.endswith(b"\r"):
        yield pending[:-1]
