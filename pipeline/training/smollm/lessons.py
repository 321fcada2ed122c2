"""Turns lessons into training tokens: one timeline read once, several questions on it, each blind to the others.

The sequence is the shared prompt and timeline, then question after question. A mask lets each question see the timeline
and itself, and its positions go on from the timeline's end, as if it had been asked alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipeline.language.smollm.timeline_template import TimelineTemplate
from pipeline.training.smollm.questions import MAKERS, TimelineLesson, TimelineScene, lesson
from pipeline.training.smollm.timelines import Names, timeline

WEIGHTS = {"before": 2, "after": 2, "between": 2, "exists": 2, "cannot": 2, "text": 2, "which_first": 2}
"""Kinds that small models find hard come up more often; all others once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One training sequence.

    Attributes:
        ids: int64 [1, T]. positions: int64 [1, T]. mask: bool [1, 1, T, T], True where a token may look.
        targets: int64 [T], the next token where it is part of an answer, -100 elsewhere.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor


def scene_and_lessons(rng: random.Random, names: Names, most: int) -> tuple[TimelineScene, list[TimelineLesson]]:
    """A timeline and up to `most` questions on it."""
    scene = TimelineScene(timeline(rng, names), names)
    kinds = [kind for kind in MAKERS for _ in range(WEIGHTS.get(kind, 1))]
    asked = [lesson(rng, scene, kind) for kind in rng.sample(kinds, min(most, len(kinds)))]
    return scene, list(dict.fromkeys(exercise for exercise in asked if exercise is not None))


def batch(
    template: TimelineTemplate, scene: TimelineScene, lessons: Sequence[TimelineLesson], most_tokens: int
) -> Batch:
    """As many of the lessons as fit into `most_tokens`; at least one."""
    shared = template.reading_prefix([str(entry) for entry in scene.entries])
    ids, positions, targets, owner = list(shared), list(range(len(shared))), [-100] * len(shared), [0] * len(shared)
    for number, exercise in enumerate(lessons, start=1):
        asked, answer = template.reading_question(exercise.question), template.reading_answer(exercise.answer)
        if number > 1 and len(ids) + len(asked) + len(answer) > most_tokens:
            break
        own = asked + answer
        targets += [-100] * (len(asked) - 1) + answer + [-100]
        positions += range(len(shared), len(shared) + len(own))
        owner += [number] * len(own)
        ids += own
    return Batch(torch.tensor([ids]), torch.tensor([positions]), _mask(owner), torch.tensor(targets))


def _mask(owner: Sequence[int]) -> torch.Tensor:
    who = torch.tensor(owner)
    causal = torch.ones(len(owner), len(owner), dtype=torch.bool).tril()
    return (causal & ((who[:, None] == who[None]) | (who[None] == 0)))[None, None]
