"""Writes encoders/pocket/chance.npy: the log-odds that the vocabulary's words have in pictures without them.

The pictures are those of `make bench-sources` (wallpapers, test pictures, plates of food), less the clips and those
that the sample is made of. Each wallpaper is taken in three windows, and every second plate: 500 pictures, encoded
whole and in the crops of the detector (`encoders.pocket.detector`). Some do show a word; mean and deviation over all
hardly move for it.

    make bench-sources && python tests/data/make_chance.py [CACHE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from encoders.base import Frame
from encoders.pocket.detector import CHANCE_FILE, closer, log_odds
from encoders.pocket.tables import save_table
from encoders.pocket.vision import BATCH, PocketFrameEncoder
from encoders.pocket.vocabulary import load_vocabulary
from tests.bench.memory.needle.sources import manifest

SIZE_PX = (640, 360)
LEAST_DEVIATION = 0.5


def pictures(cache: Path) -> Iterator[Frame]:
    filler, _ = manifest()
    plates = 0
    for source in filler:
        if source.kind != "picture" or source.path.startswith("data/"):  # the sample is made of scikit-image's
            continue
        plate = source.path.startswith("assets/")
        plates += plate
        if plate and plates % 2:
            continue
        with Image.open(source.cached(cache)) as picture:
            rgb = np.asarray(picture.convert("RGB"), np.uint8)
        for left, right in ((0.0, 1.0),) if plate else ((0.0, 1.0), (0.0, 0.75), (0.25, 1.0)):
            yield _window(rgb, left, right)


def _window(rgb: np.ndarray, left: float, right: float) -> Frame:
    """The middle 16:9 of columns `left` to `right` of the picture."""
    part = rgb[:, int(left * rgb.shape[1]) : int(right * rgb.shape[1])]
    height, width = part.shape[:2]
    w = min(width, int(height * 16 / 9))
    h = min(height, int(w * 9 / 16))
    y, x = (height - h) // 2, (width - w) // 2
    return Frame(cv2.resize(part[y : y + h, x : x + w], SIZE_PX, interpolation=cv2.INTER_AREA), 0.0)


def main(cache: Path) -> None:
    words, vision = load_vocabulary(), PocketFrameEncoder()
    frames = list(pictures(cache))
    views: list[list[torch.Tensor]] = [[], []]
    for start in range(0, len(frames), BATCH):
        some = frames[start : start + BATCH]
        whole = vision.encode(some)
        near = vision.encode([closer(frame, whole.tokens[0, i], whole.grid) for i, frame in enumerate(some)])
        for view, tokens in zip(views, (whole, near), strict=True):
            view.append(log_odds(words.evidence(vision.class_probabilities(tokens.tokens[0]))))
    evidence = [torch.cat(view) for view in views]
    chance = torch.stack([torch.stack([rows.mean(0), rows.std(0).clamp_min(LEAST_DEVIATION)]) for rows in evidence])
    print(f"{len(frames)} pictures, sha256 {save_table(CHANCE_FILE, words.sha256, chance.numpy())}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.home() / ".cache" / "longwatch" / "needle")
