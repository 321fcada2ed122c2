"""Decodes untrusted media in a killable child process: a source of frames, and jumps.

    SandboxedSource    a `FrameSource`: `pipeline.video.file.FileSource`, run in a child
    jump               `pipeline.video.jumping.Jumper`, run in a child

Each `probe`, `steps`, `at` and `jump` has a child of its own (`pipeline.video.sandbox.process`), which gets the file as
an open descriptor and nothing else. A child that crashes, hangs or grows costs what it had not yet decoded: the
pictures before are kept and `damage` says where they end. Without any picture the error is `MediaDamaged`, or
`MediaTooLarge` where a limit was met. Two errors say nothing about the file: `BackendUnavailable`, where a child cannot
even start, and `DecoderKilled`, where it was killed from outside (the system may, for want of memory) and so were its
`_SUCCESSORS`, each of which goes on after the last whole picture. The limits are `SandboxConfig`;
`pipeline.video.sandbox.guards` locks the child down.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from encoders.frame import Frame
from pipeline.errors import (
    BackendUnavailable,
    DecoderKilled,
    MediaDamaged,
    MediaTooLarge,
    MediaUnsupported,
    PipelineError,
)
from pipeline.video.jumping import Jump
from pipeline.video.probe import Probed, refuse_long
from pipeline.video.sampling import DecodeConfig, DecodeLimits, Sampler, SandboxConfig
from pipeline.video.sandbox.messages import (
    ChildTimeout,
    Garbled,
    Killed,
    Lost,
    Message,
    number,
    plain_probed,
    probed_from,
    text,
    texts,
)
from pipeline.video.sandbox.process import Child
from pipeline.video.source import DecodeMode, MediaInfo

log = logging.getLogger("longwatch.decoder")
T = TypeVar("T")
_SUCCESSORS = 2
"""Children started, one after another, in the place of one that was killed from outside."""

_REFUSALS: dict[str, type[PipelineError]] = {
    kind.code: kind for kind in (MediaUnsupported, MediaDamaged, MediaTooLarge)
}
_UNKNOWN_WORK_PIXELS = 1e11
"""Of a video that claims no length: enough for half an hour of 1080p."""

_START_S = 60.0
"""Starting takes 0.2 s of processor time; where all cores are busy it takes longer."""

_BUSY_FACTOR = 10.0
"""A child gets so many times its processor time in all of its parent's waiting: it shares the cores with others."""


