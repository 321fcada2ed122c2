"""Opens a video file and finds its video stream; every way that can fail becomes one of the pipeline's errors.

What it is not: decoding. Only demuxers of ordinary video files are let in: a playlist or script named like a video
must not make the reader open further files or addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from pipeline.decode import DecodeLimits
from pipeline.errors import MediaTooLarge, MediaUnsupported

_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,asf,ogg,gif,mxf,nut,ivf,"
    "h264,hevc,av1,obu,m4v,rm,wtv,dv,mjpeg,yuv4mpegpipe"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """A file that is open, and the stream to watch."""

    container: InputContainer
    stream: VideoStream


@contextmanager
def open_video(path: Path, limits: DecodeLimits, threads: int, *, strict: bool = False) -> Iterator[OpenVideo]:
    """Opens `path`, closes it on leaving. Raises `MediaUnsupported` or `MediaTooLarge`.

    A `strict` decoder refuses a damaged picture; else it paints over the damage as well as it can and does not say so.
    """
    container = _container(path)
    try:
        stream = _video_stream(container, path.name)
        _refuse_undecodable(stream, limits, path.name)
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.options = _decoder_options(limits, strict)
        _read_only(container, stream)
        yield OpenVideo(container, stream)
    finally:
        container.close()


def _container(path: Path) -> InputContainer:
    if path.is_dir():
        raise MediaUnsupported(f"{path.name} is a folder, not a video.")
    try:
        if path.stat().st_size == 0:
            raise MediaUnsupported(f"{path.name} is empty.")
        return av.open(f"file:{path}", mode="r", options=dict(_OPTIONS), metadata_errors="replace")
    except FileNotFoundError as error:
        raise MediaUnsupported(f"There is no file {path.name}.") from error
    except PermissionError as error:
        raise MediaUnsupported(f"{path.name} may not be read.") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaUnsupported(f"{path.name} is not a video, or its header is missing or damaged.") from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise MediaUnsupported(f"{name} has no video stream.")


def _read_only(container: InputContainer, stream: VideoStream) -> None:
    """Sound and subtitles are not read where the container lets them be passed over."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


def _refuse_undecodable(stream: VideoStream, limits: DecodeLimits, name: str) -> None:
    codec = stream.codec_context
    if codec is None:
        raise MediaUnsupported(f"{name} is coded in a way that cannot be decoded here.")
    refuse_large_picture(codec.width, codec.height, limits, name)


def refuse_large_picture(width: int, height: int, limits: DecodeLimits, name: str) -> None:
    """Raises `MediaTooLarge` for a picture of too many pixels."""
    if width * height > limits.max_pixels:
        raise MediaTooLarge(
            f"{name} has pictures of {width} x {height}; at most {limits.max_pixels} pixels are allowed."
        )


def _decoder_options(limits: DecodeLimits, strict: bool) -> dict[str, str]:
    # The decoder counts its padding as well; this only stops what is far too large before memory is taken for it.
    options = {"max_pixels": str(2 * limits.max_pixels + 65536)}
    return options | {"err_detect": "explode"} if strict else options
