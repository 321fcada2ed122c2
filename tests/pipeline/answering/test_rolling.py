"""Many memories, read through the language model's pruned cache: for one answer, and along a live stream."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from encoders.notes import Notes, Thing
from memory.index.numpy_index import NumpyIndex
from memory.records import CubeMemory, Hit, TimeSpan, VideoRecord
from memory.retrieval.retriever import LocalRetriever
from memory.store.redis_store import RedisStore
from pipeline.answer import Answer, Answerer
from pipeline.answering.claims import Sentence
from pipeline.answering.compose import Draft
from pipeline.answering.context import ContextSelector, spread
from pipeline.answering.match import Match
from pipeline.answering.rolling import MOST_CUBES, RollingReadings
from pipeline.answering.verify import VerifiedText, Verifier
from pipeline.config import AnswerConfig, IngestConfig
from pipeline.ingest import Ingest
from pipeline.language.protocol import FEW_MEMORIES, Generation, Prompt, ReadableMemory, ReadingModel
from pipeline.language.scripted import ScriptedModel
from pipeline.language.smollm.model import PocketLanguageModel
from pipeline.library import Identity, register_file
from pipeline.watching.cubes import new_cube_stream
from tests.pipeline.answering.stating import claim, findings
from tests.pipeline.fakes import PictureSource, colour_backend, frames_of

pytestmark = pytest.mark.usefixtures("one_thread")

BACKEND = colour_backend()
CONFIG = IngestConfig(screen_text=False)
MANY = AnswerConfig(cubes=64, tokens=4096)
PIANO = "Yes, a piano is seen from 1:12 to 1:21."


def memories(count: int) -> list[ReadableMemory]:
    names = ("coffee mug", "rocket", "laptop", "red wine", "golden retriever", "park bench", "sports car", "sunglasses")
    return [
        ReadableMemory(TimeSpan(9.0 * i, 9.0 * i + 9), None, Notes(things=(Thing(names[i % len(names)], 0.8),)))
        for i in range(count)
    ]


def last_of(pieces: Iterator[Any]) -> Generation:
    *_, last = pieces
    assert isinstance(last, Generation)
    return last


# ---- the model ----


def test_many_memories_are_read_through_a_cache_that_stays_small(unadapted: PocketLanguageModel) -> None:
    few = last_of(unadapted.generate(Prompt("Is there a piano?", PIANO, memories(FEW_MEMORIES)), 3))
    made = findings(Sentence(PIANO, (claim("piano", "1:12-1:21"),)))
    words = unadapted.generate(Prompt("Is there a piano?", PIANO, memories(45)), 24)
    *_, verified = Verifier().check(Draft(made.facts.sentences(), pieces=words), made)
    assert isinstance(verified, VerifiedText)
    assert verified.generation is not None
    assert "1:12 to 1:21" in verified.text
    assert verified.generation.compactions > 0
    assert verified.generation.cache_slots <= 768 < verified.generation.prompt_tokens
    assert few.compactions == 0
    assert few.prompt_tokens == last_of(unadapted.generate(Prompt("Is there a piano?", PIANO, ()), 3)).prompt_tokens


def test_what_was_read_before_is_not_changed_by_a_question(pocket: PocketLanguageModel) -> None:
    reading = pocket.reading()
    reading.read(list(enumerate(memories(6))))
    assert reading.held == frozenset(range(6))
    arrived = reading.so_far.cache.arrived
    first = last_of(pocket.generate(Prompt("Is there a piano?", PIANO, memories(2), reading), 6))
    again = last_of(pocket.generate(Prompt("Is there a piano?", PIANO, memories(2), reading), 6))
    assert first.text == again.text
    assert reading.so_far.cache.arrived == arrived
    assert reading.held == frozenset(range(6))


def test_cubes_leave_the_cache_whole_and_with_their_times(unadapted: PocketLanguageModel) -> None:
    reading = unadapted.reading()
    reading.read(list(enumerate(memories(45))))
    cache = reading.so_far.cache
    held = cache.held(0)
    lines = unadapted._template
    for number in reading.held:
        memory = memories(45)[number]
        assert int((held.group[0, 0] == number).sum()) == len(lines.memory(memory.span, memory.notes))
    assert 0 < len(reading.held) < 45
    assert 44 in reading.held
    assert cache.slots <= 768


def test_too_small_a_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="768"):
        PocketLanguageModel(tmp_path, cache_slots=512)


# ---- a recorded video ----


def watched(store: RedisStore, colours: Sequence[str]) -> VideoRecord:
    """Scenes of four seconds."""
    source = PictureSource(frames_of([colour for colour in colours for _ in range(4)]))
    identity = Identity("a" * 64, BACKEND.name, str(BACKEND.keys.space), CONFIG.sampling)
    video_id = register_file(store, identity, source, Path("none"), "test").video.id
    return Ingest(store, BACKEND, CONFIG, lambda *_: None).run(video_id, source)


def long_video() -> list[str]:
    colours = [("green", "blue", "yellow")[i % 3] for i in range(70)]
    colours[20] = "red"
    return colours


def answer(store: RedisStore, video: VideoRecord, model: Any, question: str, config: AnswerConfig) -> Answer:
    retriever = LocalRetriever(store, NumpyIndex(BACKEND.keys.space.dim))
    *_, last = Answerer(store, retriever, BACKEND.keys, model, config).ask(video.id, question)
    assert isinstance(last, Answer)
    return last


def test_a_video_asked_with_64_cubes_is_read_and_answered_right(store: RedisStore, pocket: PocketLanguageModel) -> None:
    video = watched(store, long_video())
    assert video.cubes >= 64
    result = answer(store, video, pocket, "When does the red appear?", MANY)
    assert result.usage.compactions > 0
    assert result.usage.cache_slots <= 768
    assert result.usage.memory_cubes == 64
    assert result.supported
    assert "1:20 to 1:24" in result.text
    assert [citation.span for citation in result.citations] == [TimeSpan(80.0, 84.0)]


def test_what_is_read_is_what_was_found_and_the_course_of_the_video(store: RedisStore) -> None:
    video = watched(store, long_video())
    model = ScriptedModel()
    assert answer(store, video, model, "When does the red appear?", MANY).usage.memory_cubes == 64
    few = answer(store, video, model, "When does the red appear?", AnswerConfig())
    assert few.usage.memory_cubes == 1
    small = answer(store, video, model, "When does the red appear?", replace(MANY, tokens=96))
    many, single, less = (prompt.memories for prompt in model.prompts)
    assert list(many) == sorted(many, key=lambda memory: memory.span)
    assert single[0].span == TimeSpan(80.0, 84.0)
    assert single[0].span in {memory.span for memory in many} & {memory.span for memory in less}
    assert small.usage.memory_tokens <= 96
    assert len(less) > 4


def test_an_even_spread() -> None:
    assert spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(list(range(10)), 2) == [2, 7]
    assert spread([1, 2], 0) == []


# ---- a live stream ----


class Noted:
    """A reading that remembers what it was given, and lets go of all but the last `room` memories."""

    def __init__(self, room: int = 100) -> None:
        self.given: list[int] = []
        self.room = room

    def read(self, numbered: Sequence[tuple[int, ReadableMemory]]) -> None:
        self.given += [number for number, _ in numbered]

    def copy(self) -> Noted:
        twin = Noted(self.room)
        twin.given = list(self.given)
        return twin

    @property
    def held(self) -> frozenset[int]:
        return frozenset(self.given[-self.room :])


class NotingModel(ScriptedModel):
    """A `ReadingModel` whose readings are `Noted`."""

    def __init__(self, room: int = 100) -> None:
        super().__init__()
        self.room = room
        self.made: list[Noted] = []

    def reading(self) -> Noted:
        self.made.append(Noted(self.room))
        return self.made[-1]


@functools.cache
def closed_cubes() -> list[CubeMemory]:
    stream = new_cube_stream(BACKEND, CONFIG)
    frames = frames_of([colour for colour in long_video() for _ in range(4)])
    return [*stream.take(frames), *stream.finish("end", len(frames))]


class CubeReads:
    """The part of a store that rolling readings ask."""

    def __init__(self, cubes: Sequence[CubeMemory]) -> None:
        self.cubes = list(cubes)

    def cubes_at(self, video_id: str, ordinals: Sequence[int]) -> list[CubeMemory]:
        return [self.cubes[ordinal] for ordinal in ordinals]


def _memory(cube: CubeMemory) -> ReadableMemory:
    """A cube as it is read with empty notes, which the test's matches have."""
    return ReadableMemory(cube.span, None, Notes())


