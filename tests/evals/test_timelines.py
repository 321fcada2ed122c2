"""Checks that the frozen questions on timelines are unchanged and that their scorer is strict."""

from __future__ import annotations

import hashlib
import runpy
from pathlib import Path

import pytest

from tests.bench.answers.items import TimelineItem, exact, parse_timeline, read_items

FOLDER = Path(__file__).parent / "timelines"
CAT = (
    "[0:00-0:14] cup",
    "[0:14-0:31] tabby cat and sofa",
    '[0:31-0:40] toaster; the screen says "EXIT 5"',
)


def _item(question: str = "?", **wanted: object) -> TimelineItem:
    return TimelineItem("test", CAT, question, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", (FOLDER / "frozen.sha256").read_text().splitlines())
def test_frozen_files_are_unchanged(line: str) -> None:
    digest, name = line.split()
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


def test_generated_items_are_what_the_script_makes() -> None:
    made = runpy.run_path(str(FOLDER / "make_generated.py"))["items"]()
    kept = read_items(FOLDER / "generated.json")
    assert [item["question"] for item in made] == [item.question for item in kept]
    assert [tuple(item["timeline"]) for item in made] == [item.timeline for item in kept]


def test_sizes() -> None:
    assert len(read_items(FOLDER / "hand.json")) >= 100
    assert len(read_items(FOLDER / "generated.json")) == 17 * 24


def test_a_timeline_is_read_as_data() -> None:
    last = parse_timeline(CAT)[-1]
    assert (last.start_s, last.end_s, last.things, last.texts) == (31, 40, ("toaster",), ("EXIT 5",))
    with pytest.raises(ValueError, match="not a line"):
        parse_timeline(["0:00 cat"])


@pytest.mark.parametrize(
    ("wanted", "answer", "right"),
    [
        ({"times": ((14, 31),)}, "The cat is seen from 0:14 to 0:31.", True),
        ({"times": ((14, 31),)}, "The cat comes at 14 s.", True),
        ({"times": ((14, 31),)}, "The cat is seen from 0:14 to 0:40.", False),
        ({"times": ((14, 31),)}, "No cat is seen from 0:14 to 0:31.", False),
        ({"times": ((0, 14), (31, 40))}, "From 0:00 to 0:14.", False),
        ({"words": (("cat",), ("sofa", "couch"))}, "A cat on a couch.", True),
        ({"words": (("cat",), ("sofa", "couch"))}, "A cat.", False),
        ({"words": (("cat",), ("sofa",))}, "A cat, a sofa and a toaster.", False),
        ({"words": (("EXIT 5",),)}, 'The screen says "EXIT 5".', True),
        ({"count": 2}, "It is seen twice: 0:00 to 0:14 and 0:31 to 0:40.", True),
        ({"count": 2}, "It is seen 3 times.", False),
        ({"seconds": 17}, "For 17 seconds.", True),
        ({"seconds": 17}, "For 18 seconds.", False),
        ({"yes": True}, "Yes, a cat is seen.", True),
        ({"yes": True}, "No cat was found.", False),
        ({"yes": False}, 'Nothing matching "dog" was found.', True),
        ({"yes": False}, "Yes, a dog is seen from 0:14 to 0:31.", False),
        ({"refuse": True}, "The memory does not say that.", True),
        ({"refuse": True}, "It is not blue, it came at 0:14.", False),
        ({"at_end": True}, "Nothing comes after it: it is at the end.", True),
        ({"words": (("cup",),), "first": "cup", "other": "toaster"}, "The cup comes before the toaster.", True),
        ({"words": (("cup",),), "first": "cup", "other": "toaster"}, "The toaster comes before the cup.", False),
    ],
)
def test_exact(wanted: dict[str, object], answer: str, right: bool) -> None:
    assert exact(_item("Is the toaster there before the cup?" if "first" in wanted else "?", **wanted), answer) is right
