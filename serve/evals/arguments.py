"""The options of `longwatch eval`, apart from what it runs: the command line must not wait for models' libraries."""

from __future__ import annotations

import argparse
from pathlib import Path

BUILT_IN = ("clips", "sample", "wheels", "concat")
"""Sets that come with Longwatch: `serve.evals.sets`."""

PUBLIC = ("video-mme", "mlvu", "longvideobench", "lvbench", "egoschema", "streamingbench", "ovo-bench")
"""Public sets, one file each in `serve.evals.datasets`."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The command's own options."""
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--set", choices=[*BUILT_IN, *PUBLIC], help="a set that comes with Longwatch, or a public one")
    which.add_argument("--items", type=Path, metavar="FILE", help="questions of your own (serve/evals/items.py)")
    command.add_argument("--videos", type=Path, metavar="DIR", help="the folder of the set's videos")
    command.add_argument("--annotations", type=Path, metavar="FILE", help="a public set's annotations")
    command.add_argument("--out", type=Path, metavar="FILE", help="rows, JSON lines; a stopped run goes on from them")
    command.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    command.add_argument(
        "--minutes", type=float, default=30.0, help="length of the concatenation (30)", metavar="MINUTES"
    )
