"""Reads what a video file says about itself; decodes its first picture, counts its key frames, reads nothing else.

`probe_file` returns a `Probed`. Watching the file is `pipeline.video.file`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

import av
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.errors import MediaDamaged, MediaTooLarge
from pipeline.video.opening import MediaFile, OpenVideo, open_video
from pipeline.video.picture import display_matrix, is_mirrored, is_sideways, square_size
from pipeline.video.sampling import DecodeLimits
from pipeline.video.source import MediaInfo

_PACKETS_LOOKED_AT = 1500
"""Enough for 50 s at 30 frames a second, and still quick to read."""

_KEYS_DECODED = 4
_PACKETS_TRIED = 16

_DEFAULT_FRAME_S = 0.04


@dataclass(frozen=True, slots=True)
class Probed:
    """A video's description, and the numbers behind it that decoding needs.

    Attributes:
        start_pts: the first picture's timestamp, in units of `time_base` seconds.
        mirrored: whether upright pictures are mirror images of the coded ones.
        aspect: width of a coded pixel over its height, or None.
        stream_start_s: the stream's claimed start, in the file's own time.
        frame_s: average time between two pictures.
        work_pixels: pictures times pixels, by the file's own claims; None without any.
        strict: whether a decoder that refuses damaged pictures accepts the file's beginning; some encoders break their
            standard in harmless ways all the time.
        end_s: where the video stream ends by its own claim, in seconds since the first picture; None without one.
    """

    info: MediaInfo
    start_pts: int
    time_base: Fraction
    mirrored: bool
    aspect: Fraction | None
    stream_start_s: float
    frame_s: float
    end_s: float | None
    work_pixels: float | None = None
    strict: bool = False


def probe_file(media: MediaFile, limits: DecodeLimits, threads: int) -> Probed:
    """Opens the file twice: for its first picture and key frames, and to see how strictly it can be decoded.

    Raises as `FrameSource.probe` does.
    """
    with open_video(media, limits, threads) as video:
        probed = _describe(video, _first_picture(video, media.name))
    with open_video(media, limits, threads, strict=True) as video:
        probed = replace(probed, strict=_bears_strictness(video))
    refuse_long(probed, limits, media.name)
    return probed


def refuse_long(probed: Probed, limits: DecodeLimits, name: str) -> None:
    """Raises `MediaTooLarge` for more seconds, or more pictures times pixels, than allowed, as far as is claimed."""
    seconds = probed.info.duration_s
    if seconds is not None and seconds > limits.max_seconds:
        raise MediaTooLarge(f"{name} is {seconds:.0f} s long; at most {limits.max_seconds:.0f} s are allowed.")
    if probed.work_pixels is not None and probed.work_pixels > limits.max_work_pixels:
        raise MediaTooLarge(
            f"{name} has {probed.work_pixels:.1e} pixels in all its pictures; "
            f"at most {limits.max_work_pixels:.1e} are allowed."
        )


def stream_time_base(stream: VideoStream) -> Fraction:
    """Seconds in one unit of the stream's timestamps."""
    return stream.time_base or Fraction(1, 1000)


def no_picture(name: str, *, starved: bool = False) -> MediaDamaged | MediaTooLarge:
    """The error for a file without one good picture; `starved`: for want of memory."""
    if starved:
        return MediaTooLarge(f"{name} takes more memory to decode than allowed.")
    return MediaDamaged(f"{name} is damaged: not one picture of it can be decoded.")


def _first_picture(video: OpenVideo, name: str) -> av.VideoFrame:
    starved = False
    try:
        for packet in video.container.demux(video.stream):
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                starved = starved or isinstance(error, MemoryError)
                continue
            if frames:
                return frames[0]
    except av.FFmpegError as error:
        raise no_picture(name, starved=starved) from error
    raise no_picture(name, starved=starved)


def _describe(video: OpenVideo, first: av.VideoFrame) -> Probed:
    stream, time_base = video.stream, stream_time_base(video.stream)
    start_pts = first.pts or 0
    rate = stream.average_rate or stream.guessed_rate
    end_s = _end_s(video, float(start_pts * time_base))
    width, height = square_size(first.width, first.height, stream.sample_aspect_ratio)
    if is_sideways(display_matrix(first)):
        width, height = height, width
    info = MediaInfo(
        width=width,
        height=height,
        duration_s=_container_end_s(video, float(start_pts * time_base)) if end_s is None else end_s,
        codec=stream.codec_context.name,
        container=video.container.format.name,
        fps=float(rate) if rate else None,
        start_offset_s=float(start_pts * time_base),
        key_interval_s=_key_interval_s(video) if _keys_stand_alone(video) else None,
        has_audio=bool(video.container.streams.audio),
    )
    return Probed(
        info=info,
        start_pts=start_pts,
        time_base=time_base,
        mirrored=is_mirrored(display_matrix(first)),
        aspect=stream.sample_aspect_ratio,
        stream_start_s=float((start_pts if stream.start_time is None else stream.start_time) * time_base),
        frame_s=float(1 / rate) if rate else _DEFAULT_FRAME_S,
        end_s=end_s,
        work_pixels=_work_pixels(video, info.duration_s, float(rate) if rate else 1 / _DEFAULT_FRAME_S),
    )


