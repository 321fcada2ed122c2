"""A tensor that grows at its end without copying: storage for one layer's keys or values.

Memory is allocated ahead, so that a token costs one write and not a copy of everything before it. A fork reads the same
memory and copies it at its own first write; the original may go on writing behind what the fork sees. Two threads must
not write to the same object.
"""

from __future__ import annotations

import torch


class SlotRows:
    """[B, H, n, d], n growing.

    Attributes:
        count: n.
    """

    __slots__ = ("_data", "_owned", "count")

    def __init__(self) -> None:
        self._data: torch.Tensor | None = None
        self._owned = True
        self.count = 0

    def view(self) -> torch.Tensor:
        """The rows, [B, H, n, d]; valid until the next `replace`. Never written to by anyone."""
        if self._data is None:
            raise ValueError("nothing was ever written")
        return self._data[:, :, : self.count]

    def append(self, rows: torch.Tensor, room: int) -> torch.Tensor:
        """Adds [B, H, q, d] and returns all; where memory has to be taken, it is for `room` rows at least."""
        need = self.count + rows.shape[2]
        if self._data is None or not self._owned or need > self._data.shape[2]:
            self._move(rows, max(room, need))
        assert self._data is not None
        self._data[:, :, self.count : need] = rows
        self.count = need
        return self.view()

    def _move(self, like: torch.Tensor, room: int) -> None:
        batch, heads, _, width = like.shape
        fresh = like.new_empty((batch, heads, room, width))
        if self._data is not None:
            fresh[:, :, : self.count] = self._data[:, :, : self.count]
        self._data, self._owned = fresh, True

    def replace(self, rows: torch.Tensor, room: int) -> None:
        """These rows instead, in memory of their own: forks keep what they see."""
        self._data, self.count = None, 0
        self.append(rows, room)

    def fork(self) -> SlotRows:
        """The same rows, copied when either side needs to."""
        twin = SlotRows()
        twin._data, twin._owned, twin.count = self._data, False, self.count
        return twin

    @property
    def bytes_held(self) -> int:
        """Bytes of memory of its own."""
        return 0 if self._data is None or not self._owned else self._data.nbytes
