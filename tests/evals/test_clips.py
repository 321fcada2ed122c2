"""Dated questions on real clips: how often the first citation and the words hit. No bar yet; the table is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answer import Answer
from serve.local import watch
from serve.settings import Settings
from serve.wiring import Longwatch
from tests.evals.scoring import citation_hit, word_hit

QUESTIONS = json.loads((Path(__file__).parent / "clips.json").read_text())


@pytest.fixture(scope="module")
def longwatch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longwatch]:
    with Longwatch(Settings(data_dir=tmp_path_factory.mktemp("evals"))) as one:
        yield one


def asked(longwatch: Longwatch, video_id: str, question: str) -> Answer:
    *_, last = longwatch.answerer.ask(video_id, question)
    assert isinstance(last, Answer)
    return last


@pytest.mark.timeout(600)
def test_dated_questions_on_real_clips(longwatch: Longwatch, clips: Path) -> None:
    videos = {name: watch(longwatch, clips / name) for name in sorted({one["file"] for one in QUESTIONS})}
    assert len(QUESTIONS) >= 15
    rows = []
    for one in QUESTIONS:
        answer = asked(longwatch, videos[one["file"]].id, one["question"])
        first = answer.citations[0].span if answer.citations else None
        hit = citation_hit(None if first is None else (first.start_s, first.end_s), [tuple(s) for s in one["spans"]])
        rows.append((hit, answer.supported and word_hit(answer.text, one["words"]), one["question"], answer.text))
        ends = [cited.span.end_s for cited in answer.citations]
        assert all(end <= videos[one["file"]].ingested_s + 1e-6 for end in ends), "a citation past the end"
    for hit, word, question, text in rows:
        print(f"{'hit ' if hit else 'miss'} {'hit ' if word else 'miss'}  {question}  ->  {text[:100]}")
    hits, words = sum(row[0] for row in rows), sum(row[1] for row in rows)
    print(f"first citation {hits} of {len(rows)}, words {words} of {len(rows)}")