def _work_pixels(video: OpenVideo, duration_s: float | None, fps: float) -> float | None:
    codec, pictures = video.stream.codec_context, video.stream.frames
    if pictures <= 0:
        if duration_s is None:
            return None
        pictures = math.ceil(duration_s * fps)
    return float(codec.width) * codec.height * pictures


def _end_s(video: OpenVideo, offset_s: float) -> float | None:
    """The video stream's own end; the container's only where there is no other stream to make it longer."""
    stream = video.stream
    if stream.duration is not None:
        end = (stream.start_time or 0) + stream.duration
        return max(0.0, float(end * stream_time_base(stream)) - offset_s)
    tagged_s = _clock_seconds(stream.metadata.get("DURATION", ""))
    if tagged_s is not None:
        return max(0.0, tagged_s - offset_s)
    return _container_end_s(video, offset_s) if len(video.container.streams) == 1 else None


def _container_end_s(video: OpenVideo, offset_s: float) -> float | None:
    container = video.container
    if container.duration is None or container.duration <= 0:
        return None
    return max(0.0, ((container.start_time or 0) + container.duration) / av.time_base - offset_s)


def _clock_seconds(text: str) -> float | None:
    """Matroska's ``hh:mm:ss.nnnnnnnnn`` in seconds; None for anything else."""
    parts = text.strip("\0 ").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    total_s = hours * 3600 + minutes * 60 + seconds
    return total_s if math.isfinite(total_s) else None


def _key_interval_s(video: OpenVideo) -> float | None:
    """From the file's index where it lists every picture, else from the packets at its beginning."""
    stream, time_base = video.stream, float(stream_time_base(video.stream))
    index = stream.index_entries
    if 0 < stream.frames == len(index):
        return _longest_gap_s(((entry.timestamp, entry.is_keyframe) for entry in index), time_base)
    try:
        video.container.seek(0)
        packets = islice(video.container.demux(stream), _PACKETS_LOOKED_AT)
        return _longest_gap_s([(_stamp(packet), packet.is_keyframe) for packet in packets], time_base)
    except av.FFmpegError:
        return None


def _keys_stand_alone(video: OpenVideo) -> bool:
    """Whether the first few key frames give a picture each; entry points of an intra refresh, for example, do not."""
    codec = video.stream.codec_context
    codec.skip_frame = "NONKEY"
    try:
        video.container.seek(0)
        packets = islice(video.container.demux(video.stream), _PACKETS_LOOKED_AT)
        keys = list(islice((p for p in packets if p.is_keyframe and not p.is_discard), _KEYS_DECODED))
        pictures = sum(len(codec.decode(packet)) for packet in keys) + len(codec.decode(None))
    except av.FFmpegError:
        return False
    return pictures == len(keys) > 0


def _bears_strictness(video: OpenVideo) -> bool:
    """Whether a strict decoder takes more of the first packets than it refuses."""
    tried = refused = 0
    try:
        for packet in islice(video.container.demux(video.stream), _PACKETS_TRIED):
            tried += 1
            try:
                packet.decode()
            except av.FFmpegError:
                refused += 1
    except av.FFmpegError:
        pass  # reading fails early: the packets tried so far decide
    return 2 * refused < tried


def _stamp(packet: Packet[VideoStream]) -> int | None:
    return packet.pts if packet.dts is None else packet.dts


def _longest_gap_s(pictures: Iterable[tuple[int | None, bool]], time_base: float) -> float | None:
    """Longest time from one key frame to the next, or to the last picture; None without timestamps or key frames."""
    key: int | None = None
    last: int | None = None
    longest = 0
    for stamp, is_key in pictures:
        if stamp is None:
            continue
        if key is not None:
            longest = max(longest, stamp - key)
        if is_key:
            key = stamp
        last = stamp
    if key is None or last is None:
        return None
    return longest * time_base
