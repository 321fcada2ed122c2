"""Sources of frames by the scheme of an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders.errors import UnknownName
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig, SandboxConfig
from pipeline.video.sandbox.source import SandboxedSource
from pipeline.video.sources import open_source, scheme
from tests.conftest import ROOT

SAMPLE = ROOT / "tests" / "data" / "sample.mp4"


@pytest.mark.parametrize("address", [SAMPLE, str(SAMPLE), SAMPLE.as_uri()])
def test_a_path_and_a_file_address_are_the_same_source(address: Path | str) -> None:
    source = open_source(address, DecodeConfig(), None)
    assert isinstance(source, FileSource)
    assert source.probe() == FileSource(SAMPLE).probe()
    assert isinstance(open_source(address, DecodeConfig(), SandboxConfig()), SandboxedSource)


def test_a_file_address_may_be_quoted(tmp_path: Path) -> None:
    odd = tmp_path / "50% of it?.mp4"
    odd.symlink_to(SAMPLE)
    assert open_source(odd.as_uri(), DecodeConfig(), None).probe() == FileSource(SAMPLE).probe()


def test_a_scheme_without_a_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="no kind of source is called 'rtsp'; known: file"):
        open_source("rtsp://camera/1", DecodeConfig(), None)


@pytest.mark.parametrize("path", ["a:b.mp4", "C:/film.mp4", "//share/film.mp4"])
def test_other_paths_with_colons_or_slashes_are_files(path: str) -> None:
    assert scheme(path) == scheme(Path(path)) == "file"
