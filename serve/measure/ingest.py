"""`longwatch bench ingest`: measures what watching costs over decoding, and whether memory grows with a film's length.

Two runs a pair, in turns: the film decoded as it is for watching (same source, threads, sampling and size) with its
pictures dropped, and the film watched into a real store. Models are loaded before either. The screen is not read.
`keyframes` watches the same film at one picture in two seconds, where its key frames are enough. Peak memory is taken
in processes of their own that watch the film three and thirty times over (6 and 60 minutes, packets copied), key frames
only: what is carried and stored from step to step is the same in both modes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from encoders.base import Backend
from memory.config import StoreConfig
from memory.store.opening import StoreHold
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file
from pipeline.video.source import DecodeMode
from serve.measure.film import FilmRecipe, film, pictured, repeated
from serve.measure.rows import RowFile
from serve.settings import Settings
from serve.wiring import file_source, load_backend

_FPS: dict[DecodeMode, float] = {"full": 1.0, "keyframes": 0.5}
_TIMES = {"6min": 3, "60min": 30}
_QUICK_TIMES = {"2min": 3, "10min": 15}


def run(quick: bool, clips: Path | None) -> dict[str, Any]:
    """Measures everything.

    Args:
        quick: a film of 40 s at 720p instead of 120 s at 1080p, one pair; memory over 2 and 10 minutes.
        clips: folder of real clips with `events.json`; without it the film is made from the bundled sample.
    """
    recipe = replace(FilmRecipe(), seconds=40, width=1280, height=720) if quick else FilmRecipe()
    path = film(recipe, pictured(clips))
    rows = RowFile(f"ingest-{path.stem}", __name__)
    settings = Settings(screen_text=False)
    backend = load_backend(settings)
    figures: dict[str, Any] = {
        "film": {
            "codec": "h264",
            "size": f"{recipe.width}x{recipe.height}",
            "seconds": recipe.seconds,
            "gop": recipe.gop,
            "kbit_s": round(path.stat().st_size * 8e-3 / recipe.seconds),
            "from": "clips" if clips else "sample",
        },
        "notes": backend.notes,
    }
    for mode in _FPS:
        figures[mode] = rows.row(mode, lambda: _paired(settings, backend, path, mode, 1 if quick else 5))  # noqa: B023
    figures["realtime_factor"] = round(recipe.seconds / figures["full"]["ingest_s"], 1)
    figures |= _memory(rows, path, _QUICK_TIMES if quick else _TIMES)
    rows.done()
    return figures


@dataclass(frozen=True, slots=True)
class _Watching:
    """One way of watching a film: which settings, models and mode."""

    settings: Settings
    backend: Backend
    path: Path
    mode: DecodeMode

    def decoded_s(self) -> tuple[float, int]:
        """Seconds that decoding takes, and pictures."""
        source = file_source(self.settings, self.path)
        source.probe()
        began = time.perf_counter()
        pictures = sum(1 for _ in source.steps(None, self.mode))
        return time.perf_counter() - began, pictures

    def watched_s(self) -> tuple[float, int]:
        """Seconds that watching takes, and bytes sent to the store for each commit."""
        source, config = file_source(self.settings, self.path), self.settings.ingest_config()
        identity = Identity("0" * 64, self.backend.name, str(self.backend.keys.space), config.sampling)
        with tempfile.TemporaryDirectory(prefix="lw") as folder, StoreHold(StoreConfig(Path(folder))) as hold:
            store = hold.store
            video = register_file(store, identity, source, self.path, self.path.name).video
            began = time.perf_counter()
            record = Ingest(store, self.backend, config, lambda record, closed: None).run(video.id, source)
            took = time.perf_counter() - began
            state = store.state(video.id)
        if record.status != "ready" or state is None or state.decode_mode != self.mode:
            raise RuntimeError(f"{self.path.name} was not watched as it should be: {record.status}")
        return took, sum(map(len, state.components.values()))


def _paired(settings: Settings, backend: Backend, path: Path, mode: DecodeMode, pairs: int) -> dict[str, Any]:
    """Medians of `pairs` pairs taken in turns; the first of each pair is the other one each time."""
    watching = _Watching(settings.model_copy(update={"fps": _FPS[mode]}), backend, path, mode)
    decode, ingest, ratios = [], [], []
    pictures = state_bytes = 0
    for number in range(pairs + 1):  # the first pair fills the caches and is dropped
        if number % 2:
            decoded, pictures = watching.decoded_s()
            watched, state_bytes = watching.watched_s()
        else:
            watched, state_bytes = watching.watched_s()
            decoded, pictures = watching.decoded_s()
        decode.append(decoded)
        ingest.append(watched)
        ratios.append(watched / decoded)
    decode, ingest, ratios = decode[1:], ingest[1:], ratios[1:]
    return {
        "decode_only_s": round(median(decode), 3),
        "ingest_s": round(median(ingest), 3),
        "ratio": round(median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "pairs": pairs,
        "pictures": pictures,
        "state_bytes": state_bytes,
    }


def _memory(rows: RowFile, path: Path, times: dict[str, int]) -> dict[str, Any]:
    """Peak resident memory of watching it so many times over, in MB."""
    peaks = {name: rows.row(name, lambda: _peak(repeated(path, count))) for name, count in times.items()}  # noqa: B023
    shorter, longer = peaks.values()
    return {
        "peak_rss_mb": longer["own_mb"],
        "rss_growth": round(longer["own_mb"] / shorter["own_mb"], 3),
        "decoder_rss_mb": longer["decoder_mb"],
        "decoder_rss_growth": round(longer["decoder_mb"] / shorter["decoder_mb"], 3),
        "rss": peaks,
    }


def _peak(path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "serve.measure.ingest", str(path)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    peak: dict[str, float] = json.loads(output)
    return peak


def _watch_once(path: Path) -> dict[str, float]:
    """Watches a film's key frames; the process's own peak and that of its largest child, the decoder."""
    settings = Settings(screen_text=False, fps=_FPS["keyframes"])
    seconds, _ = _Watching(settings, load_backend(settings), path, "keyframes").watched_s()
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoder_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"own_mb": round(own_kb / 1024, 1), "decoder_mb": round(decoder_kb / 1024, 1), "seconds": round(seconds, 1)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_watch_once(Path(sys.argv[1]))) + "\n")
