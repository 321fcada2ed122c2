"""Puts written timelines into a real store and asks about them: code alone, the model alone, and both together.

The items are the frozen files in `tests/evals/timelines`. A row holds the marks of one item's answer, as JSON values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Protocol, runtime_checkable

from encoders.base import Backend
from memory.retrieval.retriever import LocalRetriever
from memory.store.opening import StoreHold
from pipeline.answer import Answer, Answerer
from pipeline.config import AnswerConfig
from pipeline.language.protocol import LanguageModel
from serve.evals.scoring import invented_times
from serve.wiring import new_index
from tests.bench.answers.items import TimelineItem, exact
from tests.bench.answers.written_memory import remember

ITEMS = Path(__file__).resolve().parents[2] / "evals" / "timelines"
Ask = Callable[[TimelineItem], Answer]
Row = dict[str, Any]


@runtime_checkable
class TimelineReader(Protocol):
    """A model that answers from a written timeline by itself."""

    def read_timeline(self, lines: Sequence[str], question: str, max_tokens: int) -> str:
        """The whole answer."""
        ...


def asker(hold: StoreHold, backend: Backend, model: LanguageModel) -> Ask:
    """Asks an item of its timeline, remembered in the store that is held."""
    retriever = LocalRetriever(hold.store, new_index(backend.keys.space.dim))
    answerer = Answerer(hold.store, retriever, backend.keys, model, AnswerConfig())

    def ask(item: TimelineItem) -> Answer:
        *_, last = answerer.ask(remember(hold.store, backend.keys, backend.name, item), item.question)
        if not isinstance(last, Answer):
            raise RuntimeError("an answer did not end with an Answer")
        return last

    return ask


def row(item: TimelineItem, answer: Answer) -> Row:
    """An answer and its marks."""
    usage = answer.usage
    cited = [(citation.span.start_s, citation.span.end_s) for citation in answer.citations]
    held = [(span.start_s, span.end_s) for span in answer.evidence.spans] if answer.evidence else []
    return {
        "kind": item.kind,
        "exact": exact(item, answer.text),
        "supported": answer.supported,
        "cannot": item.refuse,
        "can": not item.refuse and item.yes is not False,
        "invented": len(invented_times(answer.text, cited + held, item.question)),
        "model": answer.phrased_by == "model",
        "first_token_ms": usage.first_token_ms if usage.answer_tokens else None,
        "writing_ms": usage.total_ms - usage.select_ms - usage.prefill_ms if usage.answer_tokens else None,
        "tokens": usage.answer_tokens,
    }


def read_alone(model: TimelineReader, item: TimelineItem) -> Row:
    """What the model says of the written lines."""
    text = model.read_timeline(item.timeline, item.question, AnswerConfig().answer_tokens)
    return {"kind": item.kind, "exact": exact(item, text)}


def scores(rows: Sequence[Row]) -> dict[str, Any]:
    """Shares: of exact answers, by kind; of what cannot be answered, refused; of what can, refused all the same."""
    kinds = sorted({row["kind"] for row in rows})
    return {
        "exact": _share([row["exact"] for row in rows]),
        "by_kind": {kind: _share([row["exact"] for row in rows if row["kind"] == kind]) for kind in kinds},
        "refused_right": _share([not row["supported"] for row in rows if row.get("cannot")]),
        "refused_wrong": _share([not row["supported"] for row in rows if row.get("can")]),
        "invented_times": sum(row.get("invented", 0) for row in rows),
    }


def by_kind(rows: Sequence[Row]) -> dict[str, float]:
    """Share of exact answers, of all and by kind."""
    shares = scores(rows)
    return {"all": shares["exact"], **shares["by_kind"]}


def times(rows: Sequence[Row]) -> dict[str, float]:
    """Of what the model worded: median until the first words are shown, which is when a whole sentence was checked, and
    tokens a second from the end of the prompt on."""
    worded = [row for row in rows if row["tokens"]]
    if not worded:
        return {}
    spent_s = sum(row["writing_ms"] for row in worded) / 1000
    return {
        "first_token_ms": round(median(row["first_token_ms"] for row in worded), 1),
        "tokens_per_s": round(sum(row["tokens"] for row in worded) / max(spent_s, 1e-9), 1),
        "worded_by_model": _share([row["model"] for row in rows]),
    }


def kinds_of(items: Sequence[TimelineItem], most: int | None) -> Iterator[tuple[str, list[TimelineItem]]]:
    """The items of each kind, at most so many of each."""
    for kind in dict.fromkeys(item.kind for item in items):
        yield kind, [item for item in items if item.kind == kind][:most]


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0
