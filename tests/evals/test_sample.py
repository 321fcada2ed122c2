"""Asks the bundled sample "when does X appear" for each word of each scene; every scene is found at its time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answer import Answer
from serve.embedded import Longwatch, watch
from serve.settings import Settings

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.mp4"
SCENES = json.loads(SAMPLE.with_suffix(".json").read_text())["scenes"]
WORDS = sorted({word for scene in SCENES for word in scene["words"]})


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with Longwatch(Settings(data_dir=tmp_path_factory.mktemp("sample"))) as longwatch:
        video = watch(longwatch, SAMPLE)

        def last_answer(question: str) -> Answer:
            *_, last = longwatch.answerer.ask(video.id, question)
            assert isinstance(last, Answer)
            return last

        yield last_answer


@pytest.mark.timeout(600)
@pytest.mark.parametrize("word", WORDS)
def test_when_each_thing_appears(ask: object, word: str) -> None:
    answer = ask(f"When does the {word} appear?")  # type: ignore[operator]
    wanted = [(scene["start_s"], scene["end_s"]) for scene in SCENES if word in scene["words"]]
    spans = [(span.start_s, span.end_s) for span in answer.evidence.spans]
    assert answer.supported
    assert len(spans) == len(wanted), spans
    for (start_s, end_s), (true_start_s, true_end_s) in zip(spans, wanted, strict=True):
        assert abs(start_s - true_start_s) <= 1.0
        assert abs(end_s - true_end_s) <= 1.0


@pytest.mark.parametrize("word", ["dog", "piano", "submarine"])
def test_what_is_not_there_is_not_claimed(ask: object, word: str) -> None:
    answer = ask(f"When does the {word} appear?")  # type: ignore[operator]
    assert not answer.supported
    assert not answer.citations
