"""The separate appearances of a thing over its matches, and the evidence of a count. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from memory.records import Appearances, TimeSpan
from pipeline.answering.claims import MOST_SPANS_LISTED
from pipeline.answering.match import Match
from pipeline.times import format_list, format_span, merge_spans

_MOST_SPANS_HELD = 20


def appearances(matches: Sequence[Match], gap_s: float) -> list[TimeSpan]:
    """The separate appearances, in time order; cubes at most `gap_s` seconds apart are one."""
    return merge_spans((match.span for match in matches), gap_s)


def evidence_of(matches: Sequence[Match], gap_s: float, everywhere: Appearances | None = None) -> Appearances:
    """The evidence of a count over these cubes: how many appearances, the first and the last, at most 20 spans.

    Args:
        everywhere: the evidence of all cubes where `matches` holds only the best of very many; the larger count holds.
    """
    spans = appearances(matches, gap_s)
    if everywhere is not None and everywhere.count > len(spans):
        return everywhere
    if not spans:
        return Appearances(0, None, None, ())
    return Appearances(len(spans), spans[0].start_s, spans[-1].end_s, tuple(spans[:_MOST_SPANS_HELD]))


def spans_evidence(spans: Sequence[TimeSpan]) -> Appearances:
    """The evidence of spans that are all stated, in time order."""
    return Appearances(len(spans), spans[0].start_s, spans[-1].end_s, tuple(spans))


def listed(spans: Sequence[TimeSpan]) -> str:
    """The spans as they are stated: `0:10 to 0:17 and 0:40 to 0:45`, five at most."""
    return format_list(format_span(span) for span in spans[:MOST_SPANS_LISTED])


def left_over(count: int) -> tuple[str, tuple[int, ...]]:
    """The end of a list of spans that holds not all: `, and 25 more times`, and the number in it."""
    left = count - MOST_SPANS_LISTED
    return (f", and {left} more times", (left,)) if left > 0 else ("", ())


def in_time_order(matches: Sequence[Match]) -> list[Match]:
    """The matches by their start."""
    return sorted(matches, key=lambda match: match.span.start_s)
