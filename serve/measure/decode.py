"""`longwatch bench decode`: how fast each codec can be watched at most, before any model has looked at a picture.

The same film in every codec that this libav can encode, decoded by the source that watching uses: one picture a second
out of all, and key frames only. Taken from the first picture to the last, so that opening the file does not count.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import av

from pipeline.video.sampling import DecodeConfig
from pipeline.video.source import DecodeMode
from serve.measure.film import FPS, FilmRecipe, film, pictured
from serve.measure.rows import RowFile
from serve.settings import Settings
from serve.wiring import file_source

_X265 = {"preset": "superfast", "crf": "26", "x265-params": "log-level=none:scenecut=0:open-gop=0"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "4M"}
RECIPES = {
    "h264": FilmRecipe(),
    "hevc": FilmRecipe("libx265", _X265),
    "av1": FilmRecipe("libsvtav1", {"preset": "10", "crf": "35"}),
    "vp9": FilmRecipe("libvpx-vp9", _VPX | {"row-mt": "1"}, "webm"),
    "vp8": FilmRecipe("libvpx", _VPX, "webm"),
    "mpeg4": FilmRecipe("mpeg4", {"b": "6M"}),
    "mpeg2video": FilmRecipe("mpeg2video", {"b": "8M"}, "mkv"),
}
_MODES: tuple[DecodeMode, ...] = ("full", "keyframes")


def run(quick: bool, clips: Path | None) -> dict[str, Any]:
    """Measures every codec in both modes.

    Args:
        quick: 12 s at 360p, once, instead of 30 s at 1080p three times.
        clips: folder of real clips with `events.json`; without it films are made from the bundled sample.
    """
    rows, videos = RowFile("decode-quick" if quick else "decode", __name__), pictured(clips)
    files = []
    for codec, recipe in RECIPES.items():
        if recipe.encoder not in av.codecs_available:
            continue
        smaller = replace(recipe, seconds=12, width=640, height=360) if quick else replace(recipe, seconds=30)
        path = film(smaller, videos)
        for mode in _MODES:
            files.append(rows.row(f"{codec} {mode}", lambda: _limit(path, codec, mode, 1 if quick else 3)))  # noqa: B023
    rows.done()
    return {"threads": DecodeConfig().threads, "files": files}


def _limit(path: Path, codec: str, mode: DecodeMode, times: int) -> dict[str, Any]:
    """One row: the median of `times` runs, each from the first picture taken to the last."""
    fps = 1.0 if mode == "full" else 0.5
    runs = [_timed(path, mode, fps) for _ in range(times)]
    took_s, watched_s, size = median(run[0] for run in runs), runs[0][1], runs[0][2]
    return {
        "name": path.name,
        "codec": codec,
        "size": size,
        "mode": mode,
        "frames": round(watched_s * (FPS if mode == "full" else fps)),
        "seconds": round(took_s, 3),
        "realtime_factor": round(watched_s / took_s, 1),
    }


def _timed(path: Path, mode: DecodeMode, fps: float) -> tuple[float, float, str]:
    """Seconds it took from the first picture to the last, seconds of film between them, and the size."""
    source = file_source(Settings(fps=fps), path)
    info = source.probe()
    steps = source.steps(None, mode)
    first = next(steps)
    began = time.perf_counter()
    last_s = max((frame.time_s for frame in steps), default=first.time_s)
    return time.perf_counter() - began, last_s - first.time_s, f"{info.width}x{info.height}"
