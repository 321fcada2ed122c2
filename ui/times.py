"""Seconds as people read them: 2:10, 1:02:03. The page's own, since it imports nothing below `serve`."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """75.4 -> "1:15"; 3723 -> "1:02:03". Rounded down, as a player shows it."""
    whole = int(max(seconds, 0.0) + 1e-6)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def span(start_s: float, end_s: float) -> str:
    """ "0:10–0:17"; a single moment where both ends read the same."""
    start, end = clock(start_s), clock(end_s)
    return start if start == end else f"{start}–{end}"
