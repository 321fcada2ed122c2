"""No two files of the five packages import each other, by whatever way round and wherever in the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("encoders", "memory", "pipeline", "serve", "ui")


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every file by its dotted name; a package is its `__init__.py`."""
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported(name: str, path: Path, names: Mapping[str, Path]) -> Iterator[str]:
    """The files that one imports, at its top or inside its functions, but for type checkers; itself left out."""
    parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:  # a name of a package is its module where there is one
                module = f"{base}.{alias.name}" if f"{base}.{alias.name}" in names else base
                if module in names and module != name:
                    yield module


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Tarjan's strongly connected components of more than one node, each sorted."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            start = stack.index(node)
            components.append(sorted(stack[start:]))
            del stack[start:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return [component for component in components if len(component) > 1]


def import_graph(root: Path = ROOT) -> dict[str, set[str]]:
    names = modules(root)
    return {name: set(imported(name, path, names)) for name, path in names.items()}


def test_no_files_import_each_other() -> None:
    graph = import_graph()
    assert len(graph) > 200
    assert "pipeline.answer" in graph["serve.embedded"]
    assert circles(graph) == []


def test_a_circle_is_found_however_it_is_written(tmp_path: Path) -> None:
    files = {
        "serve/__init__.py": "",
        "serve/a.py": "from .parts import b",
        "serve/parts/__init__.py": "",
        "serve/parts/b.py": "def later():\n    import serve.c",
        "serve/c.py": "from serve import a",
        "serve/d.py": "from serve.parts.b import later",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert circles(import_graph(tmp_path)) == [["serve.a", "serve.c", "serve.parts.b"]]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}, []),
        ({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}, [["c", "d"], ["a", "b"]]),
    ],
)
def test_components_are_those_that_can_be_worked_out_by_hand(
    graph: dict[str, set[str]], expected: list[list[str]]
) -> None:
    assert circles(graph) == expected
