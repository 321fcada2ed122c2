"""Makes long streams of real cubes, with pictures planted in them, for `tests.bench.memory.ablation`.

Filler cubes come from video clips under seeded crops, flips and colours. Planted ones come from pictures that ship
inside scikit-image and Gradio and are not in the filler. Every cube's tokens come out of the real encoder and
compressor; only their order and how long each lasts are made up. The needle benchmark (`tests.bench.memory.needle`) is
another one: its films go through the whole ingest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from encoders.base import Backend, Frame
from encoders.compressors import default_compressors
from memory.records import F32, TimeSpan
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig

STEPS, TOKENS, SIDE_PX = 4, 16, 512
PICTURES = """astronaut cell coins ihc moon motorcycle_left retina page text horse clock_motion brick grass gravel
    cheetah1 groot lion tower""".split()
PLANTED = 8
_SCENE_CUBES, _CUBE_S, _PLANTED_S = 6, 7.4, 6.0
Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Cube:
    """A cube's tokens float32 [1, M, D], weights [M], positions [M, 3]; its time; what it shows, by the describer."""

    tokens: F32
    weights: F32
    positions: F32
    span: TimeSpan
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bank:
    """Cubes to make streams of, each `STEPS` seconds from 0 s on: by scene; and two views of every picture."""

    scenes: tuple[tuple[Cube, ...], ...]
    pictures: tuple[tuple[Cube, Cube], ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and what was planted: picture number -> when."""

    cubes: tuple[Cube, ...]
    planted: dict[int, TimeSpan]

    @property
    def seconds(self) -> float:
        return self.cubes[-1].span.end_s


def bank(backend: Backend, videos: Sequence[Path], looks: int, most_s: float) -> Bank:
    """Watches at most `most_s` of each video in `looks` ways, and two views of each picture."""
    chance = np.random.default_rng(0)
    scenes = []
    for video in videos:
        frames = [f for f in FileSource(video, DecodeConfig(fps=2.0)).steps(None, "full") if f.time_s < most_s]
        for look in range(looks):
            changed = _look(chance) if look else _Look()
            starts = range(0, len(frames) - STEPS + 1, 2 * STEPS)
            scene = [_cube(backend, [changed.of(f.rgb) for f in frames[start : start + STEPS]]) for start in starts]
            scenes.append(tuple(scene))
    views = [tuple(_cube(backend, _panned(_picture(name), chance)) for _ in range(2)) for name in PICTURES]
    return Bank(tuple(cubes for cubes in scenes if cubes), tuple((first, second) for first, second in views))


def stream(made_of: Bank, cubes: int, seed: int) -> Stream:
    """Scenes in random order, some cubes of each in turn, and `PLANTED` pictures evenly over its length."""
    chance = np.random.default_rng([seed, cubes])
    chosen = [int(n) for n in chance.permutation(len(made_of.pictures))[:PLANTED]]
    places = {int(d * cubes): n for d, n in zip(np.linspace(0.03, 0.97, PLANTED), chosen, strict=True)}
    now, placed, planted = 0.0, [], {}
    scene, at = made_of.scenes[0], 0
    for number in range(cubes):
        if number == 0 or chance.random() < 1 / _SCENE_CUBES:
            scene = made_of.scenes[int(chance.integers(len(made_of.scenes)))]
            at = int(chance.integers(len(scene)))
        lasts_s = float(np.clip(chance.lognormal(np.log(_CUBE_S), 0.7), 2, 60))
        cube = scene[at % len(scene)]
        at += 1
        if number in places:
            lasts_s, cube = _PLANTED_S, made_of.pictures[places[number]][0]
            planted[places[number]] = TimeSpan(now, now + lasts_s)
        placed.append(_at(cube, now, lasts_s))
        now += lasts_s
    return Stream(tuple(placed), planted)


def _at(cube: Cube, start_s: float, lasts_s: float) -> Cube:
    """The cube shown later, and for longer: a step a second."""
    stretch = lasts_s / STEPS
    positions = cube.positions.copy()
    positions[:, 0] = start_s + positions[:, 0] * stretch
    span = TimeSpan(start_s, start_s + lasts_s)
    return replace(cube, weights=(cube.weights * stretch).astype(np.float32), positions=positions, span=span)


@dataclass(frozen=True, slots=True)
class _Look:
    """A crop (corner and size as shares), a flip, a gain a channel."""

    x: float = 0.0
    y: float = 0.0
    size: float = 1.0
    flip: bool = False
    gain: tuple[float, ...] = (1.0, 1.0, 1.0)

    def of(self, rgb: Rgb) -> Rgb:
        height, width = (int(n * self.size) for n in rgb.shape[:2])
        top, left = int(self.y * (rgb.shape[0] - height)), int(self.x * (rgb.shape[1] - width))
        part = rgb[top : top + height, left : left + width]
        part = part[:, ::-1] if self.flip else part
        return np.asarray(np.clip(part * np.array(self.gain), 0, 255), np.uint8)


def _look(chance: np.random.Generator) -> _Look:
    gain = tuple(float(g) for g in chance.uniform(0.7, 1.3, 3))
    return _Look(chance.random(), chance.random(), chance.uniform(0.6, 1.0), bool(chance.random() < 0.5), gain)


def _panned(rgb: Rgb, chance: np.random.Generator) -> list[Rgb]:
    x, y = chance.random(2)
    return [_Look(min(1.0, x + 0.05 * step), y, 0.8).of(rgb) for step in range(STEPS)]


def _cube(backend: Backend, pictures: Sequence[Rgb]) -> Cube:
    frames = [Frame(rgb, float(step)) for step, rgb in enumerate(pictures)]
    encoded = backend.frames.encode(frames)
    compressor = default_compressors().get("progressive")(TOKENS)
    pool = backend.keys.pool()
    for step, row in enumerate(backend.keys.evidence(frames, encoded)):
        compressor.add(encoded.tokens[:, step], encoded.grid, float(step))
        pool.add(row)
    left = compressor.cube()
    names = tuple(thing.name for thing in backend.describer.things(pool.summary()))
    span = TimeSpan(0.0, float(STEPS))
    return Cube(left.tokens.numpy(), left.weights.numpy(), left.positions.numpy(), span, names)


def _picture(name: str) -> Rgb:
    """Out of the wheels of scikit-image or Gradio; longer side `SIDE_PX`. Raises FileNotFoundError."""
    import gradio  # both take seconds to import and are wanted here alone
    import skimage.data

    folders = (Path(skimage.data.__file__).parent, Path(gradio.__file__).parent / "media_assets" / "images")
    for path in (folder / f"{name}{end}" for folder in folders for end in (".png", ".jpg", ".jpeg")):
        if path.exists():
            rgb = np.asarray(Image.open(path).convert("RGB"))
            scale = SIDE_PX / max(rgb.shape[:2])
            return np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    raise FileNotFoundError(f"neither scikit-image nor Gradio has a picture called {name}")
