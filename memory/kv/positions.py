"""Positions of a cache's slots: rotary positions in one or three dimensions, and moving a key to another position.

A slot belongs to a *unit*: a text token is a unit of its own, the tokens of one picture or cube are one unit. Inside a
unit a slot has a fixed offset per axis (0 for text; time, row, column for pictures). Units stand one behind the other,
so positions are bounded by what the cache holds, however long the stream was. In three-dimensional models (Qwen's
M-RoPE) rows and columns count from the unit's own beginning, so a unit moves on all three axes at once, and a text
token keeps its three positions equal.

Angles come from the model's own rotary module, so contiguous (Qwen2.5-VL) and interleaved (Qwen3-VL) sections and
scaled frequencies are the model's. A layout of channels that is not two halves is refused (`Rotary.of`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import torch

from memory.errors import CacheMisuse

_CHANGING = ("dynamic", "longrope")
"""Kinds of rotary embedding whose frequencies depend on how long the text is: a moved key would not fit them."""


def contiguous(units: torch.Tensor, offsets: torch.Tensor, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions with units one behind the other.

    Args:
        units: int64 [..., T], not decreasing.
        offsets: int64 [A, ..., T], at least 0, from the unit's beginning, for each of A axes.
        start: position of the first unit.

    Returns:
        positions int64 [A, ..., T], and the first free position int64 [...].
    """
    if units.shape[-1] == 0:
        return offsets.clone(), torch.full(units.shape[:-1], start, dtype=torch.int64, device=units.device)
    changes = torch.zeros_like(units)
    changes[..., 1:] = units[..., 1:] != units[..., :-1]
    place = changes.cumsum(-1)
    extents = torch.zeros_like(units).scatter_reduce(-1, place, offsets.amax(0) + 1, "amax")
    ends = extents.cumsum(-1) + start
    base = (ends - extents).gather(-1, place)
    return base + offsets, ends[..., -1]


