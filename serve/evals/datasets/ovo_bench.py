"""OVO-Bench: when is a question answered? Back in time, right now, or only once more was seen.

Shape: `ovo_bench_new.json`, a list of rows with `id`, `task`, `video`. Backward and real-time tasks (EPM, ASI, HLD,
STU, OJR, ATR, ACR, OCR, FPD) have `realtime` (seconds), `question`, `options` and `gt` (an index). Forward tasks have
`test_info`, the moments to ask at: REC with `activity` and the `count` until then; SSR with the `step` and whether it
is being done (`type` 1) or not; CRR with `question` and whether what was seen until then answers it. Source:
JoeLeelyf/OVO-Bench, `utils/OVOBench.py` (`build_prompt`) and `utils/OVOBenchScore.py`; Li et al. 2025. The published
runs cut the video off at each moment; we ask while watching. SSR and CRR are yes or no: yes is "it is supported".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serve.errors import BadRequest
from serve.evals.items import Item

from .base import Videos, field, rows_of, seconds_of

FORWARD = ("REC", "SSR", "CRR")
YES_NO = ("Yes", "No")


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question and moment; its kind is the task."""
    files = Videos(videos)
    for number, row in enumerate(rows_of(annotations)):
        where = f"{annotations.name}, row {number}"
        video, task = files.named(str(field(row, "video", where=where))), str(field(row, "task", where=where))
        if task in FORWARD:
            for moment in field(row, "test_info", where=where):
                yield _forward(row, moment, video, task, where)
        else:
            yield _backward(row, video, task, where)


def _backward(row: Mapping[str, Any], video: str, task: str, where: str) -> Item:
    options = tuple(str(option) for option in field(row, "options", where=where))
    correct = int(field(row, "gt", where=where))
    if not 0 <= correct < len(options):
        raise BadRequest(f"{where}: gt is no option")
    return Item(
        video=video,
        question=str(field(row, "question", where=where)),
        kind=task,
        choices=options,
        correct=correct,
        until_s=seconds_of(field(row, "realtime", where=where), where),
    )


def _forward(row: Mapping[str, Any], moment: Mapping[str, Any], video: str, task: str, where: str) -> Item:
    until_s = seconds_of(field(moment, "realtime", where=where), where)
    if task == "REC":
        activity = str(field(row, "activity", where=where))
        count = int(field(moment, "count", where=where))
        return Item(video, f"How many times did they {activity}?", task, count=count, until_s=until_s)
    step = f"Is this being done: {moment.get('step')}?"
    question = step if task == "SSR" else str(field(row, "question", where=where))
    correct = 0 if int(field(moment, "type", where=where)) == 1 else 1
    return Item(video, question, task, choices=YES_NO, correct=correct, until_s=until_s)
