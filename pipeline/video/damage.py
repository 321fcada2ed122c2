"""Keeps count of what went wrong while a file was decoded and says it in a sentence. It never raises."""

from __future__ import annotations

from dataclasses import dataclass

_MISSING_END_S = 1.0
"""A container may claim this much more than it holds before the rest counts as missing."""

_STUCK_FRAMES = 5
"""Single timestamps that go back are ordinary; this many pictures without progress are a loss."""


@dataclass(slots=True)
class Damage:
    """One decoding run's losses.

    Attributes:
        lost: packets that could not be decoded, or were marked as corrupt.
        stopped: reading ended with an error.
        starved: some of the lost could not be decoded for want of memory.
        stuck: pictures whose time was before one already seen.
        wild: pictures left out for a time beyond every limit, in a file that claims an ordinary length.
        read_s: up to where the file was read, in seconds since the first picture.
    """

    lost: int = 0
    stopped: bool = False
    starved: bool = False
    stuck: int = 0
    wild: int = 0
    read_s: float = 0.0

    def sentence(self, end_s: float | None) -> str | None:
        """What is missing, given where the stream claims to end (s); None if nothing is."""
        parts: list[str] = []
        if self.lost:
            why = " for want of memory" if self.starved else ""
            parts.append(f"{self.lost} {'piece' if self.lost == 1 else 'pieces'} could not be decoded{why}")
        if self.stuck >= _STUCK_FRAMES:
            parts.append(f"{self.stuck} pictures were left out because their timestamps go back")
        if self.wild:
            pictures = "picture was" if self.wild == 1 else "pictures were"
            parts.append(f"{self.wild} {pictures} left out for timestamps that make no sense")
        if end_s is not None and end_s - self.read_s > _MISSING_END_S:
            parts.append(f"it ends at {self.read_s:.1f} s of {end_s:.1f} s")
        elif self.stopped:
            read_s = self.read_s if end_s is None else min(self.read_s, end_s)
            parts.append(f"it cannot be read beyond {read_s:.1f} s")
        return f"The video is damaged: {'; '.join(parts)}." if parts else None
