"""Measures what a language model recalls of a long text when its cache holds few slots: `python -m tests.bench kv`.

SmolLM2-135M reads novels, with facts planted in them (`facts`, `planting`), in chunks of 128 tokens. After every chunk
a policy leaves as many slots as the budget says. The facts are asked for at the end and on the way, always on a fork of
the cache from which nothing more is dropped. Ours, four policies of the literature as `memory.kv.policies` has them,
and NVIDIA's kvpress go through the same procedure (`reading`) on the same streams.

    make bench-kv                            fetches the novels, makes kvpress's environment, and runs everything
    python -m tests.bench kv [--quick]       runs; finished rows are kept in the cache folder (`bench/kv/rows`)
    python -m tests.bench.kv.benchmark       prints the document of the finished rows; runs nothing

A full run takes hours on one core and may be stopped at any time: the next one goes on. `missing` names the rows that
are not finished. Figures are computed in `score` and drawn by `plot`. One thread throughout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from memory.kv.policies import DEFAULT, kv_policy
from pipeline.language.smollm.weights_cache import ConvertedModel, converted_model
from serve.settings import Settings
from tests.bench.kv.exact import largest_error
from tests.bench.kv.ours import PrunedReader, attached
from tests.bench.kv.planting import Plan, build
from tests.bench.kv.press import POSITIONS, PRESSES, REQUIREMENTS, PressMissing, environment, press_row
from tests.bench.kv.reading import measure
from tests.bench.kv.score import Row, compared, cost, perplexity, score
from tests.bench.kv.streams import Streams
from tests.bench.kv.tasks import Task, kept_row, row_digest
from tests.bench.kv.text import fetch

DTYPE = "bfloat16"
PLANS = {
    "8k": Plan(8064, 3, 71, ("emma", "mansfield_park", "sense_and_sensibility")),
    "32k": Plan(32768, 1, 72, ("sense_and_sensibility",)),
    "100k": Plan(99968, 1, 74, ("pride_and_prejudice",)),
    "quick": Plan(1536, 1, 75, ("persuasion",), turns=2, asked=3, most=4),
}
OWN_RIVALS = ("streaming_llm", "snapkv", "infinipot_v", "scissorhands")
PUBLISHED = "deep_forcing"


def tasks(quick: bool) -> Iterator[Task]:
    """All tasks that do not depend on rows, the most important first."""
    if quick:
        yield from (Task(policy, 128, "quick") for policy in (DEFAULT, "streaming_llm"))
        yield Task("full", 0, "quick")
        return
    for slots in (512, 256, 1024):
        yield from (Task(policy, slots, "8k") for policy in (DEFAULT, "streaming_llm"))
        yield from (Task(f"kvpress:{press}", slots, "8k") for press in PRESSES)
        yield from (Task(policy, slots, "8k") for policy in (*OWN_RIVALS[1:], PUBLISHED))
        if slots == 512:
            yield Task("full", 0, "8k")
            yield from (Task(policy, slots, "32k") for policy in (DEFAULT, "streaming_llm"))
            yield from (Task(f"kvpress:{press}", slots, "8k", "kept") for press in PRESSES)


def later(rows: dict[Task, Row]) -> Iterator[Task]:
    """What depends on the rows so far: longer streams, for the default, StreamingLLM and the best rivals."""
    for slots in (512, 256, 1024):
        rivals = [task for task in ranked(rows, slots, "8k") if task.policy != "streaming_llm"]
        best = [replace(task, streams="32k") for task in rivals[:2]]
        yield from (Task(policy, slots, "32k") for policy in (DEFAULT, "streaming_llm"))
        yield from best
        if slots == 512:
            yield from (replace(task, positions="kept") for task in best[:1] if task.kvpress)
            yield from (Task(policy, slots, "100k") for policy in (DEFAULT, "streaming_llm"))
            yield from (replace(task, streams="100k") for task in rivals[:1])


def ranked(rows: dict[Task, Row], slots: int, streams: str) -> list[Task]:
    """The rivals of one budget and length, best first, by both ways of asking."""

    def merit(task: Task) -> tuple[float, float]:
        both = [score(rows[task], asked) for asked in ("end", "turns")]
        return sum(figures["recall"] + figures["choice"] for figures in both), -sum(figures["nll"] for figures in both)

    there = [task for task in rows if (task.slots, task.streams) == (slots, streams) and is_rival(task)]
    return sorted(there, key=merit, reverse=True)


def is_rival(task: Task) -> bool:
    """Neither ours nor the full cache."""
    return task.policy not in (DEFAULT, PUBLISHED, "full")


class RowMissing(RuntimeError):
    """A row is not finished."""


@dataclass
class Bench:
    """One run: measures rows or takes them from the folder.

    Attributes:
        measuring: whether rows that are not there are measured.
        missing: rows that are not there, and why.
    """

    folder: Path
    files: ConvertedModel
    measuring: bool = True
    missing: dict[str, str] = field(default_factory=dict)
    _streams: dict[str, Streams] = field(default_factory=dict)
    _model: tuple[Any, Any] | None = None

    def streams(self, name: str) -> Streams:
        """Built once; also a file that kvpress's environment reads."""
        if name not in self._streams:
            tokenizer = Tokenizer.from_file(str(self.files.tokenizer))
            built = build(PLANS[name], tokenizer, self.folder)
            (self.folder / f"{name}.streams.json").write_text(built.json())
            self._streams[name] = built
        return self._streams[name]

    def row(self, task: Task) -> Row:
        """One row.

        Raises:
            PressMissing: it is kvpress's, and its environment is not there.
            RowMissing: it is not finished, and nothing is to be measured.
        """
        settings = str(REQUIREMENTS) if task.kvpress else repr(kv_policy(task.policy))
        name = row_digest(task, self.streams(task.streams).digest(), DTYPE, settings)
        return kept_row(self.folder / "rows", name, lambda: self._measured(task))

    def _measured(self, task: Task) -> Row:
        if not self.measuring:
            raise RowMissing("not measured yet")
        sys.stderr.write(f"kv: {task.policy}, {task.slots} slots, {task.streams}, {task.positions}\n")
        if task.kvpress:
            at = self.folder / f"{task.streams}.streams.json"
            return press_row(environment(self.folder), task, at, self.files.folder, DTYPE)
        if self._model is None:
            self._model = attached(self.files.folder, getattr(torch, DTYPE))
        model, decoder = self._model
        reader = PrunedReader.new(model, decoder, task.policy, max(task.slots, 1))
        return measure(reader, self.streams(task.streams))

    def all(self, quick: bool) -> dict[Task, Row]:
        """Every row that can be run."""
        rows: dict[Task, Row] = {}
        for task in tasks(quick):
            self._try(task, rows)
        for task in () if quick else tuple(later(rows)):
            self._try(task, rows)
        return rows

    def _try(self, task: Task, rows: dict[Task, Row]) -> None:
        if task in rows:
            return
        try:
            rows[task] = self.row(task)
        except (PressMissing, RowMissing) as missing:
            self.missing[f"{task.policy} {task.slots} {task.streams} {task.positions}"] = str(missing)


