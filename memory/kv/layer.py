"""One layer of a pruned cache: keys, values, the last queries, and each slot's metadata.

The layer stores slots and compacts them. `memory.kv.selection` chooses which slots stay, `memory.kv.cache` when.

Keys that were moved are held twice: as attention uses them, and as the model computed them (the master) with the
position it computed them for. A compaction rotates masters, never rotated keys, so ten thousand compactions leave no
drift whatever the dtype. A slot's metadata is a column of one int64 tensor; that of tokens since the last compaction is
the same in all layers and is kept once, in the cache.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch

from memory.kv.positions import Rotary, contiguous
from memory.kv.rows import SlotRows

ORDER, UNIT, GROUP, LEVEL, PICKS, NOVELTY, PLACES = range(7)
"""Rows of a slot's metadata: when it came, its unit, its group, its protection, how often it was chosen, how new
its passage was (`memory.kv.novelty`); then A offsets within the unit, A positions it was computed for and A positions
it holds."""


@dataclass(frozen=True, slots=True)
class Held:
    """The metadata of one layer's slots, each int64 [B, H, T], H being 1 where all heads hold the same.

    Attributes:
        order: number of the token in the stream, from 0.
        group: the cube it belongs to, -1 for none.
        evictable: bool; not protected.
        positions: int64 [A, B, H, T], as rotated now.
    """

    order: torch.Tensor
    group: torch.Tensor
    evictable: torch.Tensor
    positions: torch.Tensor


class SlotLayer:
    """One layer's slots."""

    def __init__(self, rotary: Rotary) -> None:
        self.rotary = rotary
        self.rows_k, self.rows_v = SlotRows(), SlotRows()
        self.master: torch.Tensor | None = None  # [B, Hkv, n, d] of the slots that were there at the last compaction
        self.metadata: torch.Tensor | None = None  # [rows, B, H, n] of the same
        self.queries: deque[torch.Tensor] = deque()

    @property
    def slots(self) -> int:
        """Slots held."""
        return self.rows_k.count

    def add(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds [B, Hkv, q, d] and returns all; memory is taken for `room` slots at least."""
        return self.rows_k.append(keys, room), self.rows_v.append(values, room)

    def observe_queries(self, queries: torch.Tensor, window: int) -> None:
        """Keeps the last `window` of all queries observed so far; [B, Hq, q, d]."""
        last = queries[:, :, -window:]
        self.queries.append(last.clone() if last.shape[2] < queries.shape[2] else last)
        while sum(chunk.shape[2] for chunk in self.queries) - self.queries[0].shape[2] >= window:
            self.queries.popleft()

    def all_metadata(self, tail: torch.Tensor) -> torch.Tensor:
        """What is known of all slots, int64 [rows, B, H, T]; `tail`: rows of those since the last compaction."""
        batch, device = self.rows_k.view().shape[0], self.rows_k.view().device
        heads = 1 if self.metadata is None else self.metadata.shape[2]
        fresh = tail.to(device)[:, None, None].expand(-1, batch, heads, -1)
        return fresh if self.metadata is None else torch.cat((self.metadata, fresh), dim=-1)

    def keep(self, index: torch.Tensor, metadata: torch.Tensor, room: int, *, move: bool) -> int:
        """Keeps the slots of `index`, int64 [B, H, n] ascending, of which `metadata` has all rows; with `move` they
        stand one behind the other afterwards. Returns the first free position."""
        axes = self.rotary.axes
        kept = metadata.expand(-1, -1, index.shape[1], -1).gather(-1, index.expand(metadata.shape[0], *index.shape))
        offsets, computed, current = kept[PLACES:].reshape(3, axes, *index.shape)
        keys = self.rows_k.view()
        self.rows_v.replace(_taken(self.rows_v.view(), index), room)
        if move:
            master = keys if self.master is None else torch.cat((self.master, keys[:, :, self.master.shape[2] :]), 2)
            self.master = _taken(master, index)
            current, ends = contiguous(kept[UNIT], offsets)
            self.rows_k.replace(self.rotary.moved(self.master, computed, current), room)
            kept[PLACES + 2 * axes :] = current
            free = int(ends.max())
        else:
            self.rows_k.replace(_taken(keys, index), room)
            free = 0
        self.metadata = kept
        return free

    def fork(self) -> SlotLayer:
        """The same slots, copied when they are written to."""
        twin = SlotLayer(self.rotary)
        twin.rows_k, twin.rows_v = self.rows_k.fork(), self.rows_v.fork()
        twin.master, twin.metadata, twin.queries = self.master, self.metadata, self.queries.copy()
        return twin

    @property
    def bytes_held(self) -> int:
        """Bytes of its tensors; keys and values that it only shares with the cache it was forked from left out."""
        extra = [self.master, self.metadata, *self.queries]
        return (
            self.rows_k.bytes_held
            + self.rows_v.bytes_held
            + sum(tensor.nbytes for tensor in extra if tensor is not None)
        )


def _taken(rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """[B, Hkv, T, d] at int64 [B, 1 or Hkv, n] -> [B, Hkv, n, d]."""
    batch, heads, _, width = rows.shape
    return rows.gather(2, index.expand(batch, heads, -1)[..., None].expand(-1, -1, -1, width))
