"""Makes lessons for the streaming encoder from videos with dated truth.

Questions are made from entries like "6.2 s to 19.8 s: woman, long grey cardigan", at random but the same for a seed. A
handful of minutes shows that the mechanics work, and nothing about quality.

Two forms of JSON are read, videos lying beside them: a list of clips (`file`, `shows`, `events` with `start`, `end`,
`what`) and one video's scenes (`file`, `scenes` with `start_s`, `end_s`, `what`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from encoders.base import FrameEncoder
from encoders.published.streaming.encoder import StreamClip
from encoders.published.streaming.lessons import Stage, StreamLesson
from memory.records import TimeSpan
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig

LEAST_OVERLAP_S = 0.5


@dataclass(frozen=True, slots=True)
class Described:
    """One video: patch tokens float32 [steps, N, d] at `fps`, what it shows as a whole, and what it shows when."""

    tokens: torch.Tensor
    fps: float
    shows: str
    events: tuple[tuple[TimeSpan, str], ...]


def described(truth: Path, encoder: FrameEncoder, fps: float) -> list[Described]:
    """The videos of one JSON file, watched.

    Raises:
        ValueError: it has neither of the two forms.
    """
    document = json.loads(truth.read_text(encoding="utf-8"))
    videos = document if isinstance(document, list) else [document]
    watched = []
    for video in videos:
        if "file" not in video or not ({"events", "scenes"} & video.keys()):
            raise ValueError(f"{truth} describes no videos")
        events = [(e["start"], e["end"], e["what"]) for e in video.get("events", ())]
        events += [(e["start_s"], e["end_s"], e["what"]) for e in video.get("scenes", ())]
        shows = video.get("shows") or ", ".join(what for _, _, what in events)
        source = FileSource(truth.parent / video["file"], DecodeConfig(fps=fps))
        tokens = encoder.encode(list(source.steps(None, "full"))).tokens[0]
        watched.append(Described(tokens, fps, shows, tuple((TimeSpan(a, b), what) for a, b, what in events)))
    return watched


def lessons(
    videos: Sequence[Described], clip_frames: int, clips: int, seed: int, per_video: int = 40
) -> dict[Stage, list[StreamLesson]]:
    """Lessons for each stage: single clips for `clip`, stretches of up to `clips` clips for the other two."""
    chance = random.Random(f"lessons/{seed}")
    alone: list[StreamLesson] = []
    many: list[StreamLesson] = []
    for video in videos:
        most = max(len(video.tokens) - clip_frames + 1, 1)
        alone += [_caption(video, chance.randrange(most), clip_frames) for _ in range(per_video)]
        stretches = (_stretch(video, chance, clip_frames, clips) for _ in range(per_video))
        many += [stretch for stretch in stretches if stretch is not None]
    return {"clip": alone, "select": many, "stream": many}


def _caption(video: Described, first: int, clip_frames: int) -> StreamLesson:
    clip = _clips(video, first, clip_frames, 1)[0]
    start_s = first / video.fps
    span = TimeSpan(start_s, start_s + clip.end_s)
    inside = [(_overlap_s(span, when), what) for when, what in video.events]
    overlap_s, what = max(inside, default=(0.0, video.shows), key=lambda pair: pair[0])
    return StreamLesson((clip,), "What is seen?", what if overlap_s >= LEAST_OVERLAP_S else video.shows)


def _stretch(video: Described, chance: random.Random, clip_frames: int, clips: int) -> StreamLesson | None:
    """Consecutive clips and a question on one event among them; times count from the stretch's beginning."""
    first = chance.randrange(max(len(video.tokens) - clips * clip_frames, 0) + 1)
    parts = _clips(video, first, clip_frames, clips)
    start_s = first / video.fps
    moved = [
        (TimeSpan(max(when.start_s - start_s, 0.0), when.end_s - start_s), what)
        for when, what in video.events
        if when.end_s > start_s
    ]
    visible = [(when, what, touched) for when, what in moved if (touched := _touched(parts, when))]
    if not visible:
        return None
    when, what, touched = chance.choice(visible)
    if chance.random() < 0.5:
        return StreamLesson(
            parts, f"When is this seen: {what}?", f"{when.start_s:.0f} to {when.end_s:.0f} seconds", touched
        )
    middle_s = (when.start_s + min(when.end_s, parts[-1].end_s)) / 2
    number = next(k for k, part in enumerate(parts) if middle_s < part.end_s)
    return StreamLesson(parts, f"What is seen at {middle_s:.0f} seconds?", what, (number,))


def _clips(video: Described, first: int, clip_frames: int, most: int) -> tuple[StreamClip, ...]:
    steps = video.tokens[first : first + most * clip_frames]
    return tuple(
        StreamClip(part, k * clip_frames / video.fps, (k * clip_frames + len(part)) / video.fps)
        for k, part in enumerate(torch.split(steps, clip_frames))
    )


def _touched(clips: Sequence[StreamClip], when: TimeSpan) -> tuple[int, ...]:
    spans = (TimeSpan(clip.start_s, clip.end_s) for clip in clips)
    return tuple(k for k, span in enumerate(spans) if _overlap_s(span, when) >= LEAST_OVERLAP_S)


def _overlap_s(span: TimeSpan, other: TimeSpan) -> float:
    return min(span.end_s, other.end_s) - max(span.start_s, other.start_s)
