"""Loads EgoSchema: 5,063 questions with five options about three-minute clips of Ego4D.

Shape: `questions.json`, a list of rows with `q_uid` (which names the file) , `question` and `option 0` … `option 4`;
the answers to 500 of them lie beside it in `subset_answers.json`, `q_uid` -> index. Where that file is there, only its
questions are asked; else all, unscored. Source: egoschema/EgoSchema, README (the option
keys and the answers file from memory); Mangalam et al. 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serve.errors import BadRequest
from serve.evals.items import Item, read_json

from .base import Videos, field, rows_of

ANSWERS = "subset_answers.json"


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question; there is one kind."""
    files = Videos(videos)
    answers = _answers(annotations.with_name(ANSWERS))
    for number, row in enumerate(rows_of(annotations)):
        where = f"{annotations.name}, row {number}"
        uid = str(field(row, "q_uid", where=where))
        if answers is not None and uid not in answers:
            continue
        options = tuple(str(field(row, f"option {index}", where=where)) for index in range(5))
        correct = None if answers is None else int(answers[uid])
        if correct is not None and not 0 <= correct < len(options):
            raise BadRequest(f"{ANSWERS}: {correct} is no option of {uid}")
        yield Item(
            video=files.named(uid),
            question=str(field(row, "question", where=where)),
            kind="egocentric",
            choices=options,
            correct=correct,
        )


def _answers(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    answers = read_json(path)
    if not isinstance(answers, dict):
        raise BadRequest(f"{path.name}: an object of q_uid and index was expected")
    return answers
