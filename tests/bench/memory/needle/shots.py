"""Draws shots: a picture, cut-out or clip as some seconds of film, one picture a second. Deterministic in their seed.

A picture is panned and zoomed over; a cut-out stands before a plain backdrop, or, for odd seeds, crosses it; a clip
runs at a seeded speed. All are cropped, flipped and coloured by the seed. `tests.bench.memory.needle.film` puts shots
in order.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.bench.memory.needle.sources import CLIP_FPS, Source

WIDTH_PX, HEIGHT_PX = 320, 240
_PICTURES_HELD, _FRAMES_HELD = 200, 6000  # 0.1 and 1.4 GB

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shot:
    """`steps` pictures of a source, one a second; the same source and seed begin with the same pictures."""

    source: Source
    seed: int
    steps: int

    def frame(self, step: int, cache: Path) -> U8:
        """uint8 [240, 320, 3], not to be written to: the same array each time, as long as it is remembered."""
        return _drawn(self.source, self.seed, step, cache)


@functools.lru_cache(maxsize=_FRAMES_HELD)
def _drawn(source: Source, seed: int, step: int, cache: Path) -> U8:
    chance = np.random.default_rng([int(source.sha256[:12], 16), seed])
    flip, gain = bool(chance.integers(2)), chance.uniform(0.85, 1.15, size=3)
    if source.kind == "clip":
        picture = _of_clip(source.cached(cache), step, chance)
    elif source.kind == "cutout":
        picture = _of_cutout(_read(source.cached(cache)), step, seed, chance)
    else:
        picture = _panned(_read(source.cached(cache))[..., :3], step, chance)
    toned = np.asarray(cv2.LUT(cv2.flip(picture, 1) if flip else picture, _tones(gain)), np.uint8)
    toned.setflags(write=False)
    return toned


def _tones(gain: npt.NDArray[np.float64]) -> U8:
    """A table of 256 values for each colour, uint8 [1, 256, 3]."""
    return np.clip(np.arange(256)[None, :, None] * gain, 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=_PICTURES_HELD)
def _read(path: Path) -> U8:
    """uint8 [H, W, 4]."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"), np.uint8)


@functools.lru_cache(maxsize=16)
def _clip(path: Path) -> U8:
    """uint8 [T, H, W, 3], read as it is needed."""
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _window(height: int, width: int, zoom: float, x: float, y: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest 4:3 window, times `zoom`, at the place (x, y), both 0 to 1."""
    scale = zoom * min(width / WIDTH_PX, height / HEIGHT_PX)
    h, w = max(1, int(scale * HEIGHT_PX)), max(1, int(scale * WIDTH_PX))
    return int(y * (height - h)), int(x * (width - w)), h, w


def _cropped(picture: U8, zoom: float, x: float, y: float) -> U8:
    top, left, h, w = _window(picture.shape[0], picture.shape[1], zoom, x, y)
    piece = np.ascontiguousarray(picture[top : top + h, left : left + w])
    return np.asarray(cv2.resize(piece, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _panned(picture: U8, step: int, chance: np.random.Generator) -> U8:
    """A slow pan and zoom; 6 s from one end of its path to the other."""
    (zoom, x, y), (zoom_to, x_to, y_to) = (
        (chance.uniform(0.75, 1.0), chance.uniform(), chance.uniform()) for _ in range(2)
    )
    part = min(step / 6, 1.0)
    return _cropped(picture, zoom + part * (zoom_to - zoom), x + part * (x_to - x) * 0.5, y + part * (y_to - y) * 0.5)


def _of_clip(path: Path, step: int, chance: np.random.Generator) -> U8:
    frames = _clip(path)
    speed = chance.uniform(0.5, 1.5)
    start = chance.uniform(0, max(len(frames) - 6 * CLIP_FPS * speed, 1))
    zoom, x, y = chance.uniform(0.75, 1.0), chance.uniform(), chance.uniform()
    return _cropped(frames[min(int(start + step * CLIP_FPS * speed), len(frames) - 1)], zoom, x, y)


def _of_cutout(cutout: U8, step: int, seed: int, chance: np.random.Generator) -> U8:
    """Before a plain backdrop of a seeded colour, a little darker downwards. Odd seeds: it crosses the picture."""
    colour, size = chance.uniform(90, 230, size=3), chance.uniform(0.75, 0.95)
    x, y = chance.uniform(0.3, 0.7), chance.uniform(0.4, 0.6)
    part = min(step / 6, 1.0)
    if seed % 2:
        x = 0.2 + 0.6 * part
    else:
        size += 0.05 * part
    backdrop = np.clip(np.linspace(1.1, 0.8, HEIGHT_PX)[:, None, None] * colour, 0, 255).astype(np.float32)
    picture = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    picture[:] = backdrop.astype(np.uint8)
    scale = size * min(HEIGHT_PX / cutout.shape[0], WIDTH_PX / cutout.shape[1])
    w, h = max(1, int(scale * cutout.shape[1])), max(1, int(scale * cutout.shape[0]))
    small = cv2.resize(cutout, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = int(y * (HEIGHT_PX - h)), int(x * (WIDTH_PX - w))
    alpha = small[..., 3:].astype(np.float32) / 255
    mixed = alpha * small[..., :3] + (1 - alpha) * backdrop[top : top + h]
    picture[top : top + h, left : left + w] = mixed.astype(np.uint8)
    return picture
