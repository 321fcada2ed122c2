"""Measures how often answers are exactly right, by kind of question and who answers: `python -m tests.bench answers`.

On written timelines it scores the code's statement alone, the model alone, and Longwatch as it answers (the model words
the statement and is checked). On real video it scores citations, words and times against dated truth, as
`longwatch eval` does. Each kind of question is a row, and an interrupted run goes on at the first row that is missing.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from encoders.digest import file_sha256
from memory.config import StoreConfig
from memory.store.opening import StoreHold
from pipeline.language.protocol import LanguageModel
from pipeline.language.scripted import ScriptedModel
from pipeline.language.smollm.adapter import ADAPTER_FILE
from serve.measure.rows import RowFile
from serve.settings import Settings
from serve.wiring import load_backend, load_language_model
from tests.bench.answers.items import TimelineItem, read_items
from tests.bench.answers.real import real
from tests.bench.answers.timelines import (
    ITEMS,
    Row,
    TimelineReader,
    asker,
    by_kind,
    kinds_of,
    read_alone,
    row,
    scores,
    times,
)

FILES = ("generated", "hand")
_QUICK_KINDS = 6


def run(quick: bool, clips: Path | None) -> dict[str, Any]:
    """``generated`` and ``hand``: {questions, exact, by_kind, refused_right, refused_wrong, together, code_alone,
    model_alone, …}, shares of 1; ``real``: {questions, citation_hits, word_hits, invented_times, by_kind}; load and
    token times.

    Args:
        quick: six kinds of question, one of each, and no real video.
        clips: the folder of the five clips of `serve.evals.questions`; without it only the sample is asked.
    """
    settings = Settings()
    rows = RowFile("answers-quick" if quick else "answers", __name__)
    backend = load_backend(settings)
    began = time.perf_counter()
    model = load_language_model(settings)
    by = f"{model.name} {_adapter()}"  # code is not all that a row is of
    figures: dict[str, Any] = {"load_s": round(time.perf_counter() - began, 2)}
    with tempfile.TemporaryDirectory(prefix="lw") as data, StoreHold(StoreConfig(Path(data))) as hold:
        both, code = asker(hold, backend, model), asker(hold, backend, ScriptedModel())

        def measured(items: list[TimelineItem]) -> dict[str, list[Row]]:
            return {
                "together": [row(item, both(item)) for item in items],
                "code": [row(item, code(item)) for item in items],
                "model": _alone(model, items),
            }

        together: list[Row] = []
        for name in FILES:
            every = list(kinds_of(read_items(ITEMS / f"{name}.json"), 1 if quick else None))
            asked = every[:_QUICK_KINDS] if quick else every
            kinds = [rows.row(f"{name} {kind} {by}", partial(measured, items)) for kind, items in asked]
            together += [marks for kind in kinds for marks in kind["together"]]
            figures[name] = _figures(kinds)
    figures["real"] = rows.row(f"real {by}", lambda: real(settings, clips)) if not quick else None
    rows.done()
    return figures | times(together)


def _adapter() -> str:
    """Names the weights merged into the model."""
    return file_sha256(ADAPTER_FILE)[:12] if ADAPTER_FILE.exists() else "none"


def _alone(model: LanguageModel, items: list[TimelineItem]) -> list[Row]:
    return [read_alone(model, item) for item in items] if isinstance(model, TimelineReader) else []


def _figures(kinds: list[dict[str, list[Row]]]) -> dict[str, Any]:
    """One file's keys from its kinds' rows."""
    together, code, model = ([marks for kind in kinds for marks in kind[who]] for who in ("together", "code", "model"))
    both, alone = scores(together), scores(code)
    return {
        "questions": len(together),
        **both,
        "together": both["exact"],
        "code_alone": alone["exact"],
        "code_alone_by_kind": alone["by_kind"],
        "model_alone": scores(model)["exact"] if model else None,
        "model_alone_by_kind": by_kind(model) if model else None,
    }
