"""Jumps to cited times of a kept file: for looking closer and for thumbnails on demand. Not for watching.

The jumping itself (`pipeline.video.jumping`: decord, or PyAV where decord's pictures cannot be trusted) runs in a
decoding child, as all decoding does, unless the caller says that the media is trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from encoders.frame import Frame
from pipeline.errors import MediaNotKept
from pipeline.video.jumping import Jump, Jumper
from pipeline.video.sampling import SandboxConfig
from pipeline.video.sandbox.source import jump

_DEFAULT = SandboxConfig()


def frames_at(
    path: Path,
    times_s: Sequence[float],
    start_offset_s: float,
    *,
    damaged: bool = False,
    max_side_px: int = 960,
    sandbox: SandboxConfig | None = _DEFAULT,
) -> list[Frame]:
    """The picture on screen at each time, in the order asked: the last one not after it.

    `times_s` count from the first watched picture, whose own timestamp is `start_offset_s` (`MediaInfo`). `damaged`
    says that watching the file met damage. `Frame.time_s` is the picture's own time. Without `sandbox` the file is
    decoded in this process. Raises `MediaNotKept` if the file is gone, `MediaUnsupported`, `MediaDamaged` or
    `MediaTooLarge` if it cannot be read.
    """
    _refuse_gone(path)
    if sandbox is not None:
        return jump(path, times_s, start_offset_s, sandbox, damaged=damaged, max_side_px=max_side_px)[1]
    jumper = Jumper(path, damaged=damaged, max_side_px=max_side_px)
    return [picture.frame() for picture in jumper.packed_at(times_s, start_offset_s)]


def choose_jump(path: Path, *, damaged: bool = False, sandbox: SandboxConfig | None = _DEFAULT) -> Jump:
    """Which library `frames_at` uses for the file, and why. Raises as `frames_at` does."""
    _refuse_gone(path)
    if sandbox is not None:
        return jump(path, [], 0.0, sandbox, damaged=damaged, max_side_px=960)[0]
    return Jumper(path, damaged=damaged, max_side_px=960).jump


def _refuse_gone(path: Path) -> None:
    if not path.exists():
        raise MediaNotKept(f"{path.name} is no longer kept, so its pictures cannot be looked at again.")
