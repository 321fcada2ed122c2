"""Measures how many megabytes of memory a watched hour leaves in the store; part of `python -m tests.bench memory`.

Counted are tokens, keys, notes and thumbnails of closed cubes as the store counts them, without media. What does not
grow (a worker's state, the open cube) is left out.

    static   a still camera: one picture with a sensor's noise and slowly changing light
    film     shots of 5 s, about what feature films have, out of real clips in seeded order
    fast     shots of 2 s

Clips are watched at one step a second, with screen text, through `Ingest` into an embedded store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from encoders.base import Backend, Frame
from memory.config import StoreConfig
from memory.store.base import MemoryStore
from memory.store.opening import StoreHold
from pipeline.config import IngestConfig
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from pipeline.video.source import DecodeMode, MediaInfo
from serve.measure.film import SAMPLE

FILM_SHOT_S, FAST_SHOT_S = 5, 2
MINUTES, QUICK_MINUTES = {"static": 30, "film": 20, "fast": 10}, {"static": 11, "film": 2, "fast": 1}
_NOISE, _LIGHT = 2.5, 3.0


def mb_per_hour(backend: Backend, quick: bool, clips: Path | None) -> dict[str, Any]:
    """Megabytes (10^6 bytes) an hour, and beside them the minutes watched and cubes an hour."""
    minutes = QUICK_MINUTES if quick else MINUTES
    files = [SAMPLE, *(sorted(clips.glob("*.mp4")) if clips else [])]
    frames = {path: list(FileSource(path, DecodeConfig(fps=1.0, threads=1)).steps(None, "full")) for path in files}
    shown: dict[str, Iterator[Frame]] = {
        "static": _still(frames[files[-1]][0], minutes["static"]),
        "film": _cut(list(frames.values()), FILM_SHOT_S, minutes["film"]),
        "fast": _cut(list(frames.values()), FAST_SHOT_S, minutes["fast"]),
    }
    with tempfile.TemporaryDirectory(prefix="lw") as data, StoreHold(StoreConfig(Path(data))) as hold:
        rows = {name: _watched(hold.store, backend, name, footage, minutes[name]) for name, footage in shown.items()}
    return {
        "mb_per_hour": {name: row["mb"] for name, row in rows.items()},
        "cubes_per_hour": {name: row["cubes"] for name, row in rows.items()},
        "keys_per_cube": {name: row["keys"] for name, row in rows.items()},
        "minutes_watched": minutes,
    }


def _still(picture: Frame, minutes: int) -> Iterator[Frame]:
    """One picture for so long, never twice the same."""
    chance = np.random.default_rng(0)
    base = picture.rgb.astype(np.float32)
    for step in range(60 * minutes):
        light = _LIGHT * np.sin(2 * np.pi * step / 600)
        noise = _NOISE * chance.standard_normal(base.shape, dtype=np.float32)
        yield Frame(np.clip(base + light + noise, 0, 255).astype(np.uint8), float(step))


def _cut(videos: Sequence[Sequence[Frame]], shot_s: int, minutes: int) -> Iterator[Frame]:
    """Shots from random places of random clips."""
    chance = np.random.default_rng(shot_s)
    for begins in range(0, 60 * minutes, shot_s):
        clip = videos[int(chance.integers(len(videos)))]
        first = int(chance.integers(max(1, len(clip) - shot_s)))
        for step in range(min(shot_s, 60 * minutes - begins)):
            yield replace(clip[min(first + step, len(clip) - 1)], time_s=float(begins + step))


class _Shown:
    """Frames as a source."""

    damage: str | None = None

    def __init__(self, frames: Iterator[Frame], seconds: float) -> None:
        self._frames = frames
        self._seconds = seconds

    def probe(self) -> MediaInfo:
        return MediaInfo(640, 360, self._seconds, "none", "none", 1.0, 0.0, None, False)

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        yield from self._frames


def _watched(
    store: MemoryStore, backend: Backend, name: str, frames: Iterator[Frame], minutes: int
) -> dict[str, float]:
    config = IngestConfig()
    source = _Shown(frames, 60.0 * minutes)
    identity = Identity(name.ljust(64, "0"), backend.name, str(backend.keys.space), config.sampling)
    video = register_file(store, identity, source, Path(name), name).video
    video = Ingest(store, backend, config, lambda record, closed: None).run(video.id, source)
    keys = sum(len(span.key_kinds) for span in store.keyed_spans(video.id))
    hours = minutes / 60
    return {
        "mb": round(video.bytes_stored / 1e6 / hours, 3),
        "cubes": round(video.cubes / hours),
        "keys": round(keys / max(video.cubes, 1), 2),
    }
