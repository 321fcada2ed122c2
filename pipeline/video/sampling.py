"""The rules for which frames of a video are taken, at what time and in what mode; independent of container and codec.

Holds the settings, the limits of media and of the child process that decodes it, the choice between decoding everything
and decoding key frames, the presentation clock and the sampler. Files are read in `pipeline.video.file`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from pipeline.video.source import DecodeMode, MediaInfo

_TINY_STEPS = 1e-6
"""Forgives rounding in container time bases: 0.9999999 s is second 1."""

_LONGEST_CPU_S = 10**7

_GAP_SLACK = 0.02
"""A key frame every 1.02 s still serves one frame a second."""


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    """How frames are sampled and shrunk.

    Attributes:
        fps: steps a second of video, greater than 0.
        max_side_px: longer side of a frame at most; smaller pictures stay as they are.
        threads: decoder threads of one open file.
    """

    fps: float = 1.0
    max_side_px: int = 960
    threads: int = 2

    def __post_init__(self) -> None:
        if not (0 < self.fps < math.inf):
            raise ValueError(f"fps must be greater than 0, not {self.fps}")
        if self.max_side_px < 1 or self.threads < 1:
            raise ValueError(f"max_side_px and threads must be at least 1: {self.max_side_px}, {self.threads}")


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What is refused with `MediaTooLarge`.

    Attributes:
        max_pixels: of one picture as coded; the default lets 8K pass.
        max_seconds: of video; the default is 24 hours.
        max_work_pixels: pictures times pixels of the whole video; the default lets 24 hours of 4K at 60 pictures a
            second pass.
    """

    max_pixels: int = 8192 * 4608
    max_seconds: float = 24 * 3600.0
    max_work_pixels: float = 5e13


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Limits of a decoding child.

    Attributes:
        memory_bytes: of address space. 8K pictures of ten bits need about 2 GB.
        cpu_s: processor time for looking at a file, and on top of what its length allows for watching it.
        cpu_pixels_per_s: watching gets one more second of processor time for so many claimed pixels; usual decoders
            do ten times as many.
        stall_s: a child that reads nothing for so long while its parent waits is ended; so is one that is waited for
            ten times longer in all than it may use the processor.
        look_s: looking at a file, or jumping to a few times of it, is ended after so long.
        slots: pictures decoded ahead of the parent.
    """

    memory_bytes: int = 3 << 30
    cpu_s: float = 120.0
    cpu_pixels_per_s: float = 1e7
    stall_s: float = 30.0
    look_s: float = 120.0
    slots: int = 4

    def cpu_for(self, work_pixels: float) -> int:
        """Processor time (s) for watching a video of so many pictures times pixels."""
        return min(_LONGEST_CPU_S, round(self.cpu_s + work_pixels / self.cpu_pixels_per_s))


def choose_mode(info: MediaInfo, fps: float) -> DecodeMode:
    """``keyframes`` where key frames are never further apart than one step, else ``full``."""
    if info.key_interval_s is not None and info.key_interval_s <= (1.0 + _GAP_SLACK) / fps:
        return "keyframes"
    return "full"


class Sampler:
    """Takes at most `fps` frames a second: the first of each half-open span [k / fps, (k + 1) / fps)."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._last: int | None = None

    def take(self, time_s: float) -> bool:
        """Whether the frame at `time_s` is a step. The first one always is; times that go back never are."""
        step = math.floor(time_s * self._fps + _TINY_STEPS)
        if self._last is not None and step <= self._last:
            return False
        self._last = step
        return True


class Clock:
    """Presentation times of decoded frames in order of output, in seconds since the video's first frame."""

    def __init__(self, start_pts: int, time_base: Fraction, frame_s: float) -> None:
        """`start_pts` is the first frame's own, in units of `time_base`; `frame_s` the average time between two."""
        self._start_pts = start_pts
        self._time_base = time_base
        self._frame_s = frame_s
        self._last_s: float | None = None

    def time_s(self, pts: int | None) -> float:
        """The frame's time; one without a timestamp follows the last one by the average time between two."""
        if pts is not None:
            self._last_s = self.seconds(pts)
        else:
            self._last_s = 0.0 if self._last_s is None else self._last_s + self._frame_s
        return self._last_s

    def seconds(self, pts: int) -> float:
        """A timestamp in seconds since the first frame; does not move the clock."""
        return float((pts - self._start_pts) * self._time_base)

    def pts(self, time_s: float) -> int:
        """The last timestamp not after `time_s`."""
        return self._start_pts + math.floor(time_s / float(self._time_base))
