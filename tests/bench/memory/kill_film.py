"""The film that the kill test watches: scenes of soft colours with known cuts, some with a thing that moves or a word.

Made from a seed, so that it is the same everywhere; it looks like nothing in particular. What is known of it is where
its scenes begin; what a backend sees in it does not matter.
"""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

SIZE = (192, 144)
FPS = 2
_WORDS = ("ROOM 12", "EXIT", "PLATFORM 9", "NO ENTRY", "GATE B")

Rgb = npt.NDArray[np.uint8]


def write_film(path: Path, seconds: float, seed: int = 0) -> list[float]:
    """Writes H.264, 192 x 144, 2 pictures a second; returns the second at which each scene begins."""
    chance, begins = random.Random(seed), []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        number = 0
        while number < seconds * FPS:
            begins.append(number / FPS)
            pictures = chance.randrange(5 * FPS, 20 * FPS)
            moving, word = chance.random() < 0.3, chance.choice(_WORDS) if chance.random() < 0.25 else ""
            still = _scene(chance.randrange(1 << 30), word)
            for step in range(min(pictures, round(seconds * FPS) - number)):
                frame = av.VideoFrame.from_ndarray(_moved(still, step) if moving else still, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))
    return begins


def _scene(seed: int, word: str) -> Rgb:
    """uint8 [144, 192, 3]: a few soft patches of colour, and a word where there is one."""
    patches = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    picture: Rgb = np.asarray(cv2.resize(patches, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
    if word:
        cv2.rectangle(picture, (8, 50), (184, 96), (0, 0, 0), -1)
        cv2.putText(picture, word, (14, 84), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2)
    return picture


def _moved(still: Rgb, step: int) -> Rgb:
    picture = still.copy()
    left = 4 + step * 9 % (SIZE[0] - 40)
    picture[100:136, left : left + 36] = (20, 20, 20)
    return picture
