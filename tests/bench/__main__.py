"""Runs a benchmark that proves the project: `python -m tests.bench NAME [--json] [--quick] [--clips DIR]`.

The last line is one JSON document. What a user measures on a machine of his own is `longwatch bench`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from serve.measure.runner import run, table

MODULES = {
    "answers": "tests.bench.answers.benchmark",
    "compress": "tests.bench.compress.benchmark",
    "kv": "tests.bench.kv.benchmark",
    "memory": "tests.bench.memory.benchmark",
    "memory_ablation": "tests.bench.memory.ablation",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures; a table unless `--json`, then the document."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=sorted(MODULES))
    parser.add_argument("--json", action="store_true", help="only the JSON document")
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same thing, under 60 s")
    parser.add_argument("--clips", type=Path, help="a folder of real clips with events.json")
    options = parser.parse_args(arguments)
    figures = run(options.name, MODULES[options.name], quick=options.quick, clips=options.clips)
    if not options.json:
        sys.stdout.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
