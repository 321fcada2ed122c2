"""Errors of the memory.

StoreError
├── StoreUnavailable      the store does not answer
│   └── StoreFull         it answers, and has no room for more
├── SchemaTooNew          a later release wrote the store
├── CommitRefused         another worker took over, the step is not the stored one, or the video is gone
├── UnknownVideo          no video of that id
│   └── ImpossibleVideoId also a ValueError: no video can have that id
├── UnknownCube           the video has no closed cube of that ordinal
├── KeySpaceMismatch      keys of two encoders were to be compared
├── CorruptRecord         stored bytes are not what was written
└── CacheMisuse           a language model's cache was used in a way that would give wrong answers
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all errors this package raises on purpose."""


class StoreUnavailable(StoreError):
    """The store does not answer; nothing is known about what it holds."""


class StoreFull(StoreUnavailable):
    """The store has no room for more. Reads and deletions go on; what adds something may wait for room."""


class SchemaTooNew(StoreError):
    """A later release wrote the store in a layout that this one does not know; names both."""

    def __init__(self, stored: int, supported: int) -> None:
        super().__init__(
            f"the store is of layout {stored}; this release knows layouts up to {supported}: update Longwatch"
        )
        self.stored = stored
        self.supported = supported

    def __reduce__(self) -> tuple[type[SchemaTooNew], tuple[int, int]]:
        return type(self), (self.stored, self.supported)


class CommitRefused(StoreError):
    """A commit whose epoch or step is not the stored one. `reason`: ``epoch``, ``step``, ``ordinal`` or ``deleted``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"commit refused: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[CommitRefused], tuple[str]]:
        return type(self), (self.reason,)


class UnknownVideo(StoreError):
    """No video of that id."""

    def __init__(self, video_id: str) -> None:
        super().__init__(f"no video {video_id!r}")
        self.video_id = video_id

    def __reduce__(self) -> tuple[type[UnknownVideo], tuple[str]]:
        return type(self), (self.video_id,)


class ImpossibleVideoId(UnknownVideo, ValueError):
    """No video can have that id: it is empty or has braces in it."""

    def __init__(self, video_id: str) -> None:
        super().__init__(video_id)
        self.args = (f"{video_id!r} cannot be a video's id",)


class UnknownCube(StoreError):
    """The video has no closed cube of that ordinal."""

    def __init__(self, video_id: str, ordinal: int) -> None:
        super().__init__(f"video {video_id!r} has no closed cube {ordinal}")
        self.video_id = video_id
        self.ordinal = ordinal

    def __reduce__(self) -> tuple[type[UnknownCube], tuple[str, int]]:
        return type(self), (self.video_id, self.ordinal)


class KeySpaceMismatch(StoreError):
    """Keys of two encoders were to be compared; names both."""

    def __init__(self, stored: str, asked: str) -> None:
        super().__init__(f"this memory was made in key space {stored}, not {asked}")
        self.stored = stored
        self.asked = asked

    def __reduce__(self) -> tuple[type[KeySpaceMismatch], tuple[str, str]]:
        return type(self), (self.stored, self.asked)


class CorruptRecord(StoreError):
    """Stored bytes are not what was written."""


class CacheMisuse(StoreError):
    """A language model and its cache do not fit together: what came out would be wrong, so nothing does."""
