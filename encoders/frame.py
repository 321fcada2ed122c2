"""One decoded picture: the type that goes from decoders to encoders. In a file of its own, free of torch, so that the
process that decodes untrusted media starts fast and holds little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture, upright and with square pixels.

    Attributes:
        rgb: uint8 [H, W, 3], any size.
        time_s: presentation time in seconds since the stream's first frame.
    """

    rgb: npt.NDArray[np.uint8]
    time_s: float
