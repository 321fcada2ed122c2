"""Measures how fast the language model is ready and answers: `python -m tests.bench.answers.speed`; one JSON line.

Every round is a fresh process, with the weights converted already. It is timed from its start to a model that has read
the constant beginning of all prompts, and then over an answer of 40 tokens with 15 memories (285 tokens) in the prompt.
Wall times are noisy on a busy machine, so processor times are given beside them. What the answers say is scored in
`tests.bench.answers.benchmark`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from serve.measure.code_digest import ROOT

ROUNDS = 3
MEMORIES = 15
ANSWER_TOKENS = 40


def main(arguments: list[str]) -> int:
    """Without arguments all rounds, each in a process of its own; with two, one round: the clock at which it began and
    the folder of the converted weights."""
    if arguments:
        print(json.dumps(one_round(float(arguments[0]), Path(arguments[1]))))
        return 0
    from serve.settings import Settings

    weights, rounds = str(Settings().cache_dir / "weights"), []
    for _ in range(ROUNDS + 1):  # the first one warms up what the system keeps of files
        command = [sys.executable, "-m", "tests.bench.answers.speed", str(time.monotonic()), weights]
        rounds.append(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout))
    print(json.dumps({key: round(median(row[key] for row in rounds[1:]), 3) for key in rounds[0]}))
    return 0


def one_round(began_s: float, weights: Path) -> dict[str, float]:
    """Keys: ``ready``, ``first_token`` and ``answer`` (40 tokens, the first one's time in it), each ``…_s`` (wall) and
    ``…_cpu_s``; ``prompt_tokens``, ``adapted`` (0 or 1)."""
    import torch

    from encoders.notes import Notes, Thing
    from memory.records import TimeSpan
    from pipeline.language.protocol import Prompt, ReadableMemory
    from pipeline.language.smollm.model import PocketLanguageModel

    torch.set_num_threads(1)
    model = PocketLanguageModel(weights)
    ready = (time.monotonic() - began_s, time.process_time())
    notes = Notes(things=(Thing("golden retriever", 0.8), Thing("park bench", 0.7)))
    memories = [ReadableMemory(TimeSpan(9.0 * i, 9.0 * i + 9), None, notes) for i in range(MEMORIES)]
    statement = "The golden retriever is seen 3 times: 0:09 to 0:18, 0:36 to 0:45 and 1:12 to 1:21."
    prompt = Prompt("How often does the golden retriever come?", statement, memories)
    clock, spent = time.perf_counter(), time.process_time()
    pieces = model.generate(prompt, ANSWER_TOKENS)
    next(pieces)
    first = (time.perf_counter() - clock, time.process_time() - spent)
    *_, generation = pieces
    if isinstance(generation, str):
        raise RuntimeError("a generation did not end with its account")
    whole = (time.perf_counter() - clock, time.process_time() - spent)
    scale = (ANSWER_TOKENS - 1) / max(generation.answer_tokens - 1, 1)  # an answer may end earlier
    answer = [a + (b - a) * scale for a, b in zip(first, whole, strict=True)]
    named = {"ready": ready, "first_token": first, "answer": answer}
    figures = {f"{name}{unit}": both[i] for name, both in named.items() for i, unit in enumerate(("_s", "_cpu_s"))}
    return figures | {"prompt_tokens": generation.prompt_tokens, "adapted": float(model.adapted)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
