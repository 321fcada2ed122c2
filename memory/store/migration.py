"""Brings an older stored layout to the present one, and refuses a newer one.

The stored layout's number is in ``lw:schema``; a store without it is of layout 1 (or empty). Each video says its own
layout too, so that a migration that was cut off goes on at the first video that is left. Blobs are replaced one by one,
each only where the old one still is, while readers go on: `memory.store.codec` reads both. Any number of processes may
do it at once. Older releases must not write to the store any more: what they add afterwards stays in the old layout,
which is read but not counted as moved.

    1  int8 tokens only
    2  a cube names its tokens' type; a record has `watched_s` and its layout; a commit leaves its mark; the state of an
       unfinished video has other components

What was unfinished under layout 1 cannot go on from its state: a file is watched anew from its beginning, a live stream
ends as `partial` with the cubes it has.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from typing import Any

from memory.errors import CorruptRecord, SchemaTooNew
from memory.records import VideoError
from memory.store import codec
from memory.store.connection import SCHEMA, RedisKeys, Scripts, commits_channel, translated

log = logging.getLogger(__name__)

LAYOUT = 2
"""The layout that this release writes."""
_BLOBS_A_STEP = 32


def stored_layout(client: Any) -> int | None:
    """The layout of the whole store; None where none was noted yet."""
    with translated():
        version = client.hget(SCHEMA, "version")
    return None if version is None else int(version)


def migrate(client: Any, scripts: Scripts) -> int:
    """Makes the store one of this layout; returns how many videos were moved. Raises SchemaTooNew."""
    layout = stored_layout(client)
    if layout is not None and layout > LAYOUT:
        raise SchemaTooNew(layout, LAYOUT)
    if layout == LAYOUT:
        return 0
    moved = sum(migrate_video(client, scripts, video_id) for video_id in _left(client))
    layout = int(scripts.run("schema", [SCHEMA], [LAYOUT, secrets.token_hex(8)]))
    if layout > LAYOUT:
        raise SchemaTooNew(layout, LAYOUT)
    return moved


def _left(client: Any) -> Iterator[str]:
    """Ids of living videos that are not of this layout."""
    with translated():
        keys = sorted(client.scan_iter(match="lw:{*}:video", count=1000))
    for key in keys:
        with translated():
            layout, gone = client.hmget(key, "layout", "gone")
        if gone is None and (layout is None or int(layout) < LAYOUT):
            yield key.decode()[4:-7]


def migrate_video(client: Any, scripts: Scripts, video_id: str) -> bool:
    """Moves one video; False where it was deleted meanwhile. Raises CorruptRecord where a blob cannot be read."""
    keys = RedisKeys(video_id)
    _end_unfinished(client, scripts, keys)
    for part in ("keys", "cubes"):
        for blobs in _hash_blobs(client, keys[part]):
            _rewrite(scripts, keys, part, blobs)
    for part in ("state", "open"):
        with translated():
            blob = client.get(keys[part])
        if blob is not None:
            _rewrite(scripts, keys, part, {b"": blob})
    with translated():
        created_s = client.hget(keys.video, "created_s")
    return created_s is not None and bool(scripts.run("settle", [keys.video], [LAYOUT, "watched_s", created_s]))


def _end_unfinished(client: Any, scripts: Scripts, keys: RedisKeys) -> None:
    with translated():
        status = json.loads(client.hget(keys.video, "status") or "null")
        begun = client.exists(keys["state"])
    fields: dict[str, object]
    if status in ("queued", "ingesting") and begun:
        how, fields = "anew", {"status": "queued"}
    elif status == "live" and begun:
        cut = VideoError("stream.cut", "an update of Longwatch ended this stream; what it had closed is kept")
        how, fields = "end", {"status": "partial", "error": cut}
    else:
        return
    changes = [part for name, value in fields.items() for part in (name, codec.encode_video_field(value))]
    scripts.run("restart", keys.all, [how, LAYOUT, commits_channel(keys.id), *changes])


def _hash_blobs(client: Any, key: str) -> Iterator[dict[bytes, bytes]]:
    """A hash of blobs, a few at a time; its fields never change while it lives, they only become more."""
    with translated():
        fields = sorted(client.hkeys(key), key=int)
    for first in range(0, len(fields), _BLOBS_A_STEP):
        some = fields[first : first + _BLOBS_A_STEP]
        with translated():
            blobs = client.hmget(key, some)
        yield {field: blob for field, blob in zip(some, blobs, strict=True) if blob is not None}


def _rewrite(scripts: Scripts, keys: RedisKeys, part: str, blobs: dict[bytes, bytes]) -> None:
    changes: list[bytes] = []
    for field, blob in blobs.items():
        try:
            fresh = codec.upgraded(blob)
        except CorruptRecord as damaged:  # whoever reads it is told; the rest of the store opens
            log.warning("%s of video %s is left as it is: %s", part, keys.id, damaged)
            continue
        if fresh != blob:
            changes += [field, blob, fresh]
    if changes:
        scripts.run("rewrite", [keys.video, keys[part]], changes)
