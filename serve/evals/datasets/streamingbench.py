"""Loads StreamingBench: questions asked at a moment of a stream; only what was shown until then may be used.

Shapes: JSON, a list of rows with `video_path` and `questions`, each with `task_type`, `question`, `time_stamp`
("00:00:50"), `options` ("A. …") and `answer` (a letter); and the CSV copy, one row a question with the same fields,
`options` as a list in text and `question_id` ending in `sample_N_M`, N being the video. Proactive questions have no
options (they ask for a word at the right moment) and are left out. Source: THUNLP-MT/StreamingBench,
`src/data/questions_omni.json` and `src/utils/data_execution.py`; Lin et al. 2024. The published runs cut the video off
at the moment; we ask while watching (`serve.evals.asking`). Sound is not listened to, so omni-source questions are
asked of half of what they are about.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serve.errors import BadRequest
from serve.evals.items import Item

from .base import Videos, bare_options, field, letter_index, rows_of, seconds_of


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question with options, asked at its time stamp; its kind is the task type."""
    files = Videos(videos)
    for number, row in enumerate(rows_of(annotations)):
        where = f"{annotations.name}, row {number}"
        for entry in row.get("questions", [row]):
            options = _options(entry.get("options"), where)
            if not options:
                continue
            yield Item(
                video=_video(row, files, where),
                question=str(field(entry, "question", where=where)),
                kind=str(entry.get("task_type") or "question"),
                choices=options,
                correct=letter_index(field(entry, "answer", where=where), len(options), where),
                until_s=seconds_of(field(entry, "time_stamp", where=where), where),
            )


def _video(row: Mapping[str, Any], files: Videos, where: str) -> str:
    """The CSV's videos are `sample_N/video.mp4`."""
    if row.get("video_path"):
        return files.named(str(row["video_path"]))
    question = str(field(row, "question_id", where=where))
    sample = re.search(r"(sample_\d+)_\d+$", question)
    if sample is None:
        raise BadRequest(f"{where}: {question!r} names no video")
    return files.at(f"{sample[1]}/video", sample[1])


def _options(options: Any, where: str) -> tuple[str, ...]:
    if isinstance(options, str):
        try:
            options = ast.literal_eval(options) if options.strip() else []
        except (ValueError, SyntaxError) as error:
            raise BadRequest(f"{where}: options are no list: {options!r}") from error
    return bare_options([str(option) for option in options or []])
