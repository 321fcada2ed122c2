"""`longwatch eval` from the command line: a real store and real files, a backend that is worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from encoders.digest import file_sha256
from pipeline.language.scripted import ScriptedModel
from serve import wiring
from serve.cli.command_line import main
from serve.embedded import Longwatch
from serve.evals import report, runner, sets
from serve.evals.choices import plain_choice
from serve.settings import Settings
from tests.pipeline.fakes import colour_backend, write_scenes

Command = Callable[..., tuple[int, str, str]]
RED, BLUE = [[0.0, 6.0], [12.0, 18.0]], [[6.0, 12.0]]
ITEMS: list[dict[str, Any]] = [
    {"question": "When does red appear?", "kind": "when", "subject": "red", "words": ["red"], "spans": RED},
    {"question": "How often is red seen?", "kind": "count", "words": ["2 times"], "spans": RED, "count": 2},
    {"question": "What is shown at 0:08?", "kind": "at", "words": ["blue"], "spans": BLUE},
    {"question": "When does green appear?", "kind": "absent", "refusal": True},
    {"question": "When does blue appear?", "kind": "absent", "refusal": True, "until_s": 4.5},
    {"question": "When does blue appear?", "kind": "early", "words": ["blue"], "spans": BLUE, "until_s": 9.0},
    {
        "question": "What comes after blue?",
        "kind": "choice",
        "choices": ["green", "red", "yellow"],
        "correct": 1,
    },
]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    monkeypatch.setenv("LONGWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LONGWATCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LONGWATCH_BACKEND", "pocket")
    monkeypatch.setattr(wiring, "load_backend", lambda settings: colour_backend())
    monkeypatch.setattr(wiring, "load_language_model", lambda settings: ScriptedModel())
    monkeypatch.setattr(wiring, "new_index", _index)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["eval", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def _index(dim: int) -> Any:
    from memory.index.numpy_index import NumpyIndex

    return NumpyIndex(dim)


@pytest.fixture
def items(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "film.mp4", [("red", 6.0), ("blue", 6.0), ("red", 6.0)])
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"items": [{"video": "film.mp4", **item} for item in ITEMS]}))
    return file


def last(out: str) -> Any:
    return json.loads(out.splitlines()[-1])


def test_questions_are_asked_and_scored(command: Command, items: Path, tmp_path: Path) -> None:
    status, out, _ = command("--items", items)
    assert status == 0
    document = last(out)
    kinds = document["by_kind"]
    assert kinds["when"]["first_citation"] == kinds["when"]["words"] == {"of": 1, "hits": 1}
    assert kinds["when"]["temporal_iou"] > 0.9
    assert kinds["when"]["time_error_s"] <= 1.0
    assert kinds["count"]["count_error"] == 0.0
    assert kinds["at"]["any_citation"]["hits"] == 1
    assert kinds["choice"]["choices_right"] == {"of": 1, "hits": 1}
    assert document["total"]["questions"] == len(ITEMS)
    assert kinds["when"]["invented_times"] == kinds["count"]["uncited_times"] == 0
    assert "| when | 1 | 1 of 1 |" in out
    rows = [json.loads(line) for line in (tmp_path / "cache" / "evals" / "mine.jsonl").read_text().splitlines()]
    assert len(rows) == len(ITEMS)


def test_at_a_moment_nothing_later_is_known(command: Command, items: Path, tmp_path: Path) -> None:
    """Blue comes at 6 s: at 4.5 s it is not there, at 9 s it is; and no memory of its own is left behind."""
    document = last(command("--items", items, "--json")[1])
    assert document["by_kind"]["absent"]["refusals_right"] == {"of": 2, "hits": 2}
    assert document["by_kind"]["early"]["first_citation"] == {"of": 1, "hits": 1}
    rows = [json.loads(line) for line in Path(document["rows"]).read_text().splitlines()]
    as_of_s = {row["item"].get("until_s"): row["asked"]["as_of_s"] for row in rows}
    assert (as_of_s[4.5], as_of_s[9.0], as_of_s[None]) == (5.0, 10.0, 18.0)  # the step at 4 s: the second after it
    with Longwatch(Settings()) as longwatch:
        assert file_sha256(items.with_name("film.mp4")) in {video.sha256 for video in longwatch.store.videos()}
        assert all(video.status == "ready" for video in longwatch.store.videos())


def test_a_stopped_run_goes_on_where_it_was(command: Command, items: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    first = last(command("--items", items, "--out", rows, "--limit", 2)[1])
    assert (first["asked_now"], first["total"]["questions"]) == (2, 2)
    whole = rows.read_text()
    rows.write_text(whole + '{"key": "half a li')  # killed while writing
    second = last(command("--items", items, "--out", rows)[1])
    assert (second["asked_now"], second["total"]["questions"]) == (len(ITEMS) - 2, len(ITEMS))
    assert rows.read_text().startswith(whole)
    assert last(command("--items", items, "--out", rows)[1])["asked_now"] == 0


def test_other_settings_other_bytes_and_other_items_are_asked_anew(
    command: Command, items: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("--items", items, "--limit", 1)
    monkeypatch.setenv("LONGWATCH_FPS", "2")
    assert last(command("--items", items, "--limit", 1)[1])["asked_now"] == 1
    monkeypatch.delenv("LONGWATCH_FPS")
    write_scenes(items.with_name("film.mp4"), [("blue", 6.0), ("red", 6.0)])
    assert last(command("--items", items, "--limit", 1)[1])["asked_now"] == 1
    assert last(command("--items", items, "--limit", 1)[1])["asked_now"] == 0


def test_what_cannot_be_asked_is_told(command: Command, items: Path) -> None:
    plain = json.loads(items.read_text())
    plain["items"] += [
        {"video": "gone.mp4", "question": "When?", "kind": "when"},
        {"video": "text.mp4", "question": "When?", "kind": "when"},
    ]
    items.write_text(json.dumps(plain))
    items.with_name("text.mp4").write_text("no film")
    document = last(command("--items", items)[1])
    assert document["missing"] == ["gone.mp4"]
    assert [(failure["video"], failure["code"]) for failure in document["failed"]] == [
        ("text.mp4", "media.unsupported")
    ]
    assert document["total"]["questions"] == len(ITEMS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "clips"), "--videos names the folder with bottles.mp4"),
        (("--set", "clips", "--videos", "."), "lacks bottles.mp4"),
        (("--set", "sample", "--videos", "."), "comes with the repository, as tests/data/sample.mp4"),
        (("--set", "lvbench", "--videos", "."), "--annotations"),
        (("--items", "nowhere.json"), "No such file"),
    ],
)
def test_what_is_missing_is_said(command: Command, arguments: tuple[str, ...], says: str) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.endswith("[request.invalid]\n")


def test_rows_of_something_else_are_refused(command: Command, items: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"a": 1}\n{"b": 2}\n')
    status, _, err = command("--items", items, "--out", other)
    assert status == 2
    assert "not a row of a run" in err
    assert other.read_text() == '{"a": 1}\n{"b": 2}\n'


def test_the_sample_is_found_in_a_checkout() -> None:
    sample = sets.built_in("sample", None, Path("unused"))
    assert (sample.folder / sample.items[0].video).is_file()


def row(item: dict[str, Any], **asked: Any) -> dict[str, Any]:
    base = {"text": "", "supported": True, "citations": [], "evidence": [], "notes": [], "chosen": None}
    return {"key": "k", "item": {"video": "v", "question": "q", "kind": "when", **item}, "asked": {**base, **asked}}


def test_scores_apply_only_where_they_can() -> None:
    refused = report.score(row({"spans": [[0, 5]], "words": ["cat"], "count": 3}, text="Nothing.", supported=False))
    assert (refused.first_hit, refused.word_hit, refused.time_error_s, refused.count_error) == (False, False, None, 3)
    assert (refused.false_refusal, refused.refusal_right) == (True, None)
    right = report.score(row({"refusal": True}, text="Nothing was found.", supported=False))
    assert (right.refusal_right, right.false_refusal, right.first_hit, right.word_hit) == (True, None, None, None)
    invented = report.score(row({"spans": [[0, 5]]}, text="From 0:01 to 0:04 and at 0:30.", citations=[[1, 4]]))
    assert (invented.first_hit, invented.invented, invented.uncited) == (True, 1, 1)
    held = report.score(
        row({"spans": [[0, 5]]}, text="From 0:01 to 0:04 and at 0:30.", citations=[[1, 4]], evidence=[[29, 31]])
    )
    assert (held.invented, held.uncited) == (0, 1)


def test_figures_are_means_over_what_applies() -> None:
    rows = [
        row({"kind": "when", "known": True, "spans": [[0, 4]]}, text="0:02", citations=[[0, 4]]),
        row({"kind": "when", "spans": [[0, 4]]}, text="0:08", citations=[[8, 9]]),
        row({"kind": "absent", "refusal": True}, text="A cat at 0:09.", citations=[]),
    ]
    figures = report.figures(rows)
    assert figures["by_kind"]["when"]["first_citation"] == {"of": 2, "hits": 1}
    assert figures["by_kind"]["when"]["time_error_s"] == 2.0
    assert figures["by_kind"]["absent"]["refusals_right"] == {"of": 1, "hits": 0}
    assert figures["known"]["questions"] == 1
    assert figures["total"]["invented_times"] == 1
    lines = report.table(figures).splitlines()
    assert lines[0].startswith("| kind | n | first citation |")
    assert "choices right" not in lines[0]
    assert lines[-1].startswith("| **all** | 3 | 1 of 2 |")
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("options", "text", "notes", "supported", "best"),
    [
        (["a dog", "a cup of coffee"], "After the cat: espresso.", ["espresso; coffee, cup"], True, 1),
        (["Yes", "No"], "Yes, a cat is seen.", [], True, 0),
        (["Yes.", "No."], "Nothing was found.", [], False, 1),
        (["1", "2", "5"], "A cat is seen twice: 0:00 to 0:09.", [], True, 1),
        (["red", "blue"], "The answer is B", ["red"], True, 1),
    ],
)
def test_the_option_that_is_said_is_taken(
    options: list[str], text: str, notes: list[str], supported: bool, best: int
) -> None:
    shares = plain_choice(options, text, notes, supported=supported)
    assert shares.index(max(shares)) == best
    assert shares.count(max(shares)) == 1


def test_a_change_of_source_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = runner.source_sha256()
    assert before == runner.source_sha256()
    (tmp_path / "new.py").write_text("x = 1\n")
    monkeypatch.setattr("pipeline.__path__", [str(tmp_path)])
    assert runner.source_sha256() != before
