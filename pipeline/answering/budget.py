"""What of the found fits the budget: so many cubes, so many memory tokens.

What it is: the choice among cubes that answer, by a question's kind, by worth, and by how little they repeat. What it
is not: a judgement of what answers (`pipeline.answering.retrieve`); the statement counts everything found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memory.retrieval.selection import Order, select
from pipeline.answering.match import Match
from pipeline.answering.retrieve import Answering
from pipeline.config import AnswerConfig
from pipeline.queries.question import Kind

ORDERS: dict[Kind, Order] = {"first": "first", "last": "last", "at": "time", "summary": "time"}
"""Which memories a kind of question prefers when the budget binds; the others prefer what answers best."""


def tokens_of(found: Sequence[Match]) -> int:
    """Memory tokens of these cubes."""
    return sum(one.tokens.values.shape[1] for one in found if one.tokens is not None)


def within_budget(
    found: Sequence[Match], config: AnswerConfig, order: Order = "score", answering: Answering | None = None
) -> tuple[Match, ...]:
    """The preferred of what was found, as many as both budgets allow, in order of time; by score, less alike ones where
    the config asks for diversity."""
    ordered = sorted(found, key=lambda one: one.hit.span)
    dearest = max((one.tokens.values.shape[1] for one in ordered if one.tokens is not None), default=1)
    room = min(config.cubes, config.tokens // max(dearest, 1))
    scores = np.array([one.score if one.worth is None else one.worth for one in ordered], np.float64)
    alike = None
    if answering is not None and answering.alike is not None and config.diversity > 0:
        place = {one.hit: number for number, one in enumerate(answering.matches)}
        places = [place[one.hit] for one in ordered]
        alike = answering.alike[np.ix_(places, places)]
    return tuple(ordered[i] for i in select(scores, room, order, alike, config.diversity))
