"""`longwatch eval`: asks a set of questions and scores the answers.

Prints a table with a line per kind, and one JSON document on the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from serve.embedded import Longwatch
from serve.errors import BadRequest

from . import report, runner, sets
from .arguments import BUILT_IN
from .datasets import load
from .items import load_items
from .sets import EvalSet


def evaluate(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch eval`"""
    began, started = time.monotonic(), datetime.now(UTC)
    cache = longwatch.settings.cache_dir / "evals"
    chosen = sets.limited(_chosen(options, cache), options.limit)
    if not chosen.items:
        raise BadRequest(f"{chosen.name} has no questions")
    rows_file = options.out or cache / f"{chosen.name}.jsonl"
    ran = runner.run(longwatch, chosen.items, chosen.folder, rows_file)
    if not ran.rows:
        raise BadRequest(f"not one of {chosen.name}'s videos could be asked: {_why(ran)}")
    document: dict[str, Any] = {
        "name": "eval",
        "set": chosen.name,
        "machine": {"cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1)},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in ("torch", "av")},
        "backend": longwatch.settings.backend,
        "settings": runner.settings_key(longwatch),
        "started_at": started.isoformat(timespec="seconds"),
        **report.figures(ran.rows),
        "asked_now": ran.asked_now,
        "missing": list(ran.missing),
        "failed": list(ran.failed),
        "dropped": [{"question": question, "reason": reason} for question, reason in chosen.dropped],
        "rows": str(rows_file),
        "seconds": round(time.monotonic() - began, 1),
    }
    if not options.json:
        sys.stdout.write(_as_text(document) + "\n")
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def _why(ran: runner.Ran) -> str:
    missing = [f"{video} is not there" for video in ran.missing]
    return "; ".join([*missing, *(f"{failure['video']}: {failure['detail']}" for failure in ran.failed)][:5])


def _chosen(options: argparse.Namespace, cache: Path) -> EvalSet:
    if options.items is not None:
        return EvalSet(options.items.stem, load_items(options.items).items, options.videos or options.items.parent)
    if options.set in BUILT_IN:
        return sets.built_in(options.set, options.videos, cache, options.minutes * 60)
    if options.videos is None or options.annotations is None:
        raise BadRequest(f"{options.set} needs --videos, the folder of its videos, and --annotations, its questions")
    return EvalSet(options.set, tuple(load(options.set, options.annotations, options.videos)), options.videos)


def _as_text(document: dict[str, Any]) -> str:
    lines = [f"{document['set']}: {document['total']['questions']} questions, {document['seconds']:.0f} s", ""]
    lines += [report.table(document), ""]
    if document["missing"]:
        lines.append(f"not there: {', '.join(document['missing'])}")
    lines += [f"{failure['video']}: {failure['detail']} [{failure['code']}]" for failure in document["failed"]]
    if document["dropped"]:
        lines.append(f"{len(document['dropped'])} questions have no single answer here and were left out")
    return "\n".join(lines)