def record(name: str, cubes: int) -> VideoRecord:
    return VideoRecord(name, 1, "local", name, "live", "", "colours", "k", "1fps", 0.0, cubes=cubes)


def test_each_cube_of_a_stream_is_read_once() -> None:
    model = NotingModel()
    assert isinstance(model, ReadingModel)
    rolling = RollingReadings(CubeReads(closed_cubes()), model)  # type: ignore[arg-type]
    assert rolling.caught_up(record("a", 3)).held == {0, 1, 2}
    first = rolling.caught_up(record("a", 5))
    first.read([(9, memories(1)[0])])
    assert rolling.caught_up(record("a", 5)).held == {0, 1, 2, 3, 4}
    assert model.made[0].given == [0, 1, 2, 3, 4]
    assert len(model.made) == 1


def test_a_cold_stream_is_rebuilt_from_its_last_cubes() -> None:
    model = NotingModel()
    rolling = RollingReadings(CubeReads(closed_cubes()), model, streams=2)  # type: ignore[arg-type]
    for name in ("a", "b", "a", "c"):
        rolling.caught_up(record(name, 2))
    assert rolling.streams == ("a", "c")
    assert rolling.caught_up(record("b", 70)).held == frozenset(range(70 - MOST_CUBES, 70))
    rolling.forget("b")
    assert rolling.streams == ("c",)


def test_what_is_in_a_streams_cache_is_not_selected_again(store: RedisStore) -> None:
    video = watched(store, long_video())
    model = NotingModel(room=10)
    selector = ContextSelector(store, LocalRetriever(store, NumpyIndex(BACKEND.keys.space.dim)), model)
    cubes = store.cubes_at(video.id, [20, 65])
    matches = [
        Match(Hit(video.id, cube.ordinal, cube.span, 1.0, "seen"), Notes(), cube.span, 1.0, None) for cube in cubes
    ]
    live = replace(video, status="live")
    memories_read, reading = selector.select(live, matches, MANY)
    assert reading is not None
    assert 65 in reading.held
    assert [memory.span for memory in memories_read] == [cubes[0].span]
    assert selector.select(live, matches, AnswerConfig())[1] is None, "a small question waits for no catching up"
    assert selector.select(video, matches, MANY)[1] is None
    assert selector.select(live, matches, MANY, worded=False) == ([_memory(cube) for cube in cubes], None)
