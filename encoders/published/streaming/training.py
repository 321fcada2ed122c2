"""The training loop of the streaming encoder: three stages, with checkpoints that resume to the bit.

The data of a step depend on the seed and the step's number alone. So a run that was stopped and resumed (on one thread,
the same machine and versions) has the same weights as one that was not. Losses are in
`encoders.published.streaming.lessons`; the caller brings the lessons.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from encoders.published.streaming.encoder import StreamingConfig, StreamingEncoder, Tokenize
from encoders.published.streaming.lessons import STAGES, LossOptions, MemoryReader, Stage, StreamLesson, lesson_loss

CHECKPOINT, WEIGHTS = "training.safetensors", "encoder.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True, slots=True)
class StreamRecipe:
    """What a run consists of; the numbers are ours, the stages the paper's.

    Attributes:
        clip, select, stream: steps of each stage, in this order.
        rate: highest learning rate (AdamW), after `warmup` steps; then a cosine to a tenth over the whole run.
        lessons: per step; their mean loss is followed.
    """

    clip: int = 100
    select: int = 40
    stream: int = 20
    rate: float = 3e-4
    warmup: int = 10
    lessons: int = 1
    clipping: float = 1.0
    seed: int = 0

    @property
    def steps(self) -> int:
        return self.clip + self.select + self.stream

    def stage(self, step: int) -> Stage:
        """The stage that a step, counted from 0, belongs to."""
        for stage in STAGES:
            if step < (length := int(getattr(self, stage))):
                return stage
            step -= length
        raise ValueError("the run is over")

    def rate_at(self, step: int) -> float:
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.rate * (0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2)


Progress = Callable[[int, Stage, Mapping[str, float]], None]
"""Called after each step with its number from 1, its stage and its losses."""


class StreamTraining:
    """One run.

    Args:
        lessons: by stage; a stage with steps needs at least one.
        folder: where checkpoints go.

    Raises:
        ValueError: a stage without lessons.
    """

    def __init__(
        self,
        encoder: StreamingEncoder,
        reader: MemoryReader,
        lessons: Mapping[Stage, Sequence[StreamLesson]],
        recipe: StreamRecipe,
        folder: Path,
        options: LossOptions | None = None,
    ) -> None:
        missing = [stage for stage in STAGES if getattr(recipe, stage) and not lessons.get(stage)]
        if missing:
            raise ValueError(f"no lessons for {', '.join(missing)}")
        self.step = 0
        self._encoder, self._reader, self._lessons = encoder, reader, lessons
        self._recipe, self._folder, self._options = recipe, folder, options or LossOptions()
        encoder.body.decoder.get_input_embeddings().requires_grad_(False)
        self.weights = {
            **encoder.own_state(),
            **{f"reader.project.{name}": weight for name, weight in reader.project.named_parameters()},
        }
        self._optimiser = torch.optim.AdamW(self.weights.values(), lr=recipe.rate, foreach=False)

    def run(self, until: int, progress: Progress = lambda step, stage, losses: None, every: int = 0) -> None:
        """Trains up to step `until` (or the recipe's end) and keeps a checkpoint there, and every `every` steps."""
        while self.step < min(until, self._recipe.steps):
            stage = self._recipe.stage(self.step)
            losses = self._train_step(stage)
            self.step += 1
            progress(self.step, stage, losses)
            if every and self.step % every == 0:
                self.save()
        self.save()

    def _train_step(self, stage: Stage) -> dict[str, float]:
        for group in self._optimiser.param_groups:
            group["lr"] = self._recipe.rate_at(self.step)
        chance = random.Random(f"{self._recipe.seed}/{self.step}")
        noise = torch.Generator().manual_seed(chance.getrandbits(62))
        self._optimiser.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        for lesson in chance.choices(self._lessons[stage], k=self._recipe.lessons):
            losses = lesson_loss(self._encoder, self._reader, lesson, stage, self._options, noise)
            (losses["total"] / self._recipe.lessons).backward()  # type: ignore[no-untyped-call]
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss.detach()) / self._recipe.lessons
        torch.nn.utils.clip_grad_norm_(self.weights.values(), self._recipe.clipping)
        self._optimiser.step()
        return sums

    def save(self) -> None:
        """Writes ``training.safetensors`` (to go on) and ``encoder.safetensors`` (to be used), each whole or not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        weights = {name: weight.detach().contiguous() for name, weight in self.weights.items()}
        header = {"config": json.dumps(asdict(self._encoder.config)), "recipe": json.dumps(asdict(self._recipe))}
        whole = {**weights, **self._moments()}
        _write(self._folder / CHECKPOINT, whole, {**header, "step": str(self.step)})
        _write(self._folder / WEIGHTS, {name: weights[name] for name in self._encoder.own_state()}, header)

    def resume(self) -> bool:
        """Goes on from the folder's checkpoint; False where there is none.

        Raises:
            ValueError: it was made with another recipe or other sizes.
        """
        path = self._folder / CHECKPOINT
        if not path.exists():
            return False
        with safe_open(path, "pt") as file:
            header = file.metadata()
            mine = {"config": asdict(self._encoder.config), "recipe": asdict(self._recipe)}
            if any(json.loads(header[name]) != json.loads(json.dumps(value)) for name, value in mine.items()):
                raise ValueError(f"{path} was made with another recipe or other sizes")
            kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(kept[name])
                state = {m: kept[f"adam.{m}.{name}"] for m in _MOMENTS if f"adam.{m}.{name}" in kept}
                self._optimiser.state[weight] = state
        self.step = int(header["step"])
        return True

    def _moments(self) -> dict[str, torch.Tensor]:
        states = {name: self._optimiser.state[weight] for name, weight in self.weights.items()}
        return {
            f"adam.{m}.{name}": state[m].contiguous() for name, state in states.items() for m in _MOMENTS if m in state
        }


def load_streaming_encoder(folder: Path, model: Any, tokenize: Tokenize) -> StreamingEncoder:
    """The trained encoder of a folder on the language model it was trained with, for use.

    Raises:
        ValueError: the weights do not fit the model. OSError: there are none.
    """
    path = folder / WEIGHTS
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    encoder = StreamingEncoder(model, tokenize, StreamingConfig(**{**config, "grid": tuple(config["grid"])}))
    mine = encoder.own_state()
    wrong = [
        name for name in {*mine, *kept} if name not in mine or name not in kept or mine[name].shape != kept[name].shape
    ]
    if wrong:
        raise ValueError(f"{path} does not fit this language model: {', '.join(sorted(wrong)[:3])}")
    with torch.no_grad():
        for name, weight in mine.items():
            weight.copy_(kept[name])
    return encoder.eval()


def _write(path: Path, tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    beside = path.with_suffix(".part")
    save_file(tensors, beside, metadata=header)
    beside.replace(path)
