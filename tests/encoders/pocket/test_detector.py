from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from encoders.base import Backend, Frame, FrameTokens
from encoders.errors import WeightsUnavailable
from encoders.pocket.detector import CLOSER_SHARE, EVEN, PocketDetector, closer, load_chance
from encoders.pocket.tables import save_table
from encoders.pocket.vision import PocketFrameEncoder
from encoders.pocket.vocabulary import load_vocabulary
from pipeline.video.file import FileSource

WORDS = load_vocabulary()
SAMPLE = Path(__file__).parents[2] / "data" / "sample.mp4"


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """The sample's first picture, uint8 [360, 640, 3]."""
    return next(FileSource(SAMPLE).steps(None, "full")).rgb.copy()


@pytest.fixture(scope="module")
def detector(pocket: Backend) -> PocketDetector:
    assert isinstance(pocket.detector, PocketDetector)
    return pocket.detector


def looked(pocket: Backend, frames: list[Frame]) -> list[dict[str, float]]:
    assert pocket.detector is not None
    tokens = pocket.frames.encode(frames)
    detections = pocket.detector.detect(frames, tokens, pocket.keys.evidence(frames, tokens))
    return [{thing.name: thing.probability for thing in step} for step in detections]


def test_a_small_thing_stands_out_that_the_whole_picture_does_not_name(pocket: Backend, cat: np.ndarray) -> None:
    small = cv2.resize(cat, (110, 80), interpolation=cv2.INTER_AREA)
    wall = np.full((360, 640, 3), (150, 148, 140), np.uint8)
    with_cat = wall.copy()
    with_cat[250:330, 480:590] = small
    empty, shown = looked(pocket, [Frame(wall, 0.0), Frame(with_cat, 1.0)])
    assert shown["cat"] > 0.55
    assert "cat" not in empty
    tokens = pocket.frames.encode([Frame(with_cat, 1.0)])
    assert pocket.describer.things(pocket.keys.evidence([], tokens).repeat(2, 1)) == ()


def test_the_order_is_that_of_clearness_and_all_are_words(pocket: Backend, cat: np.ndarray) -> None:
    (detections,) = looked(pocket, [Frame(cat, 0.0)])
    assert list(detections.values()) == sorted(detections.values(), reverse=True)
    assert set(detections) <= set(WORDS.words)


def test_a_step_does_not_depend_on_those_it_came_with(pocket: Backend, cat: np.ndarray) -> None:
    frames = [Frame(cat, 0.0), Frame(np.full_like(cat, 90), 1.0), Frame(cat[:, ::-1].copy(), 2.0)]
    assert looked(pocket, frames) == [step for frame in frames for step in looked(pocket, [frame])]
    assert looked(pocket, []) == []


def test_deviations_are_counted_from_chance(detector: PocketDetector) -> None:
    chance = torch.from_numpy(load_chance(WORDS))
    evidence = torch.sigmoid(chance[0, 0] + 2 * chance[0, 1])[None]
    evidence[0, 0] = 0.95  # so plain that no closer look is taken
    nothing = FrameTokens(torch.zeros(1, 1, 81, 352), (9, 9), (0.0,))
    deviations = detector.deviations([Frame(np.zeros((9, 9, 3), np.uint8), 0.0)], nothing, evidence)
    usual = (chance[0, 0].abs() < 12) & (torch.arange(len(WORDS.words)) > 0)
    assert torch.allclose(deviations[0, usual], torch.tensor(2.0), atol=0.02)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (8, 8), (4, 6)])
def test_the_closer_look_is_a_square_around_what_differs(row: int, column: int) -> None:
    tokens = torch.zeros(81, 4)
    tokens[row * 9 + column] = 1.0
    rgb = np.zeros((180, 360, 3), np.uint8)
    y, x = int((row + 0.5) / 9 * 180), int((column + 0.5) / 9 * 360)
    rgb[y, x] = 255
    cut = closer(Frame(rgb, 3.0), tokens, (9, 9))
    assert cut.rgb.shape == (round(180 * CLOSER_SHARE), round(180 * CLOSER_SHARE), 3)
    assert cut.time_s == 3.0
    assert cut.rgb.max() == 255


def test_narrow_pictures_have_a_closer_look_too() -> None:
    cut = closer(Frame(np.zeros((100, 7, 3), np.uint8), 0.0), torch.rand(81, 4), (9, 9))
    assert cut.rgb.shape == (7, 7, 3)


def test_chance_made_for_other_words_is_refused(tmp_path: Path) -> None:
    chance = load_chance(WORDS)
    save_table(tmp_path / "chance.npy", WORDS.sha256, chance)
    assert np.array_equal(load_chance(WORDS, tmp_path / "chance.npy"), chance)
    changed = bytearray((tmp_path / "chance.npy").read_bytes())
    changed[0] ^= 1
    (tmp_path / "chance.npy").write_bytes(changed)
    with pytest.raises(WeightsUnavailable, match="make_chance"):
        PocketDetector(PocketFrameEncoder.__new__(PocketFrameEncoder), WORDS, tmp_path / "chance.npy")


def test_chance_is_a_mean_and_a_deviation_of_each_word_in_each_view() -> None:
    chance = load_chance(WORDS)
    assert chance.shape == (2, 2, len(WORDS.words))
    assert (chance[:, 1] >= 0.5).all()
    assert 3 < EVEN < 5
