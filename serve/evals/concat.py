"""Joins many short clips into one long test video in which the time of every cut is exact.

Each clip is decoded once and encoded to one size and rate with the same settings, its pictures taken by presentation
time; then the packets are joined, so 30 minutes from five clips cost the encoding of five clips. The order is seeded:
every clip once a round, no clip right after itself. Parts and joined files are kept in a folder and found again by
what they were made of. Sound is dropped, and clips are fitted into the picture with black bars.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from encoders.digest import file_sha256
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from serve.errors import BadRequest


@dataclass(frozen=True, slots=True)
class ConcatConfig:
    """How a concatenation is made.

    Attributes:
        seconds: it ends with the clip that reaches this.
        seed: of the order.
        width, height: pixels, even.
        fps: pictures a second; every clip lasts a whole number of pictures.
        gop: pictures from key frame to key frame; each clip begins with one.
    """

    seconds: float = 1800.0
    seed: int = 7
    width: int = 640
    height: int = 360
    fps: int = 10
    gop: int = 20


@dataclass(frozen=True, slots=True)
class Placed:
    """One occurrence of a clip: from `start_s` to `end_s` of the joined file, both exact to the picture."""

    clip: str
    start_s: float
    end_s: float


def build(clips: Sequence[Path], folder: Path, config: ConcatConfig) -> tuple[Path, tuple[Placed, ...]]:
    """Joins `clips` into a file in `folder`, or finds it there; where each clip lies in it, in order of time.

    Raises `BadRequest` where fewer than two clips are given, and what opening a clip raises.
    """
    if len(clips) < 2:
        raise BadRequest("a concatenation needs at least two clips")
    folder.mkdir(parents=True, exist_ok=True)
    digests = [file_sha256(clip) for clip in clips]
    made_of = json.dumps([asdict(config), [[clip.name, digest] for clip, digest in zip(clips, digests, strict=True)]])
    target = folder / f"concat-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.mp4"
    parts = [_part(clip, digest, folder, config) for clip, digest in zip(clips, digests, strict=True)]
    pictures = [_pictures(part) for part in parts]
    order = _order(pictures, config)
    if not target.is_file():
        _join([parts[number] for number in order], [pictures[number] for number in order], target, config)
    return target, tuple(_places([clips[number].name for number in order], [pictures[n] for n in order], config.fps))


def _order(pictures: Sequence[int], config: ConcatConfig) -> list[int]:
    """Indices of clips, round after round, until `seconds` are reached."""
    chance = random.Random(config.seed)
    order: list[int] = []
    total = 0
    while total < config.seconds * config.fps:
        turn = chance.sample(range(len(pictures)), len(pictures))
        if order and turn[0] == order[-1]:
            turn[0], turn[-1] = turn[-1], turn[0]
        for number in turn:
            if total < config.seconds * config.fps:
                order.append(number)
                total += pictures[number]
    return order


def _places(names: Sequence[str], pictures: Sequence[int], fps: int) -> Iterator[Placed]:
    first = 0
    for name, count in zip(names, pictures, strict=True):
        yield Placed(name, first / fps, (first + count) / fps)
        first += count


def _part(clip: Path, digest: str, folder: Path, config: ConcatConfig) -> Path:
    """The clip at the common size and rate; made under another name first, so that a part is whole or not there."""
    made_of = f"{digest} {config.width} {config.height} {config.fps} {config.gop}"
    part = folder / f"part-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.mp4"
    if not part.is_file():
        growing = part.with_suffix(f".{os.getpid()}.mp4")
        with av.open(str(growing), "w") as out:
            stream = _stream(out, config)
            for number, picture in enumerate(_sampled(clip, config)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, config.fps)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        growing.replace(part)
    return part


def _stream(out: av.container.OutputContainer, config: ConcatConfig) -> av.VideoStream:
    stream = out.add_stream("libx264", rate=config.fps)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = config.width, config.height, "yuv420p"
    context.time_base, context.gop_size, context.max_b_frames = Fraction(1, config.fps), config.gop, 0
    context.options = {"preset": "veryfast", "crf": "20", "threads": "1"}
    return stream


def _sampled(clip: Path, config: ConcatConfig) -> Iterator[npt.NDArray[np.uint8]]:
    """The picture shown at each tick of the common rate, uint8 [height, width, 3]; at least one."""
    source = FileSource(clip, DecodeConfig(fps=config.fps, max_side_px=max(config.width, config.height)))
    seconds = source.probe().duration_s or 0.0
    tick = 0
    last: npt.NDArray[np.uint8] | None = None
    for frame in source.steps(None, "full"):
        while last is not None and tick + 1 <= frame.time_s * config.fps:  # nothing new was shown at this tick
            yield last
            tick += 1
        last = _fitted(frame.rgb, config)
    if last is None:
        raise BadRequest(f"{clip.name}: not one picture could be decoded")
    yield last
    for _ in range(tick + 1, int(seconds * config.fps + 1e-6)):
        yield last


def _fitted(rgb: npt.NDArray[np.uint8], config: ConcatConfig) -> npt.NDArray[np.uint8]:
    """The picture inside the common size, its shape kept, black around it."""
    scale = min(config.width / rgb.shape[1], config.height / rgb.shape[0])
    width, height = (max(2, round(side * scale / 2) * 2) for side in (rgb.shape[1], rgb.shape[0]))
    canvas = np.zeros((config.height, config.width, 3), np.uint8)
    top, left = (config.height - height) // 2, (config.width - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    return canvas


def _pictures(part: Path) -> int:
    with av.open(str(part)) as video:
        return sum(1 for packet in video.demux(video.streams.video[0]) if packet.size)


def _join(parts: Sequence[Path], pictures: Sequence[int], target: Path, config: ConcatConfig) -> None:
    """The parts' packets one after the other, their times moved."""
    growing = target.with_suffix(f".{os.getpid()}.mp4")
    tick = Fraction(1, config.fps)
    with av.open(str(growing), "w") as out, av.open(str(parts[0])) as first:
        stream = out.add_stream_from_template(first.streams.video[0])
        stream.time_base = tick
        before = 0
        for part, count in zip(parts, pictures, strict=True):
            with av.open(str(part)) as video:
                packets = (packet for packet in video.demux(video.streams.video[0]) if packet.size)
                for number, packet in enumerate(packets):
                    packet.pts = packet.dts = before + number
                    packet.duration, packet.time_base, packet.stream = 1, tick, stream
                    out.mux(packet)
            before += count
    growing.replace(target)
