"""Keeps every video's keys and spans in arrays and in the key index, in step with the store.

`view` is a video as it is now; `sync` compares with the store and takes in what is new; `held` is what a snapshot
keeps. `memory.retrieval.retriever` answers questions from the views, `memory.retrieval.keeper` decides when to compare
and when to save.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from memory.errors import CorruptRecord, UnknownVideo
from memory.index.base import KeyIndex
from memory.records import FINAL_STATUSES, KeyedSpan, VideoRecord
from memory.retrieval.scan import KeyScanner
from memory.retrieval.video_keys import KeysView, VideoKeys, as_view
from memory.store.base import MemoryStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VideoView:
    """A video at one moment, as it is searched: the closed cubes and, where there is one, the open cube as a video of
    one cube. While the store says the same `version`, this is all there is."""

    views: tuple[tuple[KeysView, KeyScanner], ...]
    version: str


class FollowedVideo:
    """One video as far as it was taken in. `lock` is held while cubes are added or the video is let go.

    Attributes:
        last: the last moment at which it was searched; None once cubes were taken in since.
    """

    def __init__(self, record: VideoRecord, keys: VideoKeys) -> None:
        self.number, self.created_s = record.number, record.created_s
        self.keys = keys
        self.scanner = KeyScanner(keys.dim)
        self.lock = threading.Lock()
        self.gone = False
        self.last: VideoView | None = None

    def is_of(self, record: VideoRecord, cubes: int | None = None) -> bool:
        """Whether the record is this video's, and as far along: not another of the same id, nor an older store's.
        `cubes`: how many were held before the record was read; those held now where None."""
        same = (self.number, self.created_s) == (record.number, record.created_s)
        return same and (len(self.keys.view()) if cubes is None else cubes) <= record.cubes


@dataclass(frozen=True, slots=True)
class HeldVideo:
    """One video as it is held, for a snapshot: at least all of the commits up to `applied`."""

    number: int
    created_s: float
    applied: int
    keys: KeysView


class FollowedVideos:
    """Videos of a store, followed by an index in this process. Safe to call from several threads.

    Args:
        key_space: other videos are left out of comparisons; None takes all.
        compare_s: how old a comparison may be (`compared_lately`).
        now: a clock in seconds that never runs back.
    """

    def __init__(
        self,
        store: MemoryStore,
        index: KeyIndex,
        *,
        key_space: str | None = None,
        compare_s: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._index = store, index
        self._key_space, self._compare_s, self._now = key_space, compare_s, now
        self._videos: dict[str, FollowedVideo] = {}
        self._names: dict[int, str] = {}
        self._growing: frozenset[str] = frozenset()
        self._damaged: dict[str, str] = {}
        self._compared_at: float | None = None
        self._lock = threading.Lock()

    def refresh(self, video_id: str) -> int:
        """Takes in cubes closed since the last look, in the arrays and in the index; returns how many."""
        with self._locked(video_id) as followed:  # a damaged open cube keeps nobody from the closed ones
            fresh = self._store.keyed_spans(video_id, start=len(followed.keys.view()))
            self._take_in(followed, fresh)
            return len(fresh)

    def view(self, video_id: str) -> VideoView:
        """The video as it is now, its open cube included, after taking in what closed."""
        with self._locked(video_id) as followed:
            searchable = self._store.searchable(video_id, start=len(followed.keys.view()))
            self._take_in(followed, searchable.closed)
            views = [(followed.keys.view(), followed.scanner)]
            if searchable.opened is not None:
                views.append((as_view(searchable.opened, self._index.dim), KeyScanner(self._index.dim)))
            followed.last = VideoView(tuple(views), searchable.version)
            return followed.last

    def last_view(self, video_id: str) -> VideoView | None:
        """The view taken last, for as long as nothing came after it; None where there is none."""
        followed = self._videos.get(video_id)
        return None if followed is None else followed.last

    def items(self) -> list[tuple[str, FollowedVideo]]:
        """Every video by its id, as of now."""
        return list(self._videos.items())

    def by_number(self, number: int) -> tuple[str, KeysView] | None:
        """A video's id and closed cubes by its number in the index; None once it is forgotten."""
        video_id = self._names.get(number)
        followed = None if video_id is None else self._videos.get(video_id)
        return None if video_id is None or followed is None else (video_id, followed.keys.view())

    @property
    def growing(self) -> list[str]:
        """Ids of the videos that were not final when the store was compared last, sorted."""
        return sorted(self._growing)

    @contextmanager
    def _locked(self, video_id: str) -> Iterator[FollowedVideo]:
        """Nobody else adds to it meanwhile, or lets it go."""
        followed = self._videos.get(video_id) or self._learn(self._store.video(video_id), VideoKeys(self._index.dim))
        with followed.lock:
            if followed.gone:
                raise UnknownVideo(video_id)
            yield followed

    def _take_in(self, followed: FollowedVideo, fresh: Sequence[KeyedSpan]) -> None:
        held = len(followed.keys.view())
        followed.keys.extend(fresh)
        view = followed.keys.view()
        if fresh:
            followed.last = None
            self._index.add_many(view.ids(followed.number, held), view.rows[view.first_row[held] :])

    def _learn(self, record: VideoRecord, keys: VideoKeys) -> FollowedVideo:
        with self._lock:
            followed = self._videos.setdefault(record.id, FollowedVideo(record, keys))
            self._names[followed.number] = record.id
            return followed

    def forget(self, video_id: str) -> bool:
        """Drops a deleted video from the arrays and the index; whether it was known."""
        followed = self._videos.get(video_id)
        if followed is None:
            return False
        with followed.lock:
            if followed.gone:
                return False
            followed.gone = True
            self._index.remove_video(followed.number)
            with self._lock:
                self._videos.pop(video_id, None)
                self._names.pop(followed.number, None)
                self._damaged.pop(video_id, None)
        return True

    def sync(self) -> tuple[int, int]:
        """Compares with the truth: takes in what is new, drops what is gone. Returns how many closed cubes came and how
        many videos went."""
        before = [(name, followed, len(followed.keys.view())) for name, followed in self.items()]
        listed = {record.id: record for record in self._store.videos() if self._key_space in (None, record.key_space)}
        gone = [name for name, followed, n in before if name not in listed or not followed.is_of(listed[name], n)]
        went = sum(self.forget(video_id) for video_id in gone)
        came = sum(self._catch_up(record) for record in listed.values())
        self._growing = frozenset(record.id for record in listed.values() if record.status not in FINAL_STATUSES)
        self._compared_at = self._now()
        return came, went

    def compared_lately(self) -> bool:
        """Whether the last comparison is younger than `compare_s`."""
        return self._compared_at is not None and self._now() - self._compared_at < self._compare_s

    def _catch_up(self, record: VideoRecord) -> int:
        followed = self._videos.get(record.id) or self._learn(record, VideoKeys(self._index.dim))
        if len(followed.keys.view()) >= record.cubes:
            return 0
        try:
            return self.refresh(record.id)
        except UnknownVideo:
            return 0  # deleted since it was listed
        except CorruptRecord as error:
            self.warn_once(record.id, error)
            return 0  # what was read of it before stays searchable, and so do all other videos

    def warn_once(self, video_id: str, error: CorruptRecord) -> None:
        """Logs that a video cannot be searched to its end, unless that was logged with the same words."""
        if self._damaged.get(video_id) != str(error):
            self._damaged[video_id] = str(error)
            log.warning("video %s cannot be searched to its end: %s", video_id, error)

    def held(self) -> dict[str, HeldVideo]:
        """Every video as it is held now, for a snapshot."""
        videos: dict[str, HeldVideo] = {}
        for video_id, followed in self.items():
            try:
                applied = self._store.applied(video_id)
                self.refresh(video_id)
            except UnknownVideo:
                continue  # deleted meanwhile
            except CorruptRecord:
                applied = 0  # whatever could be read is kept
            videos[video_id] = HeldVideo(followed.number, followed.created_s, applied, followed.keys.view())
        return videos

    def adopt(self, video_id: str, held: HeldVideo, record: VideoRecord) -> bool:
        """Takes a video over from a snapshot, where the truth's record is of the same video and not behind it."""
        followed = FollowedVideo(record, VideoKeys.of(held.keys))
        same = (held.number, held.created_s) == (record.number, record.created_s) and followed.is_of(record)
        if not same or video_id in self._videos or not self._reaches(video_id, held.applied):
            return False
        self._index.add_many(held.keys.ids(held.number), held.keys.rows)
        self._learn(record, followed.keys)
        return True

    def _reaches(self, video_id: str, applied: int) -> bool:
        """Whether the truth is as far as a snapshot says."""
        try:
            return self._store.applied(video_id) >= applied
        except UnknownVideo:
            return False  # deleted meanwhile
