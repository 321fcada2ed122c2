"""Makes streams for the cache benchmark: novels read at a thousand tokens a minute, with facts planted at known times.

Several streams make one batch, and the same questions are asked of all of them. Each stream lacks a part of the facts
(a third of three). What it answers about a fact it lacks is what the model guesses anyway, and is subtracted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from tests.bench.kv.facts import DEVELOPMENT, MEASURED, Fact
from tests.bench.kv.streams import CHUNK, ClozeQuestion, Streams
from tests.bench.kv.text import novel

SECONDS_PER_TOKEN = 0.06
_DOCUMENT = 0  # <|endoftext|>, which begins a document
_PIECE = 192  # a longer paragraph may be interrupted by a fact


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch is made of.

    Attributes:
        length: tokens of each stream. count: B. seed: of everything drawn.
        novels: where the streams begin, one after another.
        development: with the other facts.
        turns: how often questions are asked on the way; `asked`: how many each time.
        most: facts at most.
    """

    length: int
    count: int
    seed: int
    novels: tuple[str, ...]
    development: bool = False
    turns: int = 4
    asked: int = 6
    most: int = 15


def build(plan: Plan, tokenizer: Tokenizer, cache: Path) -> Streams:
    """The streams of a plan; the same for the same plan."""
    if plan.length % CHUNK:
        raise ValueError(f"a stream is read in chunks of {CHUNK}")
    draw = random.Random(plan.seed)
    facts = (DEVELOPMENT if plan.development else MEASURED)[: plan.most]
    questions = [_question(fact, plan.count, tokenizer, draw) for fact in facts]
    rows = []
    for stream in range(plan.count):
        every = plan.count if plan.count > 1 else 5
        planted = [index for index in range(len(facts)) if index % every != stream]
        draw.shuffle(planted)
        words = _filler(plan.novels[stream % len(plan.novels)], draw, tokenizer, cache)
        rows.append(_written(stream, planted, facts, questions, words, plan.length, tokenizer, draw))
    turns = _turns(plan, len(facts), draw)
    stamps = {at: _ids(tokenizer, f"\n\n[{_time(at)}]") for at in [*(at for at, _ in turns), plan.length]}
    (full_stop,) = _ids(tokenizer, ".")
    return Streams([ids for ids, _ in rows], [filler for _, filler in rows], questions, turns, stamps, full_stop)


def _question(fact: Fact, count: int, tokenizer: Tokenizer, draw: random.Random) -> ClozeQuestion:
    choices = [_ids(tokenizer, f" {word}") for word in fact.choices]
    if len(choices) != 8 or any(len(ids) != 1 for ids in choices):
        raise ValueError(f"eight answers of one token each are needed: {fact}")
    right = draw.sample(range(8), count) if count <= 8 else draw.choices(range(8), k=count)
    return ClozeQuestion(_ids(tokenizer, f" {fact.words}"), [ids[0] for ids in choices], right, [None] * count)


def _written(
    stream: int, planted: Sequence[int], facts: Sequence[Fact], questions: Sequence[ClozeQuestion], words:
    Iterator[list[int]], length: int, tokenizer: Tokenizer, draw: random.Random,
) -> tuple[list[int], list[int]]:  # fmt: skip
    """One stream: paragraphs, and between them the facts planted, evenly spread and a little moved."""
    ids, filler = [_DOCUMENT], [0]
    places = [(k + draw.uniform(0.1, 0.7)) / len(planted) * length for k in range(len(planted))]
    for place, index in zip(places, planted, strict=True):
        while len(ids) < place:
            part = next(words)
            ids += part
            filler += [1] * len(part)
        answer = facts[index].choices[questions[index].answers[stream]]
        part = _ids(tokenizer, f"\n\n[{_time(len(ids))}] {facts[index].words} {answer}.")
        ids += part
        filler += [0] * len(part)
        if len(ids) > length:
            raise ValueError(f"{length} tokens do not hold {len(planted)} facts")
        questions[index].planted_at[stream] = len(ids)
    while len(ids) < length:
        part = next(words)
        ids += part
        filler += [1] * len(part)
    return ids[:length], filler[:length]


def _filler(name: str, draw: random.Random, tokenizer: Tokenizer, cache: Path) -> Iterator[list[int]]:
    """Paragraphs of a novel from a drawn place on, round and round."""
    parts = novel(name, cache).split("\n\n")
    at = draw.randrange(len(parts) // 10, len(parts) // 2)
    while True:
        paragraph = _ids(tokenizer, f"\n\n{parts[at]}")
        yield from (paragraph[start : start + _PIECE] for start in range(0, len(paragraph), _PIECE))
        at = (at + 1) % len(parts)


def _turns(plan: Plan, facts: int, draw: random.Random) -> list[tuple[int, list[int]]]:
    chunks = plan.length // CHUNK
    ends = [round(chunks * (k + 1) / plan.turns) * CHUNK for k in range(plan.turns)]
    return [(end, draw.sample(range(facts), min(plan.asked, facts))) for end in ends]


def _time(tokens: int) -> str:
    seconds = int(tokens * SECONDS_PER_TOKEN)
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
