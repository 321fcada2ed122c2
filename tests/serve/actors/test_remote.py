"""The encoder over a handle: a backend like the one behind it, and one call for a group of steps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from encoders.base import Backend
from pipeline.config import IngestConfig
from pipeline.watching.cubes import new_cube_stream
from serve.actors import deployments
from serve.actors.deployments import Encoder
from serve.actors.remote import remote_backend
from serve.settings import Settings
from tests.pipeline.fakes import colour_backend, frames_of, paired_backend


class EncoderHandle:
    """Calls the encoder as a Ray handle does, in this process; counts the calls."""

    def __init__(self, encoder: Encoder) -> None:
        self.calls: Counter[str] = Counter()
        self._encoder = encoder

    def __getattr__(self, method: str) -> Any:
        return RemoteCall(lambda *arguments: self._called(method, arguments))

    def _called(self, method: str, arguments: tuple[object, ...]) -> Any:
        self.calls[method] += 1
        return asyncio.run(getattr(self._encoder, method)(*arguments))


class RemoteCall:
    """`handle.method.remote(...).result()`."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def remote(self, *arguments: object) -> RemoteCall:
        result = self._call(*arguments)
        return RemoteCall(lambda: result)

    def result(self) -> Any:
        return self._call()


def handle_to(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> EncoderHandle:
    monkeypatch.setattr(deployments, "begin_replica", lambda: None)
    monkeypatch.setattr(deployments, "load_backend", lambda settings: backend)
    return EncoderHandle(Encoder(Settings()))


@pytest.mark.parametrize("backend", [colour_backend(), paired_backend()], ids=lambda backend: backend.name)
def test_a_remote_backend_gives_what_the_one_behind_it_gives(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = remote_backend(handle_to(backend, monkeypatch))
    frames = frames_of(["red", "blue", "white", "green"])
    steps = len(frames) // remote.frames.frames_per_step
    here, there = (some.observe(frames, detect=[True] * steps) for some in (backend, remote))
    assert torch.equal(there.tokens.tokens, here.tokens.tokens)
    assert torch.equal(there.evidence, here.evidence)
    assert there.detections == here.detections
    assert torch.equal(remote.frames.encode(frames).tokens, here.tokens.tokens)
    assert (remote.detector is None) == (backend.detector is None)
    if remote.detector is not None:
        assert remote.detector.detect(frames, here.tokens, here.evidence) == here.detections
    pool = remote.keys.pool()
    pool.add(here.evidence[0])
    things, keys = remote.summarize(pool.summary(), ["red"])
    assert things == backend.describer.things(pool.summary()) == remote.describer.things(pool.summary())
    assert np.array_equal(keys.vectors, remote.keys.keys(pool.summary(), ["red"]).vectors)
    assert torch.equal(remote.keys.evidence(frames, here.tokens), here.evidence)
    assert (remote.keys.space, remote.keys.threshold) == (backend.keys.space, backend.keys.threshold)


def test_watching_makes_one_call_for_a_group_and_one_for_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = handle_to(paired_backend(), monkeypatch)
    stream = new_cube_stream(remote_backend(handle), IngestConfig(screen_text=False, same_picture=-1.0))
    handle.calls.clear()
    stream.take(frames_of(["red", "blue"] * 4))
    assert handle.calls == {"observe": 1}
    stream.open_cube()
    assert handle.calls == {"observe": 1, "summarize": 1}

    reading = new_cube_stream(remote_backend(handle), IngestConfig(same_picture=-1.0))
    handle.calls.clear()
    reading.take(frames_of(["red", "red"]))
    assert handle.calls == {"observe": 1, "describe_frame": 1}
