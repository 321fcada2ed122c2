"""`python -m tests.bench compress`: what compression keeps and costs, and whether borders are where scenes change.

Every compressor sees the same cubes of 8 frames on the same grid and keeps at most the same number of tokens. The
folder that `--clips` names holds clips and their `events.json`.
Without one only the sample video is used, and `compression_factor`, which wants real clips, is null.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.base import Frame, FrameEncoder
from encoders.compressors import default_compressors
from encoders.pocket.vision import PocketFrameEncoder
from encoders.segmenters.momentum import MomentumSegmenter
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from serve.measure.film import SAMPLE
from tests.bench.compress.cuts import Counts, Cut, detectors, matched, orders, our_changes, quiet_spans, their_changes
from tests.bench.compress.quality import CUBE_STEPS, measured, plant

FINE_BUDGET, POCKET_BUDGET = 64, 16
_NAMES = {"average": "pool"}


def run(quick: bool, clips: Path | None = None) -> dict[str, Any]:
    """Measures everything; one thread throughout.

    Args:
        quick: fewer cubes and joins, no clip of a minute or more in `compression_factor`, and PySceneDetect at full
            rate on the first 30 s of the sample video only.
        clips: folder of real clips with `events.json`.
    """
    torch.set_num_threads(1)
    pocket, fine = PocketFrameEncoder(), PocketFrameEncoder("fine")
    truth = json.loads((clips / "events.json").read_text()) if clips else []
    videos = [SAMPLE, *(clips / clip["file"] for clip in truth)] if clips else [SAMPLE]
    chunks = [chunk for video in videos for chunk in _chunks(video, 1 if quick else 6)]
    short = [clips / clip["file"] for clip in truth if not quick or clip["seconds"] < 60] if clips else []
    return {
        "name": "compress",
        **_compressors(chunks, fine, FINE_BUDGET, 1 if quick else 2),
        "pocket": _compressors(chunks, pocket, POCKET_BUDGET, 1 if quick else 2),
        "compression_factor": _compression_factor(short, fine),
        "cubing": _cubing(truth, clips, pocket, quick),
    }


def _compressors(chunks: Sequence[Sequence[Frame]], encoder: FrameEncoder, budget: int, seeds: int) -> dict[str, Any]:
    """Each compressor on every chunk, with small changes planted anew for each seed."""
    grid = encoder.encode(chunks[0][:1]).grid
    cubes = []
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        cubes += [plant(chunk, encoder, grid, chance) for chunk in chunks]
    registry = default_compressors()
    return {_NAMES.get(name, name): measured(cubes, registry.get(name), budget) for name in registry.names()}


def _compression_factor(videos: Sequence[Path], encoder: FrameEncoder) -> float | None:
    """Patch tokens that went in over tokens kept, real clips at one step a second, cubes as they come."""
    if not videos:
        return None
    patches = kept = 0
    for video in videos:
        cubing, compressor = MomentumSegmenter(), default_compressors().get("progressive")(FINE_BUDGET)
        watched = encoder.encode(_frames(video, 1.0))
        for number, time_s in enumerate(watched.times_s):
            if cubing.step(watched.tokens[0, number], time_s) is not None:
                kept += len(compressor.cube().weights)
                compressor.reset()
            compressor.add(watched.tokens[:, number], watched.grid, time_s)
        patches += len(watched.times_s) * watched.tokens.shape[2]
        kept += len(compressor.cube().weights)
    return round(patches / kept, 1)


def _cubing(truth: Sequence[dict[str, Any]], clips: Path | None, encoder: FrameEncoder, quick: bool) -> dict[str, Any]:
    """Ours and PySceneDetect's on the same frames, one a second; PySceneDetect also on all frames."""
    sample = _cut(SAMPLE, 1.0, encoder)
    joins: list[Cut] = []
    if clips:
        pieces = [p for clip in truth for p in _pieces(clips / clip["file"], clip, 1.0, encoder)]
        joins = orders(pieces, 3 if quick else 20, length=8)
    cuts = [sample, *joins]
    started = time.thread_time()
    ours = sum((matched(our_changes(MomentumSegmenter(), c), c.cuts_s, 1.0) for c in cuts), Counts())
    milliseconds = 1e3 * (time.thread_time() - started) / sum(len(c.frames) for c in cuts)
    full = [_until(_cut(SAMPLE, 1000.0, None), 30.0 if quick else math.inf)]
    if clips and not quick:
        fast = [p for clip in truth for p in _pieces(clips / clip["file"], clip, 1000.0, None)]
        full += orders(fast, 2, length=8)
    sampled_scores, full_scores = _rivals(cuts, 2), _rivals(full, 15)
    return {
        **ours.scores(),
        "on_sample": matched(our_changes(MomentumSegmenter(), sample), sample.cuts_s, 1.0).scores(),
        "cuts": ours.truth,
        "ms_per_frame": round(milliseconds, 3),
        "pyscenedetect_f1": max(s["f1"] for s in sampled_scores.values()),
        "pyscenedetect": sampled_scores,
        "pyscenedetect_full_rate_f1": max(s["f1"] for s in full_scores.values()),
        "pyscenedetect_full_rate": full_scores,
    }


def _rivals(cuts: Sequence[Cut], shortest: int) -> dict[str, dict[str, float]]:
    scores = {}
    for name, make in detectors(shortest).items():
        counts = sum((matched(their_changes(make(), c.frames), c.cuts_s, 1.0) for c in cuts), Counts())
        scores[name] = counts.scores()
    return scores


def _cut(video: Path, fps: float, encoder: FrameEncoder | None) -> Cut:
    """The sample video and the beginnings of its scenes."""
    frames = tuple(_frames(video, fps))
    scenes = json.loads(video.with_suffix(".json").read_text())["scenes"]
    return Cut(frames, _tokens(frames, encoder), tuple(scene["start_s"] for scene in scenes[1:]))


def _until(cut: Cut, end_s: float) -> Cut:
    """Its beginning."""
    frames = tuple(frame for frame in cut.frames if frame.time_s < end_s)
    return Cut(frames, cut.tokens[: len(frames)], tuple(c for c in cut.cuts_s if c < end_s))


def _pieces(video: Path, clip: dict[str, Any], fps: float, encoder: FrameEncoder | None) -> list[tuple[str, Cut]]:
    """A clip's quiet stretches."""
    frames = list(_frames(video, fps))
    pieces = []
    for start, end in quiet_spans(clip["events"], clip["seconds"]):
        inside = tuple(f for f in frames if start <= f.time_s < end)
        if len(inside) > 2:
            pieces.append((clip["file"], Cut(inside, _tokens(inside, encoder), ())))
    return pieces


def _tokens(frames: Sequence[Frame], encoder: FrameEncoder | None) -> torch.Tensor:
    return encoder.encode(frames).tokens[0] if encoder else torch.zeros(len(frames), 0, 0)


def _chunks(video: Path, most: int) -> list[list[Frame]]:
    """Cubes of 8 frames, half a second apart, spread over the video."""
    frames = list(_frames(video, 2.0))
    starts = range(0, len(frames) - CUBE_STEPS + 1, CUBE_STEPS)
    chosen = sorted({starts[round(i)] for i in np.linspace(0, len(starts) - 1, min(most, len(starts)))})
    return [frames[start : start + CUBE_STEPS] for start in chosen]


def _frames(video: Path, fps: float) -> list[Frame]:
    side = 960 if fps <= 2 else 320
    return list(FileSource(video, DecodeConfig(fps=fps, max_side_px=side, threads=1)).steps(None, "full"))
