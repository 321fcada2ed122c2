"""Asks the dated questions on real clips with the real encoders and prints their scores; there is no bar yet.

Answers are the statements that code makes (`ScriptedModel`): a language model only words them, and takes minutes over
so many. `longwatch eval --set clips` asks with the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.language.scripted import ScriptedModel
from serve import wiring
from serve.embedded import Longwatch
from serve.evals import report, runner, sets
from serve.settings import Settings


@pytest.fixture(scope="module")
def longwatch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longwatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "load_language_model", lambda settings: ScriptedModel())
        with Longwatch(Settings(data_dir=tmp_path_factory.mktemp("evals"))) as running:
            yield running


@pytest.mark.timeout(600)
def test_dated_questions_on_real_clips(longwatch: Longwatch, clips: Path, tmp_path: Path) -> None:
    chosen = sets.built_in("clips", clips, tmp_path)
    ran = runner.run(longwatch, chosen.items, chosen.folder, tmp_path / "rows.jsonl")
    assert (ran.missing, ran.failed) == ((), ())
    assert ran.asked_now == len(ran.rows) == len(chosen.items)
    lengths = {name: clip.seconds for name, clip in sets.questions("clips").clips.items()}
    for row in ran.rows:
        ends = [end for _, end in row["asked"]["citations"]]
        assert all(end <= lengths[row["item"]["video"]] + 0.2 for end in ends), "a citation past the end"
    figures = report.figures(ran.rows)
    assert figures["total"]["questions"] == len(chosen.items)
    print(report.table(figures))
