"""The decoding child: `main`, started by `pipeline.video.sandbox.process` in an isolated interpreter, never by hand.

It opens nothing: the first four arguments are descriptors it was handed. It bounds itself and leaves the network before
it imports a decoder, reads its job from its standard input, shuts everything else, and only then touches media.
Pictures go into the ring, messages into a pipe; a byte on the standard input gives a slot of the ring back. Whatever
it says is untrusted.
"""

from __future__ import annotations

import gc
import json
import os
import struct
import time
from collections.abc import Iterable
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.video.sandbox import guards

if TYPE_CHECKING:
    from pipeline.video.file import FileSource
    from pipeline.video.opening import OpenedFile
    from pipeline.video.picture import Packed

_TICK_S = 0.5
_LONGEST_TEXT = 1000
_COLLECT_EVERY = 16
"""Pictures. A frame of PyAV's whose side data was looked at holds itself by a cycle; without a collection some hundreds
of them, 3 MB each at 1080p, wait for Python's own."""

Job = dict[str, Any]


class Parent:
    """Where pictures and messages go, and slots come back from."""

    def __init__(self, says: int, ring: int, job: Job) -> None:
        self._says = says
        self._slots, self._slot_bytes = int(job["slots"]), int(job["slot_bytes"])
        self._ring = mmap(ring, self._slots * self._slot_bytes)
        self._free, self._sent = self._slots, 0
        self._last_sent_s = 0.0

    def say(self, message: dict[str, Any]) -> None:
        """Sends a message."""
        _say(self._says, message)
        self._last_sent_s = time.monotonic()

    def alive(self) -> None:
        """Says now and then that reading goes on."""
        if time.monotonic() - self._last_sent_s > _TICK_S:
            self.say({"type": "tick"})

    def show(self, picture: Packed, damage: str | None) -> None:
        """Puts a picture into the ring, after waiting for a free slot, and says so."""
        while self._free == 0:
            self._free += len(_receive(self._slots))
        self._free -= 1
        slot = self._sent % self._slots
        self._ring[slot * self._slot_bytes : slot * self._slot_bytes + len(picture.data)] = picture.data
        self._sent += 1
        if self._sent % _COLLECT_EVERY == 0:
            gc.collect()
        about = {"width": picture.width, "height": picture.height, "time_s": picture.time_s, "damage": damage}
        self.say({"type": "frame", "slot": slot} | about)


def main(arguments: list[str]) -> None:
    """One job. `arguments`: descriptors of the media, the ring, the pipe of messages and the lifeline; the bytes of
    memory and seconds of processor time that are allowed."""
    media, ring, says, lifeline, memory_bytes, cpu_s = map(int, arguments)
    try:
        guards.bound(memory_bytes, cpu_s)
        guards.die_with(lifeline)
        given_up = ["namespace"] if guards.leave_network() else []
        job = _job()
        code = _import(job)
        parent = Parent(says, ring, job)
        given_up += guards.shut(media, code)
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
        _say(says, {"type": "broken", "kind": "start", "text": type(error).__name__})
        return
    parent.say({"type": "ready", "guards": given_up})
    _work(job, media, parent)


def _import(job: Job) -> set[str]:
    """All that the job needs. Returns the folders that code lies in."""
    import av

    import encoders
    import pipeline.video.file
    import pipeline.video.sandbox.messages

    if job["do"] == "jump":
        import decord  # noqa: F401 - its native library is loaded from a folder beside it

        import pipeline.video.jumping
    own = {str(Path(package.__path__[0])) for package in (encoders, pipeline)}
    return own | {str(Path(os.__file__).parent), str(Path(av.__path__[0]).parent)}


def _work(job: Job, media: int, parent: Parent) -> None:
    from pipeline.errors import MediaDamaged, MediaTooLarge, MediaUnsupported
    from pipeline.video.opening import OpenedFile

    try:
        _JOBS[job["do"]](job, OpenedFile(job["name"], media), parent)
    except (MediaDamaged, MediaTooLarge, MediaUnsupported) as error:
        parent.say({"type": "refused", "code": error.code, "text": _clean(str(error))})
    except MemoryError:
        parent.say({"type": "broken", "kind": "memory"})
    except Exception as error:  # noqa: BLE001 - told to the parent
        parent.say({"type": "broken", "kind": "failed", "text": _clean(repr(error))})


def _source(job: Job, media: OpenedFile, parent: Parent) -> FileSource:
    from pipeline.video.file import FileSource
    from pipeline.video.sampling import DecodeConfig, DecodeLimits
    from pipeline.video.sandbox.messages import probed_from

    probed = None if job["probed"] is None else probed_from(job["probed"])
    config, limits = DecodeConfig(**job["config"]), DecodeLimits(**job["limits"])
    return FileSource(media, config, limits, probed=probed, on_read=parent.alive)


def _probe(job: Job, media: OpenedFile, parent: Parent) -> None:
    from pipeline.video.sandbox.messages import plain_probed

    parent.say({"type": "probed"} | plain_probed(_source(job, media, parent).look()))


def _steps(job: Job, media: OpenedFile, parent: Parent) -> None:
    source = _source(job, media, parent)
    for picture in source.packed_steps(job["after_s"], job["mode"]):
        parent.show(picture, source.damage)
    parent.say({"type": "end", "damage": source.damage})


def _at(job: Job, media: OpenedFile, parent: Parent) -> None:
    source = _source(job, media, parent)
    _show_all((source.packed_at(time_s) for time_s in job["times_s"]), parent)


def _jump(job: Job, media: OpenedFile, parent: Parent) -> None:
    from pipeline.video.jumping import Jumper

    jumper = Jumper(media, damaged=job["damaged"], max_side_px=job["side_px"])
    parent.say({"type": "jump", "backend": jumper.jump.backend, "reason": jumper.jump.reason})
    _show_all(jumper.packed_at(job["times_s"], job["offset_s"]), parent)


def _show_all(pictures: Iterable[Packed], parent: Parent) -> None:
    for picture in pictures:
        parent.show(picture, None)
    parent.say({"type": "end", "damage": None})


_JOBS = {"probe": _probe, "steps": _steps, "at": _at, "jump": _jump}


def _job() -> Job:
    (length,) = struct.unpack(">I", _read(4))
    job: Job = json.loads(_read(int(length)))
    return job


def _read(size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += _receive(size - len(data))
    return data


def _receive(most: int) -> bytes:
    """What the parent said; where it wants no more, this process ends."""
    data = os.read(0, most)
    if not data:
        os._exit(0)
    return data


def _say(says: int, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    data = struct.pack(">I", len(body)) + body
    while data:
        data = data[os.write(says, data) :]


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST_TEXT]
