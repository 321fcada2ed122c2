"""What `bench ingest` and `bench decode` are made of: films, rows that survive an interruption, pairs."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pytest

from pipeline.video.file import FileSource
from serve.measure import decode, film, ingest
from serve.measure.film import FilmRecipe, repeated
from serve.measure.rows import FRESH_S, RowFile
from serve.settings import Settings
from tests.pipeline.fakes import colour_backend

SMALL = FilmRecipe(options={"preset": "ultrafast", "sc_threshold": "0"}, width=160, height=90, seconds=8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LONGWATCH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bench"


def keys_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            float(p.pts * (stream.time_base or 0))
            for p in container.demux(stream)
            if p.is_keyframe and p.pts is not None
        ]


def test_a_film_is_as_asked_and_made_once(cache: Path) -> None:
    path = film.film(SMALL, [film.SAMPLE])
    info = FileSource(path).probe()
    assert (info.width, info.height, info.codec, info.duration_s, info.fps) == (160, 90, "h264", 8.0, 25.0)
    assert keys_s(path) == [0.0, 2.0, 4.0, 6.0]
    made = path.stat().st_mtime_ns
    assert film.film(SMALL, [film.SAMPLE]) == path
    assert path.stat().st_mtime_ns == made
    assert [entry.name for entry in cache.iterdir()] == [path.name]


def test_a_longer_film_is_the_same_film_again() -> None:
    longer = repeated(film.film(SMALL, [film.SAMPLE]), 3)
    assert keys_s(longer) == [2.0 * number for number in range(12)]
    frames = list(FileSource(longer).steps(None, "full"))
    assert [frame.time_s for frame in frames] == [float(second) for second in range(24)]
    assert all((a.rgb == b.rgb).all() for a, b in zip(frames[:8], frames[8:16], strict=True))


def test_rows_survive_an_interruption_and_not_the_end(cache: Path) -> None:
    code = "serve.measure.rows"
    assert RowFile("one", code).row("a", lambda: {"x": 1.5}) == {"x": 1.5}
    again = RowFile("one", code)
    assert again.row("a", lambda: pytest.fail("measured again")) == {"x": 1.5}
    again.done()
    assert RowFile("one", code).row("a", lambda: 2) == 2
    old = cache / "one.rows.json"
    os.utime(old, (old.stat().st_atime, old.stat().st_mtime - FRESH_S - 1))
    assert RowFile("one", code).row("a", lambda: 3) == 3
    assert RowFile("one", "serve.measure.film").row("a", lambda: 4) == 4  # of other code


@pytest.mark.parametrize(("mode", "pictures"), [("full", 8), ("keyframes", 4)])
def test_a_pair_watches_what_it_decodes(mode: str, pictures: int) -> None:
    path = film.film(SMALL, [film.SAMPLE])
    row = ingest._paired(Settings(screen_text=False), colour_backend(), path, mode, 1)  # type: ignore[arg-type]
    assert (row["pictures"], row["pairs"]) == (pictures, 1)
    assert (
        row["ratio_min"]
        == row["ratio"]
        == row["ratio_max"]
        == pytest.approx(row["ingest_s"] / row["decode_only_s"], rel=0.1)
    )
    assert row["state_bytes"] > 0


def test_a_limit_counts_what_was_decoded_between_the_first_picture_and_the_last() -> None:
    path = film.film(SMALL, [film.SAMPLE])
    full, keys = (decode._limit(path, "h264", mode, 1) for mode in decode._MODES)
    assert (full["frames"], full["size"], keys["frames"]) == (175, "160x90", 3)
    assert full["realtime_factor"] == pytest.approx(7.0 / full["seconds"], rel=0.1)
