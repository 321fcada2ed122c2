from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data

import encoders.ocr
from encoders.errors import WeightsUnavailable
from encoders.ocr import OcrReader, text_likely


@pytest.fixture(scope="module")
def reader() -> OcrReader:
    return OcrReader(threads=1)


def caption(*lines: str, scale: float = 1.0) -> npt.NDArray[np.uint8]:
    """White lines over a dark 640 x 360 picture, the first at the top."""
    picture = np.full((360, 640, 3), 30, np.uint8)
    for row, line in enumerate(lines):
        cv2.putText(picture, line, (30, 60 + 90 * row), cv2.FONT_HERSHEY_SIMPLEX, scale, (240, 240, 240), 2)
    return picture


def words(lines: tuple[tuple[str, float], ...]) -> list[str]:
    return [text.replace(" ", "").lower() for text, _ in lines]


def test_lines_are_read_from_top_to_bottom(reader: OcrReader) -> None:
    lines = reader.read(caption("Welcome back", "Score 3 to 1", "Half time"))
    assert words(lines) == ["welcomeback", "score3to1", "halftime"]
    assert all(0.8 <= confidence <= 1 for _, confidence in lines)


def test_small_captions_are_read(reader: OcrReader) -> None:
    assert words(reader.read(caption("Rocket launch, day two", scale=0.6))) == ["rocketlaunch,daytwo"]


def test_a_picture_without_text_gives_no_lines(reader: OcrReader) -> None:
    assert reader.read(skimage.data.chelsea()) == ()
    assert reader.read(np.zeros((360, 640, 3), np.uint8)) == ()


def test_single_characters_are_left_out(reader: OcrReader) -> None:
    assert reader.read(caption("A", scale=2.0)) == ()


def test_colours_are_not_swapped(reader: OcrReader, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[npt.NDArray[np.uint8]] = []
    real = reader._engine
    monkeypatch.setattr(reader, "_engine", lambda picture, **options: (got.append(picture), real(picture))[1])
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[..., 0] = 200  # red
    reader.read(picture)
    assert got[0][0, 0].tolist() == [0, 0, 200]  # the engine wants blue first


def test_a_stricter_reader_keeps_less(reader: OcrReader) -> None:
    picture = caption("Welcome back")
    assert OcrReader(threads=1, min_confidence=1.1).read(picture) == ()
    assert reader.read(picture)


def test_starting_and_reading_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert words(OcrReader(threads=1).read(caption("offline"))) == ["offline"]


def test_missing_models_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.ocr, "_DETECTOR", "another.onnx")
    with pytest.raises(WeightsUnavailable, match="pip install"):
        OcrReader()


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0, 4.0])
def test_captions_of_all_sizes_look_like_text(scale: float) -> None:
    assert text_likely(caption("Welcome", scale=scale))
    assert text_likely(skimage.data.page()[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_pictures_without_text_need_not_look_like_text(name: str) -> None:
    assert not text_likely(getattr(skimage.data, name)())


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (540, 960)])
def test_a_plain_picture_of_any_size_does_not_look_like_text(size: tuple[int, int]) -> None:
    assert not text_likely(np.full((*size, 3), 90, np.uint8))


def test_its_runtime_reports_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry begins with a file in the temporary folder."""
    code = "from encoders.ocr import OcrReader; OcrReader()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
