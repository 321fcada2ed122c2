"""Tests the answers benchmark: written timelines are remembered in a real store, retrieved, and answered by code."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders.base import Backend
from memory.config import StoreConfig
from memory.store.opening import StoreHold
from pipeline.language.scripted import ScriptedModel
from serve.settings import Settings
from serve.wiring import load_backend
from tests.bench.answers.items import read_items
from tests.bench.answers.timelines import ITEMS, Row, asker, by_kind, kinds_of, row, scores, times
from tests.bench.answers.written_memory import remember


@pytest.fixture(scope="module")
def backend() -> Backend:
    return load_backend(Settings())


def test_a_timeline_is_remembered_once_and_answers(backend: Backend, tmp_path: Path) -> None:
    items = read_items(ITEMS / "hand.json")
    cat = next(item for item in items if item.question == "When does the cat appear?")
    with StoreHold(StoreConfig(tmp_path)) as hold:
        video_id = remember(hold.store, backend.keys, backend.name, cat)
        assert remember(hold.store, backend.keys, backend.name, cat) == video_id
        assert [cube.span.start_s for cube in hold.store.cubes(video_id)] == [0, 14, 31, 47, 62, 80]
        answer = asker(hold, backend, ScriptedModel())(cat)
    assert "0:14 to 0:31" in answer.text
    assert "0:47 to 1:02" in answer.text


def test_code_alone_keeps_what_it_had(backend: Backend, tmp_path: Path) -> None:
    """Every eighth frozen item; the shares are what code reached when they were written down, less two items."""
    with StoreHold(StoreConfig(tmp_path)) as hold:
        ask = asker(hold, backend, ScriptedModel())
        generated = scores([row(item, ask(item)) for item in read_items(ITEMS / "generated.json")[::8]])
        hand = scores([row(item, ask(item)) for item in read_items(ITEMS / "hand.json")[::3]])
    assert generated["exact"] >= 0.96
    assert hand["exact"] >= 0.93
    assert (generated["refused_wrong"], generated["invented_times"], hand["invented_times"]) == (0, 0, 0)


def test_items_written_while_developing_are_answered(backend: Backend, tmp_path: Path) -> None:
    with StoreHold(StoreConfig(tmp_path)) as hold:
        ask = asker(hold, backend, ScriptedModel())
        shares = scores([row(item, ask(item)) for item in read_items(ITEMS / "development.json")])
    assert shares["exact"] >= 0.97
    assert (shares["refused_wrong"], shares["invented_times"]) == (0, 0)


def test_items_are_asked_kind_by_kind() -> None:
    items = read_items(ITEMS / "generated.json")
    kinds = dict(kinds_of(items, 2))
    assert len(kinds) == 17
    assert all(len(some) == 2 and {item.kind for item in some} == {kind} for kind, some in kinds.items())


def test_shares_are_of_what_applies() -> None:
    def marked(kind: str, *, exact: bool, supported: bool = True, cannot: bool = False, can: bool = True) -> Row:
        return {"kind": kind, "exact": exact, "supported": supported, "cannot": cannot, "can": can, "invented": 0}

    rows = [
        marked("when", exact=True),
        marked("when", exact=False, supported=False),
        marked("cannot", exact=True, supported=False, cannot=True, can=False),
        marked("absent", exact=True, supported=False, can=False),
    ]
    assert scores(rows) == {
        "exact": 0.75,
        "by_kind": {"absent": 1.0, "cannot": 1.0, "when": 0.5},
        "refused_right": 1.0,
        "refused_wrong": 0.5,
        "invented_times": 0,
    }
    assert by_kind(rows)["all"] == 0.75


def test_only_what_the_model_worded_is_timed() -> None:
    unworded = {"tokens": 0, "first_token_ms": None, "writing_ms": None, "model": False}
    worded = {"tokens": 20, "first_token_ms": 300.0, "writing_ms": 2000.0, "model": True}
    assert times([unworded]) == {}
    assert times([unworded, worded]) == {"first_token_ms": 300.0, "tokens_per_s": 10.0, "worded_by_model": 0.5}
