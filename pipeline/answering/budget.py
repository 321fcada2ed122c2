"""Chooses which matches fit the answer's budget of cubes and memory tokens.

`within_budget` prefers matches by the question's kind and by score, and avoids near duplicates where the config asks
for diversity. What answers the question is decided before, in `pipeline.answering.retrieve`; the statement counts every
match, also those that are left out here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memory.retrieval.selection import select
from pipeline.answering.match import Match
from pipeline.answering.retrieve import Answering
from pipeline.config import AnswerConfig
from pipeline.queries.query import Preference


def tokens_of(matches: Sequence[Match]) -> int:
    """Number of memory tokens of these cubes; an open cube has none."""
    return sum(match.tokens.values.shape[1] for match in matches if match.tokens is not None)


def within_budget(
    matches: Sequence[Match], config: AnswerConfig, order: Preference = "score", answering: Answering | None = None
) -> tuple[Match, ...]:
    """The preferred matches, as many as both budgets allow, in time order.

    Args:
        order: which matches are preferred.
        answering: the result that `matches` come from; its similarities are used where `config.diversity` is above 0.
    """
    ordered = sorted(matches, key=lambda match: match.hit.span)
    dearest = max((match.tokens.values.shape[1] for match in ordered if match.tokens is not None), default=1)
    room = min(config.cubes, config.tokens // max(dearest, 1))
    scores = np.array([match.score for match in ordered], np.float64)
    alike = None
    if answering is not None and answering.alike is not None and config.diversity > 0:
        place = {match.hit: number for number, match in enumerate(answering.matches)}
        places = [place[match.hit] for match in ordered]
        alike = answering.alike[np.ix_(places, places)]
    return tuple(ordered[i] for i in select(scores, room, order, alike, config.diversity))
