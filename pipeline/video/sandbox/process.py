"""Runs one decoding child from its parent: starts it, receives its messages with a timeout, always ends it.

`pipeline.video.sandbox.source` gives the messages their meaning. What the child does to itself is in
`pipeline.video.sandbox.child` and `pipeline.video.sandbox.guards`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from pipeline.errors import BackendUnavailable
from pipeline.video.opening import open_media
from pipeline.video.sampling import SandboxConfig
from pipeline.video.sandbox.messages import Garbled, Killed, Lost, Message, MessageReader, integer, packed, text

_SEALS = 0x2 | 0x4 | 0x1  # shrink, grow, seal (linux/fcntl.h): the child cannot take the ring away
_ADD_SEALS = 1033
_LEAVE_S = 5.0
_POLL_S = 0.002
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that a decoder does not die of by itself; the system's out-of-memory killer sends the first."""

_CODE = Path(__file__).resolve().parents[3]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pipeline.video.sandbox.child import main; main(sys.argv[2:])"
)
"""The child runs the same code as its parent, wherever that was imported from, and is isolated from all else."""

_ENVIRONMENT = {"PATH": "", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""All of the child's environment: no secrets, no threads before there is work for them."""


class Child:
    """A decoding child at work on one job. A context manager: leaving it ends the child, whatever it does."""

    def __init__(self, path: Path, job: Message, config: SandboxConfig, *, side_px: int, cpu_s: int) -> None:
        """Opens `path` and starts the child on it. Raises `MediaUnsupported` where the file cannot be opened."""
        self._config = config
        self._cpu_s = cpu_s
        self._slot_bytes = side_px * side_px * 3
        self._side_px = side_px
        self._taken = 0
        self._begun = False
        slots = {"slots": config.slots, "slot_bytes": self._slot_bytes, "side_px": side_px}
        document = packed(job | slots)
        with ExitStack() as kept:
            with ExitStack() as lent:  # closed before anything is written: a pipe without a reader then fails
                self._start(open_media(path), cpu_s, lent, kept)
            self._send(document)
            self._kept = kept.pop_all()

    def _start(self, media: int, cpu_s: int, lent: ExitStack, kept: ExitStack) -> None:
        """Starts the process. `lent` closes what only the child needs, `kept` all the rest, the child first."""
        lent.callback(os.close, media)
        self._ring = _shared(self._config.slots * self._slot_bytes)
        kept.callback(os.close, self._ring)
        messages_in, messages_out = _pipe(kept, lent)
        held, _ = _pipe(lent, kept)  # the child ends when the other end is closed
        reads, self._input = _pipe(lent, kept)
        numbers = [media, self._ring, messages_out, held, self._config.memory_bytes, cpu_s]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, str(_CODE), *map(str, numbers)],
            stdin=reads,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(media, self._ring, messages_out, held),
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        kept.callback(self._kill)
        self._reader = MessageReader(messages_in)

    def _send(self, document: bytes) -> None:
        """Writes the job, which the child reads before it touches media. From then on no write waits for the child."""
        left = memoryview(document)
        with suppress(BrokenPipeError):  # it is gone; `receive` says why
            while left:
                left = left[os.write(self._input, left) :]
        os.set_blocking(self._input, False)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def receive(self, wait_s: float) -> Message:
        """The child's next message. Raises `Lost` when there is none."""
        message = self._reader.next(wait_s)
        if message is None:
            raise self._obituary()
        if message.get("type") == "broken":
            raise self._broken(message)
        self._begun = True
        return message

    def picture(self, message: Message) -> npt.NDArray[np.uint8]:
        """The picture of a message, uint8 [H, W, 3], copied out of the ring; its slot is free again. Raises
        `Garbled`."""
        slot = self._taken % self._config.slots
        if integer(message, "slot", 0, self._config.slots) != slot:
            raise Garbled("slot")
        width, height = (integer(message, side, 1, self._side_px) for side in ("width", "height"))
        rgb = np.empty((height, width, 3), np.uint8)
        if os.preadv(self._ring, [rgb.data.cast("B")], slot * self._slot_bytes) != rgb.nbytes:
            raise Garbled("picture")
        self._taken += 1
        self._give_back()
        return rgb

    def end(self) -> None:
        """Kills the child if it still runs, waits for it, lets go of everything shared. May be called twice."""
        self._kept.close()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _give_back(self) -> None:
        """Signals the child that a slot is free. Raises `Garbled` for a child that never reads that."""
        try:
            os.write(self._input, b"+")
        except BlockingIOError:
            raise Garbled("slot") from None
        except BrokenPipeError:
            pass  # it is gone; `receive` says why once its earlier messages are read

    def _obituary(self) -> Lost:
        """How a child ended that closed its pipe."""
        ended = self._ended()
        if ended is None:
            return Lost("its decoder went silent")
        code, used_s = ended
        if -code == signal.SIGXCPU or (-code == signal.SIGKILL and used_s >= self._cpu_s):
            return Lost("decoding it takes more processor time than allowed", too_large=True)
        if -code in _FROM_OUTSIDE:
            return Killed()
        return Lost("its decoder crashed" if code < 0 else "its decoder gave up")

    def _ended(self) -> tuple[int, float] | None:
        """The status of a child that is ending, and the processor time it took (s); None where it stays."""
        until = time.monotonic() + _LEAVE_S
        while time.monotonic() < until:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                return self._process.returncode, usage.ru_utime + usage.ru_stime
            time.sleep(_POLL_S)
        return None

    def _broken(self, message: Message) -> Exception:
        if message.get("kind") == "memory":
            megabytes = self._config.memory_bytes >> 20
            return Lost(f"decoding it takes more than the {megabytes} MB of memory allowed", too_large=True)
        if message.get("kind") == "start" and not self._begun:  # later it may be media that speaks
            return BackendUnavailable(f"the decoding process cannot start: {text(message, 'text')}")
        return Lost("its decoder failed")


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with the two stacks."""
    reads, writes = os.pipe()
    reader.callback(os.close, reads)
    writer.callback(os.close, writes)
    return reads, writes


def _shared(size: int) -> int:
    """A descriptor of `size` bytes shared with the child, in no folder. The child cannot change its size where the
    platform has seals; elsewhere a short read shows it."""
    if hasattr(os, "memfd_create"):
        ring = os.memfd_create("longwatch-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(ring, size)
            fcntl.fcntl(ring, _ADD_SEALS, _SEALS)
        except BaseException:
            os.close(ring)
            raise
        return ring
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return os.dup(file.fileno())