def run(quick: bool, _clips: Path | None = None) -> dict[str, Any]:
    """The figures; see the module. `quick`: one short stream, ours against StreamingLLM and the full cache."""
    torch.set_num_threads(1)
    bench = _bench()
    rows = bench.all(quick)
    text = bench.streams("quick").ids[0][: 160 if quick else 512]
    return {**document(rows), "oracle_max_error": largest_error(bench.files.folder, text), "missing": bench.missing}


def _bench() -> Bench:
    cache = Settings().cache_dir
    folder = cache / "bench" / "kv"
    fetch(folder)
    return Bench(folder, converted_model(cache / "weights"))


def document(rows: dict[Task, Row]) -> dict[str, Any]:
    """Rows -> the document's keys."""
    places = sorted({(task.streams, task.slots) for task in rows if task.slots}, key=_by_size)
    longest = max((task for task in rows if task.policy == DEFAULT), key=lambda task: PLANS[task.streams].length)
    return {
        "rows": [line for place in places for line in _lines(rows, *place)],
        "policies": [_policy(task, row) for task, row in sorted(rows.items(), key=_order)],
        **{key: cost(rows[longest])[key] for key in ("per_token_ratio", "rss_ratio")},
        "longest": PLANS[longest.streams].length,
        "chunk": 128,
        "dtype": DTYPE,
    }


def _by_size(place: tuple[str, int]) -> tuple[int, int]:
    return PLANS[place[0]].length, place[1]


def _order(entry: tuple[Task, Row]) -> tuple[Any, ...]:
    task = entry[0]
    return PLANS[task.streams].length, task.slots, is_rival(task), task.policy, POSITIONS.index(task.positions)


def _lines(rows: dict[Task, Row], streams: str, slots: int) -> list[dict[str, Any]]:
    """The default against its rivals, for both ways of asking; nothing where it or they are missing."""
    here = {_name(task): row for task, row in rows.items() if (task.streams, task.slots) == (streams, slots)}
    rivals = [_name(task) for task in rows if is_rival(task)]
    if DEFAULT not in here or not any(name in here for name in rivals):
        return []
    full = rows.get(Task("full", 0, streams))
    length = {"length": PLANS[streams].length, "budget": slots}
    return [{**length, **compared(here, DEFAULT, rivals, full, asked)} for asked in ("end", "turns")]


def _name(task: Task) -> str:
    return task.policy if task.positions == "contiguous" else f"{task.policy} ({task.positions} positions)"


def _policy(task: Task, row: Row) -> dict[str, Any]:
    """One policy at one budget and length, as a line of `policies`."""
    line = {**asdict(task), "length": PLANS[task.streams].length, "perplexity": perplexity(row), **cost(row)}
    return {**line, "slots_seen": row["slots"], **{asked: score(row, asked) for asked in ("end", "turns")}}


def main() -> None:
    """Prints the document of the rows that are finished."""
    bench = replace(_bench(), measuring=False)
    rows = bench.all(quick=False)
    sys.stdout.write(json.dumps({**document(rows), "missing": bench.missing}) + "\n")


if __name__ == "__main__":
    main()
