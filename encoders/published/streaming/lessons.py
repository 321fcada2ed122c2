"""Training examples of the streaming encoder, the language model that answers them, and the losses.

After VideoStreaming (arXiv 2405.16009, training section; read from notes). Three kinds of step:

    clip      stage 1: one clip alone, captions and questions; the answer's loss
    select    stage 2, warm-up: many clips, propagated; the answer's loss, and the divergence between what the question
              chooses and the clips that are known to hold the answer
    stream    stage 2: as before, but only the answer's loss, through Gumbel top-k straight through

Not readable: learning rates, the weight and temperature of the divergence, whether the answering model is trained as
well (here it is not), and the projector's form (here one linear layer). Those are options, their defaults ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from encoders.published.streaming.encoder import Condensed, StreamClip, StreamingEncoder, Tokenize
from encoders.published.streaming.selection import SELECTED, choose, similarity

Stage = Literal["clip", "select", "stream"]
STAGES: tuple[Stage, ...] = ("clip", "select", "stream")


@dataclass(frozen=True, slots=True)
class StreamLesson:
    """Consecutive clips from a stream's beginning on, a question about them, its answer.

    Attributes:
        relevant: numbers of the clips that hold the answer; empty where that is not known.
    """

    clips: tuple[StreamClip, ...]
    question: str
    answer: str
    relevant: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LossOptions:
    """What was not readable.

    Attributes:
        selected: V. temperature: of the softmax over cosines, in choosing and in the divergence.
        divergence: its weight beside the answer's loss.
        noise: of the Gumbel draw in `stream` steps.
    """

    selected: int = SELECTED
    temperature: float = 0.1
    divergence: float = 1.0
    noise: float = 1.0


class MemoryReader(nn.Module):
    """The answering language model: reads memories through a projector and gives the likelihood of an answer.

    Args:
        model: a causal language model of `transformers`; its weights are frozen here.
        tokenize: text -> its token ids.
        dim: D of the memories.
    """

    def __init__(self, model: Any, tokenize: Tokenize, dim: int) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        self._tokenize = tokenize
        self.project = nn.Linear(dim, model.config.hidden_size)

    def loss(self, memories: Sequence[tuple[str, torch.Tensor]], question: str, answer: str) -> torch.Tensor:
        """Mean negative log-likelihood of the answer's tokens, a scalar in nats.

        Args:
            memories: (time prompt, tokens [n, D]) in order of time.

        Raises:
            ValueError: the answer has no tokens.
        """
        spoken = [part for words, tokens in memories for part in (self._words(words), self.project(tokens))]
        ids = self._ids(answer)
        if not len(ids):
            raise ValueError("an answer has at least one token")
        parts = [*spoken, self._words(f" {question} "), self._embed(ids)]
        embeds = torch.cat([part.to(self.model.dtype) for part in parts])
        out = self.model(inputs_embeds=embeds[None], use_cache=False, logits_to_keep=len(ids) + 1).logits[0]
        return F.cross_entropy(out[:-1].float(), ids)

    def _ids(self, text: str) -> torch.Tensor:
        return torch.tensor(list(self._tokenize(text)), dtype=torch.int64, device=self.project.weight.device)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.model.get_input_embeddings()(ids)
        return embedded

    def _words(self, text: str) -> torch.Tensor:
        return self._embed(self._ids(text))


def lesson_loss(
    encoder: StreamingEncoder,
    reader: MemoryReader,
    lesson: StreamLesson,
    stage: Stage,
    options: LossOptions,
    generator: torch.Generator | None = None,
) -> dict[str, torch.Tensor]:
    """The stage's losses on one lesson, scalars by name; ``total`` is what is minimised. `generator` draws the noise.

    Raises:
        ValueError: a `clip` lesson of several clips.
    """
    if stage == "clip":
        if len(lesson.clips) != 1:
            raise ValueError(f"the clip stage reads one clip at a time, not {len(lesson.clips)}")
        alone = encoder(None, lesson.clips[0])
        answer = reader.loss([(clip_prompt(lesson.clips[0]), alone.tokens)], lesson.question, lesson.answer)
        return {"total": answer, "answer": answer}
    states = encoder.read(lesson.clips)
    asked = encoder.question(states[-1].tokens, lesson.question)
    scores = similarity(asked, torch.stack([state.indicator for state in states]))
    noise = options.noise if stage == "stream" else 0.0
    memories = _selected(lesson.clips, states, scores, options, noise, generator)
    answer = reader.loss(memories, lesson.question, lesson.answer)
    losses = {"answer": answer}
    if stage == "select" and lesson.relevant:
        losses["divergence"] = options.divergence * divergence(scores, lesson.relevant, options.temperature)
    return {"total": torch.stack(list(losses.values())).sum(), **losses}


def divergence(scores: torch.Tensor, relevant: Sequence[int], temperature: float) -> torch.Tensor:
    """KL(even over the relevant clips || softmax(scores / temperature)), scores [K], in nats."""
    target = torch.zeros_like(scores)
    target[list(relevant)] = 1.0 / len(relevant)
    return F.kl_div((scores / temperature).log_softmax(dim=0), target, reduction="sum")


def clip_prompt(clip: StreamClip) -> str:
    """What stands before a chosen clip's memory."""
    return f" a clip sampled in {clip.start_s:.0f} to {clip.end_s:.0f} seconds "


def _selected(
    clips: Sequence[StreamClip],
    states: Sequence[Condensed],
    scores: torch.Tensor,
    options: LossOptions,
    noise: float,
    generator: torch.Generator | None,
) -> list[tuple[str, torch.Tensor]]:
    """The global memory, then the chosen clips' in order of time, each behind its time prompt."""
    chosen = choose(scores, options.selected, temperature=options.temperature, noise=noise, generator=generator)
    memories = [(f" a history of 0 to {clips[-1].end_s:.0f} seconds ", states[-1].tokens)]
    for place, index in enumerate(chosen.indices.tolist()):
        memories.append((clip_prompt(clips[index]), states[index].tokens * chosen.gates[place]))
    return memories
