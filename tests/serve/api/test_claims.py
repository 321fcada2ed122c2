"""Claims as they go over the wire, and the settings that decide how questions are planned and words are checked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from memory.records import Appearances, TimeSpan
from pipeline.answer import Answer, Usage
from pipeline.answering.claims import Claim
from serve.api import convert
from serve.settings import Settings

USAGE = Usage(1, 16, 9, 9, 64, 0, 1.0, 2.0, 3.0, 4.0)


def test_an_answer_says_what_it_claims() -> None:
    claims = (
        Claim("dog", "seen", (TimeSpan(1.23456, 2),), 1, None, (4,), "low", names=("beagle",)),
        Claim("text", "seen", quote="EXIT 5", qualifiers=("first",)),
        Claim("zorblat", "not_known", why='"zorblat" is no word that this memory can recognise'),
    )
    evidence = Appearances(1, 1.23456, 2.0, (TimeSpan(1.23456, 2),))
    answer = Answer("A dog.", True, claims, (), evidence, 60.0, "ready", "memory", USAGE)
    body = convert.answer("?", answer).model_dump(mode="json")
    assert body["supported"] is True
    assert body["claims"] == [
        {
            "subject": "dog",
            "verdict": "seen",
            "spans": [{"start_s": 1.235, "end_s": 2.0}],
            "count": 1,
            "quote": None,
            "confidence": "low",
            "why": "",
        },
        {
            "subject": "text",
            "verdict": "seen",
            "spans": [],
            "count": None,
            "quote": "EXIT 5",
            "confidence": "high",
            "why": "",
        },
        {
            "subject": "zorblat",
            "verdict": "not_known",
            "spans": [],
            "count": None,
            "quote": None,
            "confidence": "high",
            "why": '"zorblat" is no word that this memory can recognise',
        },
    ]


def test_planner_and_verify_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().answer_config().planner, Settings().answer_config().verify) == ("rules", "strict")
    monkeypatch.setenv("LONGWATCH_PLANNER", "model")
    monkeypatch.setenv("LONGWATCH_VERIFY", "cited")
    assert (Settings().answer_config().planner, Settings().answer_config().verify) == ("model", "cited")


@pytest.mark.parametrize(("name", "value"), [("PLANNER", "guess"), ("VERIFY", "maybe")])
def test_other_names_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LONGWATCH_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()
