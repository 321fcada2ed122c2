from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.errors import CorruptRecord
from memory.records import (
    CubeMemory,
    GlobalMemory,
    IngestState,
    OpenCube,
    PackedTokens,
    TimeSpan,
    VideoError,
    VideoRecord,
)
from memory.store import codec

seconds = st.floats(0, 1e6)
spans = st.tuples(seconds, seconds).map(lambda pair: TimeSpan(*sorted(pair)))
notes = st.dictionaries(
    st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.floats(0, 1)), max_size=3
)


def f32(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, shape, elements=st.floats(width=32))


@st.composite
def cubes(draw: st.DrawFn) -> CubeMemory:
    levels, count, rows = draw(st.integers(1, 2)), draw(st.integers(0, 3)), draw(st.integers(0, 3))
    dtype = draw(st.sampled_from(["int8", "bfloat16", "float32"]))
    held = {"int8": np.int8, "bfloat16": np.uint16, "float32": np.float32}[dtype]
    values = draw(hnp.arrays(held, (levels, count, 4)))
    scales = draw(hnp.arrays(np.float16, (levels, count))) if dtype == "int8" else None
    keys = draw(hnp.arrays(np.float16, (rows, 5)))
    return CubeMemory(
        ordinal=draw(st.integers(0, 2**24 - 1)),
        span=draw(spans),
        boundary=draw(st.sampled_from(["change", "limit", "interrupted", "end"])),
        tokens=PackedTokens(values, scales, dtype),
        weights=draw(f32(count)),
        positions=draw(f32(count, 3)),
        keys=keys,
        key_kinds=tuple(draw(st.lists(st.text(max_size=4), min_size=rows, max_size=rows))),
        notes=draw(notes),
        thumbnail=draw(st.binary(max_size=20)),
    )


def assert_same(left: Any, right: Any) -> None:
    """Equal to the bit, NaN included, whatever is nested in what."""
    if dataclasses.is_dataclass(left):
        assert type(left) is type(right)
        for field in dataclasses.fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name))
    elif isinstance(left, np.ndarray):
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())
    else:
        assert left == right


@given(cubes())
@settings(deadline=None, max_examples=40)
def test_a_cube_comes_back_to_the_bit(cube: CubeMemory) -> None:
    payload, keyed = codec.encode_cube(cube), codec.encode_keyed_span(cube)
    back = codec.decode_cube(payload, keyed)
    assert_same(cube, back)
    assert (codec.encode_cube(back), codec.encode_keyed_span(back)) == (payload, keyed)
    keyed_span = codec.decode_keyed_span(keyed)
    assert (keyed_span.ordinal, keyed_span.span, keyed_span.key_kinds) == (cube.ordinal, cube.span, cube.key_kinds)


@given(spans, hnp.arrays(np.float16, (2, 5)), notes, st.binary(max_size=20))
@settings(deadline=None)
def test_an_open_cube_comes_back_to_the_bit(span: TimeSpan, keys: np.ndarray, note: dict, thumbnail: bytes) -> None:
    opened = OpenCube(span, keys, ("seen", "text"), note, thumbnail)
    blob = codec.encode_open_cube(opened)
    assert_same(opened, codec.decode_open_cube(blob))
    assert codec.encode_open_cube(codec.decode_open_cube(blob)) == blob


@given(
    st.integers(0, 2**40),
    st.none() | seconds,
    f32(2, 4),
    st.dictionaries(st.text(max_size=5), st.binary(max_size=9), max_size=3),
)
@settings(deadline=None)
def test_a_state_comes_back_to_the_bit(step: int, resume: float | None, tokens: np.ndarray, parts: dict) -> None:
    memory = GlobalMemory(tokens, tokens[:, 0].copy(), tokens[:, :3].copy(), 3.5)
    state = IngestState(step, 7, "keyframes", resume, memory, parts)
    blob = codec.encode_state(state)
    assert_same(state, codec.decode_state(blob))
    assert codec.encode_state(codec.decode_state(blob)) == blob


