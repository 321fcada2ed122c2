"""Makes the environment of NVIDIA's kvpress for the cache benchmark and measures a row in it.

kvpress 0.5 needs transformers 5.2 and a dozen packages that Longwatch does not use, so it lives in a virtual
environment of its own in the cache folder, made by `make bench-kv` (or `python -m tests.bench.kv.press`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from serve.settings import Settings
from tests.bench.kv.tasks import ROOT, Task

REQUIREMENTS = ("kvpress==0.5.5", "transformers==5.2.0")
POSITIONS = ("contiguous", "kept")
PRESSES = ("snapkv", "tova", "expected_attention", "keydiff", "streaming_llm", "knorm")


class PressMissing(RuntimeError):
    """The environment is not there; the text is the command that makes it."""


def environment(cache: Path) -> Path:
    """The environment's interpreter.

    Raises:
        PressMissing: it was not made, or with other versions.
    """
    python = cache / "press" / "bin" / "python"
    made = cache / "press" / "made.json"
    if not made.exists() or json.loads(made.read_text()) != list(REQUIREMENTS):
        raise PressMissing("kvpress's environment is not there; run: make bench-kv")
    return python


def make_environment(cache: Path) -> Path:
    """Makes it: torch as `constraints.txt` pins it, then kvpress with all it asks for."""
    folder = cache / "press"
    python = folder / "bin" / "python"
    venv.create(folder, with_pip=True, clear=True)
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    torch = next(line for line in pins if line.startswith("torch=="))
    subprocess.run([python, "-m", "pip", "install", "--quiet", torch], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", torch, *REQUIREMENTS], check=True)
    (folder / "made.json").write_text(json.dumps(list(REQUIREMENTS)))
    return python


def press_row(python: Path, task: Task, streams: Path, weights: Path, dtype: str) -> dict[str, Any]:
    """What `reading.measure` returns in kvpress's environment, on one thread."""
    request = {
        "press": task.kvpress, "positions": task.positions, "slots": task.slots, "streams": str(streams),
        "model": str(weights), "dtype": dtype,
    }  # fmt: skip
    threads = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-m", "tests.bench.kv.press_worker", json.dumps(request)],
        cwd=ROOT, env={**os.environ, **threads}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"kvpress's row failed: {task}: {done.stderr[-800:]}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Makes the environment unless it is there, and says where its interpreter is."""
    cache = Settings().cache_dir / "bench" / "kv"
    try:
        python = environment(cache)
    except PressMissing:
        python = make_environment(cache)
    sys.stdout.write(f"{python}\n")


if __name__ == "__main__":
    main()