class SandboxedSource:
    """Frames of one file, decoded in a child process for each look and each `steps`. See `FrameSource`."""

    def __init__(
        self,
        path: Path,
        config: DecodeConfig | None = None,
        limits: DecodeLimits | None = None,
        sandbox: SandboxConfig | None = None,
    ) -> None:
        self._path = path
        self._config = config or DecodeConfig()
        self._limits = limits or DecodeLimits()
        self._sandbox = sandbox or SandboxConfig()
        self._probed: Probed | None = None
        self._damage: str | None = None

    @property
    def damage(self) -> str | None:
        """See `FrameSource.damage`."""
        return self._damage

    def probe(self) -> MediaInfo:
        """See `FrameSource.probe`; looked up once."""
        return self._look().info

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        """See `FrameSource.steps`. Closing the iterator ends its child. ValueError for a mode that is not a file's."""
        if mode not in ("full", "keyframes"):
            raise ValueError(f"a file cannot be decoded in mode {mode!r}")
        return self._steps(resume_after_s, mode)

    def at(self, times_s: Sequence[float]) -> list[Frame]:
        """See `FileSource.at`."""
        job = self._job("at", self._look()) | {"times_s": list(times_s)}

        def attempt() -> list[Frame]:
            with self._child(job, 0.0) as child:
                return _frames(child, _looked(child, self._sandbox), len(times_s))

        return _with_successors(self._path.name, attempt)

    def _look(self) -> Probed:
        if self._probed is None:

            def attempt() -> Probed:
                with self._child(self._job("probe", None), 0.0) as child:
                    return probed_from(next(_looked(child, self._sandbox)))

            probed = _with_successors(self._path.name, attempt)
            refuse_long(probed, self._limits, self._path.name)
            self._probed = probed
        return self._probed

    def _steps(self, after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        self._damage = None
        last_s, sampler = after_s, Sampler(self._config.fps)
        for left in reversed(range(_SUCCESSORS + 1)):
            try:
                for frame in self._decoded(last_s, mode):
                    last_s = self._sensible_s(frame.time_s, last_s, sampler)
                    yield frame
                return
            except Killed as killed:
                _succeed(killed, self._path.name, left)
            except Lost as lost:
                if last_s is None:
                    raise _refused(lost, self._path.name) from lost
                self._damage = _cut_short(self._damage, last_s, lost)
                return

    def _decoded(self, after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        """The pictures of one child, and what it says of damage. Raises `Lost`."""
        probed, before = self._look(), self._damage
        job = self._job("steps", probed) | {"after_s": after_s, "mode": mode}
        work = _UNKNOWN_WORK_PIXELS if probed.work_pixels is None else probed.work_pixels
        whole_s = self._sandbox.stall_s + _BUSY_FACTOR * self._sandbox.cpu_for(work)
        with self._child(job, work) as child:
            for message in _job_messages(child, self._sandbox.stall_s, whole_s):
                self._damage = before if message.get("damage") is None else text(message, "damage")
                if message["type"] == "frame":
                    yield _frame(child, message)

    def _sensible_s(self, time_s: float, last_s: float | None, sampler: Sampler) -> float:
        """The time of a step, which is after the last one's, one of the sampler's and allowed. Raises `Garbled`."""
        later = last_s is None or time_s > last_s
        if not later or abs(time_s) > self._limits.max_seconds or not sampler.take(time_s):
            raise Garbled("time_s")
        return time_s

    def _job(self, do: str, probed: Probed | None) -> Message:
        plain = None if probed is None else plain_probed(probed)
        settings = {"config": asdict(self._config), "limits": asdict(self._limits)}
        return {"do": do, "name": self._path.name, "probed": plain} | settings

    def _child(self, job: Message, work_pixels: float) -> Child:
        side_px, cpu_s = self._config.max_side_px, self._sandbox.cpu_for(work_pixels)
        return Child(self._path, job, self._sandbox, side_px=side_px, cpu_s=cpu_s)


def jump(
    path: Path,
    times_s: Sequence[float],
    start_offset_s: float,
    sandbox: SandboxConfig,
    *,
    damaged: bool,
    max_side_px: int,
) -> tuple[Jump, list[Frame]]:
    """`Jumper.packed_at` in a child, and which library it used. Raises `MediaUnsupported`, `MediaDamaged`,
    `MediaTooLarge` or `DecoderKilled`."""
    job: Message = {"do": "jump", "name": path.name, "damaged": damaged, "times_s": list(times_s)}
    job["offset_s"] = start_offset_s

    def attempt() -> tuple[Jump, list[Frame]]:
        with Child(path, job, sandbox, side_px=max_side_px, cpu_s=sandbox.cpu_for(0.0)) as child:
            messages = _looked(child, sandbox)
            chosen = next(messages)
            backend = text(chosen, "backend")
            if backend not in ("decord", "pyav"):
                raise Garbled("backend")
            chosen_jump = Jump("decord" if backend == "decord" else "pyav", text(chosen, "reason"))
            return chosen_jump, _frames(child, messages, len(times_s))

    return _with_successors(path.name, attempt)


def guards(path: Path, sandbox: SandboxConfig) -> tuple[str, ...]:
    """The names of the guards that took in a child started for `path`; see `pipeline.video.sandbox.guards`."""
    job: Message = {"do": "probe", "name": path.name, "probed": None, "config": {}, "limits": {}}
    with Child(path, job, sandbox, side_px=1, cpu_s=sandbox.cpu_for(0.0)) as child:
        return _guards(child)


def _guards(child: Child) -> tuple[str, ...]:
    """The child's first message: the guards that took. Raises `BackendUnavailable`: no media was touched yet."""
    try:
        message = child.receive(_START_S)
        if message.get("type") != "ready":
            raise Garbled("type")
        return texts(message, "guards")
    except Killed:
        raise
    except Lost as lost:
        raise BackendUnavailable(f"the decoding process cannot start: {lost}") from lost


def _looked(child: Child, sandbox: SandboxConfig) -> Iterator[Message]:
    """The messages of a child that only probes a file or jumps in it."""
    return _job_messages(child, sandbox.look_s, sandbox.look_s)


def _job_messages(child: Child, wait_s: float, whole_s: float) -> Iterator[Message]:
    """The child's messages about its job, up to and with its last one. Raises `Lost` or what the child raised;
    `ChildTimeout` when one message takes longer than `wait_s` or all together longer than `whole_s`. The time between,
    which the parent takes for itself, does not count."""
    _guards(child)
    waited_s = 0.0
    while True:
        began_s = time.monotonic()
        message = child.receive(min(wait_s, whole_s - waited_s))
        waited_s += time.monotonic() - began_s
        if waited_s > whole_s:
            raise ChildTimeout
        match message.get("type"):
            case "tick":
                continue
            case "refused":
                raise _refusal(message)
            case "frame" | "jump":
                yield message
            case "probed" | "end":
                yield message
                return
            case _:
                raise Garbled("type")


def _refusal(message: Message) -> PipelineError:
    kind = _REFUSALS.get(text(message, "code"))
    if kind is None:
        raise Garbled("code")
    return kind(text(message, "text"))


def _frame(child: Child, message: Message) -> Frame:
    return Frame(rgb=child.picture(message), time_s=number(message, "time_s"))


def _frames(child: Child, messages: Iterator[Message], many: int) -> list[Frame]:
    """All the pictures. Raises `Garbled` where they are not as `many` as were asked for."""
    frames: list[Frame] = []
    for message in messages:
        if message["type"] == "frame":
            if len(frames) == many:
                raise Garbled("pictures")
            frames.append(_frame(child, message))
    if len(frames) != many:
        raise Garbled("pictures")
    return frames


def _with_successors(name: str, attempt: Callable[[], T]) -> T:
    """What a child gave, or one of its successors where it was killed. A child lost otherwise refuses the file."""
    left = _SUCCESSORS
    while True:
        try:
            return attempt()
        except Killed as killed:
            _succeed(killed, name, left)
            left -= 1
        except Lost as lost:
            raise _refused(lost, name) from lost


def _succeed(killed: Killed, name: str, left: int) -> None:
    """Returns where another child may be tried. Raises `DecoderKilled` where none is left."""
    if not left:
        times = f"{_SUCCESSORS + 1} times"
        raise DecoderKilled(f"the decoder of {name} was killed from outside {times}, as for want of memory") from killed
    log.warning("the decoder of a video was killed from outside; another goes on")


def _refused(lost: Lost, name: str) -> PipelineError:
    if lost.too_large:
        return MediaTooLarge(f"{name} is too large: {lost}.")
    return MediaDamaged(f"{name} is damaged: {lost}.")


def _cut_short(damage: str | None, last_s: float, lost: Lost) -> str:
    """The sentence for a video that could be watched up to `last_s` only."""
    begun = "The video is damaged:" if damage is None else f"{damage.removesuffix('.')};"
    return f"{begun} it could be watched up to {last_s:.1f} s, then {lost}."