def test_the_order_of_a_mapping_does_not_matter() -> None:
    opened = OpenCube(TimeSpan(0, 1), np.zeros((0, 5), np.float16), (), {"a": 1, "b": 2}, b"")
    turned = dataclasses.replace(opened, notes={"b": 2, "a": 1})
    assert codec.encode_open_cube(opened) == codec.encode_open_cube(turned)


def test_decoded_arrays_may_be_written_to() -> None:
    blob = codec.encode_open_cube(OpenCube(TimeSpan(0, 1), np.zeros((1, 5), np.float16), ("seen",), {}, b""))
    assert codec.decode_open_cube(blob).keys.flags.writeable


BLOB = codec.encode_open_cube(OpenCube(TimeSpan(0, 1), np.ones((1, 5), np.float16), ("seen",), {"a": [1]}, b"jpeg"))


@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_any_flipped_byte_is_noticed(place: int, flip: int) -> None:
    damaged = bytearray(BLOB)
    damaged[place] ^= flip
    with pytest.raises(CorruptRecord):
        codec.decode_open_cube(bytes(damaged))


@given(st.integers(0, len(BLOB) - 1))
@settings(deadline=None)
def test_any_cut_is_noticed(length: int) -> None:
    with pytest.raises(CorruptRecord):
        codec.decode_open_cube(BLOB[:length])


def test_another_version_and_another_kind_are_named() -> None:
    newer = bytes([codec.VERSION + 1]) + BLOB[1:-4]
    with pytest.raises(CorruptRecord, match="schema version 3"):
        codec.decode_open_cube(newer + struct.pack("<I", zlib.crc32(newer)))
    with pytest.raises(CorruptRecord, match="kind"):
        codec.decode_state(BLOB)


@given(cubes())
@settings(deadline=None, max_examples=20)
def test_what_is_of_this_version_is_not_upgraded(cube: CubeMemory) -> None:
    for blob in (codec.encode_cube(cube), codec.encode_keyed_span(cube)):
        assert codec.upgraded(blob) is blob


def test_a_cube_with_another_cubes_keys_is_noticed() -> None:
    packed = PackedTokens(np.zeros((1, 0, 4), np.int8), np.zeros((1, 0), np.float16))
    empty = np.zeros((0, 5), np.float16)
    cube = CubeMemory(
        3, TimeSpan(0, 1), "end", packed, np.zeros(0, np.float32), np.zeros((0, 3), np.float32), empty, (), {}, b""
    )
    other = codec.encode_keyed_span(dataclasses.replace(cube, ordinal=4))
    with pytest.raises(CorruptRecord, match="keys of cube 4"):
        codec.decode_cube(codec.encode_cube(cube), other)


def test_notes_that_are_not_json_are_refused() -> None:
    opened = OpenCube(TimeSpan(0, 1), np.zeros((0, 5), np.float16), (), {"motion": float("nan")}, b"")
    with pytest.raises(ValueError, match="JSON"):
        codec.encode_open_cube(opened)


def test_arrays_of_other_types_are_refused() -> None:
    opened = OpenCube(TimeSpan(0, 1), np.zeros((0, 5)), (), {}, b"")
    with pytest.raises(ValueError, match="float64"):
        codec.encode_open_cube(opened)


@given(seconds, st.none() | st.builds(VideoError, st.text(), st.text()))
@settings(deadline=None)
def test_a_video_record_comes_back(created_s: float, error: VideoError | None) -> None:
    video = VideoRecord("v", 3, "local", "n – ü", "live", "", "pocket", "k", "1fps", created_s, error=error)
    texts = codec.encode_video(video)
    assert codec.decode_video({**texts, "epoch": b"3"}) == video
    del texts["watched_s"]  # as the first layout had it
    assert codec.decode_video(texts) == video
    del texts["name"]
    with pytest.raises(CorruptRecord, match="name"):
        codec.decode_video(texts)
