"""A backend whose results can be worked out by hand, videos made of plain colours, and a source without a file.

Every pixel counts as the nearest of six named colours. A picture of `scene` is black on its left third and of its
colour on the rest, with a small grey square that wanders, so that a scene is neither flat nor quite still.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Backend, Frame, FrameTokens, Keys, KeySpace
from encoders.notes import COLOUR_NAMES, FrameNotes, Thing
from encoders.state_codec import pack, unpack
from pipeline.video.source import DecodeMode, MediaInfo

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
NAMES = tuple(COLOURS)
DIM = len(NAMES) + 1
"""One axis a colour, and a last one for all other words."""
GRID = (2, 3)
PAGE = "WHITE PAGE"
"""What is read on a picture that is mostly white."""
SIZE = (96, 64)

Rgb = npt.NDArray[np.uint8]


def shares(rgb: Rgb) -> npt.NDArray[np.float32]:
    """uint8 [H, W, 3] -> float32 [6], the share of pixels nearest to each colour; sums to 1."""
    palette = np.array(list(COLOURS.values()), np.int32)
    pixels = rgb.reshape(-1, 1, 3).astype(np.int32)
    nearest = ((pixels - palette) ** 2).sum(axis=2).argmin(axis=1)
    return (np.bincount(nearest, minlength=len(NAMES)) / len(nearest)).astype(np.float32)


class ColourFrames:
    """Tokens are the mean colours of a 2 x 3 grid, 0 to 1."""

    levels = 1
    dim = 3
    frames_per_step = 1

    def encode(self, frames: Sequence[Frame]) -> FrameTokens:
        cells = [cv2.resize(frame.rgb, GRID[::-1], interpolation=cv2.INTER_AREA).reshape(-1, 3) for frame in frames]
        tokens = np.stack(cells).astype(np.float32) / 255 if cells else np.zeros((0, 6, 3), np.float32)
        return FrameTokens(torch.from_numpy(tokens)[None], GRID, tuple(frame.time_s for frame in frames))


class PairedColourFrames(ColourFrames):
    """Two frames a step: a step's tokens are the mean of both frames'."""

    frames_per_step = 2

    def encode(self, frames: Sequence[Frame]) -> FrameTokens:
        assert len(frames) % 2 == 0
        single = super().encode(frames)
        tokens = (single.tokens[:, ::2] + single.tokens[:, 1::2]) / 2
        return FrameTokens(tokens, single.grid, single.times_s[::2], frames_per_step=2)


class MeanPool:
    """The sum of a cube's evidence and the number of its steps."""

    def __init__(self) -> None:
        self.reset()

    def add(self, evidence: torch.Tensor) -> None:
        self._sum = self._sum + evidence.double()
        self._steps += 1

    def summary(self) -> torch.Tensor:
        return (self._sum / max(self._steps, 1)).float()[None]

    def reset(self) -> None:
        self._sum, self._steps = torch.zeros(len(NAMES), dtype=torch.float64), 0

    def state(self) -> bytes:
        return pack({"steps": self._steps}, {"sum": self._sum})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._steps, self._sum = values["steps"], tensors["sum"]


class ColourKeys:
    """One key a cube: its mean shares; one more for each line read: the colours that the line names."""

    threshold = 0.8
    space = KeySpace("colours", "0" * 64, DIM)

    def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        steps = np.stack([shares(frame.rgb) for frame in frames]).reshape(-1, tokens.frames_per_step, len(NAMES))
        return torch.from_numpy(steps.mean(axis=1))

    def pool(self) -> MeanPool:
        return MeanPool()

    def keys(self, summary: torch.Tensor, texts: Sequence[str]) -> Keys:
        mean_shares = np.append(summary[0].numpy(), 0).astype(np.float32)
        rows = [mean_shares / np.linalg.norm(mean_shares), *(self.question(text) for text in texts)]
        return Keys(np.stack(rows), ("seen", *["line"] * len(texts)))

    def question(self, text: str) -> npt.NDArray[np.float32]:
        words = text.lower().split()
        named = np.array([float(name in words) for name in NAMES] + [0.0], np.float32)
        named[-1] = float(not named.any())
        return np.asarray(named / np.linalg.norm(named), np.float32)

    def hyponyms(self, topic: str) -> frozenset[str]:
        return frozenset({topic}) & frozenset(NAMES)


