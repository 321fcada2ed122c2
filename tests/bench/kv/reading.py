"""Reads a batch of streams through a cache and records answers, likelihoods and costs.

Every policy goes through this one procedure, ours and kvpress's, whatever holds the cache (`CacheReader`). It needs
nothing but torch, so that it also runs in kvpress's environment. Scores are computed in `score`.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from tests.bench.kv.streams import CHUNK, ClozeQuestion, Streams

EVERY = 4
"""Of so many chunks one is used for the perplexity; the others compute no logits."""


class CacheReader(Protocol):
    """A cache and its model in the middle of a batch of streams."""

    def read(self, ids: torch.Tensor, logits: int) -> torch.Tensor:
        """The next tokens int64 [B, q] come in; gives the logits [B, n, V] of the last `logits` (at least one)."""
        ...

    def fork(self) -> CacheReader:
        """The same content, for questions: reading there changes nothing here, and nothing is dropped there."""
        ...

    @property
    def slots(self) -> int:
        """Held in every layer."""
        ...

    @property
    def bytes_held(self) -> int:
        """Of its tensors."""
        ...


@torch.inference_mode()
def measure(reader: CacheReader, streams: Streams) -> dict[str, Any]:
    """Everything about one policy at one budget on one batch; JSON can hold it.

    Returns:
        ``end`` and ``turns``: answers (`_asked`); ``nll``: [sum of -log p, tokens] for each stream over the novel's
        tokens; ``cost``: for each chunk without logits [tokens read, CPU ms a token, wall ms a token], of one stream's
        token; ``memory``: [tokens read, bytes of the cache, resident bytes]; ``slots``: most after a chunk.
    """
    ids, filler = torch.tensor(streams.ids), torch.tensor(streams.filler, dtype=torch.bool)
    figures: dict[str, Any] = {"turns": [], "cost": [], "memory": [], "slots": 0}
    nll = torch.zeros(len(ids), 2, dtype=torch.float64)
    turns = dict(streams.turns)
    for start in range(0, streams.length, CHUNK):
        end = start + CHUNK
        if (start // CHUNK) % EVERY == EVERY - 1:
            nll += _likelihood(reader.read(ids[:, start:end], CHUNK), ids[:, start:end], filler[:, start:end])
        else:
            figures["cost"].append([end, *_timed(reader, ids[:, start:end])])
        figures["slots"] = max(figures["slots"], reader.slots)
        if end % 1024 == 0 or end == streams.length:
            figures["memory"].append([end, reader.bytes_held, resident_bytes()])
        if end in turns:
            figures["turns"] += _in_turn(reader.fork(), streams, turns[end], end)
    figures["nll"] = nll.tolist()
    figures["end"] = []
    for index in range(len(streams.questions)):
        figures["end"] += _in_turn(reader.fork(), streams, [index], streams.length)
    return figures


def _timed(reader: CacheReader, ids: torch.Tensor) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    reader.read(ids, 1)
    per_ms = 1000.0 / ids.numel()
    return (time.process_time() - cpu) * per_ms, (time.perf_counter() - wall) * per_ms


def _likelihood(logits: torch.Tensor, ids: torch.Tensor, filler: torch.Tensor) -> torch.Tensor:
    """[B, 2]: sum of -log p of the novel's tokens within the chunk, and how many."""
    sums = []
    for row, targets, wanted in zip(logits[:, :-1], ids[:, 1:], filler[:, 1:], strict=True):
        picked = row[wanted].float().log_softmax(-1).gather(1, targets[wanted][:, None])
        sums.append([-float(picked.sum()), float(wanted.sum())])
    return torch.tensor(sums, dtype=torch.float64)


def _in_turn(reader: CacheReader, streams: Streams, asked: Sequence[int], at: int) -> list[dict[str, Any]]:
    """Asks questions one after another; before the next one the model's own choice is read as the answer."""
    turns = []
    answer = torch.zeros(len(streams.ids), 0, dtype=torch.int64)
    for index in asked:
        question = streams.questions[index]
        cloze = torch.tensor([*streams.stamps[at], *question.ids]).expand(len(streams.ids), -1)
        logits = reader.read(torch.cat((answer, cloze), dim=1), 1)[:, -1].float()
        turns.append({"question": index, "at": at, "streams": _answers(logits, question)})
        chosen = torch.tensor(question.choices)[logits[:, question.choices].argmax(-1)]
        answer = torch.cat((chosen[:, None], torch.full_like(chosen[:, None], streams.full_stop)), dim=1)
    return turns


def _answers(logits: torch.Tensor, question: ClozeQuestion) -> list[dict[str, Any]]:
    """For each stream: ``greedy`` and ``choice`` (right or not), ``nll`` of the right answer, ``told_at``."""
    answers = []
    for row, right, planted_at in zip(logits, question.answers, question.planted_at, strict=True):
        token = question.choices[right]
        answers.append(
            {
                "greedy": int(row.argmax()) == token,
                "choice": int(row[question.choices].argmax()) == right,
                "nll": round(-float(row.log_softmax(-1)[token]), 4),
                "told_at": planted_at,
            }
        )
    return answers


def resident_bytes() -> int:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
