"""`python -m tests.bench memory`: what an hour costs to keep, how fast and well it is searched, whether needles are
found, what propagation adds, and whether anything is lost when processes are killed.

Parts, each with its own file and run one after the other: `size`, `selection`, `needle`,
`ablation`, `kill`. What the long ones have finished (rows, watched films, filled stores) is kept in the
cache folder, so that an interrupted run goes on; each says for how long.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from serve.settings import Settings
from serve.wiring import load_backend

from .ablation import run as ablation
from .kill import run_kill_test
from .needle.benchmark import needle_rows
from .needle.sources import SourcesMissing
from .selection import selection
from .size import mb_per_hour

PARTS = ("size", "select", "needle", "ablation", "kill")
QUICK_KILLS = 2


def run(quick: bool, clips: Path | None = None, parts: tuple[str, ...] = PARTS) -> dict[str, Any]:
    """The figures of `parts`; one thread throughout.

    Args:
        quick: fewer minutes, at most 10,000 keys, needles in ten minutes only, two kills.
        clips: folder of real clips for film and fast; without one only the sample video's shots are used.
    """
    torch.set_num_threads(1)
    settings = Settings()
    figures: dict[str, Any] = {}
    if "size" in parts:
        figures |= mb_per_hour(load_backend(settings), quick, clips)
    if "select" in parts:
        figures |= selection(quick, settings.cache_dir / "bench" / "memory")
    if "needle" in parts:
        figures["needle"] = _needles(quick, settings.cache_dir)
    if "ablation" in parts:
        figures["ablation"] = ablation(quick, clips)["rows"]
    if "kill" in parts:
        figures["kill_test"] = run_kill_test(60.0, QUICK_KILLS) if quick else run_kill_test()
    return figures


def _needles(quick: bool, cache: Path) -> dict[str, Any]:
    """The needles, or why they could not be planted."""
    try:
        return dict(needle_rows(quick, cache))
    except SourcesMissing as error:
        return {"not_run": str(error)}
