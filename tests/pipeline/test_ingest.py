from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.base import Frame
from encoders.digest import file_sha256
from encoders.notes import Notes
from memory.errors import CommitRefused
from memory.records import CubeMemory, VideoRecord
from memory.store.export import export_lines
from memory.store.redis_store import RedisStore
from pipeline.config import IngestConfig
from pipeline.errors import BackendMismatch, MediaDamaged
from pipeline.ingest import Ingest, OnCommit
from pipeline.library import Identity, register_file
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from pipeline.video.source import FrameSource
from pipeline.watching.cubes import new_cube_stream
from tests.pipeline.fakes import PAGE, PictureSource, colour_backend, frames_of, write_scenes
from tests.pipeline.media import VideoRecipe, cut, spoil, steady, write_video

SCENES = [("red", 6.0), ("white", 5.0), ("blue", 7.0), ("green", 4.0)]
CONFIG = IngestConfig(commit_steps=4)
BACKEND = colour_backend()


def ignore_commit(record: VideoRecord, closed: Sequence[CubeMemory]) -> None:
    """Nobody listens."""


def identity(sha256: str, config: IngestConfig = CONFIG) -> Identity:
    return Identity(sha256, BACKEND.name, str(BACKEND.keys.space), config.sampling)


def register(store: RedisStore, source: FrameSource, sha256: str = "a" * 64, config: IngestConfig = CONFIG) -> str:
    return register_file(store, identity(sha256, config), source, Path("none"), "test").video.id


def watch(
    store: RedisStore,
    source: FrameSource,
    config: IngestConfig = CONFIG,
    on_commit: OnCommit = ignore_commit,
) -> VideoRecord:
    return Ingest(store, BACKEND, config, on_commit).run(register(store, source, config=config), source)


def exported(store: RedisStore, video_id: str) -> str:
    return "".join(export_lines(store, video_id))


def watched_alone(store: RedisStore, source: FrameSource, config: IngestConfig = CONFIG) -> str:
    """The export of an uninterrupted run, whose video is then forgotten."""
    video_id = watch(store, source, config).id
    lines = exported(store, video_id)
    store.delete_video(video_id)
    return lines


def in_pieces(store: RedisStore, source: FrameSource, commits: int, config: IngestConfig = CONFIG) -> str:
    """The export of a run that is stopped after every `commits` commits and begun again."""
    video_id = register(store, source, config=config)
    for _ in range(100):
        committed_s: list[float] = []
        ingest = Ingest(store, BACKEND, config, lambda record, closed: committed_s.append(record.ingested_s))  # noqa: B023
        record = ingest.run(video_id, source, stop=lambda: len(committed_s) >= commits)  # noqa: B023
        if record.status in ("ready", "partial"):
            return exported(store, video_id)
        assert record.status == "ingesting"
    raise AssertionError("it never ends")


def stages() -> list[str]:
    """Threads of stages that still run."""
    return [thread.name for thread in threading.enumerate() if thread.name in ("decode", "observe", "ocr")]


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """22 s, key frames as the encoder likes; steps decode every picture."""
    return write_scenes(tmp_path_factory.mktemp("scenes") / "scenes.mp4", SCENES, options={"g": "250"})


