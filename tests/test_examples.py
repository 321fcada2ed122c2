"""The examples of docs/examples run as they stand (the camera's is run against the real service in tests/e2e)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
SAMPLE = ROOT / "tests" / "data" / "sample.mp4"

pytestmark = pytest.mark.timeout(300)


def run(tmp_path: Path, *command: str) -> str:
    """Standard output of a command with folders of its own."""
    folders = {f"LONGWATCH_{name}_DIR": str(tmp_path / name.lower()) for name in ("DATA", "CACHE")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LONGWATCH_")} | folders
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(name: str) -> str:
    return str(EXAMPLES / name)


def test_a_folder_of_films(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    shutil.copy(SAMPLE, tmp_path / "films" / "one.mp4")
    (tmp_path / "films" / "notes.txt").write_text("not a film")
    out = run(tmp_path, example("watch_folder.py"), str(tmp_path / "films"), "When does the rocket appear?")
    assert re.fullmatch(r"one\.mp4: .*0:17.*0:26.*\n", out)


def test_a_compressor_of_ones_own(tmp_path: Path) -> None:
    out = run(tmp_path, example("own_compressor.py"), str(SAMPLE))
    match = re.fullmatch(r"(\d+) cubes, (\d+) tokens by runs\n", out)
    assert match is not None
    assert 0 < int(match[2]) <= 16 * int(match[1])


def test_a_contact_sheet(tmp_path: Path) -> None:
    run(tmp_path, example("contact_sheet.py"), str(SAMPLE), str(tmp_path / "sheet.jpg"))
    assert (tmp_path / "sheet.jpg").read_bytes().startswith(b"\xff\xd8")


def test_questions_of_ones_own(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "evals.md").read_text("utf-8")
    block = re.search(r"<!-- own_eval -->\n```json\n(.*?)```", guide, re.DOTALL)
    assert block is not None
    assert block[1] == (EXAMPLES / "own_eval.json").read_text("utf-8")
    out = run(tmp_path, "-m", "serve", "eval", "--items", example("own_eval.json"), "--videos", str(SAMPLE.parent))
    assert "1 of 1" in out
