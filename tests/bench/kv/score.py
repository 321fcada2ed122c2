"""Computes the figures of the cache benchmark from its rows. Pure functions.

Recall is the share of right answers about facts that the stream held, minus the same share about facts it did not hold.
A depth is the place of a fact in its stream, from 0 to 1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

DEPTHS = 4
NEAR = 4096  # tokens; costs and memory there are what later ones are compared with

Row = dict[str, Any]


def answers(row: Row, asked: str) -> list[dict[str, Any]]:
    """Every answer of a row to ``end`` or ``turns`` questions."""
    return [answer for question in row[asked] for answer in question["streams"]]


def score(row: Row, asked: str) -> dict[str, Any]:
    """``recall`` (greedy) and ``choice`` (of eight) above the guess, ``nll`` of the right word, ``told``: how
    many answers were about facts already read, ``guessed`` (greedy, choice) without the fact, ``by_depth`` (choice,
    nothing subtracted; None where no fact lies)."""
    every = answers(row, asked)
    informed = [
        answer
        for answer in every
        if answer["told_at"] is not None and answer["told_at"] <= _asked_at(row, asked, answer)
    ]
    uninformed = [answer for answer in every if answer not in informed]
    guessed = {kind: _share(uninformed, kind) for kind in ("greedy", "choice")}
    return {
        "recall": round(_share(informed, "greedy") - guessed["greedy"], 3),
        "choice": round(_share(informed, "choice") - guessed["choice"], 3),
        "nll": round(statistics.fmean(answer["nll"] for answer in informed), 3) if informed else None,
        "told": len(informed),
        "guessed": {kind: round(share, 3) for kind, share in guessed.items()},
        "by_depth": _by_depth(informed, _length(row)),
    }


def _asked_at(row: Row, asked: str, answer: dict[str, Any]) -> int:
    return next(int(question["at"]) for question in row[asked] if any(answer is other for other in question["streams"]))


def _share(group: Sequence[dict[str, Any]], kind: str) -> float:
    return sum(bool(answer[kind]) for answer in group) / len(group) if group else 0.0


def _length(row: Row) -> int:
    return int(row["memory"][-1][0])


def _by_depth(informed: Iterable[dict[str, Any]], length: int) -> list[float | None]:
    parts: list[list[dict[str, Any]]] = [[] for _ in range(DEPTHS)]
    for answer in informed:
        parts[min(int(answer["told_at"] / length * DEPTHS), DEPTHS - 1)].append(answer)
    return [round(_share(part, "choice"), 3) if part else None for part in parts]


def perplexity(row: Row) -> float:
    """Of the novel's tokens, over all streams."""
    total, tokens = (sum(sums[k] for sums in row["nll"]) for k in (0, 1))
    return round(math.exp(total / tokens), 3)


def cost(row: Row) -> dict[str, float]:
    """CPU milliseconds a token: ``median``; ``ratio`` of the last `NEAR` tokens' to that around `NEAR`, and the same of
    the resident memory and of the cache's own bytes."""
    length = _length(row)
    early = [cpu for at, cpu, _ in row["cost"] if NEAR // 2 < at <= NEAR + NEAR // 2]
    late = [cpu for at, cpu, _ in row["cost"] if at > length - NEAR]
    near = next((sample for sample in row["memory"] if sample[0] >= NEAR), row["memory"][-1])
    last = row["memory"][-1]
    return {
        "ms_per_token": round(statistics.median(cpu for _, cpu, _ in row["cost"]), 3),
        "per_token_ratio": round(statistics.median(late) / statistics.median(early or late), 3),
        "bytes_ratio": round(last[1] / near[1], 3),
        "rss_ratio": round(last[2] / near[2], 3),
    }


def compared(rows: dict[str, Row], default: str, rivals: Iterable[str], full: Row | None, asked: str) -> dict[str, Any]:
    """One line of the table: the default against the best of its rivals at one length and budget.

    Best is by greedy recall, then by choice, then by likelihood; the best perplexity is looked for on its own.
    """
    scores = {name: score(row, asked) for name, row in rows.items()}
    there = [name for name in rivals if name in rows]
    ours = scores[default]
    best = max(there, key=lambda name: (scores[name]["recall"], scores[name]["choice"], -scores[name]["nll"]))
    calmest = min(there, key=lambda name: perplexity(rows[name]))
    over = None if full is None else round(ours["nll"] - score(full, asked)["nll"], 3)
    return {
        "question": asked,
        "recall": ours["recall"], "choice": ours["choice"], "nll": ours["nll"], "nll_over_full": over,
        "told": ours["told"], "by_depth": ours["by_depth"],
        "best_rival": best, "best_rival_recall": scores[best]["recall"], "best_rival_choice": scores[best]["choice"],
        "perplexity": perplexity(rows[default]),
        "best_rival_perplexity": perplexity(rows[calmest]), "calmest_rival": calmest,
    }  # fmt: skip
