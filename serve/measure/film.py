"""Makes the films for the speed benchmarks, once, in the cache folder: real pictures encoded anew as asked.

A film is every picture of real clips, one after another and from the start again, scaled up to the wanted size, so
that something moves all the time. Its pictures are less sharp than a camera's own, which cost the decoder more. So
ratios taken on these films are on the safe side.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from serve.settings import Settings

SAMPLE = Path(__file__).parents[2] / "tests" / "data" / "sample.mp4"
FPS = 25


@dataclass(frozen=True, slots=True)
class FilmRecipe:
    """How a film is coded: libav's name of the encoder, its options, container, size, seconds, pictures a group."""

    encoder: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "veryfast", "crf": "23", "sc_threshold": "0"})
    container: str = "mp4"
    width: int = 1920
    height: int = 1080
    seconds: int = 120
    gop: int = 50


def pictured(clips: Path | None) -> list[Path]:
    """The clips of a folder with `events.json`, or the bundled sample."""
    if clips is None:
        return [SAMPLE]
    return [clips / clip["file"] for clip in json.loads((clips / "events.json").read_text())]


def film(recipe: FilmRecipe, videos: Sequence[Path]) -> Path:
    """The file, made if it is not there yet."""
    made_of = [[video.name, video.stat().st_size] for video in videos]
    digest = hashlib.sha256(json.dumps([asdict(recipe), made_of]).encode()).hexdigest()[:12]
    return _kept(f"{recipe.encoder}-{recipe.height}p-{recipe.seconds}s-{digest}.{recipe.container}", recipe, videos)


def _kept(name: str, recipe: FilmRecipe, videos: Sequence[Path]) -> Path:
    path = cache_folder() / name
    if not path.exists():
        part = path.with_name(f"{os.getpid()}-{name}")
        try:
            _write(part, recipe, videos)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def cache_folder() -> Path:
    """Where films and finished rows are kept; may be deleted."""
    folder = Settings().cache_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, recipe: FilmRecipe, videos: Sequence[Path]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.encoder, rate=FPS, options=dict(recipe.options))
        if not isinstance(stream, VideoStream):
            raise ValueError(f"{recipe.encoder} does not code pictures")
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        stream.codec_context.gop_size = recipe.gop
        for number, picture in enumerate(islice(_pictures(videos), recipe.seconds * FPS)):
            scaled = picture.reformat(recipe.width, recipe.height, "yuv420p", interpolation="BICUBIC")
            scaled.pts, scaled.time_base, scaled.pict_type = number, Fraction(1, FPS), PictureType.NONE
            container.mux(stream.encode(scaled))
        container.mux(stream.encode(None))


def _pictures(videos: Sequence[Path]) -> Iterator[av.VideoFrame]:
    while True:
        for video in videos:
            with av.open(str(video)) as container:
                yield from container.decode(video=0)


def repeated(path: Path, times: int) -> Path:
    """The film `times` over, its packets copied as they are."""
    longer = path.with_stem(f"{path.stem}-x{times}")
    if longer.exists():
        return longer
    part = path.with_name(f"{os.getpid()}-{longer.name}")
    try:
        with av.open(str(part), "w") as out:
            _copy(path, times, out)
        part.replace(longer)
    finally:
        part.unlink(missing_ok=True)
    return longer


def _copy(path: Path, times: int, out: OutputContainer) -> None:
    with av.open(str(path)) as first:
        stream = out.add_stream_from_template(first.streams.video[0])
    for number in range(times):
        with av.open(str(path)) as again:
            video = again.streams.video[0]
            if video.duration is None or video.time_base is None:
                raise ValueError(f"{path.name} does not say how long it is")
            for packet in again.demux(video):
                if packet.pts is not None and packet.dts is not None:
                    packet.pts += number * video.duration
                    packet.dts += number * video.duration
                    packet.stream = stream
                    out.mux(packet)
