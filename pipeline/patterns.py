"""Several regular expressions that act as one alternation: the leftmost match wins, of equals the first pattern's.

`AnyOf(r"\\bcat\\b", r"\\bdog\\b").search(text)` is what ``re.search(r"\\bcat\\b|\\bdog\\b", text)`` would be, and each
pattern stays short enough to read. Group names may come again, since a match is of a single pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator


class AnyOf:
    """Patterns without regard to case, none of which matches nothing at all."""

    def __init__(self, *patterns: str) -> None:
        self.patterns = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)

    def search(self, text: str, begin: int = 0) -> re.Match[str] | None:
        """The leftmost match from a place on."""
        matches = [match for pattern in self.patterns if (match := pattern.search(text, begin))]
        return min(matches, key=lambda match: match.start(), default=None)

    def match(self, text: str, begin: int = 0) -> re.Match[str] | None:
        """The match at a place."""
        return next((match for pattern in self.patterns if (match := pattern.match(text, begin))), None)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Every match, from left to right."""
        match = self.search(text)
        while match is not None:
            yield match
            match = self.search(text, match.end())

    def sub(self, replacement: str | Callable[[re.Match[str]], str], text: str) -> str:
        """The text with every match replaced."""
        parts, end = [], 0
        for match in self.finditer(text):
            parts += [text[end : match.start()], replacement if isinstance(replacement, str) else replacement(match)]
            end = match.end()
        return "".join([*parts, text[end:]])
