"""The control: a border by the clock, whatever the picture shows."""

from __future__ import annotations

import torch

from encoders.base import BoundaryReason
from encoders.segmenters.base import checked_step
from encoders.state_codec import pack, unpack


class UniformSegmenter:
    """The control: a border every `seconds`, whatever the picture shows. Every border is a `limit`."""

    def __init__(self, seconds: float = 5.0) -> None:
        if not seconds > 0:
            raise ValueError(f"a cube must last longer than {seconds} s")
        self.seconds = seconds
        self._start_s: float | None = None

    def step(self, tokens: torch.Tensor, time_s: float) -> BoundaryReason | None:
        checked_step(tokens)
        if self._start_s is None:
            self._start_s = time_s
        if time_s - self._start_s < self.seconds:
            return None
        self._start_s = time_s
        return "limit"

    def state(self) -> bytes:
        return pack({"start_s": self._start_s})

    def restore(self, state: bytes) -> None:
        self._start_s = unpack(state)[0]["start_s"]
