"""No function branches too much and no pattern is too long to read, where questions are taken apart and answered.

Cyclomatic complexity is counted as ruff's C901 does; a pattern is what `re` compiles, in pieces as well as whole.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.patterns import AnyOf

ROOT = Path(__file__).resolve().parent.parent
MOST_BRANCHES = 15
LONGEST_PATTERN = 300
FILES = sorted(path for folder in ("queries", "answering") for path in (ROOT / "pipeline" / folder).rglob("*.py"))
LOOKS_LIKE_A_PATTERN = re.compile(r"\\[bwsdWSDZ]|\(\?[:=!<P]")


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of the source, implicit concatenation as a whole, without docstrings and replaced fields."""
    expressions = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in expressions | within:
            yield node.lineno, node.value
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(part.value for part in node.values if isinstance(part, ast.Constant))


def compiled(path: Path) -> Iterator[tuple[str, str]]:
    """Every pattern that a module compiles when it is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    for name, value in vars(module).items():
        values = value if isinstance(value, tuple | list) else [value]
        for each in values:
            patterns = each.patterns if isinstance(each, AnyOf) else [each]
            yield from ((name, pattern.pattern) for pattern in patterns if isinstance(pattern, re.Pattern))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_no_pattern_is_longer_than_can_be_read(path: Path) -> None:
    written = literals(ast.parse(path.read_text("utf-8")))
    long = [f"{path.name}:{line}" for line, text in written if LOOKS_LIKE_A_PATTERN.search(text) and len(text) > 300]
    assert long == []
    assert [(name, len(text)) for name, text in compiled(path) if len(text) > LONGEST_PATTERN] == []


def test_no_function_branches_more_than_fifteen_ways() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--select", "C901", "--no-cache", "--quiet"]
    limit = ["--config", f"lint.mccabe.max-complexity={MOST_BRANCHES}"]
    ran = subprocess.run([*command, *limit, "pipeline"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
