"""The questions' format, the committed sets, and how they are carried over to a concatenation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.pocket.vocabulary import load_vocabulary
from pipeline.answering.mentions import times_in
from serve.errors import BadRequest
from serve.evals.concat import Placed
from serve.evals.concat_items import map_items, shown
from serve.evals.items import ClipTruth, Item, load_items, parsed
from serve.evals.sets import questions

SETS = ("clips", "sample", "wheels")


def test_an_item_reads_back_as_written() -> None:
    plain = {"video": "a.mp4", "question": "When?", "kind": "when", "words": ["cat"], "spans": [[0, 1.5]], "count": 0}
    item = parsed(plain, "here")
    assert (item.words, item.spans, item.count) == ((("cat",),), ((0.0, 1.5),), 0)
    assert parsed(item.plain(), "again") == item
    assert parsed({**plain, "words": [["cat", "kitten"], "red"]}, "x").words == (("cat", "kitten"), ("red",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"video": "a.mp4"},
        {"video": "a", "question": "q", "kind": "k", "span": [[0, 1]]},
        {"video": "a", "question": "q", "kind": "k", "spans": [[2, 1]]},
        {"video": "a", "question": "q", "kind": "k", "spans": ["0-1"]},
        {"video": "a", "question": "q", "kind": "k", "choices": ["x"], "correct": 1},
        "a question",
    ],
)
def test_what_is_no_item_is_refused_with_its_place(wrong: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"items": [wrong]}))
    with pytest.raises(BadRequest, match=r"mine\.json, item 0"):
        load_items(file)


def test_what_is_no_file_of_questions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("not json")
    for name in ("list.json", "text.json", "missing.json"):
        with pytest.raises(BadRequest):
            load_items(tmp_path / name)


@pytest.mark.parametrize("name", SETS)
def test_committed_questions_agree_with_themselves(name: str) -> None:
    committed = questions(name)
    words = set(load_vocabulary().words)
    assert len(committed.items) == len({(item.video, item.question) for item in committed.items})
    for item in committed.items:
        clip = committed.clips[item.video]
        assert all(0 <= a < b <= clip.seconds for a, b in item.spans), item
        assert all(time <= clip.seconds for time in times_in(item.question)), item
        assert item.refusal == (item.kind == "absent"), item
        assert item.refusal or item.spans, item
        assert not item.in_vocabulary or item.subject in words, f"{item.subject} is no word of the vocabulary"
        if item.refusal:
            assert item.subject not in clip.shows or times_in(item.question), item
        elif item.subject and item.kind not in ("before", "after"):
            held = clip.shows[item.subject]
            assert all(any(s - 0.01 <= a and b <= e + 0.01 for s, e in held) for a, b in item.spans), item


def test_there_are_enough_of_them() -> None:
    items = [item for name in SETS for item in questions(name).items]
    assert len(items) >= 40
    assert sum(item.in_vocabulary for item in items) >= 25
    assert len({item.video for item in items}) >= 8


CLIPS = {
    "cat.mp4": ClipTruth(10.0, {"cat": ((0.0, 4.0), (6.0, 10.0))}),
    "dog.mp4": ClipTruth(5.0, {"dog": ((1.0, 5.0),), "cat": ((0.0, 1.0),)}),
}
ORDER = (Placed("cat.mp4", 0.0, 10.0), Placed("dog.mp4", 10.0, 15.0), Placed("cat.mp4", 15.0, 25.0))


def asked(**values: Any) -> Item:
    return Item(**{"video": "cat.mp4", "question": "When does the cat appear?", "kind": "when", **values})


def mapped_item(item: Item) -> Item:
    mapped = map_items([item], CLIPS, ORDER, "all.mp4", seed=1)
    assert not mapped.dropped
    return mapped.items[0]


def test_every_occurrence_counts_as_right_and_neighbours_are_one() -> None:
    wanted = ((0.0, 4.0), (6.0, 11.0), (15.0, 19.0), (21.0, 25.0))  # the cat's end and the dog clip's beginning touch
    assert mapped_item(asked(subject="cat")).spans == wanted
    assert mapped_item(asked(subject="cat")).video == "all.mp4"
    assert mapped_item(asked(subject="cat", kind="first")).spans == wanted[:1]
    assert mapped_item(asked(subject="cat", kind="last")).spans == wanted[-1:]
    counted = mapped_item(asked(subject="cat", kind="count", count=2, words=(("2",),)))
    assert (counted.count, counted.words) == (4, (("4",),))


def test_a_time_is_moved_to_one_occurrence() -> None:
    item = asked(question="What is there at 0:07?", kind="at", spans=((6.0, 10.0),))
    moved = {one_of(item, seed) for seed in range(12)}
    assert moved == {
        ("What is there at 0:07?", ((6.0, 10.0),)),
        ("What is there at 0:22?", ((21.0, 25.0),)),
    }


def one_of(item: Item, seed: int) -> tuple[str, Sequence[tuple[float, float]]]:
    (mapped,) = map_items([item], CLIPS, ORDER, "all.mp4", seed).items
    return mapped.question, mapped.spans


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (asked(), "means one clip"),
        (asked(subject="cat", alone=True), "means one clip"),
        (asked(subject="cat", kind="after"), "after is not clear"),
        (asked(subject="dog", refusal=True, kind="absent"), "a clip shows dog"),
        (asked(video="elsewhere.mp4", subject="cat"), "its clip is not there"),
    ],
)
def test_what_has_no_single_answer_is_dropped(item: Item, reason: str) -> None:
    mapped = map_items([item], CLIPS, ORDER, "all.mp4", seed=1)
    assert not mapped.items
    assert reason in mapped.dropped[0][1]


def test_what_is_absent_everywhere_stays_absent_and_is_asked_once() -> None:
    item = asked(subject="piano", refusal=True, kind="absent")
    assert len(map_items([item, item], CLIPS, ORDER, "all.mp4", seed=1).items) == 1


@given(st.lists(st.sampled_from(["cat.mp4", "dog.mp4"]), max_size=8))
def test_shown_is_the_slow_sum_over_moments(names: list[str]) -> None:
    placed, start = [], 0.0
    for name in names:
        placed.append(Placed(name, start, start + CLIPS[name].seconds))
        start += CLIPS[name].seconds
    spans = shown("cat", CLIPS, placed)
    assert spans == sorted(spans)
    for half in range(int(start * 2)):
        moment = half / 2 + 0.25
        here = next(where for where in placed if where.start_s <= moment < where.end_s)
        visible = any(a <= moment - here.start_s < b for a, b in CLIPS[here.clip].shows["cat"])
        assert not visible or any(a <= moment < b for a, b in spans)
