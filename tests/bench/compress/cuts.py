"""Borders against known cuts: ours, and those of PySceneDetect's detectors on the same frames and at full rate.

Known cuts come from the sample video and from pieces of clips joined in many orders. A piece is a stretch in which,
by the clip's dated events, nothing comes or goes, so that the joints are all there is to find.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import cv2
import torch

from encoders.base import Frame, Segmenter

_SMALL_PX = (320, 180)
_EVENT_MARGIN_S = 2.0
_PIECE_S = (4.0, 14.0)


@dataclass(frozen=True, slots=True)
class Cut:
    """Frames in order and the times (s) at which a new scene begins.

    Attributes:
        frames: sampled for ours and for the detectors; all the same size where detectors are to see them.
        tokens: float32 [T, N, D] of `frames`.
    """

    frames: tuple[Frame, ...]
    tokens: torch.Tensor
    cuts_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Borders found and known: how many match one to one."""

    matched: int = 0
    detected: int = 0
    truth: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.matched + other.matched, self.detected + other.detected, self.truth + other.truth)

    def scores(self) -> dict[str, float]:
        precision = self.matched / self.detected if self.detected else 0.0
        recall = self.matched / self.truth if self.truth else 0.0
        total = self.detected + self.truth
        f1 = 2 * self.matched / total if total else 0.0
        return {"f1": round(f1, 4), "precision": round(precision, 4), "recall": round(recall, 4)}


def matched(found_s: Sequence[float], known_s: Sequence[float], within_s: float) -> Counts:
    """One-to-one matches no further apart than `within_s`, taken in order of time, which is optimal."""
    count, at = 0, 0
    detected = sorted(found_s)
    for truth in sorted(known_s):
        while at < len(detected) and detected[at] < truth - within_s - 1e-6:
            at += 1
        if at < len(detected) and detected[at] <= truth + within_s + 1e-6:
            count, at = count + 1, at + 1
    return Counts(count, len(detected), len(known_s))


def quiet_spans(events: Sequence[dict[str, Any]], seconds: float) -> list[tuple[float, float]]:
    """Stretches between the events' beginnings and ends, long enough to be a scene; at most `_PIECE_S[1]` of each."""
    edges = sorted({0.0, seconds, *(e["start"] for e in events), *(e["end"] for e in events)})
    spans = []
    for a, b in pairwise(edges):
        start, end = a + _EVENT_MARGIN_S * (a > 0), b - _EVENT_MARGIN_S * (b < seconds)
        if end - start >= _PIECE_S[0]:
            spans.append((start, min(end, start + _PIECE_S[1])))
    return spans


def joined(pieces: Sequence[Cut]) -> Cut:
    """Pieces one after the other, each one beginning where the last one's next frame would have been."""
    frames: list[Frame] = []
    cuts: list[float] = []
    at = 0.0
    for piece in pieces:
        times = [frame.time_s for frame in piece.frames]
        if frames:
            cuts.append(at)
        frames += [replace(f, time_s=at + f.time_s - times[0]) for f in piece.frames]
        at += times[-1] - times[0] + (times[1] - times[0])
    return Cut(tuple(frames), torch.cat([p.tokens for p in pieces]), tuple(cuts))


def orders(pieces: Sequence[tuple[str, Cut]], count: int, length: int, seed: int = 0) -> list[Cut]:
    """`count` joins of at most `length` pieces, none twice in a join and no two neighbours of the same clip."""
    chance = random.Random(seed)
    joins = []
    for _ in range(count):
        left, chosen = list(pieces), [chance.choice(pieces)]
        while len(chosen) < length:
            left = [piece for piece in left if piece is not chosen[-1]]
            others = [piece for piece in left if piece[0] != chosen[-1][0]]
            if not others:
                break
            chosen.append(chance.choice(others))
        joins.append(joined([piece for _, piece in chosen]))
    return joins


def our_changes(cubing: Segmenter, cut: Cut) -> list[float]:
    """Times of the borders whose reason is `change`."""
    reasons = [(cubing.step(t, f.time_s), f.time_s) for t, f in zip(cut.tokens, cut.frames, strict=True)]
    return [time_s for reason, time_s in reasons if reason == "change"]


def detectors(shortest: int) -> dict[str, Callable[[], Any]]:
    """PySceneDetect's detectors at their own thresholds; `shortest` scene in frames."""
    import scenedetect  # a rival, for this benchmark alone: pip install scenedetect

    names = ("ContentDetector", "AdaptiveDetector", "HashDetector", "HistogramDetector", "ThresholdDetector")
    return {name: partial(getattr(scenedetect.detectors, name), min_scene_len=shortest) for name in names}


def their_changes(detector: Any, frames: Sequence[Frame]) -> list[float]:
    """Times of a PySceneDetect detector's scene borders, fed frame by frame at its own usual size."""
    from scenedetect import FrameTimecode

    detected = []
    for number, frame in enumerate(frames):
        small = cv2.resize(frame.rgb, _SMALL_PX, interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        detected += detector.process_frame(FrameTimecode(number, 25.0), bgr)
    detected += detector.post_process(FrameTimecode(len(frames) - 1, 25.0))
    return [frames[min(timecode.frame_num, len(frames) - 1)].time_s for timecode in detected]
