"""Fetches the pictures at given times of a file, in this process: with decord where it can be trusted, else with PyAV.

Callers use `pipeline.video.seek`, which chooses the process.

decord jumps fast, but it gives its pictures no times of their own: it trusts the file's list of packets. Where that
list is known to mislead it, or its pictures come out wrong (all measured with decord2 3.4: transport streams, edit
lists that hide a beginning, AVI without timestamps, B-frames of MPEG-4 part 2, open groups of pictures, intra refresh,
damaged files, mirrored or narrow pictures) PyAV fetches the same pictures and checks every picture's own time. It also
does so in long files, which decord reads from end to end on opening. `Jumper.jump` says which and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt

from pipeline.errors import MediaDamaged
from pipeline.video.file import SAME_INSTANT_S, FileSource
from pipeline.video.opening import MediaFile, OpenedFile, open_video
from pipeline.video.picture import Packed, shrunk_size
from pipeline.video.probe import Probed
from pipeline.video.sampling import DecodeConfig, DecodeLimits

_INDEXED = frozenset({"mov", "mp4", "matroska", "webm"})
"""Containers with an index of packets that decord reads right."""

_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "libdav1d"})
"""Codecs whose pictures decord counts right; in MPEG-4 part 2 with B-frames it does not."""

MOST_PICTURES = 20_000
"""Eleven minutes at 30 pictures a second."""

_NARROWEST_PX = 320
"""decord takes the padding of narrow rows for a fourth colour: seen up to 144 px, to be expected up to 288 px."""

_TOGETHER = 8
"""Pictures that decord fetches at once."""


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


class Jumper:
    """One file to jump about in. Making one raises as `FrameSource.probe` does."""

    def __init__(
        self, media: MediaFile, *, damaged: bool, max_side_px: int, limits: DecodeLimits | None = None
    ) -> None:
        self._media, self._limits = media, limits or DecodeLimits()
        self._source = FileSource(media, DecodeConfig(max_side_px=max_side_px), self._limits)
        self._opened, self.jump = self._open(self._source.look(), damaged, max_side_px)

    def packed_at(self, times_s: Sequence[float], start_offset_s: float) -> Iterator[Packed]:
        """See `pipeline.video.seek.frames_at`; pictures as bytes."""
        shift_s = start_offset_s - self._source.probe().start_offset_s
        wanted_s = [time_s + shift_s for time_s in times_s]
        if self._opened is not None:
            pictures = _jumped(self._opened, wanted_s, self._media.name)
        else:
            pictures = (self._source.packed_at(time_s) for time_s in wanted_s)
        return (replace(picture, time_s=picture.time_s - shift_s) for picture in pictures)

    def _open(self, probed: Probed, damaged: bool, max_side_px: int) -> tuple[_Opened | None, Jump]:
        width, height = shrunk_size(probed.info.width, probed.info.height, max_side_px)
        objection = _objection(probed, damaged, width) or self._objection_to_order()
        if objection is not None:
            return None, Jump("pyav", objection)
        opened = _decord(self._media, probed, width, height)
        if opened is None:
            return None, Jump("pyav", "decord cannot open the file")
        times_s = opened.times_s
        if not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any() or abs(times_s[0]) > SAME_INSTANT_S:
            return None, Jump("pyav", "the file's list of packets is not its list of pictures")
        return opened, Jump("decord", "the file has an index of its pictures")

    def _objection_to_order(self) -> str | None:
        """Why the order of the file's packets would mislead decord, or None; reads them without decoding."""
        key_pts: int | None = None
        with open_video(self._media, self._limits, 1) as video:
            try:
                for number, packet in enumerate(video.container.demux(video.stream)):
                    if number > MOST_PICTURES:
                        return f"the file has more than {MOST_PICTURES} pictures"
                    if packet.size and (packet.pts is None or packet.is_corrupt):
                        return "some packets are damaged or have no timestamp"
                    if packet.is_keyframe:
                        key_pts = packet.pts
                    elif packet.pts is not None and (key_pts is None or packet.pts < key_pts):
                        return "some pictures come before the key frame they are sent after"
            except av.FFmpegError:
                return "the file cannot be read to its end"
        return None


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


def _decord(media: MediaFile, probed: Probed, width: int, height: int) -> _Opened | None:
    """Opens the file for pictures of width x height; None where decord cannot."""
    import decord  # its native library is loaded only where pictures are jumped to

    decord.logging.set_level(decord.logging.QUIET)
    path = f"/dev/fd/{media.fd}" if isinstance(media, OpenedFile) else str(media)
    try:
        reader = decord.VideoReader(path, width=width, height=height, num_threads=2)
        stamps = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    except (decord.DECORDError, RuntimeError, AssertionError):
        return None
    # decord counts from the stream's claimed start, not from its first picture.
    return _Opened(reader, stamps.astype(np.float64) + probed.stream_start_s - probed.info.start_offset_s)


def _jumped(opened: _Opened, times_s: Sequence[float], name: str) -> Iterator[Packed]:
    import decord

    slack_s = SAME_INSTANT_S + 2 * float(np.spacing(np.float32(opened.times_s[-1])))  # decord's times are float32
    indices = np.searchsorted(opened.times_s, np.asarray(times_s) + slack_s, side="right") - 1
    indices = np.clip(indices, 0, len(opened.times_s) - 1)
    for begin in range(0, len(indices), _TOGETHER):
        some = [int(index) for index in indices[begin : begin + _TOGETHER]]
        try:
            pictures = opened.reader.get_batch(some).asnumpy()
        except decord.DECORDError as error:
            raise MediaDamaged(f"{name} cannot be decoded at the cited times.") from error
        for rgb, index in zip(pictures, some, strict=True):
            height, width = rgb.shape[:2]
            yield Packed(width, height, bytearray(rgb.tobytes()), float(opened.times_s[index]))
