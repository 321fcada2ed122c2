"""Tokens stored as int8, bfloat16 or float32: the same cubes, each within its stated error of the exact ones."""

from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pytest

from memory.records import CubeMemory, TokenType
from memory.store.packing import unpack_tokens
from memory.store.redis_store import RedisStore
from pipeline.config import IngestConfig
from pipeline.ingest import Ingest
from serve.settings import Settings
from tests.contracts.store_cases import record
from tests.pipeline.fakes import PictureSource, colour_backend, frames_of

BACKEND = colour_backend()
COLOURS = ["red"] * 6 + ["blue"] * 6
TYPES: tuple[TokenType, ...] = get_args(TokenType)


def watched(store: RedisStore, token_type: TokenType) -> list[CubeMemory]:
    config = IngestConfig(token_type=token_type)
    names = {"backend": BACKEND.name, "key_space": str(BACKEND.keys.space), "sampling": config.sampling}
    video = store.create_video(record(token_type, status="queued", **names))
    assert video.id == token_type, "another type is another memory of the same content"
    Ingest(store, BACKEND, config, lambda record, closed: None).run(video.id, PictureSource(frames_of(COLOURS)))
    return list(store.cubes(video.id))


def test_each_type_keeps_its_promise(store: RedisStore) -> None:
    exact = watched(store, "float32")
    for token_type in ("int8", "bfloat16"):
        for ours, theirs in zip(watched(store, token_type), exact, strict=True):
            assert ours.tokens.dtype == token_type
            stored, true = unpack_tokens(ours.tokens), unpack_tokens(theirs.tokens)
            peak = np.abs(true).max(axis=2, keepdims=True)
            bound = peak / 253 + 3e-8 if token_type == "int8" else np.abs(true) / 256 + 1e-40
            assert (np.abs(stored - true) <= bound).all()
            assert dataclasses.replace(ours, tokens=theirs.tokens).notes == theirs.notes
    assert store.video("bfloat16").bytes_stored < store.video("float32").bytes_stored


@pytest.mark.parametrize("token_type", TYPES)
def test_the_setting_reaches_the_ingest(monkeypatch: pytest.MonkeyPatch, token_type: TokenType) -> None:
    monkeypatch.setenv("LONGWATCH_TOKEN_TYPE", token_type)
    config = Settings().ingest_config()
    assert config.token_type == token_type
    assert (f"/{token_type}" in config.sampling) == (token_type != "int8")
