"""`longwatch bench answers`: how often answers are exactly right, by kind of question and by who answers.

On written timelines put into a real store: the code's statement alone, the model alone (it reads the timeline and is
not checked), and both together as Longwatch answers. Items: the frozen files in `tests/evals/timelines`.
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
    """Keys: for each file ``code_alone`` and ``together`` {exact, by_kind, refused_right, refused_wrong}; load and
    token times. `clips` is another folder of items."""
    settings, folder = Settings(), clips or ITEMS
    backend = load_backend(settings)
    began = time.perf_counter()
    model = load_language_model(settings)
    load_s = time.perf_counter() - began
    figures: dict[str, Any] = {"load_s": round(load_s, 2)}
    with tempfile.TemporaryDirectory(prefix="lw") as data, StoreHold(StoreConfig(Path(data))) as hold:
        for name in FILES:
            items = _few(read_items(folder / f"{name}.json")) if quick else read_items(folder / f"{name}.json")
            code, both = _asker(hold, backend, ScriptedModel()), _asker(hold, backend, model)
            rows = [(item, code(item), both(item)) for item in items]
            figures[name] = {
                "questions": len(items),
                "code_alone": _scores([(item, answer) for item, answer, _ in rows]),
                "together": _scores([(item, answer) for item, _, answer in rows]),
            }
            figures |= _times([answer for _, _, answer in rows])
    return figures


def _asker(hold: StoreHold, backend: Backend, model: LanguageModel) -> Ask:
    recall = LocalRecall(hold.store, new_index(backend.keys.space.dim))
    answerer = Answerer(hold.store, recall, backend.keys, model, AnswerConfig())

    def ask(item: TimelineItem) -> Answer:
        *_, last = answerer.ask(remember(hold.store, backend.keys, backend.name, item), item.question)
        if not isinstance(last, Answer):
            raise RuntimeError("an answer did not end with an Answer")
        return last

    return ask


def _scores(rows: Sequence[tuple[TimelineItem, Answer]]) -> dict[str, Any]:
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


def _few(items: Sequence[TimelineItem]) -> list[TimelineItem]:
    """The first of each kind: a quick look."""
    return list(_firsts(items))


def _firsts(items: Sequence[TimelineItem]) -> Iterator[TimelineItem]:
    seen: dict[str, int] = {}
    for item in items:
        seen[item.kind] = seen.get(item.kind, 0) + 1
        if seen[item.kind] <= 1:
            yield item
