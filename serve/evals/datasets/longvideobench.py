"""Loads LongVideoBench: referring questions about videos of up to an hour, with subtitles that are not used here.

Shape: `lvb_val.json`, a list of rows with `id`, `video_path`, `question`, `candidates`, `correct_choice` (an index),
`question_category` and `duration`; the Parquet copy has `option0` … `option4` ("N/A" where there are fewer) in the
place of `candidates`. Test rows have no `correct_choice` and are asked unscored. Source:
longvideobench/LongVideoBench, `longvideobench_dataset.py`; Wu et al. 2024, which asks for the option's letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serve.evals.items import Item

from .base import Videos, field, letter_index, rows_of


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question; its kind is the category (S2E, T3O …)."""
    files = Videos(videos)
    for number, row in enumerate(rows_of(annotations)):
        where = f"{annotations.name}, row {number}"
        options = _options(row, where)
        yield Item(
            video=files.named(str(field(row, "video_path", "video_id", where=where))),
            question=str(field(row, "question", where=where)),
            kind=str(row.get("question_category") or "question"),
            choices=options,
            correct=_correct(row.get("correct_choice"), len(options), where),
        )


def _options(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if row.get("candidates"):
        return tuple(str(candidate) for candidate in row["candidates"])
    first = [str(field(row, "option0", where=where))]
    rest = [str(row.get(f"option{number}")) for number in range(1, 5)]
    return tuple(first + [option for option in rest if option not in ("N/A", "None", "")])


def _correct(choice: Any, options: int, where: str) -> int | None:
    """The test split says nothing, or -1."""
    if choice is None or str(choice) in ("-1", "@", ""):
        return None
    return letter_index(chr(ord("A") + int(choice)), options, where)
