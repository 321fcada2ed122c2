"""A multipart upload written to disk as it arrives: constant memory, hashed on the way, bounded.

Nothing stays of an upload that breaks off, is too large or holds no file: the part file is removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from python_multipart.multipart import MultipartParser, parse_options_header

from memory.errors import StoreFull
from serve.errors import BadRequest, DiskFull, UploadTooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD = "file"


@dataclass(frozen=True, slots=True)
class Received:
    """A whole upload on disk."""

    path: Path
    name: str
    sha256: str
    size_bytes: int


@dataclass(slots=True)
class _Parts:
    """What the parser's callbacks gather; only the first part named `file` is written."""

    out: BinaryIO
    limit_bytes: int
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    name: str | None = None
    complete: bool = False
    writing: bool = False
    header_name: bytes = b""
    header_value: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self.headers.clear,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
        }

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self.header_name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self.header_value += data[start:end]

    def _on_header_end(self) -> None:
        self.headers[self.header_name.lower()] = self.header_value
        self.header_name = self.header_value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        wanted = options.get(b"name", b"").decode("utf-8", "replace") == FILE_FIELD
        if wanted and self.name is None and b"filename" in options:
            self.name = _file_name(options[b"filename"].decode("utf-8", "replace"))
            self.writing = True

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if not self.writing:
            return
        self.size += end - start
        if self.size > self.limit_bytes:
            raise UploadTooLarge(f"a file may have {self.limit_bytes} bytes")
        self.digest.update(data[start:end])
        self.out.write(data[start:end])

    def _on_part_end(self) -> None:
        if self.writing:
            self.writing = False
            self.complete = True


def _file_name(name: str) -> str:
    """The last component, without control characters, at most 200 bytes, and never only dots."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    short = "".join(char for char in last if char.isprintable()).encode()[:200].decode(errors="ignore")
    return short if short.strip(".") else "video"


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadRequest("send the video as multipart/form-data with a part named 'file'")
    return bytes(boundary)


async def receive(
    chunks: AsyncIterator[bytes],
    content_type: str,
    part: Path,
    limit_bytes: int,
    check_room: Callable[[], None] = lambda: None,
) -> Received:
    """Writes the part named `file` to `part`. Raises `BadRequest`, `UploadTooLarge` or `DiskFull`; what `check_room`
    raises, which is asked before each piece, is `DiskFull` too."""
    boundary = _boundary(content_type)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            parts = _Parts(out, limit_bytes)
            parser = MultipartParser(boundary, parts.callbacks())
            async for chunk in chunks:
                await asyncio.to_thread(check_room)
                await asyncio.to_thread(parser.write, chunk)
            parser.finalize()
            out.flush()
            await asyncio.to_thread(os.fsync, out.fileno())
        if not parts.complete or parts.name is None:
            raise BadRequest("the upload holds no whole part named 'file'")
        return Received(part, parts.name, parts.digest.hexdigest(), parts.size)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError | StoreFull):
            raise DiskFull("there is not enough room on the disk for this upload") from error
        if isinstance(error, ValueError):  # the parser's own errors
            raise BadRequest("this is not a well-formed multipart body") from error
        raise
