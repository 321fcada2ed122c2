"""Asks and scores questions on real video for `python -m tests.bench answers`, as `longwatch eval` does.

The sample is always asked. The clips, and 30 minutes of them joined, are asked where their folder is given. The store
is the benchmark's own and is kept between runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serve.embedded import Longwatch
from serve.evals import report, runner, sets
from serve.settings import Settings


def real(settings: Settings, clips: Path | None) -> dict[str, Any]:
    """Keys: ``questions``; ``citation_hits``, first citations that meet the truth, {of, hits}, and of these the things
    the backend has a word for (``known_citation_hits``); ``word_hits``; ``invented_times``; the refusals; ``by_kind``;
    and all of it for each set."""
    folder = settings.cache_dir / "bench" / "answers"
    asked: list[dict[str, Any]] = []
    of_sets: dict[str, Any] = {}
    with Longwatch(settings.model_copy(update={"data_dir": folder / "store"})) as longwatch:
        for name in ("sample", "clips", "concat") if clips else ("sample",):
            videos = None if name == "sample" else clips
            chosen = sets.built_in(name, videos, settings.cache_dir / "evals")
            ran = runner.run(longwatch, chosen.items, chosen.folder, folder / f"{name}.jsonl")
            of_sets[name] = _figures(report.figures(ran.rows)) | {"failed": list(ran.failed)}
            asked += ran.rows
    return _figures(report.figures(asked)) | {"sets": of_sets}


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    total, in_vocabulary = figures["total"], figures["known"]
    return {
        "questions": total["questions"],
        "citation_hits": total["first_citation"],
        "known_citation_hits": in_vocabulary["first_citation"],
        "word_hits": total["words"],
        "invented_times": total["invented_times"],
        "uncited_times": total["uncited_times"],
        "refusals_right": total["refusals_right"],
        "false_refusals": total["false_refusals"],
        "by_kind": figures["by_kind"],
    }
