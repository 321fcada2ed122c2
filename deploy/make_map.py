"""Writes docs/map.md: every file with the first line of what it says about itself. `--check` refuses a stale one."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "memory", "encoders", "serve", "ui")
MAP = ROOT / "docs" / "map.md"
COMMENTS = {".lua": "--", ".js": "//", ".css": "/*"}
HEAD = """# Map

Every file of the five packages and what it does, made by `make map` from the files' own first lines. Read
`pipeline/ingest.py` first and `pipeline/answer.py` second.
"""


def first_line(path: Path) -> str:
    """The first sentence of a Python file's docstring, or of the first comment of another file; empty for data."""
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    elif path.suffix in COMMENTS:
        lines = path.read_text("utf-8").lstrip().splitlines()
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


def made() -> str:
    """The whole document."""
    return "\n".join([HEAD.rstrip(), *(line for package in PACKAGES for line in section(package))]) + "\n"


def main() -> int:
    text = made()
    if "--check" not in sys.argv[1:]:
        MAP.write_text(text, "utf-8")
        return 0
    if not MAP.exists() or MAP.read_text("utf-8") != text:
        print("docs/map.md is stale: run `make map`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
