"""Identifiers are the field's words: none of `retired_words.txt`, and no two classes of one name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("encoders", "memory", "pipeline", "serve", "ui", "tests", "deploy", "docs")
FROZEN = {"tests/evals/timelines/make_generated.py"}
"""Held by a digest: what it makes is a frozen set."""
EXEMPT = {"store_patience_s"}
"""Named after LONGWATCH_STORE_PATIENCE_S, which people have set."""
WORDS = [line for line in (ROOT / "tests" / "retired_words.txt").read_text().split("\n") if line and line[0] != "#"]
PARTS = {word for word in WORDS if word[0] != "="}
WHOLE = {word[1:] for word in WORDS if word[0] == "="}


def files() -> list[Path]:
    every = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [
        path for path in every if path.relative_to(ROOT).as_posix() not in FROZEN and "node_modules" not in path.parts
    ]


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a file gives: functions, classes, parameters, variables, attributes, fields, imports' aliases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith("test_"):  # a sentence
                yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield 0, node.asname
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
            yield node.lineno, node.name


def parts(name: str) -> list[str]:
    """ "TextNoticer" -> text, noticer; "_ms_since" -> ms, since."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def retired(name: str) -> bool:
    return name not in EXEMPT and (name.strip("_").lower() in WHOLE or any(part in PARTS for part in parts(name)))


@pytest.mark.parametrize("name", ["TextNoticer", "told", "_said_of", "one", "_known", "SEEN_S", "keep_house"])
def test_a_retired_word_is_known_wherever_it_stands(name: str) -> None:
    assert retired(name)


@pytest.mark.parametrize("name", ["household", "skin", "known_names", "one_hot", "unseenly", "shear"])
def test_other_words_that_hold_its_letters_are_free(name: str) -> None:
    assert not retired(name)


def test_no_identifier_is_or_holds_a_retired_word() -> None:
    bad = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in files()
        for line, name in defined(ast.parse(path.read_text("utf-8")))
        if retired(name)
    ]
    assert bad == []


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
