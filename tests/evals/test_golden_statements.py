"""Answers by code alone are what they were, word for word: a few of each kind of question, on written timelines.

`golden_statements.json` holds a question on a timeline of `timelines/`, and its statement, citations and evidence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from encoders.base import Backend
from memory.config import StoreConfig
from memory.retrieval.retriever import LocalRetriever
from memory.store.opening import StoreHold
from pipeline.answering.claims import Findings
from pipeline.answering.execute import Executor
from pipeline.config import AnswerConfig
from pipeline.queries.planner import PlanContext
from pipeline.queries.query import Query
from pipeline.queries.rules.planner import RulePlanner
from serve.settings import Settings
from serve.wiring import load_backend, new_index
from tests.bench.answers.items import read_items
from tests.bench.answers.written_memory import remember

FOLDER = Path(__file__).parent
GOLDEN: list[dict[str, Any]] = json.loads((FOLDER / "golden_statements.json").read_text("utf-8"))
ITEMS = {name: read_items(FOLDER / "timelines" / f"{name}.json") for name in ("hand", "development")}
Ask = Callable[[dict[str, Any]], Findings]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    backend: Backend = load_backend(Settings(data_dir=tmp_path_factory.mktemp("none"), threads=1))
    keys, planner = backend.keys, RulePlanner()
    with StoreHold(StoreConfig(tmp_path_factory.mktemp("golden"))) as hold:
        retriever = LocalRetriever(hold.store, new_index(keys.space.dim))
        executor = Executor(hold.store, retriever, keys, AnswerConfig())

        def asked(row: dict[str, Any]) -> Findings:
            video = hold.store.video(remember(hold.store, keys, backend.name, ITEMS[row["file"]][row["item"]]))
            status = "live" if row["live"] else video.status
            query = planner.plan(row["question"], PlanContext(video.ingested_s))
            return executor.run(replace(video, status=status), query, AnswerConfig())

        yield asked


def test_every_kind_is_among_them() -> None:
    planned = [type(RulePlanner().plan(row["question"], PlanContext())).__name__ for row in GOLDEN]
    assert planned == [row["kind"] for row in GOLDEN]
    assert set(planned) == {variant.__name__ for variant in get_args(Query)}
    assert len(GOLDEN) >= 60
    assert max(Counter(planned).values()) <= 13


@pytest.mark.parametrize("row", GOLDEN, ids=[f"{row['kind']}: {row['question']}" for row in GOLDEN])
def test_the_answer_is_what_it_was(row: dict[str, Any], ask: Ask) -> None:
    findings = ask(row)
    evidence = findings.evidence
    assert " ".join(sentence.text for sentence in findings.facts.sentences()) == row["statement"]
    assert findings.supported == row["supported"]
    cited = [[match.hit.ordinal, match.span.start_s, match.span.end_s] for match in findings.cited]
    assert cited == row["cited"]
    spans = None if evidence is None else [[span.start_s, span.end_s] for span in evidence.spans]
    assert row["evidence"] == (None if evidence is None else [evidence.count, evidence.first_s, evidence.last_s, spans])


@pytest.mark.parametrize("row", GOLDEN, ids=[f"{row['kind']}: {row['question']}" for row in GOLDEN])
def test_claims_hold_what_sentences_and_verdicts_say(row: dict[str, Any], ask: Ask) -> None:
    findings = ask(row)
    assert findings.claims
    verdicts = {claim.verdict for claim in findings.claims}
    if "seen" in verdicts:
        assert findings.supported
    for claim in findings.claims:
        assert (claim.verdict == "not_known") <= bool(claim.why)
        assert (claim.verdict == "not_seen") <= (not claim.spans)
