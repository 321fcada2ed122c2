"""Makes damaged videos, the same ones on every run: short videos of every kind, and ways to spoil their bytes.

`test_media_fuzz.py` watches them and judges what becomes of each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from tests.pipeline.media import picture

SIZE = (192, 108)
PICTURES = 24
RATE = 10


@dataclass(frozen=True, slots=True)
class Base:
    """A kind of video: its file's name, its codec, and the options of the encoder and the container."""

    name: str
    codec: str
    options: dict[str, str]
    pix_fmt: str = "yuv420p"
    rate: int = RATE
    container: dict[str, str] | None = None


_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:keyint=8"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "g": "8"}

BASES = (
    Base("plain.mp4", "libx264", {"g": "8", "bf": "2"}),
    Base("front.mp4", "libx264", {"g": "8", "bf": "0"}, container={"movflags": "faststart"}),
    Base("pieces.mp4", "libx264", {"g": "8", "bf": "0"}, container={"movflags": "frag_keyframe+empty_moov"}),
    Base("phone.mov", "libx264", {"g": "24", "bf": "3"}),
    Base("plain.mkv", "libx264", {"g": "8", "bf": "2"}),
    Base("cast.ts", "libx264", {"g": "8", "bf": "2"}),
    Base("stream.flv", "libx264", {"g": "8", "bf": "0"}),
    Base("raw.h264", "libx264", {"g": "8", "bf": "0"}),
    Base("h264.avi", "libx264", {"g": "8", "bf": "0"}),
    Base("refresh.mkv", "libx264", {"x264-params": "intra-refresh=1:keyint=8"}),
    Base("hevc.mp4", "libx265", _X265),
    Base("hevc-10.mkv", "libx265", _X265, pix_fmt="yuv420p10le"),
    Base("hevc.ts", "libx265", _X265),
    Base("av1.mp4", "libsvtav1", {"preset": "12", "g": "8"}),
    Base("av1.mkv", "libsvtav1", {"preset": "12", "g": "8"}),
    Base("av1.ivf", "libsvtav1", {"preset": "12", "g": "8"}),
    Base("vp8.webm", "libvpx", _VPX),
    Base("vp9.webm", "libvpx-vp9", _VPX),
    Base("vp9.mp4", "libvpx-vp9", _VPX),
    Base("mpeg4.avi", "mpeg4", {"g": "8", "bf": "2"}),
    Base("mpeg4.mp4", "mpeg4", {"g": "8"}),
    Base("disc.mpg", "mpeg2video", {"g": "8", "bf": "2"}, rate=25),
    Base("disc.ts", "mpeg2video", {"g": "8"}, rate=25),
    Base("old.wmv", "wmv2", {"g": "8"}),
    Base("camera.avi", "mjpeg", {}, pix_fmt="yuvj420p"),
    Base("moving.gif", "gif", {}, pix_fmt="rgb8"),
    Base("studio.mov", "prores", {}, pix_fmt="yuv422p10le"),
    Base("archive.mkv", "ffv1", {}),
    Base("any.nut", "mpeg4", {"g": "8"}),
    Base("plain.y4m", "wrapped_avframe", {}),
    Base("tape.mxf", "mpeg2video", {"g": "8"}, rate=25),
    Base("pictures.mov", "png", {}, pix_fmt="rgb24"),
)


def pictures_of(clips: Path | None) -> Iterator[list[npt.NDArray[np.uint8]]]:
    """Ever again `PICTURES` small pictures, uint8 [H, W, 3]: of each real clip, and drawn ones."""
    drawn = [picture(number, SIZE) for number in range(PICTURES)]
    real = []
    for path in sorted(clips.glob("*.mp4")) if clips is not None else ():
        source = FileSource(path, DecodeConfig(fps=PICTURES / 12, max_side_px=SIZE[0]))
        frames = [frame.rgb for frame, _ in zip(source.steps(None, "full"), range(PICTURES), strict=False)]
        real.append(frames)
    while True:
        yield drawn
        yield from real


