"""Draws recall by depth and budget as an SVG, from a document of `python -m tests.bench kv`.

python -m tests.bench kv --json | tail -1 > kv.json
python -m tests.bench.kv.plot kv.json docs/kv_recall.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memory.kv.policies import DEFAULT

WIDTH, HEIGHT, LEFT, TOP, GAP = 210, 150, 46, 56, 34
_COLOURS = ("#0b6e4f", "#c8553d", "#8a8a8a", "#3a6ea5", "#b58900", "#7b4b94")


def draw(document: dict[str, Any], asked: str = "end") -> str:
    """A panel for each length and budget; a line for the default, its best rival there, StreamingLLM and the full
    cache: the share of planted facts whose answer is chosen out of eight, by where in the stream they were planted."""
    panels = [line for line in document["rows"] if line["question"] == asked]
    rivals = [line["best_rival"] for line in panels]
    names = list(dict.fromkeys([DEFAULT, "full", "streaming_llm", *rivals]))
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    columns = min(3, max(len(panels), 1))
    rows = -(-len(panels) // columns)
    wide, high = LEFT + columns * (WIDTH + GAP), TOP + rows * (HEIGHT + 52) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="11">',
        f'<rect width="{wide}" height="{high}" fill="white"/>',
        *_legend(colours),
    ]
    for place, line in enumerate(panels):
        x, y = LEFT + place % columns * (WIDTH + GAP), TOP + place // columns * (HEIGHT + 52)
        parts += _panel(document, line, asked, colours, x, y)
    return "\n".join([*parts, "</svg>", ""])


def _legend(colours: dict[str, str]) -> list[str]:
    parts, x, y = [], LEFT, 18
    for name, colour in colours.items():
        if x + 24 + 6 * len(name) > LEFT + 3 * WIDTH + 2 * GAP:
            x, y = LEFT, y + 16
        parts.append(f'<path d="M{x} {y - 4}h16" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 20}" y="{y}">{name}</text>')
        x += 40 + 6 * len(name)
    return parts


def _panel(
    document: dict[str, Any], line: dict[str, Any], asked: str, colours: dict[str, str], x: int, y: int
) -> list[str]:
    parts = [f'<text x="{x}" y="{y - 8}" font-weight="bold">{line["length"]:,} tokens, {line["budget"]} slots</text>']
    for share in (0.0, 0.5, 1.0):
        at = y + HEIGHT * (1 - share)
        parts.append(f'<path d="M{x} {at}h{WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{at + 4}" text-anchor="end">{share:g}</text>')
    parts.append(f'<text x="{x}" y="{y + HEIGHT + 16}">told first</text>')
    parts.append(f'<text x="{x + WIDTH}" y="{y + HEIGHT + 16}" text-anchor="end">told last</text>')
    for policy in document["policies"]:
        name = policy["policy"] if policy["positions"] == "contiguous" else f"{policy['policy']} (kept positions)"
        same = policy["length"] == line["length"] and policy["slots"] in (line["budget"], 0)
        if same and name in {DEFAULT, "full", "streaming_llm", line["best_rival"]}:
            parts += _curve(policy[asked]["by_depth"], colours[name], x, y)
    return parts


def _curve(shares: Sequence[float | None], colour: str, x: int, y: int) -> list[str]:
    points = [
        (x + WIDTH * (place + 0.5) / len(shares), y + HEIGHT * (1 - share))
        for place, share in enumerate(shares)
        if share is not None
    ]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    dots = [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads a document, writes a picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("document", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args(arguments)
    options.picture.write_text(draw(json.loads(options.document.read_text())))


if __name__ == "__main__":
    main()
