"""The adapter's training loop: one low-rank adapter, one learning-rate curve, checkpoints that resume to the bit.

The data of a step depend on the seed and the step alone, so a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.language.smollm.timeline_template import TimelineTemplate
from pipeline.training.smollm.lessons import Batch, batch, scene_and_lessons
from pipeline.training.smollm.lora import adapt, save_adapter
from pipeline.training.smollm.timelines import Names


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """What a run consists of.

    Attributes:
        steps: optimiser steps; `sequences` timelines each, of at most `tokens` tokens and `lessons` questions.
        rank, alpha: of the low-rank pairs.
        rate: highest learning rate (AdamW), after `warmup` steps; then a cosine to a twentieth of it.
    """

    steps: int = 140
    sequences: int = 4
    tokens: int = 704
    lessons: int = 12
    rank: int = 16
    alpha: float = 32.0
    rate: float = 8e-4
    warmup: int = 25
    seed: int = 1


class AdapterTraining:
    """A run over `model` (a causal language model of `transformers`), with its checkpoints in `folder`."""

    def __init__(self, model: Any, template: TimelineTemplate, recipe: AdapterRecipe, folder: Path) -> None:
        self._model, self._template, self._recipe, self._folder = model, template, recipe, folder
        self._names = Names.for_training()
        self._trained = adapt(model, recipe.rank, recipe.alpha, recipe.seed)
        self._optimiser = torch.optim.AdamW(self._trained, lr=recipe.rate, weight_decay=0.0)
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Goes on from the folder's checkpoint, where one of the same recipe is."""
        path = self._folder / "checkpoint.pt"
        if not path.exists():
            return False
        kept = torch.load(path, weights_only=True)
        if kept["recipe"] != asdict(self._recipe):
            raise ValueError("the checkpoint in this folder is of another recipe")
        with torch.no_grad():
            for parameter, value in zip(self._trained, kept["trained"], strict=True):
                parameter.copy_(value)
        self._optimiser.load_state_dict(kept["optimiser"])
        self.step = kept["step"]
        return True

    def run(self, until: int, report: Callable[[int, float, float], None], every: int = 20) -> None:
        """Trains up to step `until`; every `every` steps it reports (step, mean loss since last, seconds a step) and
        saves."""
        losses: list[float] = []
        began = time.perf_counter()
        while self.step < min(until, self._recipe.steps):
            losses.append(self._one_step())
            self.step += 1
            if self.step % every == 0 or self.step == until:
                report(self.step, sum(losses) / len(losses), (time.perf_counter() - began) / len(losses))
                self.save()
                losses, began = [], time.perf_counter()

    def _one_step(self) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = self._recipe.rate * self._share()
        self._optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for number in range(self._recipe.sequences):
            loss = self._loss(self._batch(number)) / self._recipe.sequences
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
        self._optimiser.step()
        return total

    def _batch(self, number: int) -> Batch:
        rng = random.Random(f"{self._recipe.seed}/{self.step}/{number}")
        while True:
            scene, lessons = scene_and_lessons(rng, self._names, self._recipe.lessons)
            if lessons:
                return batch(self._template, scene, lessons, self._recipe.tokens)

    def _loss(self, sequence: Batch) -> torch.Tensor:
        """Mean cross-entropy of the answers' tokens; the vocabulary's logits are computed for those alone."""
        floor = torch.finfo(self._model.dtype).min
        mask = torch.zeros(sequence.mask.shape, dtype=self._model.dtype).masked_fill(~sequence.mask, floor)
        base = self._model.model
        hidden = base(input_ids=sequence.ids, position_ids=sequence.positions, attention_mask=mask, use_cache=False)[0][
            0
        ]
        wanted = sequence.targets >= 0
        logits = self._model.lm_head(hidden[wanted]).float()
        return torch.nn.functional.cross_entropy(logits, sequence.targets[wanted])

    def _share(self) -> float:
        recipe = self._recipe
        if self.step < recipe.warmup:
            return (self.step + 1) / recipe.warmup
        done = (self.step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    def save(self) -> None:
        """The checkpoint, replaced at once, and the adapter beside it."""
        kept = {
            "recipe": asdict(self._recipe),
            "trained": [parameter.detach() for parameter in self._trained],
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
        }
        part = self._folder / "checkpoint.part"
        torch.save(kept, part)
        part.replace(self._folder / "checkpoint.pt")
        about = {name: str(value) for name, value in asdict(self._recipe).items()}
        save_adapter(self._model, self._folder / "adapter.safetensors", {**about, "step": str(self.step)})
