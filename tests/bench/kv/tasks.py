"""Names the rows of the cache benchmark by a digest of what their figures depend on, and keeps finished ones.

A row is one policy at one budget on one batch of streams. Its file is named after a digest of the streams, the budget,
the weights' type and the code (without comments and docstrings) of the policy and of what runs it. So an interrupted
run goes on, and a changed policy is measured anew.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_BENCH = ("reading", "streams")
_CACHE = ("attention", "build", "cache", "compaction", "layer", "novelty", "positions", "selection")


@dataclass(frozen=True, slots=True)
class Task:
    """One row.

    Attributes:
        policy: a name of `memory.kv.policies`, or ``kvpress:`` and one of its presses.
        slots: after every chunk. streams: a name of `benchmark.PLANS`.
        positions: ``contiguous`` or ``kept``.
    """

    policy: str
    slots: int
    streams: str
    positions: str = "contiguous"

    @property
    def kvpress(self) -> str | None:
        """The press's name; None for our policies."""
        return self.policy.removeprefix("kvpress:") if self.policy.startswith("kvpress:") else None


def meaning_digest(paths: Sequence[Path]) -> str:
    """Of Python files without comments, docstrings and layout."""
    total = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [statement for statement in body if not _is_text(statement)]  # type: ignore[attr-defined]
        total.update(ast.dump(tree).encode())
    return total.hexdigest()[:12]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def row_digest(task: Task, streams_digest: str, dtype: str, settings: str) -> str:
    """The name of a row's file. `settings`: the policy's own (its repr, or kvpress's version)."""
    bench = [ROOT / "tests" / "bench" / "kv" / f"{name}.py" for name in _BENCH]
    if task.kvpress is None:
        policies = ROOT / "memory" / "kv" / "policies"
        carrying = [ROOT / "memory" / "kv" / f"{name}.py" for name in _CACHE]
        carrying += [policies / "scores.py", policies / "base.py", _home(task.policy)]
    else:
        carrying = [ROOT / "tests" / "bench" / "kv" / "press_worker.py"]
    inputs = {
        **asdict(task), "streams": streams_digest, "dtype": dtype, "settings": settings,
        "code": meaning_digest([*bench, *carrying]),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _home(policy: str) -> Path:
    """The file a policy is written in, of whatever distribution."""
    from memory.kv.policies import default_policies

    file = inspect.getsourcefile(default_policies().get(policy))
    if file is None:
        raise ValueError(f"the policy {policy} is in no Python file")
    return Path(file)


def kept_row(folder: Path, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row of that name from the folder, measured and written if it is not there."""
    path = folder / f"{name}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        measured = measure()
        part = path.with_suffix(".part")
        part.write_text(json.dumps(measured))
        part.replace(path)
    row: dict[str, Any] = json.loads(path.read_text())
    return row
