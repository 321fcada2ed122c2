"""Answers on written timelines: remembered in a real store, found by real keys, stated by code."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders.base import Backend
from memory.config import StoreConfig
from memory.opening import StoreHold
from pipeline.language.scripted import ScriptedModel
from serve.bench.answers import ITEMS, asker, scores
from serve.evals.remembered import remember
from serve.evals.timelines import read_items
from serve.settings import Settings
from serve.wiring import load_backend


@pytest.fixture(scope="module")
def backend() -> Backend:
    return load_backend(Settings())


def test_a_timeline_is_remembered_once_and_answers(backend: Backend, tmp_path: Path) -> None:
    items = read_items(ITEMS / "hand.json")
    cat = next(item for item in items if item.question == "When does the cat appear?")
    with StoreHold(StoreConfig(tmp_path)) as hold:
        one = remember(hold.store, backend.keys, backend.name, cat)
        assert remember(hold.store, backend.keys, backend.name, cat) == one
        assert [cube.span.start_s for cube in hold.store.cubes(one)] == [0, 14, 31, 47, 62, 80]
        answer = asker(hold, backend, ScriptedModel())(cat)
    assert "0:14 to 0:31" in answer.text
    assert "0:47 to 1:02" in answer.text


def test_code_alone_keeps_what_it_had(backend: Backend, tmp_path: Path) -> None:
    """Every twelfth frozen item; the shares are what code reached when they were written down."""
    with StoreHold(StoreConfig(tmp_path)) as hold:
        ask = asker(hold, backend, ScriptedModel())
        rows = [(item, ask(item)) for item in read_items(ITEMS / "generated.json")[::12]]
    found = scores(rows)
    assert found["by_kind"]["when"] >= 0.75
    assert found["by_kind"]["text"] == 1.0
    assert found["exact"] >= 0.6
