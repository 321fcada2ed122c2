"""MLVU: videos of 3 minutes to 2 hours, seven tasks with options and two that are written out.

Shape: one JSON list a task (`1_plotQA.json` … `7_topic_reasoning.json`), each row with `video`, `duration`, `question`,
`candidates`, `answer` (the right candidate's text) and `question_type`; a folder of such files is read whole. The
written tasks (`8_sub_scene`, `9_summary`) have no candidates, are scored by a large model in the paper, and are left
out. Source: JUNJIE99/MLVU, `choice_bench.py` (`qa_template`, `check_ans`); Zhou et al. 2024. Rows of the test split
carry no answer and are asked unscored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from serve.errors import BadRequest
from serve.evals.items import Item

from .base import Videos, field, rows_of


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question with candidates; its kind is the question type."""
    files = Videos(videos)
    for number, row in enumerate(rows_of(annotations)):
        where = f"{annotations.name}, row {number}"
        if not row.get("candidates"):
            continue
        options = tuple(str(option) for option in row["candidates"])
        answer = row.get("answer")
        if answer is not None and str(answer) not in options:
            raise BadRequest(f"{where}: the answer is none of the candidates")
        yield Item(
            video=files.named(str(field(row, "video", where=where))),
            question=str(field(row, "question", where=where)),
            kind=str(row.get("question_type") or "question"),
            choices=options,
            correct=None if answer is None else options.index(str(answer)),
        )
