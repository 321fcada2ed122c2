"""Tests the needle benchmark: its manifest, its films, its cache of encodings and its scorers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from encoders.base import Frame
from memory.records import Hit, TimeSpan
from serve.measure.code_digest import closure, code_digest
from tests.bench.memory.needle import benchmark
from tests.bench.memory.needle.encoded import Table, digest
from tests.bench.memory.needle.film import DEPTHS, NEEDLE_STEPS, FilmSource, film
from tests.bench.memory.needle.score import any_points_to, last, likeness, points_to, summed, topk, uniform
from tests.bench.memory.needle.shots import Shot
from tests.bench.memory.needle.sources import Source, SourcesMissing, manifest, present


def some(count: int, topic: bool, kind: str = "picture") -> list[Source]:
    name = "needle" if topic else "filler"
    return [
        Source(f"{name}-{i}", f"{i + (500 if topic else 0):064x}", kind, f"thing {i}" if topic else None)  # type: ignore[arg-type]
        for i in range(count)
    ]


def drawn(cache: Path, source: Source) -> None:
    """A picture of its own for a source, with a half transparent left edge."""
    path = source.cached(cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    rgba = np.random.default_rng(int(source.sha256, 16)).integers(0, 256, (60, 80, 4), np.uint8)
    if source.kind == "clip":
        np.save(path, np.repeat(rgba[None, ..., :3], 8, axis=0))
    else:
        rgba[..., 3] = 255
        rgba[:, :40, 3] = 0
        Image.fromarray(rgba).save(path)


def hit(start_s: float, end_s: float, score: float = 0.0) -> Hit:
    return Hit("v", 0, TimeSpan(start_s, end_s), score, "seen")


def test_the_manifest_has_enough_sources_and_shares_none_with_the_needles() -> None:
    filler, needles = manifest()
    assert len({source.sha256 for source in filler}) == len(filler) >= 300
    assert not {source.sha256 for source in filler} & {source.sha256 for source in needles}
    assert len({source.topic for source in needles}) == len(needles) >= 5 * DEPTHS
    assert {source.kind for source in needles} == {"picture", "cutout", "clip"}
    assert all(source.topic for source in needles)
    assert not any(source.topic for source in filler)


def test_what_is_not_fetched_is_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(SourcesMissing, match=r"888 pictures .* python -m tests.bench.memory.needle.sources --cache"):
        present(tmp_path)


@pytest.mark.parametrize(("seconds", "each_depth"), [(600, 1), (601, 3), (3600, 5)])
def test_a_film_is_as_long_as_asked_and_shows_every_needle_where_it_says(seconds: int, each_depth: int) -> None:
    shown = film(seconds, each_depth, 3, some(300, False), some(60, True))
    assert shown.seconds == seconds
    assert [planted.depth for planted in shown.planted] == [depth for depth in range(DEPTHS) for _ in range(each_depth)]
    assert len({planted.topic for planted in shown.planted}) == len(shown.planted)
    begins, spans = 0, {}
    for before, shot in zip((None, *shown.shots), shown.shots, strict=False):
        if shot.source.topic:
            spans[shot.source.topic] = TimeSpan(begins, begins + shot.steps)
            assert before is None or before.source.topic is None  # filler on both sides
        begins += shot.steps
    assert spans == {planted.topic: planted.span for planted in shown.planted}
    assert {planted.span.seconds for planted in shown.planted} == {NEEDLE_STEPS}
    assert shown.planted[0].span.start_s == 0
    assert shown.planted[-1].span.end_s >= seconds - 10


def test_all_lengths_ask_for_the_same_needles_and_these_visit_several_depths() -> None:
    filler, needles = some(300, False), some(60, True)
    short = [planted for number in range(20) for planted in film(600, 1, number, filler, needles).planted]
    long = [planted for number in range(4) for planted in film(3600, 5, number, filler, needles).planted]
    assert Counter(planted.topic for planted in short) == Counter(planted.topic for planted in long)
    depths = [{planted.depth for planted in short if planted.topic == needle.topic} for needle in needles]
    assert sum(len(visited) >= 2 for visited in depths) > 50


def test_needles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        film(90, 1, 0, some(10, False), some(60, True))
    with pytest.raises(ValueError, match="do not fit"):
        film(6000, 6, 0, some(10, False), some(60, True))


@pytest.mark.parametrize("kind", ["picture", "cutout", "clip"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_shot_is_the_same_each_time_and_moves(tmp_path: Path, kind: str, seed: int) -> None:
    source = some(1, True, kind)[0]
    drawn(tmp_path, source)
    shot = Shot(source, seed, 5)
    frames = [shot.frame(step, tmp_path) for step in range(5)]
    assert {frame.shape for frame in frames} == {(240, 320, 3)}
    np.testing.assert_array_equal(frames[3], Shot(source, seed, 4).frame(3, tmp_path))
    assert kind == "clip" or not np.array_equal(frames[0], frames[4])
    assert not np.array_equal(frames[0], Shot(source, seed + 2, 5).frame(0, tmp_path))


def test_a_film_resumes_where_it_was_left(tmp_path: Path) -> None:
    filler, needles = some(40, False), some(11, True)
    for origin in (*filler, *needles):
        drawn(tmp_path, origin)
    source = FilmSource(film(130, 1, 0, filler, needles), tmp_path)
    frames = list(source.steps(None, "full"))
    assert [frame.time_s for frame in frames] == [float(i) for i in range(130)]
    again = list(source.steps(99.0, "full"))
    assert [digest(frame) for frame in again] == [digest(frame) for frame in frames[100:]]


def test_a_table_keeps_its_rows_and_survives_a_torn_write(tmp_path: Path) -> None:
    table = Table(tmp_path, "rows", 3)
    names = [bytes([i]) * 16 for i in range(4)]
    table.add(names[:2], np.arange(6, dtype=np.float32).reshape(2, 3))
    with (tmp_path / "rows-3.f32").open("ab") as file:
        file.write(b"torn")
    again = Table(tmp_path, "rows", 3)
    assert len(again) == 2
    assert names[2] not in again
    again.add(names[2:], np.full((2, 3), 9, np.float32))
    assert Table(tmp_path, "rows", 3).rows([names[3], names[1]]).tolist() == [[9, 9, 9], [3, 4, 5]]
    with pytest.raises(KeyError):
        again.rows([b"unknown digest.."])


def test_films_are_watched_anew_for_other_code_of_watching_and_not_of_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []

    def recorded(*modules: str, without: tuple[str, ...]) -> str:
        read.append(tuple(name for name in closure(modules) if name not in without))
        return ""

    monkeypatch.setattr(benchmark, "code_digest", recorded)
    benchmark.watching_digest()
    (watched,) = read
    wanted = {
        "pipeline.ingest",
        "pipeline.watching.cubes",
        "encoders.pocket.vision",
        "memory.propagation.propagators",
        "memory.store.codec",
    }
    assert wanted <= set(watched)
    assert not {
        "pipeline.answering.execute",
        "memory.retrieval.selection",
        "memory.retrieval.retriever",
        "pipeline.config",
    } & set(watched)


def test_code_is_followed_through_all_that_it_imports() -> None:
    assert "memory.retrieval.scored_cubes" in closure(["tests.bench.memory.needle.ask"])
    assert "memory.retrieval.scan" in closure(["memory.retrieval.retriever"])
    assert "encoders.pocket.backend" in closure(["encoders.backends"])  # named, and imported when it is chosen
    assert closure(["memory.retrieval.growing"]) == ["memory.retrieval.growing"]
    assert (
        code_digest("memory.retrieval.growing")
        == code_digest("memory.retrieval.growing")
        != code_digest("memory.index.base")
    )
    assert code_digest("memory.retrieval.video_keys", without=["memory.retrieval.growing"]) != code_digest(
        "memory.retrieval.video_keys"
    )
    with pytest.raises(ValueError, match="no module"):
        code_digest("memory.nothing")


def test_pictures_are_told_apart_by_every_byte() -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    other = rgb.copy()
    other[3, 3, 2] = 1
    assert digest(Frame(rgb, 0.0)) == digest(Frame(rgb.copy(), 7.0)) != digest(Frame(other, 0.0))


@pytest.mark.parametrize(
    ("cube", "points"),
    [((10, 15), True), ((8, 16), True), ((12, 15), True), ((13, 20), False), ((0, 600), False), ((15, 20), False)],
)
def test_a_cube_points_to_a_moment_that_it_holds_and_is_not_lost_in(cube: tuple[float, float], points: bool) -> None:
    assert points_to(TimeSpan(*cube), TimeSpan(10, 15)) is points
    assert any_points_to([TimeSpan(100, 105), TimeSpan(*cube)], TimeSpan(10, 15)) is points


def test_controls_choose_four() -> None:
    hits = [hit(i, i + 1, score=(i * 7) % 10 / 10) for i in range(10)]
    assert [span.start_s for span in last(hits)] == [6, 7, 8, 9]
    assert [span.start_s for span in uniform(hits)] == [1, 3, 6, 8]
    assert sorted(span.start_s for span in topk(hits)) == [1, 4, 7, 8]


def test_likeness_is_told_apart_by_what_shows_the_needle() -> None:
    hits = [hit(0, 5, 0.9), hit(5, 10, 0.7), *(hit(i, i + 5, 0.1) for i in range(10, 40, 5))]
    alike = likeness(hits, TimeSpan(5, 10))
    assert (alike.needle, alike.rank) == (0.7, 1)
    assert alike.filler == pytest.approx((0.9 + 6 * 0.1) / 7)
    assert alike.rival == pytest.approx(0.1)
    assert likeness(hits, TimeSpan(900, 905)).needle == -1


def test_sums_are_over_trials_and_by_depth() -> None:
    def trial(depth: int, hit: bool) -> dict[str, object]:
        numbers = dict.fromkeys(("select_ms", "gather_ms", "needle", "filler", "rival"), 1.0)
        flags = {"found": hit, "cited": False, "wrongly_cited": depth, "last": False, "uniform": False, "topk": True}
        return {"depth": depth, "kind": "clip" if hit else "picture", "tokens": 16, **numbers, **flags}

    figures = summed([trial(0, True), trial(0, False), trial(4, True), trial(10, True)])
    assert figures["recall_at_4"] == 0.75
    assert figures["by_depth"] == [0.5, None, None, None, 1.0, None, None, None, None, None, 1.0]
    assert (figures["cited"], figures["wrongly_cited"], figures["memory_tokens"]) == (0.0, 3.5, 16.0)
    assert figures["worst_depth_under_mean"] == 0.25
    assert figures["by_kind"] == {"clip": 1.0, "picture": 0.0}
    assert figures["controls"] == {"last": 0.0, "uniform": 0.0, "topk": 1.0}


def test_a_benchmark_s_own_changes_are_seen_too() -> None:
    assert "tests.bench.memory.needle.score" in closure(["tests.bench.memory.needle.ask"])
