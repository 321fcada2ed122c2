"""The registry of sources of frames, by URL scheme: `open_source` makes the one that an address asks for.

A path, or an address that begins with ``file://``, is decoded here; other distributions add schemes by entry points in
the group `longwatch.sources`. Their sources run in this process: only files are decoded in a sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from encoders.registry import Registry
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig, SandboxConfig
from pipeline.video.sandbox.source import SandboxedSource
from pipeline.video.source import FrameSource

SourceFactory = Callable[[str, DecodeConfig, SandboxConfig | None], FrameSource]
"""Makes a source from the whole address, how to sample, and the limits of a decoding child (None: media is trusted)."""


@cache
def default_sources() -> Registry[SourceFactory]:
    """The sources that come with Longwatch, and those of other distributions (`longwatch.sources`)."""
    return Registry("kind of source", "longwatch.sources", {"file": open_file})


def open_source(address: Path | str, config: DecodeConfig, sandbox: SandboxConfig | None) -> FrameSource:
    """The source for a path or an address. Raises `UnknownName` for a scheme that nothing is registered for."""
    return default_sources().get(scheme(address))(str(address), config, sandbox)


def scheme(address: Path | str) -> str:
    """``rtsp`` of ``rtsp://camera/1``; ``file`` of a path."""
    return urlsplit(address).scheme if isinstance(address, str) and "://" in address else "file"


def open_file(address: str, config: DecodeConfig, sandbox: SandboxConfig | None) -> FrameSource:
    """A file, decoded in a child process unless there is no sandbox."""
    path = Path(unquote(urlsplit(address).path) if address.startswith("file://") else address)
    return FileSource(path, config) if sandbox is None else SandboxedSource(path, config, sandbox=sandbox)
