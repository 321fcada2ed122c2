"""The public sets' loaders on small files of their shapes (our own words about our own sample)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serve.errors import BadRequest
from serve.evals.arguments import PUBLIC
from serve.evals.datasets import load
from serve.evals.datasets.base import Videos, bare_options, letter_index, rows_of, seconds_of
from serve.evals.items import Item

SHAPES = Path(__file__).resolve().parents[2] / "data" / "evals"


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with empty files where the sets' videos would be."""
    folder = tmp_path / "videos"
    for name in ("data/aaaaaaaaaaa.mp4", "1_plotQA/sample.mp4", "aaa.mp4", "0000-aaaa.mp4", "real/sample_1/video.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def items(name: str, file: str, videos: Path) -> list[Item]:
    return list(load(name, SHAPES / file, videos))


def test_video_mme(videos: Path) -> None:
    first, second = items("video-mme", "video_mme.json", videos)
    assert (first.video, first.kind, first.correct) == ("data/aaaaaaaaaaa.mp4", "Object Recognition", 1)
    assert first.choices == ("A horse.", "A cat.", "A parrot.", "A fish.")
    assert second.choices[second.correct or 0] == "2."
    (flat,) = items("video-mme", "video_mme_flat.json", videos)
    assert (flat.video, flat.kind, flat.choices[1]) == ("data/aaaaaaaaaaa.mp4", "OCR Problems", "Pad 39A.")


def test_mlvu_reads_a_folder_and_leaves_out_what_is_written(videos: Path) -> None:
    (item,) = items("mlvu", "mlvu", videos)
    assert (item.video, item.kind, item.correct) == ("1_plotQA/sample.mp4", "plotQA", 1)


def test_longvideobench(videos: Path) -> None:
    first, hidden = items("longvideobench", "longvideobench.json", videos)
    assert (first.video, first.kind, first.correct, len(first.choices)) == ("aaa.mp4", "S2E", 0, 5)
    assert (hidden.choices, hidden.correct) == (("a man with a camera", "a dog"), None)


def test_lvbench_dates_its_questions(videos: Path) -> None:
    first, second = items("lvbench", "lvbench.jsonl", videos)
    assert first.question == "What does the screen say below the rocket?"
    assert (first.choices[0], first.correct) == ("LAUNCH PAD 39A", 0)
    assert (first.kind, first.spans) == ("key information retrieval", ((17.0, 26.0),))
    assert (second.correct, second.spans) == (1, ((25.0, 35.0),))


def test_egoschema_asks_what_has_an_answer(videos: Path, tmp_path: Path) -> None:
    (item,) = items("egoschema", "questions.json", videos)
    assert (item.video, item.correct, item.choices[0]) == ("0000-aaaa.mp4", 0, "a cat")
    alone = tmp_path / "questions.json"
    alone.write_text((SHAPES / "questions.json").read_text())
    assert [item.correct for item in load("egoschema", alone, videos)] == [None, None]


def test_streamingbench_asks_at_a_moment(videos: Path) -> None:
    (item,) = items("streamingbench", "streamingbench.json", videos)
    assert (item.video, item.until_s, item.correct, item.choices[2]) == (
        "1_plotQA/sample.mp4",
        14.0,
        2,
        "A cup of coffee.",
    )
    (row,) = items("streamingbench", "streamingbench.csv", videos)
    assert (row.video, row.until_s, row.choices[1], row.correct) == ("real/sample_1/video.mp4", 5.0, "a cat", 1)


def test_ovo_bench_backward_and_forward(videos: Path) -> None:
    epm, *forward = items("ovo-bench", "ovo_bench.json", videos)
    assert (epm.video, epm.kind, epm.until_s, epm.correct) == ("1_plotQA/sample.mp4", "EPM", 30.0, 0)
    assert [(item.kind, item.until_s, item.count) for item in forward[:2]] == [("REC", 12.0, 1), ("REC", 72.0, 2)]
    assert forward[0].question == "How many times did they drink coffee?"
    assert [item.correct for item in forward[2:]] == [0, 1, 1, 0]  # yes, no; no, yes
    assert "launch the rocket" in forward[2].question


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_not_of_the_shape_is_refused_in_words(name: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    row = {"nothing": 1, "qa": [{}], "questions": [{"options": ["A. a"]}], "candidates": ["a"]}
    wrong.write_text(json.dumps([row]))
    with pytest.raises(BadRequest, match=r"wrong\.json, row 0"):
        list(load(name, wrong, tmp_path))


def test_rows_come_from_what_pandas_people_write(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"\.json.*\.jsonl.*\.csv.*\.parquet"):
        rows_of(tmp_path / "a.xlsx")
    with pytest.raises(BadRequest, match="No such file"):
        rows_of(tmp_path / "missing.json")
    (tmp_path / "object.json").write_text("{}")
    with pytest.raises(BadRequest, match="list of objects"):
        rows_of(tmp_path / "object.json")


def test_parquet_says_what_it_needs(tmp_path: Path) -> None:
    """With pyarrow the bytes are refused, without it the command that installs it is named."""
    (tmp_path / "rows.parquet").write_bytes(b"no parquet")
    with pytest.raises(BadRequest, match=r"pip install pyarrow|rows\.parquet"):
        rows_of(tmp_path / "rows.parquet")


def test_letters_and_clocks() -> None:
    assert bare_options(["A. red", "(B) blue", "C: green"]) == ("red", "blue", "green")
    assert bare_options(["A. Smith", "B. Jones", "A third"]) == ("A. Smith", "B. Jones", "A third")
    assert [letter_index(letter, 4, "x") for letter in ("A", "(c)", "D. red")] == [0, 2, 3]
    for wrong in ("E", "red", ""):
        with pytest.raises(BadRequest):
            letter_index(wrong, 4, "x")
    assert [seconds_of(stamp, "x") for stamp in ("00:01:52", "1:52", 7, "12.5")] == [112.0, 112.0, 7.0, 12.5]
    with pytest.raises(BadRequest, match="is no time"):
        seconds_of("soon", "x")


def test_a_video_is_found_wherever_it_was_unpacked(videos: Path) -> None:
    files = Videos(videos)
    assert files.named("./videos/1_plotQA/sample.mp4") == "1_plotQA/sample.mp4"
    assert files.named("/elsewhere/aaa.webm") == "aaa.mp4"
    assert files.named("not_there.mp4") == "not_there.mp4"
    assert files.at("sample_2/video", "sample_2") == "sample_2/video"  # never another sample's "video"
    (videos / "2_needle").mkdir()
    (videos / "2_needle" / "sample.mp4").touch()
    assert Videos(videos).named("sample.mp4") == "sample.mp4"  # two of them: which is meant is not known
    assert Videos(videos).named("2_needle/sample.mp4") == "2_needle/sample.mp4"