@dataclass(frozen=True, slots=True)
class Rotary:
    """A model's rotary embedding, and moves between positions.

    Attributes:
        module: the model's own; called as ``module(x, position_ids)`` -> cos, sin.
        axes: 1, or 3 where positions are time, row and column.
    """

    module: Any
    axes: int

    @staticmethod
    def of(decoder: Any) -> Rotary:
        """The rotary embedding of a `transformers` decoder (what has ``layers`` and ``rotary_emb``).

        Raises:
            CacheMisuse: its frequencies change with the length, or its channels are not laid out in two halves.
        """
        module = decoder.rotary_emb
        if getattr(module, "rope_type", "default") in _CHANGING:
            raise CacheMisuse(f"keys of a {module.rope_type!r} rotary embedding cannot be moved")
        rotary = Rotary(module, 3 if hasattr(module, "mrope_section") else 1)
        rotary._check_layout(decoder.layers[0].self_attn)
        return rotary

    def moved(self, keys: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """Keys or queries as if they had been computed at another position.

        Turns by the quotient of the model's own angles, in float32 at least, so that a key that stays is the same to
        the bit and one that moves differs from a recomputed one by rounding alone (Deep Forcing, Eqs. 5-6, in the form
        that leaves the sink where it is).

        Args:
            keys: [B, H, T, d], rotated for `before`.
            before, after: int64 [A, B, H', T], H' being 1 or H.

        Returns:
            [B, H, T, d] of the same dtype.
        """
        wide = torch.promote_types(keys.dtype, torch.float32)
        cos, sin = self._quotient(keys, before, after, wide)
        turned, width = keys.to(wide), cos.shape[-1]
        part = turned[..., :width]
        half = torch.cat((-part[..., width // 2 :], part[..., : width // 2]), dim=-1)
        whole = torch.addcmul(part * cos, half, sin)
        if width < turned.shape[-1]:
            whole = torch.cat((whole, turned[..., width:]), dim=-1)
        stays = (before == after).all(0)[..., None]
        return torch.where(stays, keys, whole.to(keys.dtype))

    def _quotient(
        self, like: torch.Tensor, before: torch.Tensor, after: torch.Tensor, wide: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """cos and sin of the turn from one position to the other, [B, H', T, d] in `wide`, from angles as the model
        applied them (rounded to its dtype)."""
        axes, batch, heads, slots = before.shape
        both = torch.cat((before, after), dim=-1).reshape(axes, batch * heads, 2 * slots)
        cos, sin = self.module(like[:1, 0, :1], both if axes > 1 else both[0])
        shape = (batch, heads, 2, slots, cos.shape[-1])
        (cos0, cos1), (sin0, sin1) = (table.to(wide).reshape(shape).unbind(2) for table in (cos, sin))
        norm = cos0 * cos0 + sin0 * sin0
        return (cos1 * cos0 + sin1 * sin0) / norm, (sin1 * cos0 - cos1 * sin0) / norm

    def _check_layout(self, attention: Any) -> None:
        """Compares a move with the model's own rotation of a random key."""
        apply = getattr(sys.modules[type(attention).__module__], "apply_rotary_pos_emb", None)
        if apply is None:
            raise CacheMisuse(f"{type(attention).__name__} has no rotary embedding that is known here")
        device = self.module.inv_freq.device
        key = torch.sin(torch.arange(3.0 * attention.head_dim, device=device) * 0.7).reshape(1, 1, 3, -1)
        places = torch.tensor([[3, 5, 9], [4, 0, 17]], device=device).expand(self.axes, 2, 3)
        at = [self.module(key[:, 0], (p if self.axes > 1 else p[0])) for p in (places[:, :1], places[:, 1:])]
        first, second = (apply(key, key, cos, sin)[1] for cos, sin in at)
        ours = self.moved(first, places[:, :1, None], places[:, 1:, None])
        if not torch.allclose(ours, second, atol=1e-4):
            raise CacheMisuse(
                f"{type(attention).__name__} lays its rotary channels out in a way that is not known here"
            )


class Arrivals:
    """What comes into a cache next: order, unit, group, protection and position of tokens still to come.

    One object a cache; the same for all layers and rows of the batch. Tokens nobody announced are text, in no group,
    evictable.

    Attributes:
        arrived: tokens taken so far, the next one's ordinal.
        next_position: of the next token on all axes.
    """

    def __init__(self, axes: int) -> None:
        self.axes = axes
        self.arrived = 0
        self.next_position = 0
        self._units = 0
        self._pending = torch.zeros(3 + axes, 0, dtype=torch.int64)
        self._unit, self._unit_base, self._unit_extent = -1, 0, 0

    def announce(self, count: int, offsets: torch.Tensor | None, group: int, protect: int) -> None:
        """`count` tokens to come: text where `offsets` is None, else one unit with offsets int64 [A, count]."""
        rows = torch.zeros(3 + self.axes, count, dtype=torch.int64)
        if offsets is None:
            rows[0] = self._units + torch.arange(count)
            self._units += count
        else:
            rows[0] = self._units
            rows[3:] = torch.as_tensor(offsets, dtype=torch.int64, device="cpu").reshape(self.axes, count)
            self._units += 1
        rows[1], rows[2] = group, protect
        self._pending = torch.cat((self._pending, rows), dim=1)

    @property
    def inside_unit(self) -> bool:
        """Whether the last token taken has more of its unit to come; positions may not change then."""
        return self._pending.shape[1] > 0 and int(self._pending[0, 0]) == self._unit

    def upcoming(self, count: int) -> torch.Tensor:
        """The next `count` tokens without taking them: int64 [4 + 2A, count] on the CPU, rows ordinal, unit, group,
        protection, offsets, positions."""
        rows = self._pending[:, :count]
        if (missing := count - rows.shape[1]) > 0:
            text = torch.zeros(3 + self.axes, missing, dtype=torch.int64)
            text[0] = self._units + torch.arange(missing)
            text[1] = -1
            rows = torch.cat((rows, text), dim=1)
        begun = torch.zeros(3 + self.axes, 1, dtype=torch.int64)  # what is already here of the first token's unit
        continues = self.inside_unit
        begun[0] = self._unit
        begun[3:] = self._unit_extent - 1
        line = torch.cat((begun, rows), dim=1) if continues else rows
        start = self._unit_base if continues else self.next_position
        positions, _ = contiguous(line[0], line[3:], start)
        ordinals = self.arrived + torch.arange(count)
        return torch.cat((ordinals[None], rows, positions[:, 1:] if continues else positions))

    def take(self, count: int) -> torch.Tensor:
        """`upcoming`, taken."""
        rows = self.upcoming(count)
        self._units += max(count - self._pending.shape[1], 0)
        self._pending = self._pending[:, count:]
        if count:
            offsets, positions = rows[4 : 4 + self.axes], rows[4 + self.axes :]
            last = rows[1] == rows[1, -1]
            extent = int(offsets[:, last].max()) + 1
            same = int(rows[1, -1]) == self._unit
            self._unit, self._unit_base = int(rows[1, -1]), int(positions[0, -1] - offsets[0, -1])
            self._unit_extent = max(extent, self._unit_extent) if same else extent
            self.next_position = self._unit_base + self._unit_extent
            self.arrived += count
        return rows

    def fork(self) -> Arrivals:
        """An independent copy."""
        twin = Arrivals(self.axes)
        twin.__dict__.update(self.__dict__)
        return twin
