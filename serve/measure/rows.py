"""Keeps finished rows of a long benchmark until it is done, so that an interrupted run resumes where it was.

A run that ends well removes its rows, and rows of other code or older than an hour are measured again. So no figure of
another version or another day is shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serve.measure.code_digest import code_digest
from serve.measure.film import cache_folder

FRESH_S = 3600.0


class RowFile:
    """The rows of one benchmark, by name, in a JSON file.

    Args:
        module: the benchmark, by dotted name: rows are kept while it and what it imports stay as they are.
    """

    def __init__(self, name: str, module: str, folder: Path | None = None) -> None:
        self._path = (folder or cache_folder()) / f"{name}.rows.json"
        self._code = code_digest(module)
        fresh = self._path.exists() and time.time() - self._path.stat().st_mtime < FRESH_S
        kept: dict[str, Any] = json.loads(self._path.read_text()) if fresh else {}
        self._rows: dict[str, Any] = kept["rows"] if kept.get("code") == self._code else {}

    def row(self, name: str, measure: Callable[[], Any]) -> Any:
        """The row of that name, measured unless it was before the interruption."""
        if name not in self._rows:
            self._rows[name] = measure()
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps({"code": self._code, "rows": self._rows}))
            part.replace(self._path)
        return self._rows[name]

    def done(self) -> None:
        """All rows are in a document now."""
        self._path.unlink(missing_ok=True)
