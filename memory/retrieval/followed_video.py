"""One video as recall knows it, and as a snapshot holds it. The arrays are `memory.retrieval.video_keys`."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from memory.records import VideoRecord
from memory.retrieval.scan import KeyScanner
from memory.retrieval.video_keys import KeysView, VideoKeys


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
    """One video as recall holds it, for a snapshot: at least all of the commits up to `applied`."""

    number: int
    created_s: float
    applied: int
    keys: KeysView
