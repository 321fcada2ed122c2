"""Shared by the public sets' loaders: rows from JSON, JSON lines, CSV or Parquet, option letters, clocks and files."""

from __future__ import annotations

import csv
import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from serve.errors import BadRequest
from serve.evals.items import read_json

SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi"})
_LETTER = re.compile(r"^\s*\(?([A-Z])(?:\)|[.:]|\.\))\s*")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of an annotation file, by its suffix; of a folder, those of all its JSON files in order of name."""
    if path.is_dir():
        return [row for file in sorted(path.glob("*.json")) for row in rows_of(file)]
    readers = {".json": _json, ".jsonl": _lines, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadRequest(f"{path.name}: annotations are {', '.join(readers)}, or a folder of JSON files")
    rows = reader(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRequest(f"{path.name}: a list of objects was expected")
    return rows


def _json(path: Path) -> Any:
    return read_json(path)


def _lines(path: Path) -> list[Any]:
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path.name}: {error}") from error


def _csv(path: Path) -> list[Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise BadRequest(f"{path.name}: {error.strerror}") from error


def _parquet(path: Path) -> list[Any]:
    """With pyarrow, which Longwatch itself does not need."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as missing:
        raise BadRequest(f"{path.name}: reading Parquet needs pyarrow: pip install pyarrow") from missing
    try:
        rows: list[Any] = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path.name}: {error}") from error
    return rows


def field(row: Mapping[str, Any], *names: str, where: str) -> Any:
    """The first of these fields that the row has. Raises `BadRequest` naming them where it has none."""
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise BadRequest(f"{where}: there is no {' or '.join(names)}")


def bare_options(options: Sequence[str]) -> tuple[str, ...]:
    """Options without their letters, where all have one: "A. red" -> "red"."""
    matches = [_LETTER.match(option) for option in options]
    expected = [chr(ord("A") + number) for number in range(len(options))]
    if [match[1] if match else None for match in matches] != expected:
        return tuple(option.strip() for option in options)
    return tuple(_LETTER.sub("", option).strip() for option in options)


def letter_index(letter: Any, options: int, where: str) -> int:
    """ "C" or "(C)" or "C. red" -> 2."""
    match = re.match(r"\s*\(?([A-Za-z])(?![A-Za-z])", str(letter))
    index = ord(match[1].upper()) - ord("A") if match else -1
    if not 0 <= index < options:
        raise BadRequest(f"{where}: {letter!r} is the letter of none of {options} options")
    return index


def seconds_of(stamp: Any, where: str) -> float:
    """ "00:01:52" or "1:52" or a number -> seconds."""
    try:
        total = 0.0
        for part in str(stamp).strip().split(":"):
            total = total * 60 + float(part)
    except ValueError as error:
        raise BadRequest(f"{where}: {stamp!r} is no time") from error
    return total


class Videos:
    """Finds a set's files below a folder, whatever subfolders it was unpacked into."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, list[str]] = {}
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                relative = file.relative_to(folder)
                for tail in _tails(relative.as_posix()):
                    self._files.setdefault(tail, []).append(relative.as_posix())

    def named(self, name: str) -> str:
        """Path relative to the folder of the one file with this name, its suffix and leading folders left aside; the
        name itself where there is none or several."""
        candidates = (self._files.get(tail, []) for tail in _tails(name))
        return next((files[0] for files in candidates if len(files) == 1), name)

    def at(self, *names: str) -> str:
        """As `named`, but each name is taken whole; the first of `names` where there is none."""
        candidates = (self._files.get(name, []) for name in names)
        return next((files[0] for files in candidates if len(files) == 1), names[0])


def _tails(name: str) -> list[str]:
    """ "a/b/c.mp4" -> "a/b/c", "b/c", "c"."""
    path = PurePosixPath(name)
    parts = (path.with_suffix("") if path.suffix.lower() in SUFFIXES else path).parts
    parts = tuple(part for part in parts if part not in ("/", ".", ".."))
    return ["/".join(parts[first:]) for first in range(len(parts))]
