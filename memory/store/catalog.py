"""The part of `RedisStore` that spans videos: their list, their numbers, and which content is already stored.

All of it can be derived from the videos' own records: a record is written before and removed after its entries here, so
after a crash `repair` adds what is missing and removes what is left over. Readers skip entries without a record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from memory.errors import StoreError, StoreFull, UnknownVideo
from memory.records import VideoRecord
from memory.store.codec import decode_video, encode_video
from memory.store.connection import CONTENT, DELETING, NUMBERS, VIDEOS, RedisKeys, Scripts, commits_channel, translated
from memory.store.migration import LAYOUT

_BATCH = 256


def content_identity(owner: str, sha256: str, key_space: str, sampling: str) -> str:
    """One digest over what makes two memories interchangeable."""
    return hashlib.sha256("\0".join((owner, sha256, key_space, sampling)).encode()).hexdigest()


def _identity(record: VideoRecord) -> str:
    return content_identity(record.owner, record.sha256, record.key_space, record.sampling)


def _literal(text: str) -> str:
    """A text as a pattern of SCAN that matches it alone."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


def _decoded(texts: dict[bytes, bytes]) -> VideoRecord:
    return decode_video({name.decode(): text for name, text in texts.items()})


class Catalog:
    """Creation, listing and deletion of videos on one server or cluster."""

    def __init__(self, client: Any, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def create(self, record: VideoRecord) -> VideoRecord:
        """Writes the record under a new number; where a living video holds the same content, that one is returned and
        nothing is added."""
        with translated():
            numbered = replace(record, number=int(self._client.incr(NUMBERS)))
        keys = RedisKeys(record.id)
        fields: list[Any] = [part for pair in encode_video(numbered).items() for part in pair]
        fields += ["epoch", 0, "next_step", 0, "commits", 0, "layout", LAYOUT]
        if not self._scripts.run("create", [keys.video], [numbered.number, *fields]):
            raise StoreError(f"a video {record.id!r} exists already")
        holder = self._hold_content(numbered)
        if holder.id != record.id:
            self._scripts.run("remove", keys.all, [commits_channel(record.id)])
            return holder
        with translated():
            self._client.zadd(VIDEOS, {record.id: record.created_s})
        return numbered

    def _hold_content(self, record: VideoRecord) -> VideoRecord:
        """Claims the record's content for it; the video that holds it in the end."""
        while record.sha256:
            identity = _identity(record)
            with translated():
                if self._client.hsetnx(CONTENT, identity, record.id):
                    break
                holder_id = self._client.hget(CONTENT, identity)
            if holder_id is None or holder_id.decode() == record.id:
                continue
            holder = self.get(holder_id.decode())
            if holder is not None:
                return holder
            if self._scripts.run("swap", [CONTENT], [identity, holder_id, record.id]):
                break
        return record

    def get(self, video_id: str) -> VideoRecord | None:
        """A living video's record."""
        return next(self._records([video_id]))

    def _records(self, video_ids: Iterable[str]) -> Iterator[VideoRecord | None]:
        with translated():
            pipeline = self._client.pipeline(transaction=False)
            for video_id in video_ids:
                pipeline.hgetall(RedisKeys(video_id).video)
            answers = pipeline.execute()
        for texts in answers:
            yield _decoded(texts) if texts and b"gone" not in texts else None

    def list(self, owner: str | None) -> list[VideoRecord]:
        """Newest first, one owner's or all."""
        with translated():
            ids = [value.decode() for value in self._client.zrevrange(VIDEOS, 0, -1)]
        records: list[VideoRecord] = []
        for start in range(0, len(ids), _BATCH):
            records += [r for r in self._records(ids[start : start + _BATCH]) if r is not None]
        wanted = [r for r in records if owner is None or r.owner == owner]
        return sorted(wanted, key=lambda r: (-r.created_s, -r.number))

    def find_content(self, identity: str) -> str | None:
        """Id of the living video that holds this content."""
        with translated():
            value = self._client.hget(CONTENT, identity)
        return value.decode() if value is not None and self.get(value.decode()) is not None else None

    def mark_deleted(self, video_id: str) -> VideoRecord:
        """Begins a deletion, or finds one begun: from now on nobody but `pending_deletions` and `delete` finds the
        video. Raises UnknownVideo where nothing is left of its record."""
        keys = RedisKeys(video_id)
        with translated():
            self._scripts.run("doom", [DELETING], [video_id])
            texts = self._client.hgetall(keys.video) if self._scripts.run("tombstone", [keys.video]) else {}
            if not texts:
                self._remove(video_id)
                raise UnknownVideo(video_id)
        return _decoded(texts)

    def pending_deletions(self) -> Iterator[VideoRecord]:
        """Records of videos whose deletion has begun and not ended."""
        for video_id in sorted(self._dying(self._scanned())):
            with suppress(UnknownVideo):  # it had come as far as the record itself; now the rest is gone too
                yield self.mark_deleted(video_id)

    def delete(self, video_id: str) -> VideoRecord:
        """Removes a video from everywhere; goes on where an earlier attempt ended. Raises UnknownVideo."""
        record = self.mark_deleted(video_id)
        self._scripts.run("swap", [CONTENT], [_identity(record), video_id, ""])
        self._remove(video_id)
        return record

    def _remove(self, video_id: str) -> None:
        """All keys of a video, those included that others have put beside ours; the mark last."""
        keys = RedisKeys(video_id)
        with translated():
            self._client.zrem(VIDEOS, video_id)
            beside = {key.decode() for key in self._client.scan_iter(match=f"{_literal(keys[''])}*", count=1000)}
            self._scripts.run("remove", [*keys.all, *sorted(beside - set(keys.all))], [commits_channel(video_id)])
            self._client.srem(DELETING, video_id)

    def _scanned(self) -> set[str]:
        """Ids of which any key is left, by a scan of the whole keyspace."""
        with translated():
            return {
                key.decode()[4:].rpartition("}:")[0] for key in self._client.scan_iter(match="lw:{*}:*", count=1000)
            }

    def _dying(self, scanned: set[str]) -> set[str]:
        """Ids whose deletion has begun, or whose record is gone while something else is left."""
        with translated():
            marked = {value.decode() for value in self._client.smembers(DELETING)}
        ids = sorted(scanned)
        return marked | {i for i, record in zip(ids, self._records(ids), strict=True) if record is None}

    def repair(self) -> int:
        """Finishes deletions and derives the lists again; returns how many entries were mended."""
        scanned = self._scanned()
        dying = self._dying(scanned)
        for video_id in sorted(dying):
            with suppress(UnknownVideo):  # it had come as far as the record itself; now the rest is gone too
                self.delete(video_id)
        alive = (record for record in self._records(sorted(scanned - dying)) if record is not None)
        dropped = self._drop_leftovers()
        with suppress(StoreFull):  # what is missing in the lists is added when there is room
            dropped += self._mend(list(alive))
        return len(dying) + dropped

    def _mend(self, records: Iterable[VideoRecord]) -> int:
        mended = highest = 0
        with translated():
            for record in records:
                highest = max(highest, record.number)
                mended += int(self._client.zadd(VIDEOS, {record.id: record.created_s}, nx=True))
                if record.sha256:
                    mended += int(self._client.hsetnx(CONTENT, _identity(record), record.id))
        self._scripts.run("raise", [NUMBERS], [highest])
        return mended

    def _drop_leftovers(self) -> int:
        """Removes entries of videos that no longer exist."""
        with translated():
            listed = [value.decode() for value in self._client.zrange(VIDEOS, 0, -1)]
            held = self._client.hgetall(CONTENT)
        dropped = 0
        for video_id in (v for v in listed if self.get(v) is None):
            with translated():
                dropped += int(self._client.zrem(VIDEOS, video_id))
        for identity, holder in held.items():
            if self.get(holder.decode()) is None:
                dropped += int(self._scripts.run("swap", [CONTENT], [identity, holder, ""]))
        return dropped
