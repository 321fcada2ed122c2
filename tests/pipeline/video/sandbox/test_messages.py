"""What a decoding child may say, and what becomes of everything else. The child is not trusted."""

from __future__ import annotations

import json
import os
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.probe import Probed
from pipeline.video.sandbox.messages import (
    LARGEST_BYTES,
    ChildTimeout,
    Garbled,
    Lost,
    MessageReader,
    integer,
    number,
    packed,
    plain_probed,
    probed_from,
    text,
    texts,
)
from pipeline.video.source import MediaInfo

INFO = MediaInfo(160, 96, 3.0, "h264", "mov,mp4", 10.0, -0.25, 1.0, True)
PROBED = Probed(INFO, -250, Fraction(1, 1000), False, Fraction(4, 3), -0.25, 0.1, 3.0, 4.6e5, True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def read_messages(data: bytes) -> list[dict[str, Any] | None]:
    """Every message in `data`, up to the end."""
    reading, writing = os.pipe()
    try:
        os.write(writing, data)
        os.close(writing)
        reader, messages = MessageReader(reading), list[dict[str, Any] | None]()
        while not messages or messages[-1] is not None:
            messages.append(reader.next(1.0))
        return messages
    finally:
        os.close(reading)


def test_messages_arrive_whole_and_in_order() -> None:
    messages = [{"type": "tick"}, {"type": "frame", "damage": 'Ü"\n', "time_s": 0.1}]
    assert read_messages(b"".join(map(packed, messages))) == [*messages, None]


@given(st.binary(max_size=200))
def test_any_bytes_end_in_messages_or_a_refusal(data: bytes) -> None:
    try:
        messages = read_messages(data)
    except Lost:
        return
    assert all(message is None or isinstance(message, dict) for message in messages)


def test_a_message_may_not_be_large_nor_deep() -> None:
    for data in (
        struct.pack(">I", LARGEST_BYTES + 1),
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", LARGEST_BYTES) + b"[" * LARGEST_BYTES,
    ):
        with pytest.raises(Garbled):
            read_messages(data)


def test_silence_is_noticed() -> None:
    reading, writing = os.pipe()
    os.write(writing, packed({"type": "tick"})[:-1])
    with pytest.raises(ChildTimeout, match="stands still"):
        MessageReader(reading).next(0.05)
    os.close(reading)
    os.close(writing)


def test_what_was_found_out_about_a_video_survives_the_way() -> None:
    for probed in (PROBED, Probed(INFO, 0, Fraction(1, 90000), True, None, 0.0, 0.04, None)):
        assert probed_from(json.loads(json.dumps(plain_probed(probed)))) == probed


@given(st.sampled_from(sorted({*plain_probed(PROBED), *plain_probed(PROBED)["info"]})), JSON)
def test_any_wrong_field_is_refused_or_in_range(key: str, value: Any) -> None:
    plain = plain_probed(PROBED)
    (plain["info"] if key in plain["info"] else plain)[key] = value
    try:
        probed = probed_from(plain)
    except Garbled:
        return
    assert probed.info.width > 0
    assert probed.time_base.denominator > 0
    assert probed.info.duration_s is None or probed.info.duration_s >= 0


def test_fields_are_checked_for_type_and_range() -> None:
    message = {"slot": True, "far": 10**30, "nan": float("nan"), "long": "x" * 2000, "bell": "\a", "many": ["a"] * 99}
    for refused in (
        lambda: integer(message, "slot", 0, 9),
        lambda: integer(message, "missing", 0, 9),
        lambda: number(message, "far"),
        lambda: number(message, "nan"),
        lambda: number(message, "slot"),
        lambda: text(message, "long"),
        lambda: text(message, "bell"),
        lambda: texts(message, "many"),
        lambda: texts(message, "long"),
    ):
        with pytest.raises(Garbled):
            refused()
