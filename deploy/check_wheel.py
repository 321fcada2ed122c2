"""Builds the wheel, installs it without dependencies into a fresh folder and imports all five packages from `/`.

Run by `make check`. Fails when a package, a Lua script or a data file is missing from the wheel.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("encoders", "memory", "pipeline", "serve", "ui")
DATA_SUFFIXES = {".json", ".lua", ".npy", ".safetensors", ".css", ".js", ".html"}


def main() -> int:
    """Exit status 0 when the wheel holds what the checkout holds and imports."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            inside = set(archive.namelist())
        wanted = {
            path.relative_to(ROOT).as_posix()
            for package in PACKAGES
            for path in (ROOT / package).rglob("*")
            if path.suffix in DATA_SUFFIXES | {".py"} and "__pycache__" not in path.parts
        }
        if lacking := sorted(wanted - inside):
            print("missing from the wheel:", *lacking, sep="\n  ")
            return 1
        target = Path(folder) / "installed"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
        subprocess.run(pip, check=True)
        code = f"import sys; sys.path.insert(0, {str(target)!r}); import {', '.join(PACKAGES)}; print(memory.__file__)"
        origin = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd="/", check=True, capture_output=True, text=True
        ).stdout
        if str(target) not in origin:
            print(f"imported from elsewhere: {origin}")
            return 1
    print(f"wheel: {len(wanted)} files, imports from /")
    return 0


if __name__ == "__main__":
    sys.exit(main())
