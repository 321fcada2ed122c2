from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from encoders.base import Backend, Frame
from encoders.notes import COLOUR_NAMES
from encoders.pocket.describer import colour_shares
from encoders.pocket.vocabulary import load_vocabulary

PATCHES = {
    "black": [(0, 0, 0), (20, 25, 30)],
    "grey": [(128, 128, 128), (100, 105, 102)],
    "white": [(255, 255, 255), (230, 232, 228)],
    "red": [(220, 20, 20), (150, 0, 10)],
    "orange": [(255, 140, 0), (240, 120, 30)],
    "brown": [(120, 70, 30), (90, 55, 20)],
    "yellow": [(250, 230, 30), (220, 200, 0)],
    "green": [(20, 160, 40), (100, 200, 60)],
    "blue": [(20, 40, 200), (100, 160, 240)],
    "purple": [(120, 30, 160), (150, 60, 200)],
    "pink": [(255, 150, 190), (250, 105, 180)],
}


@pytest.mark.parametrize(("name", "rgb"), [(name, rgb) for name, patches in PATCHES.items() for rgb in patches])
def test_plain_patches_have_their_colours_name(name: str, rgb: tuple[int, int, int]) -> None:
    shares = colour_shares(np.full((40, 50, 3), rgb, np.uint8))
    assert COLOUR_NAMES[int(shares.argmax())] == name
    assert shares.max() == 1.0


def test_every_name_has_a_patch() -> None:
    assert set(PATCHES) == set(COLOUR_NAMES)


def test_shares_are_areas() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:16] = (20, 40, 200)
    shares = colour_shares(picture)
    assert shares[COLOUR_NAMES.index("blue")] == pytest.approx(0.25)
    assert shares.sum() == pytest.approx(1.0)


def test_the_screen_is_read_only_when_it_is_due(pocket: Backend) -> None:
    picture = np.full((200, 400, 3), 255, np.uint8)
    cv2.putText(picture, "GATE 42", (60, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
    assert pocket.describer.describe_frame(Frame(picture, 0.0), read_screen=False).texts is None
    texts = pocket.describer.describe_frame(Frame(picture, 0.0), read_screen=True).texts
    assert texts is not None
    assert [text.replace(" ", "") for text, _ in texts] == ["GATE42"]


def test_real_pictures_are_named(pocket: Backend) -> None:
    named = {}
    for picture in ("chelsea", "coffee"):
        frames = [Frame(getattr(skimage.data, picture)(), 0.0)]
        pool = pocket.keys.pool()
        pool.add(pocket.keys.evidence(frames, pocket.frames.encode(frames))[0])
        named[picture] = {thing.name: thing.probability for thing in pocket.describer.things(pool.summary())}
    assert "Egyptian cat" in named["chelsea"]
    assert {"cup", "espresso"} <= set(named["coffee"])
    assert all(0.3 < probability <= 1 for things in named.values() for probability in things.values())


def test_a_glimpse_counts_half_of_what_stays(pocket: Backend) -> None:
    words = load_vocabulary()
    cat = torch.zeros(1000)
    cat[words.words.index("tabby cat")] = 0.6
    always, once = pocket.keys.pool(), pocket.keys.pool()
    for step in range(20):
        always.add(words.evidence(cat))
        once.add(words.evidence(cat * (step == 0)))
    assert [thing.name for thing in pocket.describer.things(always.summary())] == ["tabby cat"]
    assert pocket.describer.things(once.summary()) == ()
