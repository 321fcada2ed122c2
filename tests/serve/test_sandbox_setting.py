"""Media is decoded in a child process unless the settings say that all of it is trusted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from pipeline.video.file import FileSource
from pipeline.video.sandbox.source import SandboxedSource
from serve.cli import doctor
from serve.settings import Settings
from serve.wiring import file_source
from tests.conftest import ROOT

SAMPLE = ROOT / "tests" / "data" / "sample.mp4"


def test_the_default_is_a_child_with_the_memory_that_is_set() -> None:
    source = file_source(Settings(sandbox_memory_mb=2048), SAMPLE)
    assert isinstance(source, SandboxedSource)
    assert source._sandbox.memory_bytes == 2 << 30
    assert source.probe() == FileSource(SAMPLE).probe()


def test_trusted_media_is_decoded_in_the_same_process() -> None:
    assert isinstance(file_source(Settings(sandbox=False), SAMPLE), FileSource)


def test_the_doctor_says_what_the_child_has_given_up(tmp_path: Path) -> None:
    line = doctor._decoding(SimpleNamespace(settings=Settings()))  # type: ignore[arg-type]
    assert line.startswith("in a child process without a network, 3072 MB")
    assert "trust all media" in doctor._decoding(SimpleNamespace(settings=Settings(sandbox=False)))  # type: ignore[arg-type]
