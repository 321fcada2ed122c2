"""Writes small videos for tests, nice and not so nice. Each picture's brightness and stripe say which one it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class VideoRecipe:
    """A video to write.

    Attributes:
        times_ms: presentation time of each picture, increasing.
        size: width, height in pixels.
        options: of the encoder.
        rotation: degrees anticlockwise for the display matrix; mirror: flips it left to right.
        aspect: width of a pixel over its height.
        rate: constant pictures a second, for encoders that only count pictures; 0 counts milliseconds.
        audio_s: seconds of silence beside the pictures, from time 0.
    """

    times_ms: Sequence[int]
    codec: str = "libx264"
    size: tuple[int, int] = (160, 96)
    options: Mapping[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    rotation: int = 0
    mirror: bool = False
    aspect: Fraction | None = None
    audio_s: float = 0.0
    faststart: bool = False
    rate: int = 0


def steady(seconds: float, fps: int = 10, start_ms: int = 0) -> list[int]:
    """Times of a constant frame rate, in milliseconds."""
    return [start_ms + round(1000 * i / fps) for i in range(round(seconds * fps))]


def picture(number: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3]: a red top-left corner, a moving stripe, a little noise, brightness that tells the number."""
    width, height = size
    noise = np.random.default_rng(number).integers(0, 24, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    rgb = np.kron(noise, np.ones((8, 8, 1), np.uint8))[:height, :width]
    rgb = rgb + np.uint8(40 + (number * 37) % 160)
    stripe = (number * 5) % width
    rgb[:, stripe : stripe + 6] = (20, 230, 40)
    rgb[: height // 3, : width // 4] = (220, 20, 20)
    return np.ascontiguousarray(rgb)


def write_video(path: Path, recipe: VideoRecipe) -> Path:
    """Writes the recipe; the file's ending chooses the container."""
    options = {"movflags": "faststart"} if recipe.faststart else {}
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate or 10, options=dict(recipe.options))
        stream.width, stream.height = recipe.size
        stream.pix_fmt = recipe.pix_fmt
        stream.codec_context.thread_count = 1
        # Some encoders and containers only count pictures.
        base = Fraction(1, recipe.rate) if recipe.rate else Fraction(1, 1000)
        stream.codec_context.time_base = base
        if recipe.aspect is not None:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        if recipe.rotation or recipe.mirror:
            stream.set_display_rotation(recipe.rotation, hflip=recipe.mirror)
        if recipe.audio_s:
            _write_silence(container, recipe.audio_s)
        for number, time_ms in enumerate(recipe.times_ms):
            frame = av.VideoFrame.from_ndarray(picture(number, recipe.size), format="rgb24")
            frame.pts, frame.time_base = int(Fraction(time_ms, 1000) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_audio_only(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as container:
        _write_silence(container, seconds)
    return path


def _write_silence(container: av.container.OutputContainer, seconds: float) -> None:
    stream = container.add_stream("aac", rate=48000)
    for index in range(round(seconds * 48000 / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, index * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def cut(path: Path, target: Path, keep: float) -> Path:
    """The first `keep` (0 to 1) of a file's bytes."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def spoil(path: Path, target: Path, at: float, count: int) -> Path:
    """A copy with `count` bytes overwritten at `at` (0 to 1) of its length."""
    data = bytearray(path.read_bytes())
    begin = int(len(data) * at)
    data[begin : begin + count] = np.random.default_rng(0).integers(0, 256, count, np.uint8).tobytes()
    target.write_bytes(bytes(data))
    return target


def hide_beginning(path: Path, target: Path, hidden_ms: int) -> Path:
    """A copy whose edit list hides everything before `hidden_ms`, as phones and editors do when they trim."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        shift = int(Fraction(hidden_ms, 1000) / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copy
            out.mux(packet)
    return target


def restamp(path: Path, target: Path, times_ms: Sequence[int]) -> Path:
    """A copy whose packets carry these times, in the order of the file; for videos without B-frames."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = (packet for packet in source.demux(stream) if packet.size)
        for packet, time_ms in zip(packets, times_ms, strict=False):
            packet.pts = packet.dts = round(Fraction(time_ms, 1000) / stream.time_base)
            packet.duration = 0
            packet.stream = copy
            out.mux(packet)
    return target


def write_streams(path: Path, recipes: Sequence[VideoRecipe], default: int | None = None) -> Path:
    """Several video streams in one file; `default` is the one marked to be shown."""
    with av.open(str(path), "w") as container:
        streams = []
        for recipe in recipes:
            stream = container.add_stream(recipe.codec, rate=10, options=dict(recipe.options))
            stream.width, stream.height = recipe.size
            stream.pix_fmt = recipe.pix_fmt
            stream.codec_context.time_base = Fraction(1, 1000)
            streams.append(stream)
        if default is not None:
            for index, stream in enumerate(streams):
                stream.disposition = av.stream.Disposition.default if index == default else av.stream.Disposition(0)
        for stream, recipe in zip(streams, recipes, strict=True):
            for number, time_ms in enumerate(recipe.times_ms):
                frame = av.VideoFrame.from_ndarray(picture(number, recipe.size), format="rgb24")
                frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path
