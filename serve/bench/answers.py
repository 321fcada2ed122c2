"""`longwatch bench answers`: how often answers are exactly right, by kind of question and by who answers.

On written timelines put into a real store: the code's statement alone, and Longwatch as it answers (the model words the
statement and is checked). Items: the frozen files in `tests/evals/timelines`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from encoders.base import Backend
from memory.config import StoreConfig
from memory.opening import StoreHold
from memory.recall import LocalRecall
from pipeline.answer import Answer, Answerer
from pipeline.config import AnswerConfig
from pipeline.language.base import LanguageModel
from pipeline.language.scripted import ScriptedModel
from serve.evals.remembered import remember
from serve.evals.timelines import TimelineItem, exact, read_items
from serve.settings import Settings
from serve.wiring import load_backend, load_language_model, new_index

FILES = ("generated", "hand")
ITEMS = Path(__file__).resolve().parents[2] / "tests" / "evals" / "timelines"
Ask = Callable[[TimelineItem], Answer]


def run(quick: bool, clips: Path | None) -> dict[str, Any]:
    """Keys: ``generated`` and ``hand``, each {questions, exact, by_kind, refused_right, refused_wrong} of Longwatch as
    it answers (``together``), and ``code_alone``; load and token times. `clips` is another folder of items."""
    settings, folder = Settings(), clips or ITEMS
    backend = load_backend(settings)
    began = time.perf_counter()
    model = load_language_model(settings)
    figures: dict[str, Any] = {"load_s": round(time.perf_counter() - began, 2)}
    with tempfile.TemporaryDirectory(prefix="lw") as data, StoreHold(StoreConfig(Path(data))) as hold:
        code, both = asker(hold, backend, ScriptedModel()), asker(hold, backend, model)
        for name in FILES:
            items = read_items(folder / f"{name}.json")
            asked = list(_firsts(items)) if quick else items
            answers = [both(item) for item in asked]
            together = scores(list(zip(asked, answers, strict=True)))
            alone = scores([(item, code(item)) for item in asked])
            figures[name] = {"questions": len(asked), **together, "together": together["exact"]} | {
                "code_alone": alone["exact"],
                "code_alone_by_kind": alone["by_kind"],
            }
            figures |= _times(answers)
    return figures


def asker(hold: StoreHold, backend: Backend, model: LanguageModel) -> Ask:
    """Asks an item of its timeline, remembered in the store that is held."""
    recall = LocalRecall(hold.store, new_index(backend.keys.space.dim))
    answerer = Answerer(hold.store, recall, backend.keys, model, AnswerConfig())

    def ask(item: TimelineItem) -> Answer:
        *_, last = answerer.ask(remember(hold.store, backend.keys, backend.name, item), item.question)
        if not isinstance(last, Answer):
            raise RuntimeError("an answer did not end with an Answer")
        return last

    return ask


def scores(rows: Sequence[tuple[TimelineItem, Answer]]) -> dict[str, Any]:
    """Shares: of exact answers, by kind; of what cannot be answered, refused; of what can, refused all the same."""
    right = [(item, exact(item, answer.text)) for item, answer in rows]
    kinds = sorted({item.kind for item, _ in right})
    cannot = [not answer.supported for item, answer in rows if item.refuse]
    can = [not answer.supported for item, answer in rows if not item.refuse and item.yes is not False]
    return {
        "exact": _share([ok for _, ok in right]),
        "by_kind": {kind: _share([ok for item, ok in right if item.kind == kind]) for kind in kinds},
        "refused_right": _share(cannot),
        "refused_wrong": _share(can),
    }


def _times(answers: Sequence[Answer]) -> dict[str, float]:
    worded = [answer.usage for answer in answers if answer.usage.answer_tokens]
    if not worded:
        return {}
    spent_s = sum(one.total_ms - one.first_token_ms for one in worded) / 1000
    tokens = sum(one.answer_tokens for one in worded)
    return {
        "first_token_ms": round(median(one.first_token_ms for one in worded), 1),
        "tokens_per_s": round(tokens / max(spent_s, 1e-9), 1),
    }


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0


def _firsts(items: Sequence[TimelineItem]) -> Iterator[TimelineItem]:
    """The first of each kind."""
    seen: set[str] = set()
    for item in items:
        if item.kind not in seen:
            seen.add(item.kind)
            yield item
