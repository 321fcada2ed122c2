"""A kind of question is added in two places, its variant with its rule and its module, as CONTRIBUTING says."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, get_args

import pytest

from pipeline.answering import kinds
from pipeline.answering.claims import Claim, Facts, Findings, Sentence
from pipeline.queries.planner import PlanContext
from pipeline.queries.query import Find, Query, QueryBase, Term
from pipeline.queries.rules.planner import RulePlanner
from tests.pipeline.answering.stating import HeldMatches
from tests.pipeline.answering.stating import statement as stated_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Company(QueryBase):
    """What is seen together with a thing."""

    wordings: ClassVar[tuple[tuple[str, str], ...]] = (("en", r"^who keeps (?P<term>.+) company\b"),)
    term: Term


@dataclass(frozen=True, slots=True)
class Alone(Facts):
    topic: str

    def sentences(self) -> tuple[Sentence, ...]:
        return (Sentence(f"Nobody keeps the {self.topic} company.", (Claim(self.topic, "not_seen"),)),)


def find_company(query: Company, memory: HeldMatches) -> Findings:
    return Findings(Alone(query.term.text), (Claim(query.term.text, "not_seen"),), supported=False)


def test_a_kind_is_a_variant_with_its_wordings_and_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("pipeline.answering.kinds.company")
    module.find = find_company
    monkeypatch.setitem(sys.modules, module.__name__, module)
    planner = RulePlanner((*get_args(Query), Company))
    query: Any = planner.plan("Who keeps the old  dog company?", PlanContext())
    assert query == Company(text="Who keeps the old dog company?", term=Term("old dog", definite=True))
    findings = kinds.findings_of(query, HeldMatches())  # type: ignore[arg-type]
    assert stated_by(findings) == "Nobody keeps the old dog company."
    assert findings.query == query
    assert isinstance(planner.plan("When is the dog seen?", PlanContext()), Find)
