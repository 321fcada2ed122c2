"""The page in a real browser, over the real service: upload, ask, go to each citation, find the player there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serve.client import Client

pytestmark = pytest.mark.e2e

BROWSER = Path(__file__).resolve().parent / "browser"
SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.mp4"


@pytest.fixture(scope="session")
def node() -> str:
    """Node with playwright-core beside the script, and a Chromium for it to drive."""
    node_path = shutil.which("node")
    if node_path is None or shutil.which("npm") is None:
        pytest.skip("node is not installed")
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    if not (BROWSER / "node_modules" / "playwright-core").is_dir():
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=BROWSER, check=True, timeout=120
        )
    return node_path


@pytest.mark.timeout(480)
def test_citations_take_the_player_there(service: Any, client: Client, node: str, tmp_path: Path) -> None:
    screenshot = tmp_path / "page.png"
    command = [node, "walk.mjs", client.link(), str(SAMPLE), str(screenshot)]
    done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, timeout=450, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert "cat" in result["answer"].lower()
    assert all(abs(place["player_s"] - place["wanted_s"]) <= 1.0 for place in result["places"])
    assert any(place["wanted_s"] > 1.0 for place in result["places"]), "a player that never moved would pass"
    assert screenshot.read_bytes().startswith(b"\x89PNG")
