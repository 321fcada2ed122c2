"""Times: seconds as people read them (2:10, 1:02:03), spans merged, milliseconds since a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable

from memory.records import TimeSpan


def whole_seconds(seconds: float) -> int:
    """Seconds as a player shows them: rounded down, not below 0."""
    return int(max(seconds, 0.0) + 1e-6)


def format_time(seconds: float) -> str:
    """75.4 -> "1:15"; 3723 -> "1:02:03". Rounded down, as a player shows it."""
    whole = whole_seconds(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def format_span(span: TimeSpan) -> str:
    """A span as "0:10 to 0:17"; a single moment where both ends read the same."""
    start, end = format_time(span.start_s), format_time(span.end_s)
    return start if start == end else f"{start} to {end}"


def format_list(parts: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    items = list(parts)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def merge_spans(spans: Iterable[TimeSpan], gap_s: float) -> list[TimeSpan]:
    """Spans in order of time, those at most `gap_s` apart made one."""
    merged: list[TimeSpan] = []
    for span in sorted(spans):
        if merged and span.start_s - merged[-1].end_s <= gap_s:
            merged[-1] = TimeSpan(merged[-1].start_s, max(merged[-1].end_s, span.end_s))
        else:
            merged.append(span)
    return merged


def format_duration(seconds: float) -> str:
    """75 -> "1 min 15 s"."""
    minutes, left = divmod(round(seconds), 60)
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest) + [f"{left} s"] * bool(left or not minutes)
    return " ".join(parts)


def ms_since(began_s: float) -> float:
    """Milliseconds since a reading of `time.perf_counter`."""
    return (time.perf_counter() - began_s) * 1000
