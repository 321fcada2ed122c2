"""What the decoding child and its parent tell each other: short JSON documents, each behind its length.

The parent trusts nothing: `MessageReader` bounds lengths and times, and every field is checked for type and range where
it is turned into a value. Pixels never pass here; they lie in the shared ring, and a message names their place.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from pipeline.video.probe import Probed
from pipeline.video.source import MediaInfo

LARGEST_BYTES = 16384
"""Of one message of the child; the parent's are as long as they need to be."""

_LONGEST_TEXT = 1000
_LARGEST_NUMBER = 1e18

Message = dict[str, Any]


class Lost(Exception):
    """The child ended badly; the text is a clause for a person. `too_large`: it ran into a limit of memory or time."""

    def __init__(self, clause: str, *, too_large: bool = False) -> None:
        super().__init__(clause)
        self.too_large = too_large


class Killed(Lost):
    """Another process or the system ended the child, for no fault of the media; another child may do better."""

    def __init__(self) -> None:
        super().__init__("its decoder was killed from outside")


class Garbled(Lost):
    """The child said something that it never says."""

    def __init__(self, what: str) -> None:
        super().__init__(f"its decoder answered with nonsense: {what}")


class ChildTimeout(Lost):
    """The child said nothing for too long."""

    def __init__(self) -> None:
        super().__init__("decoding it stands still")


def packed(message: Message) -> bytes:
    """A message as bytes: its length (32 bits, big-endian), then JSON."""
    body = json.dumps(message).encode()
    return struct.pack(">I", len(body)) + body


class MessageReader:
    """Messages of the child, out of a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._bytes = bytearray()
        self._poller = select.poll()
        self._poller.register(fd, select.POLLIN)

    def next(self, wait_s: float) -> Message | None:
        """The next message; None when the child has closed the pipe. Raises `ChildTimeout` and `Garbled`."""
        until = time.monotonic() + wait_s
        while (size := self._size()) is None or len(self._bytes) < size:
            if not self._poller.poll(max(0.0, until - time.monotonic()) * 1000):
                raise ChildTimeout
            chunk = os.read(self._fd, 65536)
            if not chunk:
                return None
            self._bytes += chunk
        body = bytes(self._bytes[4:size])
        del self._bytes[:size]
        return _document(body)

    def _size(self) -> int | None:
        """Of the message at the front with its length; None while that is not known."""
        if len(self._bytes) < 4:
            return None
        (length,) = struct.unpack_from(">I", self._bytes)
        if length > LARGEST_BYTES:
            raise Garbled(f"a message of {length} bytes")
        return 4 + int(length)


def _document(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Garbled("no JSON") from error
    if not isinstance(message, dict):
        raise Garbled("no object")
    return message


def integer(message: Message, key: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`. Raises `Garbled`, as all of these do."""
    value = message.get(key)
    if type(value) is not int or not low <= value <= high:
        raise Garbled(key)
    return value


def number(message: Message, key: str, low: float = -_LARGEST_NUMBER, high: float = _LARGEST_NUMBER) -> float:
    """A finite number from `low` to `high`."""
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:  # also: not a NaN
        raise Garbled(key)
    return float(value)


def perhaps(message: Message, key: str, low: float = -_LARGEST_NUMBER) -> float | None:
    """A finite number of at least `low`, or None."""
    return None if message.get(key) is None else number(message, key, low)


def truth(message: Message, key: str) -> bool:
    """True or false."""
    value = message.get(key)
    if type(value) is not bool:
        raise Garbled(key)
    return value


def text(message: Message, key: str) -> str:
    """A printable sentence of bounded length."""
    value = message.get(key)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise Garbled(key)
    return value


def texts(message: Message, key: str) -> tuple[str, ...]:
    """A short list of sentences."""
    values = message.get(key)
    if not isinstance(values, list) or len(values) > 16:
        raise Garbled(key)
    return tuple(text({key: value}, key) for value in values)


def _fraction(message: Message, key: str) -> Fraction:
    value = message.get(key)
    if not isinstance(value, list) or len(value) != 2:
        raise Garbled(key)
    parts = {"numerator": value[0], "denominator": value[1]}
    return Fraction(integer(parts, "numerator", -(2**63), 2**63), integer(parts, "denominator", 1, 2**63))


def plain_probed(probed: Probed) -> Message:
    """What was found out about a video, for a message."""
    plain = asdict(probed)
    for key in ("time_base", "aspect"):
        value = plain[key]
        plain[key] = None if value is None else [value.numerator, value.denominator]
    return plain


def probed_from(message: Message) -> Probed:
    """The inverse of `plain_probed`, checked. Raises `Garbled`."""
    info = message.get("info")
    if not isinstance(info, dict):
        raise Garbled("info")
    return Probed(
        info=_info(info),
        start_pts=integer(message, "start_pts", -(2**63), 2**63),
        time_base=_fraction(message, "time_base"),
        mirrored=truth(message, "mirrored"),
        aspect=None if message.get("aspect") is None else _fraction(message, "aspect"),
        stream_start_s=number(message, "stream_start_s"),
        frame_s=number(message, "frame_s", 0.0),
        end_s=perhaps(message, "end_s", 0.0),
        work_pixels=perhaps(message, "work_pixels", 0.0),
        strict=truth(message, "strict"),
    )


def _info(info: Message) -> MediaInfo:
    return MediaInfo(
        width=integer(info, "width", 1, 2**31),
        height=integer(info, "height", 1, 2**31),
        duration_s=perhaps(info, "duration_s", 0.0),
        codec=text(info, "codec"),
        container=text(info, "container"),
        fps=perhaps(info, "fps", 0.0),
        start_offset_s=number(info, "start_offset_s"),
        key_interval_s=perhaps(info, "key_interval_s", 0.0),
        has_audio=truth(info, "has_audio"),
    )
