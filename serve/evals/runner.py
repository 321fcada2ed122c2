"""Asks every item of a set and keeps a row for each, as JSON lines, so that a stopped run resumes where it was.

A row is found again by its item, the video's bytes, the settings and Longwatch's own source: what was answered by
other code or other settings is asked anew. Videos are watched once; their memory stays in the store like any other.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import encoders
import memory
import pipeline
from encoders.digest import file_sha256
from encoders.errors import EncoderError
from pipeline.errors import PipelineError
from serve.embedded import Longwatch, watch
from serve.errors import BadRequest, code_of, detail_of

from .asking import Asked, ask, ask_while_watching
from .items import Item


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left.

    Attributes:
        rows: one for each item asked now or before: `item`, `asked` and what identifies them.
        missing: videos that items name and the folder lacks.
        failed: videos that could not be watched, with code and sentence.
        asked_now: rows that were not there before.
    """

    rows: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]
    failed: tuple[dict[str, str], ...]
    asked_now: int


def run(longwatch: Longwatch, items: Sequence[Item], folder: Path, rows_file: Path) -> Ran:
    """Asks what is not in `rows_file` yet, video by video, and appends each row as it comes."""
    rows_file.parent.mkdir(parents=True, exist_ok=True)
    earlier = {row["key"]: row for row in _read(rows_file)}
    settings = settings_key(longwatch)
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    failed: list[dict[str, str]] = []
    now = 0
    with rows_file.open("a", encoding="utf-8") as out:
        for video, asked_of in _by_video(items):
            path = folder / video
            if not path.is_file():
                missing.append(video)
                continue
            keyed = {row_key(item, file_sha256(path), settings): item for item in asked_of}
            rows += [earlier[key] for key in keyed if key in earlier]
            try:
                for row in _rows(longwatch, path, {key: item for key, item in keyed.items() if key not in earlier}):
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")
                    out.flush()
                    rows.append(row)
                    now += 1
            except (PipelineError, EncoderError) as error:
                failed.append({"video": video, "code": code_of(error), "detail": detail_of(error)})
    return Ran(tuple(rows), tuple(missing), tuple(failed), now)


def _by_video(items: Iterable[Item]) -> Iterator[tuple[str, list[Item]]]:
    videos: dict[str, list[Item]] = {}
    for item in items:
        videos.setdefault(item.video, []).append(item)
    yield from videos.items()


def _rows(longwatch: Longwatch, path: Path, keyed: dict[str, Item]) -> Iterator[dict[str, Any]]:
    """The rows of one video: first what is asked of the whole, then what is asked at a moment."""
    whole = {key: item for key, item in keyed.items() if item.until_s is None}
    timed = {key: item for key, item in keyed.items() if item.until_s is not None}
    if whole:
        video = watch(longwatch, path)
        for key, item in whole.items():
            _progress(item)
            yield _row(key, item, ask(longwatch, video.id, item))
    if timed:
        keys = {item: key for key, item in timed.items()}
        for item, asked in ask_while_watching(longwatch, path, list(keys)):
            yield _row(keys[item], item, asked)


def _row(key: str, item: Item, asked: Asked) -> dict[str, Any]:
    return {"key": key, "item": item.plain(), "asked": asked.plain()}


def _progress(item: Item) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{item.video}: {item.question}\n")


def row_key(item: Item, video_sha256: str, settings: str) -> str:
    """What a row is found again by."""
    made_of = json.dumps([item.plain(), video_sha256, settings], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(made_of.encode()).hexdigest()[:24]


def settings_key(longwatch: Longwatch) -> str:
    """Everything besides the item that shapes an answer: backend, sampling, budgets, and the source itself."""
    settings = longwatch.settings
    shaped = [settings.backend, settings.ingest_config().sampling, asdict(settings.answer_config()), source_sha256()]
    return hashlib.sha256(json.dumps(shaped, sort_keys=True).encode()).hexdigest()[:16]


def source_sha256() -> str:
    """Digest of the sources that watch and answer: encoders, memory and pipeline."""
    digest = hashlib.sha256()
    for package in (encoders, memory, pipeline):
        root = Path(package.__path__[0])
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _read(rows_file: Path) -> Iterator[dict[str, Any]]:
    """The rows of an earlier run; a last line that was cut off by a kill is left out."""
    if not rows_file.is_file():
        return
    lines = rows_file.read_text("utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines):
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines) - 1:
                rows_file.write_text("".join(lines[:-1]), "utf-8")
                return
            raise BadRequest(f"{rows_file}, line {number + 1}: not JSON, so these are not the rows of a run") from error
        if not isinstance(row, dict) or not {"key", "item", "asked"} <= row.keys():
            raise BadRequest(f"{rows_file}, line {number + 1}: not a row of a run")
        yield row
