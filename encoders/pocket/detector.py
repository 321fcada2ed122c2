"""The pocket backend's detector: words that stand out against chance in a step, in a whole view and a closer look.

A step is viewed twice: the whole picture, and one square cut out around the place that differs most from the rest. For
each view, the log-odds of every word of the vocabulary are compared with their mean and deviation over unrelated
pictures (`chance.npy`, made by `tests/data/make_chance.py`). A small car from above has a probability of 0.05 in the
whole picture: that is ten times chance, and a hundred times in the cut-out. Ours, training-free.

A detection answers a question about that word. It is too weak to name the thing unasked: of 1257 words, a handful stand
out in any picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from encoders.base import Frame, FrameTokens
from encoders.notes import Thing
from encoders.pocket.tables import load_table
from encoders.pocket.vision import PocketFrameEncoder
from encoders.pocket.vocabulary import Vocabulary

CHANCE_FILE = Path(__file__).with_name("chance.npy")
CLOSER_SHARE = 0.4
"""Side of the closer look's square, as a share of the picture's height."""
WINDOW = 3
"""Side, in patch tokens, of the window that has to differ from the rest."""
PLAIN = 0.9
"""A class as probable as this in the whole picture needs no closer look."""
LEAST, MOST = 2.7, 40
"""Deviations above chance from which a word is detected, and how many words a step at most."""
EVEN = 3.6
"""Deviations that count as 0.5: 4 of 1000 words reach them on the pictures that `chance.npy` is made from."""
_LEAST_ODDS = 1e-7


class PocketDetector:
    """Frames, tokens and evidence -> what stands out on each step; a `Detector`."""

    def __init__(self, vision: PocketFrameEncoder, vocabulary: Vocabulary, path: Path = CHANCE_FILE) -> None:
        self._vision, self._vocabulary = vision, vocabulary
        self._chance = torch.from_numpy(load_chance(vocabulary, path))

    def detect(
        self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor
    ) -> tuple[tuple[Thing, ...], ...]:
        """See `Detector.detect`; a probability is d / (d + `EVEN`) for d deviations above chance."""
        rows = self.deviations(frames, tokens, evidence)
        return tuple(self._named(row) for row in rows)

    def deviations(self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor) -> torch.Tensor:
        """Each word's deviations above chance in the better of both views, float32 [T, E]."""
        whole = (log_odds(evidence) - self._chance[0, 0]) / self._chance[0, 1]
        rest = [i for i in range(len(frames)) if float(evidence[i, : self._classes].max()) < PLAIN]
        if rest:
            cuts = [closer(frames[i], tokens.tokens[0, i], tokens.grid) for i in rest]
            cut_evidence = self._vocabulary.evidence(
                self._vision.class_probabilities(self._vision.encode(cuts).tokens[0])
            )
            near = (log_odds(cut_evidence) - self._chance[1, 0]) / self._chance[1, 1]
            whole[rest] = torch.maximum(whole[rest], near)
        return whole

    @property
    def _classes(self) -> int:
        return self._vocabulary.hyponyms.shape[1]

    def _named(self, deviations: torch.Tensor) -> tuple[Thing, ...]:
        best = deviations.topk(MOST)
        return tuple(
            Thing(self._vocabulary.words[word], round(d / (d + EVEN), 4))
            for d, word in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            if d >= LEAST
        )


def log_odds(evidence: torch.Tensor) -> torch.Tensor:
    """log(p / (1 - p)), float32 of the same shape."""
    return torch.logit(evidence.clamp(_LEAST_ODDS, 1 - _LEAST_ODDS))


def closer(frame: Frame, tokens: torch.Tensor, grid: tuple[int, int]) -> Frame:
    """The square of a picture around what lies farthest from the mean of its tokens [N, D], in the best window."""
    apart = (tokens - tokens.mean(0)).norm(dim=-1).reshape(1, 1, *grid)
    windows = functional.avg_pool2d(apart, WINDOW, 1)[0, 0]
    row, column = divmod(int(windows.argmax()), windows.shape[1])
    weights = apart[0, 0, row : row + WINDOW, column : column + WINDOW]
    down, right = _centre((weights - weights.min()).numpy())
    height, width = frame.rgb.shape[:2]
    side = max(1, min(round(height * CLOSER_SHARE), width))
    top = _start((row + down) / grid[0], side, height)
    left = _start((column + right) / grid[1], side, width)
    return Frame(np.ascontiguousarray(frame.rgb[top : top + side, left : left + side]), frame.time_s)


def _centre(weights: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Centre of mass of [h, w] in cells; the middle where nothing weighs."""
    if not weights.any():
        return weights.shape[0] / 2, weights.shape[1] / 2
    rows, columns = (np.arange(side) + 0.5 for side in weights.shape)
    return float(weights.sum(1) @ rows / weights.sum()), float(weights.sum(0) @ columns / weights.sum())


def _start(place: float, side: int, length: int) -> int:
    """Where a stretch of `side` begins that lies around `place` (0 to 1) of `length`, and inside it."""
    return int(min(max(place * length - side / 2, 0), length - side))


def load_chance(vocabulary: Vocabulary, path: Path = CHANCE_FILE) -> npt.NDArray[np.float32]:
    """Mean and deviation of the words' log-odds over unrelated pictures, float32 [2, 2, E]: views, then both.

    Raises:
        WeightsUnavailable: the table was made for other words.
    """
    shape = (2, 2, len(vocabulary.words))
    return load_table(path, vocabulary.sha256, shape, "tests/data/make_chance.py")[0]
