"""Writes a timeline into a store as a memory, as if a faultless encoder had watched it.

For questions whose answer must not depend on what an encoder recognises. No video is watched: tokens are empty and
pictures missing, so only words, keys and times can be asked for.
"""

from __future__ import annotations

import hashlib
import time

import numpy as np

from encoders.base import KeyEncoder
from encoders.notes import Notes, ScreenText, Thing
from memory.records import CubeMemory, GlobalMemory, IngestState, TimeSpan, VideoRecord
from memory.store.base import Commit, MemoryStore
from memory.store.packing import pack_tokens
from pipeline.library import LOCAL_OWNER
from tests.bench.answers.items import TimelineItem, TimelineLine, parse_timeline

_SURE = 0.9


def remember(store: MemoryStore, keys: KeyEncoder, backend: str, item: TimelineItem) -> str:
    """Writes the item's timeline as a watched video; returns its id. The same timeline is written once."""
    digest = hashlib.sha256("\n".join(item.timeline).encode()).hexdigest()
    existing = store.find_content(LOCAL_OWNER, digest, str(keys.space), "timeline")
    if existing is not None:
        return existing
    lines = parse_timeline(item.timeline)
    record = VideoRecord(
        id=f"vid_{digest[:16]}",
        number=0,
        owner=LOCAL_OWNER,
        name="timeline",
        status="ingesting",
        sha256=digest,
        backend=backend,
        key_space=str(keys.space),
        sampling="timeline",
        created_s=time.time(),
        duration_s=lines[-1].end_s,
    )
    video = store.create_video(record)
    cubes = [_cube(keys, i, line, last=i + 1 == len(lines)) for i, line in enumerate(lines)]
    state = IngestState(len(lines), len(lines), "full", lines[-1].start_s, GlobalMemory.empty(1))
    store.commit(video.id, Commit(store.claim(video.id), 0, state, cubes, None, lines[-1].end_s, "ready"))
    return video.id


def _cube(keys: KeyEncoder, ordinal: int, line: TimelineLine, *, last: bool) -> CubeMemory:
    end_s = line.end_s
    notes = Notes(
        things=tuple(Thing(name, _SURE) for name in line.things),
        texts=tuple(ScreenText(text, _SURE, line.start_s, end_s) for text in line.texts),
        colours=("grey",),
        steps=max(1, round(end_s - line.start_s)),
    )
    words = [("seen", name) for name in line.things] + [("line", text) for text in line.texts]
    rows = [keys.question(word) for _, word in words]
    return CubeMemory(
        ordinal=ordinal,
        span=TimeSpan(line.start_s, end_s),
        boundary="end" if last else "change",
        tokens=pack_tokens(np.zeros((1, 1, 1), np.float32)),
        weights=np.ones(1, np.float32),
        positions=np.array([[line.start_s, 0.0, 0.0]], np.float32),
        keys=np.array(rows, np.float16).reshape(len(rows), keys.space.dim),
        key_kinds=tuple(kind for kind, _ in words),
        notes=notes.to_plain(),
        thumbnail=b"",
    )
