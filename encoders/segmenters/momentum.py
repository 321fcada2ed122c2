"""Borders by the momentum of frame features, online: the default segmenter, a training-free surrogate.

`MomentumSegmenter` keeps the momentum of frame features of Quicksviewer (arXiv 2504.15270; published code,
`cubing_momentum.py`) and replaces the learned gate and its choice over the whole clip by a running comparison. The
trained network, whose unit is a whole clip, is `encoders.published.quicksviewer`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from encoders.base import BoundaryReason
from encoders.segmenters.base import checked_step
from encoders.state_codec import pack, unpack

_SPREAD_RATE = 0.05
_QUIET_PERCENTILE = 35
_PRIOR_SCORES = (0.15, 0.3, 0.45)
_LEAST_DEVIATION = 0.2
_DEVIATIONS_PER_MEDIAN = 1.48  # standard deviation of a normal variable over the median of its absolute deviation


@dataclass(slots=True)
class _Numbers:
    """What `MomentumSegmenter` carries besides features: the open cube and the stream's last scores.

    The scores begin as if a few steps of ordinary movement had been seen, so that a cut counts from the first
    difference on and the first movement of a stream does not.
    """

    start_s: float = 0.0
    steps: int = 0
    spread: float = 0.0
    armed: bool = True
    scores: list[float] = field(default_factory=lambda: list(_PRIOR_SCORES))

    def height(self, score: float) -> float:
        """How far a score stands above the stream's quieter ones, in robust deviations."""
        quiet = float(np.percentile(self.scores, _QUIET_PERCENTILE))
        deviation = _DEVIATIONS_PER_MEDIAN * float(np.median(np.abs(np.subtract(self.scores, quiet))))
        return (score - quiet) / max(deviation, _LEAST_DEVIATION * quiet, 1e-6)


class MomentumSegmenter:
    """Training-free surrogate of Quicksviewer's cubing: a border where the momentum of the features stands out.

    Momentum as published: m_1 = F_1 - F_0, m_i = alpha (F_i - F_{i-1}) + (1 - alpha) m_{i-1}. Ours: a step's score is
    the mean length of its tokens' momentum over the usual length of the stream's tokens around their mean, so that an
    offset common to all features does not matter; unrelated pictures score near alpha * sqrt(2). Steps of one token, or
    of tokens that are all the same, have no such length: while a stream holds nothing else, only limits end its cubes.
    A border needs a score that rises and either stands out from the stream's last scores or says that nearly everything
    was replaced. Scores that only stay high (a pan, a visitor still walking) are one event. After a cut, where nearly
    everything was replaced, the scores begin anew: what was usual in the scene before says nothing of this one.
    """

    def __init__(
        self,
        max_s: float = 600.0,
        min_steps: int = 2,
        alpha: float = 0.8,
        threshold: float = 3.0,
        release: float = 1.5,
        rise: float = 1.4,
        floor: float = 0.12,
        replaced: float = 0.9,
        window: int = 60,
    ) -> None:
        """
        Args:
            max_s: longest cube in seconds; its border is a `limit`.
            min_steps: shortest cube in steps, against echo borders: momentum keeps a part of every cut for a step.
            alpha: weight of the newest difference (0.8 in the published code).
            threshold: robust deviations above the stream's quieter scores that make a border.
            release: deviations below which the score must fall before the next border ...
            rise: ... unless it rises by this factor from one step to the next, as at a cut within movement.
            floor: smallest score that can be a border.
            replaced: score that is a border whatever the stream's usual scores are, if it rises.
            window: number of last scores that are compared with.
        """
        if min_steps < 1 or not max_s > 0 or not 0 < alpha <= 1 or window < 1:
            raise ValueError("min_steps and window must be at least 1, max_s above 0, alpha in (0, 1]")
        self.max_s, self.min_steps, self.alpha, self.window = max_s, min_steps, alpha, window
        self.threshold, self.release, self.rise = threshold, release, rise
        self.floor, self.replaced = floor, replaced
        self._last: torch.Tensor | None = None  # float32 [N, D]
        self._momentum: torch.Tensor | None = None  # float32 [N, D]
        self._numbers = _Numbers()

    def step(self, tokens: torch.Tensor, time_s: float) -> BoundaryReason | None:
        score = self._score(checked_step(tokens))
        n = self._numbers
        if n.steps == 0 or score is None:
            n.start_s, n.steps = time_s, n.steps + 1
            return None
        changed = self._changed(score)
        cut = changed and score >= self.replaced
        n.scores = list(_PRIOR_SCORES) if cut else [*n.scores, score][-self.window :]
        if not changed and time_s - n.start_s < self.max_s:
            n.steps += 1
            return None
        n.start_s, n.steps = time_s, 1
        return "change" if changed else "limit"

    def _changed(self, score: float) -> bool:
        n = self._numbers
        height = n.height(score)
        rises = score >= self.rise * n.scores[-1]
        stands_out = score >= self.floor and height >= self.threshold and (n.armed or rises)
        changed = n.steps >= self.min_steps and (stands_out or (score >= self.replaced and rises))
        n.armed = not changed and (n.armed or height < self.release)
        return changed

    def _score(self, tokens: torch.Tensor) -> float | None:
        """Mean length of the tokens' momentum over the stream's usual spread; None on the stream's first step."""
        n = self._numbers
        spread = float((tokens - tokens.mean(dim=0)).norm(dim=1).mean())
        last = self._last
        if last is not None and last.shape != tokens.shape:
            raise ValueError(f"a stream holds tokens of one shape: {list(last.shape)} so far, now {list(tokens.shape)}")
        self._last = tokens.clone()  # the caller may use its buffer again
        if last is None:
            n.spread = spread
            return None
        step = tokens - last
        self._momentum = step if self._momentum is None else self.alpha * step + (1 - self.alpha) * self._momentum
        n.spread += _SPREAD_RATE * (spread - n.spread)
        scale = max(n.spread, spread)
        return float(self._momentum.norm(dim=1).mean()) / scale if scale > 0 else 0.0

    def state(self) -> bytes:
        return pack(asdict(self._numbers), {"last": self._last, "momentum": self._momentum})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._numbers = _Numbers(**values)
        self._last, self._momentum = tensors.get("last"), tensors.get("momentum")
