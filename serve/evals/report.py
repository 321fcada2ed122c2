"""Scores the rows of a run and reports them: a table with one line per kind of question, and the same as plain figures.

Scores are taken from rows whenever a report is made, so a scorer may change without asking again. Each figure is a
mean over the questions it applies to, beside how many those are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from . import scoring
from .items import Item, parsed


@dataclass(frozen=True, slots=True)
class Scores:
    """One answer's scores; None where a score does not apply.

    Attributes:
        first_hit, any_hit: whether the first citation, or one of them, meets the truth.
        iou: of all citations with all true spans.
        time_error_s: of the times named in the answer.
        word_hit: whether the answer is supported and says the words.
        count_error: "nothing found" counts as 0.
        refusal_right, false_refusal: the first where refusing is right, the second elsewhere.
        invented: times in the text that neither the question, a citation nor the evidence holds.
        uncited: those that no citation holds.
        choice_right: whether the right option was taken.
    """

    first_hit: bool | None
    any_hit: bool | None
    iou: float | None
    time_error_s: float | None
    word_hit: bool | None
    count_error: int | None
    refusal_right: bool | None
    false_refusal: bool | None
    invented: int
    uncited: int
    choice_right: bool | None


def score(row: Mapping[str, Any]) -> Scores:
    """A row's scores."""
    item, asked = parsed(row["item"], "a row's item"), row["asked"]
    text, supported = str(asked["text"]), bool(asked["supported"])
    cited = [(float(a), float(b)) for a, b in asked["citations"]]
    evidence = [(float(a), float(b)) for a, b in asked["evidence"]]
    timed = bool(item.spans) and not item.refusal
    return Scores(
        first_hit=scoring.citation_hit(cited[0] if cited else None, item.spans) if timed else None,
        any_hit=scoring.any_citation_hit(cited, item.spans) if timed else None,
        iou=scoring.temporal_iou(cited, item.spans) if timed else None,
        time_error_s=scoring.time_error_s(text, item.spans, item.question) if timed and supported else None,
        word_hit=supported and scoring.word_hit(text, item.words) if item.words and not item.refusal else None,
        count_error=_count_error(item, text, supported),
        refusal_right=not supported if item.refusal else None,
        false_refusal=None if item.refusal else not supported,
        invented=len(scoring.invented_times(text, cited + evidence, item.question)),
        uncited=len(scoring.invented_times(text, cited, item.question)),
        choice_right=asked["chosen"] == item.correct if item.correct is not None else None,
    )


def _count_error(item: Item, text: str, supported: bool) -> int | None:
    if item.count is None:
        return None
    return scoring.count_error(text, item.count) if supported else item.count


def summed(scores: Sequence[Scores]) -> dict[str, Any]:
    """The figures of some answers: shares 0 to 1, errors as means, times as totals; None where none applies."""
    times = [result.time_error_s for result in scores if result.time_error_s is not None]
    counts = [result.count_error for result in scores if result.count_error is not None]
    ious = [result.iou for result in scores if result.iou is not None]
    return {
        "questions": len(scores),
        "first_citation": _share(result.first_hit for result in scores),
        "any_citation": _share(result.any_hit for result in scores),
        "temporal_iou": round(fmean(ious), 4) if ious else None,
        "time_error_s": round(fmean(times), 2) if times else None,
        "words": _share(result.word_hit for result in scores),
        "count_error": round(fmean(counts), 2) if counts else None,
        "refusals_right": _share(result.refusal_right for result in scores),
        "false_refusals": _share(result.false_refusal for result in scores),
        "invented_times": sum(result.invented for result in scores),
        "uncited_times": sum(result.uncited for result in scores),
        "choices_right": _share(result.choice_right for result in scores),
    }


def _share(outcomes: Iterable[bool | None]) -> dict[str, int] | None:
    """How many of how many."""
    applies = [outcome for outcome in outcomes if outcome is not None]
    return {"of": len(applies), "hits": sum(applies)} if applies else None


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All figures: by kind in the order of first appearance, of the things the backend has a word for, and in all."""
    scored = [(row["item"], score(row)) for row in rows]
    kinds = list(dict.fromkeys(item["kind"] for item, _ in scored))
    return {
        "by_kind": {kind: summed([result for item, result in scored if item["kind"] == kind]) for kind in kinds},
        "known": summed([result for item, result in scored if item.get("known")]),
        "total": summed([result for _, result in scored]),
    }


_COLUMNS = {
    "first_citation": "first citation",
    "any_citation": "any citation",
    "temporal_iou": "overlap (IoU)",
    "time_error_s": "time error, s",
    "words": "words",
    "count_error": "count error",
    "refusals_right": "refusals right",
    "false_refusals": "false refusals",
    "invented_times": "invented times",
    "uncited_times": "uncited times",
    "choices_right": "choices right",
}


def table(document: Mapping[str, Any]) -> str:
    """The figures as a Markdown table; columns that apply to nothing are left out."""
    lines = dict(document["by_kind"])
    if document["known"]["questions"]:
        lines["known things"] = document["known"]
    lines["**all**"] = document["total"]
    shown = [name for name in _COLUMNS if any(line[name] is not None for line in lines.values())]
    head = ["kind", "n", *(_COLUMNS[name] for name in shown)]
    rows = [[kind, str(line["questions"]), *(_cell(line[name]) for name in shown)] for kind, line in lines.items()]
    ruler = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ruler, *rows])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"{value['hits']} of {value['of']}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
