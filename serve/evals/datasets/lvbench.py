"""Loads LVBench: 103 videos of half an hour to two hours, 1,549 questions with four options and a time reference.

Shape: `video_info.meta.jsonl`, one object a video with `key` (the YouTube id, which names the file) and `qa`, a list of
`uid`, `question` (the options stand in it, one a line: "(A) 1636"), `answer` (a letter), `question_type` (a list) and
`time_reference` ("00:15-00:19", or one time). Source: THUDM/LVBench, README; the layout of `qa` from others' loaders,
the time reference from memory; Wang et al. 2024. The time reference is our span: where the set's own scorer has
accuracy only, we also score the citations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from serve.errors import BadRequest
from serve.evals.items import Item
from serve.evals.scoring import Span

from .base import Videos, bare_options, field, letter_index, rows_of, seconds_of

_OPTION = re.compile(r"^\s*\([A-Z]\)", re.MULTILINE)


def load(annotations: Path, videos: Path) -> Iterator[Item]:
    """One item a question; its kind is the first question type."""
    files = Videos(videos)
    for number, row in enumerate(rows_of(annotations)):
        video = files.named(str(field(row, "key", where=f"{annotations.name}, row {number}")))
        for entry in row.get("qa", []):
            where = f"{annotations.name}, row {number}, question {entry.get('uid')}"
            question, options = _split(str(field(entry, "question", where=where)), where)
            yield Item(
                video=video,
                question=question,
                kind=str((entry.get("question_type") or ["question"])[0]),
                choices=options,
                correct=letter_index(field(entry, "answer", where=where), len(options), where),
                spans=_spans(entry.get("time_reference"), where),
            )


def _split(text: str, where: str) -> tuple[str, tuple[str, ...]]:
    """The question, and the options below it."""
    first = _OPTION.search(text)
    if first is None:
        raise BadRequest(f"{where}: no options stand below the question")
    starts = [match.start() for match in _OPTION.finditer(text)] + [len(text)]
    options = [text[a:b].strip() for a, b in pairwise(starts)]
    return text[: first.start()].strip(), bare_options(options)


def _spans(reference: object, where: str) -> tuple[Span, ...]:
    """A single time counts as the ten seconds around it; a reference without a time as none."""
    times = [seconds_of(stamp, where) for stamp in re.findall(r"\d+(?::\d{1,2}){1,2}", str(reference or ""))]
    if not times:
        return ()
    if len(times) == 1 or times[1] <= times[0]:
        return ((max(times[0] - 5.0, 0.0), times[0] + 5.0),)
    return ((times[0], times[1]),)
