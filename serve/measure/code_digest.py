"""Computes a digest of the code that a measured row depends on: some modules and all of our own that they import.

So a row is measured anew when the code that made it has changed, and kept when other code has. Data, weights and
libraries are not in the digest; a row names those itself.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LAZY = re.compile(r"[a-z_]\w*(?:\.\w+)*:[A-Za-z_]\w*")
"""How a registry names what it imports when it is asked for."""
_PACKAGES = ("encoders", "memory", "pipeline", "serve", "tests")


def code_digest(*modules: str, without: Iterable[str] = ()) -> str:
    """Of the modules, by dotted name, and of what they import anywhere in them, but for some."""
    read = [_path(name).read_bytes() for name in closure(modules) if name not in without]
    return hashlib.sha256(b"".join(read)).hexdigest()


def closure(modules: Iterable[str]) -> list[str]:
    """The modules and all of ours that they import, directly or not; sorted."""
    reached: set[str] = set()
    left = [_existing(name) for name in modules]
    while left:
        name = left.pop()
        if name in reached:
            continue
        reached.add(name)
        left += _imported(name)
    return sorted(reached)


def _existing(name: str) -> str:
    if not _path(name).exists():
        raise ValueError(f"there is no module {name}")
    return name


def _path(name: str) -> Path:
    place = ROOT / Path(*name.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _imported(name: str) -> list[str]:
    """Our own modules that one imports, at its top or inside, or names for a registry to import."""
    wanted: set[str] = set()
    for node in ast.walk(ast.parse(_path(name).read_bytes())):
        if isinstance(node, ast.Import):
            wanted.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(name, node)
            wanted.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _LAZY.fullmatch(node.value):
            wanted.add(node.value.split(":")[0])
    return [module for module in wanted if module.split(".")[0] in _PACKAGES and _path(module).exists()]


def _absolute(name: str, node: ast.ImportFrom) -> str:
    """What `from .x import y` in a module means."""
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    package = parts if _path(name).name == "__init__.py" else parts[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
