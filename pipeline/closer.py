"""Jumps to cited times of a kept file: for looking closer and for thumbnails on demand. Not for watching.

decord jumps fast, but it gives its pictures no times of their own: it trusts the file's list of packets. Where that
list is known to mislead it, or its pictures come out wrong (all measured with decord2 3.4: transport streams, edit
lists that hide a beginning, AVI without timestamps, B-frames of MPEG-4 part 2, open groups of pictures, intra refresh,
damaged files, mirrored or narrow pictures) the same pictures are fetched by PyAV, which checks every picture's own
time; so they are in long files, which decord reads from end to end on opening. `choose_jump` says which and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt

from encoders.base import Frame
from pipeline.decode import DecodeConfig, DecodeLimits
from pipeline.errors import MediaDamaged, MediaNotKept
from pipeline.sources.file import SAME_INSTANT_S, FileSource
from pipeline.sources.opening import open_video
from pipeline.sources.picture import shrunk_size
from pipeline.sources.probe import Probed, probe_file

_INDEXED = frozenset({"mov", "mp4", "matroska", "webm"})
"""Containers with an index of packets that decord reads right."""

_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "libdav1d"})
"""Codecs whose pictures decord counts right; in MPEG-4 part 2 with B-frames it does not."""

_MOST_PICTURES = 20_000
"""Eleven minutes at 30 pictures a second."""

_NARROWEST_PX = 320
"""decord takes the padding of narrow rows for a fourth colour: seen up to 144 px, to be expected up to 288 px."""


@dataclass(frozen=True, slots=True)
class Jump:
    """How a file is jumped about in, and why so."""

    backend: Literal["decord", "pyav"]
    reason: str


@dataclass(frozen=True, slots=True)
class _Opened:
    """A decord reader and the times of its pictures: float64 [frames], seconds since the first watched picture."""

    reader: Any
    times_s: npt.NDArray[np.float64]


def frames_at(
    path: Path, times_s: Sequence[float], start_offset_s: float, *, damaged: bool = False, max_side_px: int = 960
) -> list[Frame]:
    """The picture on screen at each time, in the order asked: the last one not after it.

    `times_s` count from the first watched picture, whose own timestamp is `start_offset_s` (`MediaInfo`). `damaged`
    says that watching the file met damage. `Frame.time_s` is the picture's own time. Raises `MediaNotKept` if the
    file is gone, `MediaUnsupported` or `MediaDamaged` if it cannot be read.
    """
    probed = _probe(path)
    shift_s = start_offset_s - probed.info.start_offset_s
    opened, _ = _open(path, probed, damaged, max_side_px)
    if opened is None:
        frames = FileSource(path, DecodeConfig(max_side_px=max_side_px)).at([time_s + shift_s for time_s in times_s])
        return [Frame(rgb=frame.rgb, time_s=frame.time_s - shift_s) for frame in frames]
    return _jumped(opened, [time_s + shift_s for time_s in times_s], shift_s, path.name)


def choose_jump(path: Path, *, damaged: bool = False) -> Jump:
    """Which library `frames_at` uses for the file, and why. Raises as `frames_at` does."""
    return _open(path, _probe(path), damaged, 960)[1]


def _probe(path: Path) -> Probed:
    if not path.exists():
        raise MediaNotKept(f"{path.name} is no longer kept, so its pictures cannot be looked at again.")
    return probe_file(path, DecodeLimits(), DecodeConfig().threads)


def _open(path: Path, probed: Probed, damaged: bool, max_side_px: int) -> tuple[_Opened | None, Jump]:
    width, height = shrunk_size(probed.info.width, probed.info.height, max_side_px)
    objection = _objection(probed, damaged, width) or _objection_to_order(path)
    if objection is not None:
        return None, Jump("pyav", objection)
    opened = _decord(path, probed, width, height)
    if opened is None:
        return None, Jump("pyav", "decord cannot open the file")
    times_s = opened.times_s
    if not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any() or abs(times_s[0]) > SAME_INSTANT_S:
        return None, Jump("pyav", "the file's list of packets is not its list of pictures")
    return opened, Jump("decord", "the file has an index of its pictures")


def _objection(probed: Probed, damaged: bool, width: int) -> str | None:
    """Why decord's pictures of such a file cannot be trusted, or None."""
    info = probed.info
    if damaged:
        return "the file is damaged"
    if not _INDEXED & set(info.container.split(",")):
        return f"decord is not known to jump exactly in {info.container}"
    if info.codec not in _CODECS:
        return f"decord is not known to jump exactly in {info.codec}"
    if info.key_interval_s is None:
        return "the key frames do not stand alone"
    if probed.mirrored:
        return "the pictures are mirrored"
    return f"the pictures are narrower than {_NARROWEST_PX} pixels" if width < _NARROWEST_PX else None


def _objection_to_order(path: Path) -> str | None:
    """Why the order of the file's packets would mislead decord, or None; reads them without decoding."""
    key_pts: int | None = None
    with open_video(path, DecodeLimits(), 1) as video:
        try:
            for number, packet in enumerate(video.container.demux(video.stream)):
                if number > _MOST_PICTURES:
                    return f"the file has more than {_MOST_PICTURES} pictures"
                if packet.size and (packet.pts is None or packet.is_corrupt):
                    return "some packets are damaged or have no timestamp"
                if packet.is_keyframe:
                    key_pts = packet.pts
                elif packet.pts is not None and (key_pts is None or packet.pts < key_pts):
                    return "some pictures come before the key frame they are sent after"
        except av.FFmpegError:
            return "the file cannot be read to its end"
    return None


def _decord(path: Path, probed: Probed, width: int, height: int) -> _Opened | None:
    """Opens the file for pictures of width x height; None where decord cannot."""
    import decord  # its native library is loaded only where pictures are jumped to

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), width=width, height=height, num_threads=2)
        stamps = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    except (decord.DECORDError, RuntimeError, AssertionError):
        return None
    # decord counts from the stream's claimed start, not from its first picture.
    return _Opened(reader, stamps.astype(np.float64) + probed.stream_start_s - probed.info.start_offset_s)


def _jumped(opened: _Opened, times_s: Sequence[float], shift_s: float, name: str) -> list[Frame]:
    import decord

    slack_s = SAME_INSTANT_S + 2 * float(np.spacing(np.float32(opened.times_s[-1])))  # decord's times are float32
    indices = np.searchsorted(opened.times_s, np.asarray(times_s) + slack_s, side="right") - 1
    indices = np.clip(indices, 0, len(opened.times_s) - 1)
    try:
        pictures = opened.reader.get_batch([int(index) for index in indices]).asnumpy() if len(indices) else []
    except decord.DECORDError as error:
        raise MediaDamaged(f"{name} cannot be decoded at the cited times.") from error
    return [
        Frame(rgb=np.ascontiguousarray(rgb, dtype=np.uint8), time_s=float(opened.times_s[index]) - shift_s)
        for rgb, index in zip(pictures, indices, strict=True)
    ]
