"""Opens a video file and finds its video stream; every failure becomes one of the pipeline's errors.

Nothing is decoded here. Only demuxers and decoders of ordinary video files are let in (`DEMUXERS`, `DECODERS`): a
playlist, a script or a numbered picture must not make the reader open further files, devices or addresses.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from pipeline.errors import MediaTooLarge, MediaUnsupported
from pipeline.video.sampling import DecodeLimits

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,asf,ogg,gif,mxf,nut,ivf,"
    "h264,hevc,av1,obu,m4v,rm,wtv,dv,mjpeg,yuv4mpegpipe"
)
"""Containers that hold everything themselves, by FFmpeg's names. Not here, so never opened: playlists (hls, dash,
concat, sdp), numbered pictures (image2), network and capture inputs, subtitles, lists of files of any kind."""

DECODERS = (
    "h264,hevc,av1,libdav1d,vp8,vp9,libvpx,libvpx-vp9,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,h261,h263,h263p,h263i,flv,"
    "mpeg1video,mpeg2video,mpegvideo,mjpeg,wmv1,wmv2,wmv3,vc1,theora,vp6,vp6a,vp6f,svq1,svq3,cinepak,rv10,rv20,rv30,"
    "rv40,prores,dnxhd,cfhd,dvvideo,jpeg2000,ffv1,huffyuv,ffvhuff,utvideo,gif,png,qtrle,rawvideo"
)
"""Video decoders, by FFmpeg's names. Sound and subtitles are never decoded."""

_PICTURES_HELD = 4
"""At least so many pictures are held while a video is decoded, besides one for each thread."""

_OPTIONS = {"format_whitelist": DEMUXERS, "codec_whitelist": DECODERS}


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file that somebody else has opened for reading: its name for a person, and its descriptor."""

    name: str
    fd: int


MediaFile = Path | OpenedFile
"""Where a file's bytes are. A reader of an `OpenedFile` can open no other file, and needs no right to."""


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """A file that is open, and the stream to watch."""

    container: InputContainer
    stream: VideoStream


def open_media(path: Path) -> int:
    """A descriptor of the file, read-only. Raises `MediaUnsupported` in words for a person."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe without a writer must not block
    except OSError as error:
        raise MediaUnsupported(_refusal(error, path.name)) from error
    try:
        _refuse_irregular(fd, path.name)
    except MediaUnsupported:
        os.close(fd)
        raise
    return fd


def _refusal(error: OSError, name: str) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{name} may not be read."
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return f"There is no file {name}."
    return f"{name} cannot be opened."


def _refuse_irregular(fd: int, name: str) -> None:
    about = os.fstat(fd)
    if stat.S_ISDIR(about.st_mode):
        raise MediaUnsupported(f"{name} is a folder, not a video.")
    if not stat.S_ISREG(about.st_mode):
        raise MediaUnsupported(f"{name} is not an ordinary file.")
    if about.st_size == 0:
        raise MediaUnsupported(f"{name} is empty.")


@contextmanager
def open_video(media: MediaFile, limits: DecodeLimits, threads: int, *, strict: bool = False) -> Iterator[OpenVideo]:
    """Opens `media`, closes it on leaving. Raises `MediaUnsupported` or `MediaTooLarge`.

    A `strict` decoder refuses a damaged picture; else it paints over the damage as well as it can and does not say so.
    """
    container = _container(media)
    try:
        stream = _video_stream(container, media.name)
        _refuse_undecodable(stream, limits, media.name)
        _refuse_without_room(stream.width * stream.height * (_PICTURES_HELD + threads), media.name)
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.options = _decoder_options(limits, strict)
        _read_only(container, stream)
        yield OpenVideo(container, stream)
    finally:
        container.close()


def _container(media: MediaFile) -> InputContainer:
    if isinstance(media, OpenedFile):
        _refuse_irregular(media.fd, media.name)
        os.lseek(media.fd, 0, os.SEEK_SET)
        return _opened("fd:", {"protocol_whitelist": "fd", "fd": str(media.fd)}, media.name)
    os.close(open_media(media))
    return _opened(f"file:{media}", {"protocol_whitelist": "file"}, media.name)


def _opened(url: str, options: dict[str, str], name: str) -> InputContainer:
    try:
        return av.open(url, mode="r", options=_OPTIONS | options, metadata_errors="replace")
    except MemoryError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaUnsupported(f"{name} is not a video, or its header is missing or damaged.") from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    """The first one that is neither a cover nor a track of previews; one marked as the default goes first."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [stream for stream in container.streams.video if not stream.disposition & still]
    if not streams:
        raise MediaUnsupported(f"{name} has no video stream.")
    return next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])


def _read_only(container: InputContainer, stream: VideoStream) -> None:
    """Sound and subtitles are not read where the container lets them be passed over."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


def _refuse_undecodable(stream: VideoStream, limits: DecodeLimits, name: str) -> None:
    codec = stream.codec_context
    if codec is None:
        raise MediaUnsupported(f"{name} is coded in a way that cannot be decoded here.")
    if codec.name not in DECODERS.split(","):
        raise MediaUnsupported(f"{name} is coded as {codec.name}, which is not decoded here.")
    refuse_large_picture(codec.width, codec.height, limits, name)


def refuse_large_picture(width: int, height: int, limits: DecodeLimits, name: str) -> None:
    """Raises `MediaTooLarge` for a picture of too many pixels."""
    if width * height > limits.max_pixels:
        raise MediaTooLarge(
            f"{name} has pictures of {width} x {height}; at most {limits.max_pixels} pixels are allowed."
        )


def _refuse_without_room(pixels: int, name: str) -> None:
    """Raises `MediaTooLarge` where this process cannot have memory for so many pixels. Asked before, since a decoder
    that runs out of memory calls the file damaged."""
    try:
        mmap.mmap(-1, max(1, 2 * pixels)).close()  # two bytes a pixel; taken, never touched
    except (OSError, MemoryError) as error:
        raise MediaTooLarge(f"{name} takes more memory to decode than allowed.") from error


def _decoder_options(limits: DecodeLimits, strict: bool) -> dict[str, str]:
    # The decoder counts its padding as well; this only stops what is far too large before memory is taken for it.
    options = {"max_pixels": str(2 * limits.max_pixels + 65536), "codec_whitelist": DECODERS}
    return options | {"err_detect": "explode"} if strict else options
