"""Registers video files in the store: probed, identified by their content, created once.

The same content, watched by the same backend in the same way, gets the memory that is there already.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from memory.records import VideoRecord
from memory.store.base import MemoryStore
from pipeline.video.source import FrameSource

LOCAL_OWNER = "local"


@dataclass(frozen=True, slots=True)
class Registered:
    """A video of the store, whether it was there before, and the failed one it takes the place of."""

    video: VideoRecord
    existed: bool
    replaced: VideoRecord | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two memories the same: the content, and what watched it how."""

    sha256: str
    backend: str
    key_space: str
    sampling: str


def stream_record(identity: Identity, name: str) -> VideoRecord:
    """A new live stream, not yet in the store."""
    return VideoRecord(
        id=new_video_id(),
        number=0,
        owner=LOCAL_OWNER,
        name=name,
        status="live",
        sha256="",
        backend=identity.backend,
        key_space=identity.key_space,
        sampling=identity.sampling,
        created_s=time.time(),
    )


def new_video_id() -> str:
    """Opaque and not guessable."""
    return f"vid_{secrets.token_hex(8)}"


def register_file(
    store: MemoryStore,
    identity: Identity,
    source: FrameSource,
    path: Path,
    name: str,
    video_id: str | None = None,
) -> Registered:
    """Finds the file's video or creates it with status ``queued``; a failed one is begun anew.

    Raises what `source.probe` raises, before anything is written.
    """
    info = source.probe()
    replaced = None
    existing_id = store.find_content(LOCAL_OWNER, identity.sha256, identity.key_space, identity.sampling)
    if existing_id is not None:
        video = store.video(existing_id)
        if video.status != "failed":
            return Registered(video, True)
        replaced = store.delete_video(existing_id)
    record = VideoRecord(
        id=video_id or new_video_id(),
        number=0,
        owner=LOCAL_OWNER,
        name=name,
        status="queued",
        sha256=identity.sha256,
        backend=identity.backend,
        key_space=identity.key_space,
        sampling=identity.sampling,
        created_s=time.time(),
        duration_s=info.duration_s,
        media=str(path),
        media_offset_s=info.start_offset_s,
    )
    created = store.create_video(record)
    return Registered(created, created.id != record.id, replaced)