@pytest.fixture(scope="session")
def keyed_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a key frame a second; only these are decoded."""
    return write_scenes(tmp_path_factory.mktemp("keyed") / "keyed.mp4", SCENES, options={"g": "10"})


def test_every_scene_is_a_cube_with_its_words(store: RedisStore, scenes: Path) -> None:
    record = watch(store, FileSource(scenes))
    cubes = list(store.cubes(record.id))
    notes = [Notes.from_plain(dict(cube.notes)) for cube in cubes]
    assert [(cube.span.start_s, cube.span.end_s) for cube in cubes] == [(0, 6), (6, 11), (11, 18), (18, 22)]
    assert [cube.boundary for cube in cubes] == ["change", "change", "change", "end"]
    assert [note.things[0].name for note in notes] == ["red", "white", "blue", "green"]
    assert [note.steps for note in notes] == [6, 5, 7, 4]
    assert [[line.text for line in note.texts] for note in notes] == [[], [PAGE], [], []]
    assert (notes[1].texts[0].first_s, notes[1].texts[0].last_s) == (6.0, 10.0)
    assert all(cube.thumbnail.startswith(b"\xff\xd8") and len(cube.keys) == len(cube.key_kinds) for cube in cubes)
    assert (record.status, record.cubes, record.ingested_s, record.error) == ("ready", 4, 22.0, None)


@pytest.mark.parametrize(("fps", "seconds"), [(0.5, 0.1), (1.0, 0.3), (2.0, 1.0), (1.0, 4.7), (3.0, 2.5)])
def test_cubes_cover_the_video_without_gaps(store: RedisStore, tmp_path: Path, fps: float, seconds: float) -> None:
    file = write_scenes(tmp_path / "video.mp4", [("red", seconds), ("blue", seconds)])
    source = FileSource(file, DecodeConfig(fps=fps))
    record = watch(store, source, replace(CONFIG, fps=fps))
    cubes = list(store.cubes(record.id))
    assert [cube.ordinal for cube in cubes] == list(range(record.cubes))
    assert cubes[0].span.start_s == 0.0
    assert cubes[-1].span.end_s == record.ingested_s <= 2 * seconds + 1e-6
    assert record.ingested_s > 2 * seconds - 1.0 / fps - 1e-6
    assert all(a.span.end_s == b.span.start_s for a, b in itertools.pairwise(cubes))
    assert cubes[-1].boundary == "end"
    assert all(cube.boundary != "end" for cube in cubes[:-1])


def test_the_open_cube_can_be_found_meanwhile_and_is_gone_at_the_end(store: RedisStore, scenes: Path) -> None:
    source = FileSource(scenes)
    video_id = register(store, source)
    commits: list[tuple[float, str, int, bool]] = []

    def on_commit(record: VideoRecord, closed: Sequence[CubeMemory]) -> None:
        opened = store.open_cube(record.id)
        if opened is not None:
            assert opened.span.end_s == record.ingested_s
            assert len(opened.keys) == len(opened.key_kinds) > 0
        commits.append((record.ingested_s, record.status, len(closed), opened is not None))

    Ingest(store, BACKEND, CONFIG, on_commit).run(video_id, source)
    assert [commit[0] for commit in commits] == [4.0, 8.0, 12.0, 16.0, 20.0, 22.0, 22.0]
    assert [commit[1] for commit in commits] == ["ingesting"] * 6 + ["ready"]
    assert [commit[2] for commit in commits] == [0, 1, 1, 0, 1, 0, 1]
    assert [commit[3] for commit in commits] == [True] * 6 + [False]
    assert store.open_cube(video_id) is None


def test_the_same_content_is_found_again(store: RedisStore, scenes: Path) -> None:
    source, wanted = FileSource(scenes), identity(file_sha256(scenes))
    first = register_file(store, wanted, source, scenes, "one")
    record = Ingest(store, BACKEND, CONFIG, ignore_commit).run(first.video.id, source)
    again = register_file(store, wanted, source, scenes, "two")
    assert (first.existed, again.existed, again.video) == (False, True, record)
    other = register_file(store, replace(wanted, sampling="2fps"), source, scenes, "three")
    assert not other.existed
    assert len(store.videos()) == 2


def test_a_failed_video_is_begun_anew(store: RedisStore, scenes: Path) -> None:
    source, wanted = FileSource(scenes), identity("f" * 64)
    first = register_file(store, wanted, source, scenes, "one").video
    store.update_video(first.id, status="failed")
    again = register_file(store, wanted, source, scenes, "one")
    assert not again.existed
    assert [video.id for video in store.videos()] == [again.video.id] != [first.id]


def test_a_watched_video_is_not_watched_again(store: RedisStore, scenes: Path) -> None:
    record = watch(store, FileSource(scenes))
    commits = store.applied(record.id)
    again = Ingest(store, BACKEND, CONFIG, ignore_commit).run(record.id, FileSource(Path("gone.mp4")))
    assert again == record
    assert store.applied(record.id) == commits


@pytest.mark.parametrize(("name", "commits"), [("scenes", 1), ("scenes", 6), ("keyed_scenes", 2), ("keyed_scenes", 5)])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    store: RedisStore, request: pytest.FixtureRequest, name: str, commits: int
) -> None:
    source = FileSource(request.getfixturevalue(name))
    whole = watched_alone(store, source)
    assert in_pieces(store, source, commits) == whole
    assert not stages()


@pytest.mark.parametrize(
    ("cubing", "compressor", "propagator"),
    [
        ("momentum", "average", "none"),
        ("uniform", "tome", "merging"),
        ("momentum", "cosine", "merging"),
        ("uniform", "progressive", "none"),
    ],
)
def test_every_part_goes_on_to_the_same_bytes(store: RedisStore, cubing: str, compressor: str, propagator: str) -> None:
    config = replace(CONFIG, cubing=cubing, compressor=compressor, propagator=propagator, cube_tokens=4, commit_steps=3)
    source = PictureSource(frames_of(["red"] * 7 + ["white"] * 4 + ["red"] * 2 + ["blue"] * 9))
    whole = watched_alone(store, source, config)
    assert in_pieces(store, source, 1, config) == whole


def test_a_worker_whose_video_was_taken_over_leaves(store: RedisStore, scenes: Path) -> None:
    source = FileSource(scenes)
    whole = watched_alone(store, source)
    video_id = register(store, source)
    committed_s: list[float] = []

    def taken_over(record: VideoRecord, closed: Sequence[CubeMemory]) -> None:
        committed_s.append(record.ingested_s)
        if len(committed_s) == 2:
            store.claim(record.id)

    with pytest.raises(CommitRefused) as refused:
        Ingest(store, BACKEND, CONFIG, taken_over).run(video_id, source)
    assert refused.value.reason == "epoch"
    assert committed_s == [4.0, 8.0]
    assert store.video(video_id).ingested_s == 8.0
    assert not stages()
    Ingest(store, BACKEND, CONFIG, ignore_commit).run(video_id, source)
    assert exported(store, video_id) == whole


def test_a_worker_whose_video_is_deleted_leaves(store: RedisStore, scenes: Path) -> None:
    source = FileSource(scenes)
    video_id = register(store, source)
    with pytest.raises(CommitRefused) as refused:
        Ingest(store, BACKEND, CONFIG, lambda record, _: store.delete_video(record.id)).run(video_id, source)
    assert refused.value.reason == "deleted"
    assert store.videos() == []
    assert not stages()


def test_what_comes_before_damage_is_kept(store: RedisStore, scenes: Path, tmp_path: Path) -> None:
    moved = write_video(tmp_path / "front.mp4", VideoRecipe(steady(12), faststart=True, options={"g": "10", "bf": "0"}))
    record = watch(store, FileSource(cut(moved, tmp_path / "cut.mp4", 0.6)))
    assert record.status == "partial"
    assert record.error is not None
    assert record.error.code == "media.damaged"
    assert 4.0 < record.ingested_s < 9.0
    *_, last = store.cubes(record.id)
    assert (last.boundary, last.span.end_s) == ("end", record.ingested_s)


@pytest.mark.parametrize("name", ["cut", "spoilt"])
@pytest.mark.parametrize("commits", [1, 2])
def test_damage_is_not_forgotten_by_a_restart(store: RedisStore, tmp_path: Path, name: str, commits: int) -> None:
    whole = write_video(tmp_path / "front.mp4", VideoRecipe(steady(12), faststart=True, options={"g": "10", "bf": "0"}))
    hurt = tmp_path / "hurt.mp4"
    source = FileSource(cut(whole, hurt, 0.8) if name == "cut" else spoil(whole, hurt, 0.3, 900))
    config = replace(CONFIG, prefetch_steps=1)
    alone = watched_alone(store, source, config)
    assert '"status":"partial"' in alone
    pieces = in_pieces(store, source, commits, config)
    assert '"status":"partial"' in pieces
    assert [line for line in pieces.splitlines() if '"kind":"video"' not in line] == [
        line for line in alone.splitlines() if '"kind":"video"' not in line
    ]


def test_a_video_without_a_picture_is_refused(store: RedisStore) -> None:
    source = PictureSource([])
    video_id = register(store, source)
    with pytest.raises(MediaDamaged):
        Ingest(store, BACKEND, CONFIG, ignore_commit).run(video_id, source)
    assert store.video(video_id).cubes == 0
    assert store.state(video_id) is None


@pytest.mark.parametrize(
    "begun",
    [{"sampling": "5fps"}, {"backend": "other"}, {"key_space": "colours:1:7"}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_backend_or_sampling_is_refused(store: RedisStore, begun: dict[str, str]) -> None:
    source = PictureSource(frames_of(["red"]))
    wanted = replace(identity("a" * 64), **begun)
    video_id = register_file(store, wanted, source, Path("none"), "test").video.id
    with pytest.raises(BackendMismatch):
        Ingest(store, BACKEND, CONFIG, ignore_commit).run(video_id, source)
    assert store.video(video_id).status == "queued"


def test_an_error_within_the_source_is_raised_and_commits_stay(store: RedisStore) -> None:
    class FailingSource(PictureSource):
        def steps(self, resume_after_s, mode):  # type: ignore[no-untyped-def]
            yield from list(super().steps(resume_after_s, mode))[:6]
            raise OSError("the disk is gone")

    source = FailingSource(frames_of(["red"] * 9))
    video_id = register(store, source)
    with pytest.raises(OSError, match="disk"):
        Ingest(store, BACKEND, CONFIG, ignore_commit).run(video_id, source)
    assert store.video(video_id).ingested_s == 4.0
    healed = PictureSource(frames_of(["red"] * 9))
    Ingest(store, BACKEND, CONFIG, ignore_commit).run(video_id, healed)
    assert exported(store, video_id) == exported(store, watch_as(store, healed, "b" * 64)).replace("b" * 64, "a" * 64)


def watch_as(store: RedisStore, source: FrameSource, sha256: str) -> str:
    video_id = register(store, source, sha256)
    Ingest(store, BACKEND, CONFIG, ignore_commit).run(video_id, source)
    return video_id


def still_and_moving() -> list[Frame]:
    """A still white page, a moving scene, another still one: 24 steps."""
    page, shot = frames_of(["white"])[0].rgb, frames_of(["blue"])[0].rgb
    pictures = [page] * 9 + [frame.rgb for frame in frames_of(["red"] * 7)] + [shot] * 8
    return [Frame(rgb, float(second)) for second, rgb in enumerate(pictures)]


@pytest.mark.parametrize("same_picture", [-1.0, 0.002, 0.01])
def test_the_size_of_groups_does_not_matter(store: RedisStore, same_picture: float) -> None:
    source = PictureSource(still_and_moving())
    configs = [replace(CONFIG, same_picture=same_picture, commit_steps=steps) for steps in (1, 4, 5, 64)]
    assert len({watched_alone(store, source, config) for config in configs}) == 1


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_pictures_are_shared_across_a_restart(store: RedisStore, commits: int) -> None:
    source = PictureSource(still_and_moving())
    assert in_pieces(store, source, commits) == watched_alone(store, source)


def test_a_restored_stream_does_not_encode_what_it_has_encoded(store: RedisStore) -> None:
    still = [Frame(frames_of(["red"])[0].rgb, float(second)) for second in range(8)]
    first = new_cube_stream(BACKEND, CONFIG)
    first.take(still[:4])
    never = replace(BACKEND, frames=Unusable())
    second = new_cube_stream(never, CONFIG)
    second.restore(first.state("full"))
    second.take(still[4:])
    first.take(still[4:])
    assert second.state("full").components == first.state("full").components


class Unusable(type(BACKEND.frames)):  # type: ignore[misc]
    """Encodes nothing; fails where it is asked to."""

    def encode(self, frames: Sequence[Frame]):  # type: ignore[no-untyped-def]
        raise MemoryError("no room for a picture")


def test_an_error_in_encoding_is_raised_and_whole_groups_before_it_stay(store: RedisStore) -> None:
    class FailingFrames(type(BACKEND.frames)):  # type: ignore[misc]
        def encode(self, frames: Sequence[Frame]):  # type: ignore[no-untyped-def]
            if frames[-1].time_s > 5:
                raise MemoryError("no room for a picture")
            return super().encode(frames)

    source = PictureSource(frames_of(["red"] * 11))
    whole = watched_alone(store, source, config := replace(CONFIG, same_picture=-1.0))
    video_id = register(store, source, config=config)
    with pytest.raises(MemoryError):
        Ingest(store, replace(BACKEND, frames=FailingFrames()), config, ignore_commit).run(video_id, source)
    assert store.video(video_id).ingested_s == 4.0
    assert not stages()
    Ingest(store, BACKEND, config, ignore_commit).run(video_id, source)
    assert exported(store, video_id) == whole


def test_pictures_that_look_the_same_share_an_encoding_and_nothing_else(store: RedisStore) -> None:
    still = [Frame(frames_of(["red"])[0].rgb, float(second)) for second in range(10)]
    moved = [Frame(frames_of(["blue"])[0].rgb, 10.0 + second) for second in range(4)]
    source, encoded = PictureSource(still + moved), []
    frames = BACKEND.frames

    class CountingFrames(type(frames)):  # type: ignore[misc]
        def encode(self, group: Sequence[Frame]):  # type: ignore[no-untyped-def]
            encoded.append(len(group))
            return super().encode(group)

    video_id = register(store, source, config=CONFIG)
    Ingest(store, replace(BACKEND, frames=CountingFrames()), CONFIG, ignore_commit).run(video_id, source)
    assert encoded == [1, 1]
    shared = exported(store, video_id)
    store.delete_video(video_id)
    assert shared == watched_alone(store, source, replace(CONFIG, same_picture=-1.0))


def test_every_run_ends_its_source(store: RedisStore) -> None:
    source = PictureSource(frames_of(["red"] * 30))
    in_pieces(store, source, 3)
    assert source.closed == 3
    assert not stages()


def test_a_long_cube_closes_at_the_limit_of_uniform_cubing(store: RedisStore) -> None:
    source = PictureSource(frames_of(["red"] * 12))
    record = watch(store, source, replace(CONFIG, cubing="uniform"))
    cubes = list(store.cubes(record.id))
    assert [(cube.span.start_s, cube.span.end_s, cube.boundary) for cube in cubes] == [
        (0.0, 5.0, "limit"),
        (5.0, 10.0, "limit"),
        (10.0, 12.0, "end"),
    ]
