from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from encoders.base import Frame
from encoders.errors import UnknownName
from encoders.published.streaming.backend import StreamingBackend, with_streaming
from encoders.published.streaming.encoder import StreamClip, StreamingConfig, StreamingEncoder
from memory.records import CubeMemory, IngestState
from memory.store.packing import unpack_tokens
from pipeline.config import IngestConfig
from pipeline.watching.clips import ClipCompressor, positions
from pipeline.watching.cubes import CubeStream, new_cube_stream
from tests.encoders.published.tiny_language import WIDTH, tiny, tokenize
from tests.pipeline.fakes import GRID, colour_backend, frames_of

CONFIG = StreamingConfig(vision_dim=3, grid=GRID, clip_frames=4, summary_per_frame=2, layers=2)
INGEST = IngestConfig(propagator="streaming")
COLOURS = ["red"] * 3 + ["green"] * 5 + ["blue"] * 2


@pytest.fixture(scope="module")
def backend() -> StreamingBackend:
    model = tiny("llama", spread=0.2)
    torch.manual_seed(1)
    return with_streaming(colour_backend(), StreamingEncoder(model, tokenize, CONFIG), "0" * 64, 0.5)


def watched(stream: CubeStream, frames: Sequence[Frame]) -> list[CubeMemory]:
    return [*stream.take(frames[:6]), *stream.take(frames[6:]), *stream.finish("end", 10.0)]


def test_a_clip_is_a_cube_its_memory_is_h_and_its_key_the_indicator(backend: StreamingBackend) -> None:
    frames = frames_of(COLOURS)
    stream = new_cube_stream(backend, INGEST)
    cubes = watched(stream, frames)
    tokens = backend.frames.encode(frames).tokens[0]
    with torch.no_grad():
        parts = [StreamClip(tokens[a:b], a, b) for a, b in ((0, 4), (4, 8), (8, 10))]
        read = backend.encoder.read(parts)
    assert [(cube.span.start_s, cube.span.end_s) for cube in cubes] == [(0, 4), (4, 8), (8, 10)]
    assert [cube.boundary for cube in cubes] == ["limit", "limit", "end"]
    for cube, clip in zip(cubes, read, strict=True):
        assert cube.key_kinds == ("clip",)
        np.testing.assert_allclose(cube.keys[0], F.normalize(clip.indicator, dim=0).numpy(), atol=1e-3)
        np.testing.assert_allclose(unpack_tokens(cube.tokens)[0], clip.tokens.numpy(), atol=0.05)
    memory = stream.state("full").global_memory
    np.testing.assert_allclose(memory.tokens, read[-1].tokens.numpy(), atol=1e-5)
    assert memory.until_s == 10.0


def test_a_restarted_stream_remembers_the_same_to_the_bit(backend: StreamingBackend) -> None:
    frames = frames_of(COLOURS)
    whole = watched(new_cube_stream(backend, INGEST), frames)
    first = new_cube_stream(backend, INGEST)
    before = first.take(frames[:6])
    state: IngestState = first.state("full")
    second = new_cube_stream(backend, INGEST)
    second.restore(state)
    halves = [*before, *second.take(frames[6:]), *second.finish("end", 10.0)]
    assert [cube.tokens.values.tobytes() for cube in whole] == [cube.tokens.values.tobytes() for cube in halves]
    assert [cube.keys.tobytes() for cube in whole] == [cube.keys.tobytes() for cube in halves]


def test_a_question_is_read_into_the_same_space(backend: StreamingBackend) -> None:
    asked = backend.keys.question("where is the cat")
    assert asked.shape == (backend.keys.space.dim,) == (WIDTH,)
    assert float(np.linalg.norm(asked)) == pytest.approx(1, abs=1e-5)
    assert backend.keys.space.encoder != colour_backend().keys.space.encoder
    assert backend.name == "colours+videostreaming"


def test_every_summary_token_has_a_time_and_a_place() -> None:
    placed = positions([10.0, 11.0], CONFIG)
    assert placed[:, 0].tolist() == [10.0] * 4 + [11.0] * 4
    assert placed[:, 1].tolist() == [0.0, 1.0] * 4
    assert placed[:, 2].tolist() == [1.0] * 8


def test_what_does_not_fit_is_refused(backend: StreamingBackend) -> None:
    compressor = ClipCompressor(backend.encoder)
    assert compressor.cube().tokens.shape == (1, 0, WIDTH)
    with pytest.raises(ValueError, match="one level"):
        compressor.add(torch.zeros(2, 6, 3), GRID, 0.0)
    with pytest.raises(ValueError, match="NaN"):
        compressor.add(torch.full((1, 6, 3), torch.nan), GRID, 0.0)
    other = StreamingEncoder(tiny("llama"), tokenize, StreamingConfig(vision_dim=4, grid=GRID, layers=2))
    with pytest.raises(ValueError, match="3 channels"):
        with_streaming(colour_backend(), other, "0" * 64, 0.5)


def test_the_propagator_needs_the_encoder() -> None:
    with pytest.raises(UnknownName, match="no propagator 'streaming'"):
        new_cube_stream(colour_backend(), INGEST)
