"""Decodes a video file into frames with PyAV: forward, by presentation time, resumable after any time.

For jumps to given times use `pipeline.video.seek`; for untrusted files use `pipeline.video.sandbox.source`.

Resuming after a time: seek to a key frame whose own time is not after it, decode forward, let the sampler see every
picture and yield only those after the time. Pictures that a decoder cannot build right after a seek (leading pictures
of an open group) come before the key frame in time, so they are never yielded. Where no such key frame can be found
the file is decoded from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain

import av
from av.packet import Packet
from av.video.stream import VideoStream

from encoders.frame import Frame
from pipeline.errors import MediaTooLarge
from pipeline.video.damage import Damage
from pipeline.video.opening import MediaFile, OpenVideo, open_video, refuse_large_picture
from pipeline.video.picture import Packed, PictureReader
from pipeline.video.probe import Probed, no_picture, probe_file
from pipeline.video.sampling import Clock, DecodeConfig, DecodeLimits, Sampler
from pipeline.video.source import DecodeMode, MediaInfo

_SEEK_MARGINS_S = (0.0, 1.0, 5.0, 20.0, 80.0)
"""Containers that seek by decoding time may land late: then the seek is tried again from further back."""


_SETTLE_S = {"mpeg": 2.0, "mpegts": 2.0}
"""MPEG streams need not stamp every picture, only one in 0.7 s (ISO/IEC 13818-1, 2.7.4); right after a seek the times
of those between are guesses. Decoding starts this much earlier, so that all guesses are over before the wanted time."""

SAME_INSTANT_S = 0.0005
"""Times closer than this mean the same picture: citations are rounded, and pictures are farther apart."""

Timed = tuple[av.VideoFrame, float]
Packets = Iterator["Packet[VideoStream]"]


class _SeekMissed(Exception):
    """No key frame at or before the wanted time could be reached by seeking."""


class FileSource:
    """Frames of one file. Each `steps` opens the file anew and closes it when the iterator ends or is closed."""

    def __init__(
        self,
        media: MediaFile,
        config: DecodeConfig | None = None,
        limits: DecodeLimits | None = None,
        *,
        probed: Probed | None = None,
        on_read: Callable[[], None] = lambda: None,
    ) -> None:
        """`probed` is what an earlier look at the same file found; `on_read` is called for every packet read."""
        self._media = media
        self._config = config or DecodeConfig()
        self._limits = limits or DecodeLimits()
        self._probed = probed
        self._on_read = on_read
        self._damage: str | None = None
        self._losses = Damage()

    @property
    def damage(self) -> str | None:
        return self._damage or self._losses.sentence(None)  # while it runs: what was lost so far

    def probe(self) -> MediaInfo:
        return self.look().info

    def look(self) -> Probed:
        """What `probe` says and the numbers behind it; looked up once. Raises as `probe` does."""
        if self._probed is None:
            self._probed = probe_file(self._media, self._limits, self._config.threads)
        return self._probed

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        """See `FrameSource.steps`. `mode` is ``full`` or ``keyframes``; ValueError otherwise."""
        if mode not in ("full", "keyframes"):
            raise ValueError(f"a file cannot be decoded in mode {mode!r}")
        return self._frames(resume_after_s, mode)

    def at(self, times_s: Sequence[float]) -> list[Frame]:
        """The picture on screen at each time: the last one not after it (the first one for times before that).

        One seek a time, exact in every container; `time_s` of the result is the picture's own.
        """
        return [self.packed_at(time_s).frame() for time_s in times_s]

    def _frames(self, after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        with closing(self.packed_steps(after_s, mode)) as pictures:
            for picture in pictures:
                yield picture.frame()

    def packed_steps(self, after_s: float | None, mode: DecodeMode) -> Generator[Packed]:
        """`steps`, with pictures as bytes."""
        sampler, reader = Sampler(self._config.fps), self._reader()
        for picture, time_s in self._walk(mode, after_s):
            if sampler.take(time_s) and (after_s is None or time_s > after_s):
                yield reader.packed(picture, time_s)

    def packed_at(self, wanted_s: float) -> Packed:
        """`at` for one time, as bytes."""
        best: tuple[av.VideoFrame, float] | None = None
        for picture, time_s in self._walk("full", max(0.0, wanted_s)):
            if best is not None and time_s > wanted_s + SAME_INSTANT_S:
                break
            if best is None or time_s >= best[1]:
                best = picture, time_s
        if best is None:
            raise no_picture(self._media.name)
        return self._reader().packed(*best)

    def _reader(self) -> PictureReader:
        return PictureReader(self.look().aspect, self._config.max_side_px)

    def _walk(self, mode: DecodeMode, near_s: float | None) -> Iterator[Timed]:
        """Every picture and its time, from one at or before `near_s` on, else from the first."""
        if near_s is not None:
            try:
                yield from self._run(mode, near_s)
                return
            except _SeekMissed:
                pass  # raised before anything was yielded: the run below starts from the beginning
        yield from self._run(mode, None)

    def _run(self, mode: DecodeMode, near_s: float | None) -> Iterator[Timed]:
        """One pass over the file, from a key frame at or before `near_s`. Raises `_SeekMissed` if there is none."""
        probed, damage = self.look(), Damage()
        self._damage, self._losses = None, damage
        clock = Clock(probed.start_pts, probed.time_base, probed.frame_s)
        with open_video(self._media, self._limits, self._config.threads, strict=probed.strict) as video:
            if mode == "keyframes":
                video.stream.codec_context.skip_frame = "NONKEY"
            report_reads = self._report_reads
            packets = (
                report_reads(_packets(video)) if near_s is None else _packets_from(video, clock, near_s, report_reads)
            )
            pictures = _timed(packets, clock, damage, wait_for_key=probed.info.key_interval_s is not None)
            try:
                yield from self._checked(pictures if near_s is None else _landed(pictures, near_s), damage)
                self._damage = damage.sentence(probed.end_s)
            except GeneratorExit:
                self._damage = damage.sentence(None)
                raise

    def _report_reads(self, packets: Packets) -> Packets:
        for packet in packets:
            self._on_read()
            yield packet

    def _checked(self, pictures: Iterator[Timed], damage: Damage) -> Iterator[Timed]:
        newest_s: float | None = None
        for picture, time_s in self._bounded(pictures):
            if time_s > self._limits.max_seconds:
                damage.wild += 1
                continue
            if newest_s is not None and time_s < newest_s:
                damage.stuck += 1
            newest_s = time_s if newest_s is None else max(newest_s, time_s)
            damage.read_s = max(damage.read_s, newest_s)
            yield picture, time_s
        if newest_s is None:
            raise no_picture(self._media.name, starved=damage.starved)

    def _bounded(self, pictures: Iterator[Timed]) -> Iterator[Timed]:
        """The pictures, counted. Raises `MediaTooLarge` for one too large, too many of them, or more time than allowed
        in a file that claims no length (in one that does, such a time is damage)."""
        name, limits, work = self._media.name, self._limits, 0
        endless = self.probe().duration_s is None
        for picture, time_s in pictures:
            refuse_large_picture(picture.width, picture.height, limits, name)
            work += picture.width * picture.height
            if work > limits.max_work_pixels:
                raise MediaTooLarge(f"{name} has more than the {limits.max_work_pixels:.1e} pixels allowed in all.")
            if endless and time_s > limits.max_seconds:
                raise MediaTooLarge(f"{name} is longer than the {limits.max_seconds:.0f} s allowed.")
            yield picture, time_s


def _timed(packets: Packets, clock: Clock, damage: Damage, *, wait_for_key: bool) -> Iterator[Timed]:
    """Every picture that can be decoded, with its time; what cannot is counted.

    After a loss, pictures that may build on what was lost are left out up to the next key frame (`wait_for_key`).
    """
    waiting = False
    for packet in _until_unreadable(packets, damage):
        frames = _decoded(packet, damage)
        if packet.pts is not None:
            damage.read_s = max(damage.read_s, clock.seconds(packet.pts + (packet.duration or 0)))
        waiting = waiting or (wait_for_key and frames is None)
        for frame in frames or ():
            waiting = waiting and not frame.key_frame
            time_s = clock.time_s(frame.pts)
            if not waiting:
                yield frame, time_s


def _decoded(packet: Packet[VideoStream], damage: Damage) -> list[av.VideoFrame] | None:
    """The pictures a packet completes, perhaps none yet; None if it, or one before it, cannot be decoded."""
    try:
        if not packet.is_corrupt:
            return packet.decode()
    except av.FFmpegError as error:
        damage.starved = damage.starved or isinstance(
            error, MemoryError
        )  # counted below, reported when the run is over
    damage.lost += 1
    return None


def _packets(video: OpenVideo) -> Packets:
    return video.container.demux(video.stream)


def _until_unreadable(packets: Packets, damage: Damage) -> Packets:
    """The packets up to where reading fails."""
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError):
            damage.stopped = True
            return
        if packet is None:
            return
        yield packet


def _packets_from(video: OpenVideo, clock: Clock, near_s: float, report_reads: Callable[[Packets], Packets]) -> Packets:
    """Packets from a key frame on whose time is not after `near_s`. Raises `_SeekMissed` if seeking reaches none.

    Every packet read goes through `report_reads`, also those read on the way to a key frame."""
    near_s -= _SETTLE_S.get(video.container.format.name, 0.0)
    for margin_s in _SEEK_MARGINS_S:
        try:
            video.container.seek(clock.pts(near_s - margin_s), stream=video.stream)
            packets = report_reads(_packets(video))
            key = next((packet for packet in packets if packet.is_keyframe), None)
        except (av.FFmpegError, OSError) as error:
            raise _SeekMissed from error
        if key is None or key.pts is None:
            raise _SeekMissed
        if key.pts <= clock.pts(near_s):
            return chain((key,), packets)
    raise _SeekMissed


def _landed(pictures: Iterator[Timed], after_s: float) -> Iterator[Timed]:
    """The pictures, if the first is not after `after_s`. Raises `_SeekMissed` otherwise or if there is none."""
    first = next(pictures, None)
    if first is None or first[1] > after_s:
        raise _SeekMissed
    return chain((first,), pictures)