class ColourDescriber:
    """Names the colours that hold half a cube; reads `PAGE` on pictures that are mostly white."""

    def describe_frame(self, frame: Frame, *, read_screen: bool) -> FrameNotes:
        share_of = dict(zip(NAMES, shares(frame.rgb), strict=True))
        texts = ((PAGE, 0.9),) if share_of["white"] > 0.5 else ()
        colours = np.array([share_of.get(name, 0.0) for name in COLOUR_NAMES], np.float32)
        return FrameNotes(texts if read_screen else None, colours)

    def things(self, summary: torch.Tensor) -> tuple[Thing, ...]:
        things = [Thing(name, float(share)) for name, share in zip(NAMES, summary[0], strict=True) if share >= 0.5]
        return tuple(sorted(things, key=lambda thing: -thing.probability))


def colour_backend() -> Backend:
    """The whole backend; nothing to load."""
    return Backend("colours", ColourFrames(), ColourKeys(), ColourDescriber())


class ColourDetector:
    """Every colour that holds a tenth of a step's first frame stands out."""

    def detect(
        self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor
    ) -> tuple[tuple[Thing, ...], ...]:
        assert len(frames) == tokens.frames_per_step * len(evidence) == tokens.frames_per_step * len(tokens.times_s)
        rows = [shares(frame.rgb) for frame in frames[:: tokens.frames_per_step]]
        return tuple(
            tuple(Thing(name, 0.5 + float(share) / 2) for name, share in zip(NAMES, row, strict=True) if share >= 0.1)
            for row in rows
        )


def paired_backend() -> Backend:
    """The same with two frames a step, and a detector."""
    return Backend("paired", PairedColourFrames(), ColourKeys(), ColourDescriber(), {}, ColourDetector())


def scene(colour: str, number: int, size: tuple[int, int] = SIZE) -> Rgb:
    """uint8 [H, W, 3]: picture `number` of a scene."""
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, width // 3 :] = COLOURS[colour]
    left = 4 + (number * 3) % (width // 3 - 12)
    rgb[8:14, left : left + 6] = 90
    return rgb


def write_scenes(
    path: Path, scenes: Sequence[tuple[str, float]], fps: int = 10, options: Mapping[str, str] | None = None
) -> Path:
    """Writes scenes of (colour, seconds), one after another, as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=dict(options or {}))
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, fps)
        colours = [colour for colour, seconds in scenes for _ in range(round(seconds * fps))]
        for number, colour in enumerate(colours):
            frame = av.VideoFrame.from_ndarray(scene(colour, number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class PictureSource:
    """A source of given frames, as a file that is sampled without decoding.

    Attributes:
        damage: what `damage` says, once the steps were taken to their end.
        closed: how many `steps` were ended, by exhaustion or by closing.
    """

    def __init__(self, frames: Sequence[Frame], damage: str | None = None) -> None:
        self._frames = list(frames)
        self._final_damage = damage
        self.damage: str | None = None
        self.closed = 0

    def probe(self) -> MediaInfo:
        duration_s = self._frames[-1].time_s + 1.0 if self._frames else None
        return MediaInfo(*SIZE, duration_s, "raw", "raw", 1.0, 0.0, None, False)

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        self.damage = None
        try:
            for frame in self._frames:
                if resume_after_s is None or frame.time_s > resume_after_s:
                    yield frame
            self.damage = self._final_damage
        finally:
            self.closed += 1


def frames_of(colours: Sequence[str]) -> list[Frame]:
    """One frame a second, each of its colour."""
    return [Frame(scene(colour, number), float(number)) for number, colour in enumerate(colours)]
