"""The protocol every source of frames follows: a file today; http(s), RTSP and pushed frames are meant to fit too.

`MediaInfo` is what a source says about itself, `FrameSource` how frames are taken from it. Decoding is in
`pipeline.video.file`, the choice of frames in `pipeline.video.sampling`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from encoders.frame import Frame

DecodeMode = Literal["full", "keyframes", "push"]
"""Every picture is decoded; only key frames are; pictures arrive already decoded. Decided once and stored."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is known of a video before it is watched.

    Attributes:
        width, height: pixels of the first picture, upright and with square pixels, before any shrinking.
        duration_s: from the first picture on, as the container claims; None where it claims nothing.
        codec: of the video stream, for example ``h264``.
        container: the demuxer's name, for example ``matroska,webm``.
        fps: average pictures a second; None where unknown.
        start_offset_s: the first picture's own timestamp; `Frame.time_s` counts from it.
        key_interval_s: longest time between two key frames as far as was looked; None where it could not be
            measured or where key frames cannot be decoded on their own.
        has_audio: whether there is an audio stream.
    """

    width: int
    height: int
    duration_s: float | None
    codec: str
    container: str
    fps: float | None
    start_offset_s: float
    key_interval_s: float | None
    has_audio: bool


class FrameSource(Protocol):
    """Where a video's frames come from."""

    @property
    def damage(self) -> str | None:
        """A sentence for a person when part of the latest `steps` could not be decoded or is missing; else None."""
        ...

    def probe(self) -> MediaInfo:
        """Looks at the video without watching it. Raises `MediaUnsupported`, `MediaDamaged` or `MediaTooLarge`."""
        ...

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        """Yields the sampled frames in order of time, each `time_s` greater than the last.

        With `resume_after_s` (seconds since the first frame) it yields exactly what an uninterrupted run in the same
        mode yields after that time, the same to the bit. Raises as `probe` does.
        """
        ...
