"""Who may still write to a browser tab: the newest of its streams, no older one.

Choosing another video or asking again must silence the stream that was running. Gradio's own `cancels` cannot name the
event it belongs to, so each stream takes a turn and asks before every step whether it is still its turn.
"""

from __future__ import annotations

from itertools import count


class Turns:
    """One lane of streams, for all tabs."""

    def __init__(self) -> None:
        self._numbers = count()
        self._newest: dict[str, int] = {}

    def begin(self, tab: str) -> int:
        """Takes the tab over."""
        turn = next(self._numbers)
        self._newest[tab] = turn
        return turn

    def holds(self, tab: str, turn: int) -> bool:
        """Whether no newer stream has taken the tab over."""
        return self._newest.get(tab) == turn

    def end(self, tab: str, turn: int) -> None:
        """Forgets the tab, unless it is a newer stream's by now."""
        if self.holds(tab, turn):
            self._newest.pop(tab, None)
