"""Loads Video-MME: 900 videos, 2,700 questions with four options.

Shapes: the README's nested JSON, one object a video with `video_id`, `url` and `questions` (`question_id`, `task_type`,
`question`, `choices` or `options`, `answer` as a letter); and the flat rows of the Hugging Face copy, Parquet or JSON,
with `videoID` (the file's name) beside the question's fields. Options carry their letters ("A. Black."). Source:
BradyFU/Video-MME, README "Dataset Content" and "Evaluation Pipeline"; Fu et al. 2024. Published scoring takes the first
letter of a model's reply; ours: `serve.evals.choices`. Subtitles are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serve.evals.items import Item

from .base import Videos, bare_options, field, letter_index, rows_of


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question; its kind is the task type."""
    files = Videos(videos)
    for number, row in enumerate(rows_of(annotations)):
        for entry in row.get("questions", [row]):
            where = f"{annotations.name}, row {number}"
            options = bare_options(field(entry, "options", "choices", where=where))
            yield Item(
                video=files.named(_name(row, where)),
                question=str(field(entry, "question", where=where)),
                kind=str(entry.get("task_type") or "question"),
                choices=options,
                correct=letter_index(field(entry, "answer", where=where), len(options), where),
            )


def _name(row: Mapping[str, Any], where: str) -> str:
    """The file is named after the video's YouTube id."""
    if row.get("videoID"):
        return str(row["videoID"])
    watched = re.search(r"(?:[?&]v=|youtu\.be/)([\w-]{11})", str(row.get("url", "")))
    return watched[1] if watched else str(field(row, "video_id", where=where))