class Bases(Mapping[str, bytes]):
    """Every base's bytes by name, written when they are first asked for."""

    def __init__(self, folder: Path, clips: Path | None) -> None:
        self._folder = folder
        self._recipes = {base.name: (base, rgb) for base, rgb in zip(BASES, pictures_of(clips), strict=False)}
        self._written: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        if name not in self._written:
            self._written[name] = _write(self._folder / name, *self._recipes[name])
        return self._written[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._recipes)

    def __len__(self) -> int:
        return len(self._recipes)


def _write(path: Path, base: Base, pictures: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    with av.open(str(path), "w", container_options=base.container or {}) as container:
        stream = container.add_stream(base.codec, rate=base.rate, options=dict(base.options))
        stream.width, stream.height = SIZE
        stream.pix_fmt = base.pix_fmt
        stream.codec_context.thread_count = 1
        for number, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(*SIZE, format=base.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, base.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def _bytes(rng: random.Random, count: int) -> bytes:
    return rng.randbytes(count)


def _span(rng: random.Random, data: bytearray, most: int) -> slice:
    begin = rng.randrange(len(data))
    return slice(begin, min(len(data), begin + rng.randint(1, most)))


def _flip(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    for _ in range(rng.choice((1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _flip_ends(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    """The header, or an index at the end."""
    for _ in range(rng.choice((1, 3, 10))):
        place = rng.randrange(min(len(data), 900))
        data[place if rng.random() < 0.7 else -1 - place] = rng.randrange(256)
    return data


def _numbers(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    """Extreme numbers where sizes, counts and times may stand."""
    for _ in range(rng.choice((1, 2, 6))):
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1))
        place = rng.randrange(max(1, min(len(data), rng.choice((400, 4000, len(data)))) - width))
        data[place : place + width] = value.to_bytes(width, rng.choice(("big", "little")))
    return data


def _overwrite(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    span = _span(rng, data, 2000)
    count = len(data[span])
    data[span] = rng.choice((bytes(count), b"\xff" * count, _bytes(rng, count)))
    return data


def _cut_out(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    del data[_span(rng, data, 3000)]
    return data


def _cut_off(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: rng.randrange(1, len(data))]


def _repeat(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    span, place = _span(rng, data, 3000), rng.randrange(len(data))
    data[place:place] = data[span] * rng.choice((1, 1, 5, 50))
    return data


def _swap(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    first, second = sorted(rng.sample(range(len(data)), 2))
    count = rng.randint(1, max(1, min(1500, second - first)))
    earlier, later = bytes(data[first : first + count]), bytes(data[second : second + count])
    data[first : first + len(later)], data[second : second + len(earlier)] = later, earlier
    return data


def _splice(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    """The beginning of one file and the end of another."""
    return data[: rng.randrange(1, len(data))] + other[rng.randrange(len(other)) :]


def _join(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data + rng.choice((other, bytes(data), _bytes(rng, 4000)))


def _lead(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    return bytearray(_bytes(rng, rng.choice((1, 188, 5000)))) + data


Way = Callable[[random.Random, bytearray, bytes], bytearray]
WAYS: tuple[Way, ...] = (
    _flip, _flip, _flip_ends, _flip_ends, _numbers, _numbers, _overwrite, _cut_out, _cut_off, _repeat, _swap, _splice,
    _join, _lead,
)  # fmt: skip


def spoilt(bases: Mapping[str, bytes], seed: int) -> tuple[str, bytes]:
    """The file of this number: a name, which is its base's, and its bytes."""
    names = sorted(bases)
    name = names[seed % len(names)]
    rng = random.Random(f"media {seed}")
    data = bytearray(bases[name])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(WAYS)(rng, data, bases[rng.choice(names)]) or bytearray(b"\0")
    return name, bytes(data)
