"""From what rows found to the figures of the cache benchmark. Pure functions.

A recall is a share of answers about facts that were told minus the same share about facts that were left out. Depths
are places of a fact in its stream, from 0 to 1.
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
    return [one for question in row[asked] for one in question["streams"]]


def score(row: Row, asked: str) -> dict[str, Any]:
    """``recall`` (greedy) and ``choice`` (of eight) above the guess, ``nll`` of the right word, ``told`` facts,
    ``guessed`` (greedy, choice) without the fact, ``by_depth`` (choice, nothing subtracted; None where none lies)."""
    every = answers(row, asked)
    told = [one for one in every if one["told_at"] is not None and one["told_at"] <= _asked_at(row, asked, one)]
    untold = [one for one in every if one not in told]
    guessed = {kind: _share(untold, kind) for kind in ("greedy", "choice")}
    return {
        "recall": round(_share(told, "greedy") - guessed["greedy"], 3),
        "choice": round(_share(told, "choice") - guessed["choice"], 3),
        "nll": round(statistics.fmean(one["nll"] for one in told), 3) if told else None,
        "told": len(told),
        "guessed": {kind: round(share, 3) for kind, share in guessed.items()},
        "by_depth": _by_depth(told, _length(row)),
    }


def _asked_at(row: Row, asked: str, one: dict[str, Any]) -> int:
    return next(int(question["at"]) for question in row[asked] if any(one is other for other in question["streams"]))


def _share(found: Sequence[dict[str, Any]], kind: str) -> float:
    return sum(bool(one[kind]) for one in found) / len(found) if found else 0.0


def _length(row: Row) -> int:
    return int(row["memory"][-1][0])


def _by_depth(told: Iterable[dict[str, Any]], length: int) -> list[float | None]:
    parts: list[list[dict[str, Any]]] = [[] for _ in range(DEPTHS)]
    for one in told:
        parts[min(int(one["told_at"] / length * DEPTHS), DEPTHS - 1)].append(one)
    return [round(_share(part, "choice"), 3) if part else None for part in parts]


def perplexity(row: Row) -> float:
    """Of the novel's tokens, over all streams."""
    total, tokens = (sum(one[k] for one in row["nll"]) for k in (0, 1))
    return round(math.exp(total / tokens), 3)


def cost(row: Row) -> dict[str, float]:
    """CPU milliseconds a token: ``median``; ``ratio`` of the last `NEAR` tokens' to that around `NEAR`, and the same of
    the resident memory and of the cache's own bytes."""
    length = _length(row)
    early = [cpu for at, cpu, _ in row["cost"] if NEAR // 2 < at <= NEAR + NEAR // 2]
    late = [cpu for at, cpu, _ in row["cost"] if at > length - NEAR]
    near = next((one for one in row["memory"] if one[0] >= NEAR), row["memory"][-1])
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
