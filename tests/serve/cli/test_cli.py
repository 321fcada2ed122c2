"""The command line as a person uses it: real files, real store, real pocket models (loaded once for all tests)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from encoders.base import Backend
from memory.store.embedded import EmbeddedValkey
from pipeline.language.protocol import LanguageModel
from serve import wiring
from serve.api.schemas import AnswerBody, SearchResult, Timeline, Video
from serve.cli.command_line import main
from serve.settings import Settings
from tests.pipeline.fakes import write_scenes
from tests.pipeline.media import VideoRecipe, cut, steady, write_audio_only, write_video

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample.mp4"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def heavy() -> tuple[Callable[[Settings], Backend], Callable[[Settings], LanguageModel]]:
    """The real loaders, each run once at most."""
    load_backend, load_model = wiring.load_backend, wiring.load_language_model
    backend: Callable[[], Backend] = functools.cache(lambda: load_backend(Settings()))
    model: Callable[[], LanguageModel] = functools.cache(lambda: load_model(Settings()))
    return (lambda settings: backend()), (lambda settings: model())


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], heavy: Any
) -> Iterator[Run]:
    """Runs commands on a data folder of their own, whose store stays up between them."""
    monkeypatch.setenv("LONGWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(wiring, "load_backend", heavy[0])
    monkeypatch.setattr(wiring, "load_language_model", heavy[1])

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    with EmbeddedValkey(tmp_path / "data" / "store", Settings().runtime_dir):
        yield command


@pytest.fixture(scope="session")
def cat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's first seconds: a cat, and the beginning of what follows."""
    target = tmp_path_factory.mktemp("cat") / "cat.mp4"
    with av.open(str(SAMPLE)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is not None and float(packet.pts * stream.time_base) < 6.0:
                packet.stream = copy
                out.mux(packet)
    return target


def empty(folder: Path) -> Path:
    file = folder / "empty.mp4"
    file.touch()
    return file


def text(folder: Path) -> Path:
    file = folder / "text.mp4"
    file.write_text("This is not a film.\n" * 100)
    return file


def beheaded(folder: Path) -> Path:
    """The first half of a file whose index is at its end."""
    return cut(write_video(folder / "whole.mp4", VideoRecipe(steady(4))), folder / "beheaded.mp4", 0.5)


def folder_of(folder: Path) -> Path:
    (folder / "films").mkdir()
    return folder / "films"


REFUSED = {
    "empty": (empty, {"media.unsupported", "media.damaged"}),
    "text renamed": (text, {"media.unsupported"}),
    "audio only": (lambda folder: write_audio_only(folder / "sound.mp4"), {"media.unsupported"}),
    "without its index": (beheaded, {"media.damaged", "media.unsupported"}),
    "missing": (lambda folder: folder / "missing.mp4", {"media.unsupported"}),
    "a folder": (folder_of, {"media.unsupported"}),
}


@pytest.mark.parametrize(("make", "codes"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("command", [("ask", "What is this?"), ("ingest",)], ids=["ask", "ingest"])
def test_what_is_no_video_is_refused(
    run: Run, tmp_path: Path, make: Callable[[Path], Path], codes: set[str], command: tuple[str, ...]
) -> None:
    name, *questions = command
    file = make(tmp_path)
    plain, as_json = run(name, file, *questions), run(name, file, *questions, "--json")
    assert (plain.status, as_json.status) == (2, 2)
    code = as_json.json["error"]["code"]
    assert code in codes
    assert as_json.json["error"]["detail"]
    assert plain.out == ""
    assert plain.err == as_json.err
    assert plain.err.startswith("longwatch: ")
    assert plain.err.endswith(f"[{code}]\n")
    assert "Traceback" not in plain.err
    assert run("videos", "--json").json == {"videos": []}


ODD = {
    "one frame": (VideoRecipe([0]), 0.05, 1.0),
    "0.3 s": (VideoRecipe(steady(0.3)), 0.2, 1.0),
    "variable frame rate": (VideoRecipe([0, 40, 400, 1100, 1130, 2900, 3000]), 3.0, 4.0),
    "rotated": (VideoRecipe(steady(1.5), rotation=90), 1.4, 2.0),
    "sound beside": (VideoRecipe(steady(1.5), audio_s=1.5), 1.4, 2.0),
}


@pytest.mark.parametrize(("recipe", "least_s", "most_s"), ODD.values(), ids=ODD.keys())
def test_odd_videos_are_watched(run: Run, tmp_path: Path, recipe: VideoRecipe, least_s: float, most_s: float) -> None:
    result = run("ingest", write_video(tmp_path / "odd.mp4", recipe), "--json")
    assert result.status == 0
    video = Video.model_validate(result.json["video"])
    assert (video.status, video.error) == ("ready", None)
    assert least_s <= video.ingested_s <= most_s
    cubes = Timeline.model_validate(run("timeline", video.id, "--json").json).cubes
    assert len(cubes) == video.cubes >= 1
    assert (cubes[0].start_s, cubes[-1].end_s, cubes[-1].boundary) == (0.0, video.ingested_s, "end")


def test_what_comes_before_damage_answers_and_says_partial(run: Run, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", VideoRecipe(steady(6), faststart=True, options={"g": "10"}))
    result = run("ask", cut(whole, tmp_path / "cut.mp4", 0.6), "What is shown at 0:01?", "--json")
    assert result.status == 0
    video, answer = Video.model_validate(result.json["video"]), AnswerBody.model_validate(result.json["answers"][0])
    assert video.error is not None
    assert (video.status, video.error.code, answer.video_status) == ("partial", "media.damaged", "partial")
    assert 1.0 <= video.ingested_s < 5.0
    assert answer.as_of_s == video.ingested_s
    shown = run("videos")
    assert "partial" in shown.out
    assert len(shown.out.splitlines()) == 1


def test_ask_answers_with_times(run: Run, cat: Path) -> None:
    result = run("ask", cat, "When does the cat appear?", "Is there a submarine?", "--json")
    assert result.status == 0
    video = Video.model_validate(result.json["video"])
    present, missing = (AnswerBody.model_validate(answer) for answer in result.json["answers"])
    assert present.question == "When does the cat appear?"
    assert present.supported
    assert present.citations[0].video_id == video.id
    assert present.citations[0].start_s == 0.0
    assert "0:00" in present.answer
    assert present.evidence is not None
    assert present.evidence.count == 1
    assert (missing.supported, missing.citations) == (False, [])
    assert "watching" in result.err
    plain = run("ask", cat, "When does the cat appear?")
    assert "Q: When does the cat appear?" in plain.out
    assert plain.err == ""  # watched before


def test_the_same_file_is_one_video(run: Run, tmp_path: Path) -> None:
    file = write_scenes(tmp_path / "one.mp4", [("red", 2.0)])
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(file.read_bytes())
    ids = [run("ingest", path, "--json").json["video"]["id"] for path in (file, file, copy)]
    assert len(set(ids)) == 1
    assert [video["id"] for video in run("videos", "--json").json["videos"]] == ids[:1]


def test_what_is_older_than_some_days_is_deleted(run: Run, tmp_path: Path) -> None:
    video_id = run("ingest", write_scenes(tmp_path / "one.mp4", [("red", 2.0)]), "--json").json["video"]["id"]
    assert run("delete", "--older-than", "1").out == "nothing is that old\n"
    assert [video["id"] for video in run("delete", "--older-than", "-1", "--json").json["forgotten"]] == [video_id]
    assert run("videos", "--json").json == {"videos": []}


def test_a_deleted_video_is_gone(run: Run, tmp_path: Path) -> None:
    file = write_scenes(tmp_path / "one.mp4", [("red", 2.0)])
    video_id = run("ingest", file, "--json").json["video"]["id"]
    first = run("export", video_id, "--canonical").out
    assert run("delete", video_id, "--json").json["deleted"]["id"] == video_id
    assert run("videos", "--json").json == {"videos": []}
    for command in ("timeline", "export", "delete"):
        refused = run(command, video_id, "--json")
        assert (refused.status, refused.json["error"]["code"]) == (2, "not_found")
        assert "[not_found]" in refused.err
    again = run("ingest", file, "--json").json["video"]["id"]
    assert again != video_id
    assert run("export", again, "--canonical").out == first


def test_export_is_json_lines(run: Run, tmp_path: Path) -> None:
    video_id = run("ingest", write_scenes(tmp_path / "one.mp4", [("red", 2.0)]), "--json").json["video"]["id"]
    kinds = [json.loads(line)["kind"] for line in run("export", video_id).out.splitlines()]
    assert kinds == ["cube", "global_memory", "video"]
    assert video_id in run("export", video_id).out
    assert video_id not in run("export", video_id, "--canonical").out


def test_search_names_moments(run: Run, cat: Path, tmp_path: Path) -> None:
    video_id = run("ingest", cat, "--json").json["video"]["id"]
    other = run("ingest", write_scenes(tmp_path / "one.mp4", [("red", 2.0)]), "--json").json["video"]["id"]
    best = SearchResult.model_validate(run("search", "cat", "--json").json).hits[0]
    assert (best.video_id, best.start_s) == (video_id, 0.0)
    hits = SearchResult.model_validate(run("search", "cat", "--video", other, "--json").json).hits
    assert {hit.video_id for hit in hits} == {other}
    assert len(run("search", "a", "cat", "--limit", "1").out.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("export", "no-such-id"), ("timeline", "no-such-id"), ("delete", "{odd}"), ("timeline", "")]
)
def test_an_unknown_id_is_not_found(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--json")
    assert (result.status, result.json["error"]["code"]) == (2, "not_found")


def test_nothing_is_found_in_a_video_that_is_not_there(run: Run) -> None:
    result = run("search", "cat", "--video", "no-such-id", "--json")
    assert (result.status, result.json) == (0, {"hits": []})


def test_nothing_is_remembered_at_first(run: Run) -> None:
    assert run("videos") == Result(0, "nothing is remembered yet\n", "")
    assert run("videos", "--json").json == {"videos": []}


def test_a_misspelt_variable_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGWATCH_DATADIR", "x")
    result = run("videos")
    assert result.status == 0
    assert "LONGWATCH_DATADIR" in result.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LONGWATCH_FPS", "0"),
        ("LONGWATCH_FPS", "fast"),
        ("LONGWATCH_CUBING", "none"),
        ("LONGWATCH_BACKEND", "wallet"),
        ("LONGWATCH_COMPRESSOR", "zip"),
        ("LONGWATCH_POLICY", "snapvk"),
        ("LONGWATCH_PROPAGATOR", "merge"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    file = write_scenes(tmp_path / "one.mp4", [("red", 1.0)])
    monkeypatch.setenv(name, value)
    result = run("ingest", file)
    assert result.status == 2
    assert "[settings.invalid]" in result.err
    assert name in result.err or f"{value!r}; known: " in result.err
    assert "Traceback" not in result.err
    monkeypatch.delenv(name)
    assert run("videos", "--json").json == {"videos": []}


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("ask", "file.mp4"), ("search",)])
def test_a_wrong_command_line_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as refused:
        run(*arguments)
    assert refused.value.code == 2


def test_the_doctor_finds_everything_well(run: Run) -> None:
    result = run("doctor", "--json")
    assert result.status == 0
    assert result.json["ok"], [check for check in result.json["checks"] if not check["ok"]]
    assert len(result.json["checks"]) >= 6
    assert run("doctor").out.count("ok  ") == len(result.json["checks"])
