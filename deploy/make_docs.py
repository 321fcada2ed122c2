"""Writes the generated documents in docs/: map.md, settings.md and reference/routes.md. `--check` refuses stale ones.

map       every file with the first sentence of its docstring
settings  every field of `serve.settings.Settings`
routes    every route of the OpenAPI document
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "memory", "encoders", "serve", "ui")
COMMENTS = {".lua": "--", ".js": "//", ".css": "/*"}
MADE = "made by `make docs`; a test holds it against the code.\n"


def first_line(path: Path) -> str:
    """The first sentence of a Python file's docstring, or of the first comment of another file; empty for data."""
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    elif path.suffix in COMMENTS:
        lines = [line for line in path.read_text("utf-8").lstrip().splitlines() if not line.startswith("#!")]
        mark = COMMENTS[path.suffix]
        text = lines[0].removeprefix(mark).strip(" */") if lines and lines[0].startswith(mark) else ""
    else:
        return ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.:]) (?=[A-Z`*])", paragraph)[0].rstrip(":")


def section(package: str) -> list[str]:
    """A package's files, folder by folder; a folder's own line is its `__init__.py`'s."""
    folders: dict[Path, list[Path]] = {}
    for path in sorted((ROOT / package).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            folders.setdefault(path.parent, []).append(path)
    lines = []
    for folder in sorted(folders, key=lambda folder: folder.as_posix()):
        name = folder.relative_to(ROOT).as_posix()
        own = folder / "__init__.py"
        lines += ["", f"{'##' if name == package else '###'} {name}/", ""]
        lines += [f"{first_line(own)}\n"] if own.exists() and first_line(own) else []
        for path in folders[folder]:
            if path != own:
                says = first_line(path)
                lines.append(f"- `{path.name}`: {says}" if says else f"- `{path.name}`")
    return lines


def file_map() -> str:
    """docs/map.md"""
    head = (
        "# Map",
        "",
        f"Every file of the five packages and what it does, {MADE}",
        "Read `pipeline/ingest.py` first and `pipeline/answer.py` second.",
    )
    return "\n".join([*head, *(line for package in PACKAGES for line in section(package))]) + "\n"


def settings() -> str:
    """docs/settings.md"""
    from serve.settings import PREFIX, Settings

    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = (
            (field.json_schema_extra or {}).get("shown")  # type: ignore[union-attr]
            if field.default_factory is not None
            else f"`{str(default).lower() if isinstance(default, bool) else default}`"
            if default != ""
            else "empty"
        )
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    head = (
        "# Settings",
        "",
        "Environment variables; a misspelt one is named on stderr. Folders default to the places of the XDG standard.",
        f"This table is {MADE}",
        "| variable | default | what |",
        "|---|---|---|",
    )
    return "\n".join([*head, *rows]) + "\n"


def routes() -> str:
    """docs/reference/routes.md"""
    from types import SimpleNamespace

    from serve.api.gateway import new_app

    use: Any = SimpleNamespace()
    document = new_app(use, None, None).openapi()
    lines = [
        "# Every route",
        "",
        f"Out of the service's OpenAPI document, {MADE}",
        "[api.md](../api.md) explains them.",
        "",
    ]
    lines += ["| call | takes | answers | |", "|---|---|---|---|"]
    for path, methods in sorted(document["paths"].items()):
        for method, call in methods.items():
            names = [parameter["name"] for parameter in call.get("parameters", ())]
            body = call.get("requestBody", {}).get("content", {})
            schemas = [content.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1] for content in body.values()]
            takes = ", ".join([*(f"`{name}`" for name in names), *(f"{name}" for name in schemas if name)])
            statuses = ", ".join(sorted(call["responses"]))
            says = " ".join(call.get("description", "").split())
            lines.append(f"| `{method.upper()} {path}` | {takes} | {statuses} | {says} |")
    return "\n".join(lines) + "\n"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/map.md": file_map,
    "docs/settings.md": settings,
    "docs/reference/routes.md": routes,
}


def main() -> int:
    sys.path.insert(0, str(ROOT))  # this checkout's, whatever is installed
    stale = [name for name, make in DOCUMENTS.items() if not _same(ROOT / name, make())]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(DOCUMENTS[name](), "utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
