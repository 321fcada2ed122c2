"""Draws a video's cubes, a row each (first, middle, last picture): python docs/examples/contact_sheet.py VIDEO JPG"""

import sys
from pathlib import Path

import cv2
import numpy as np

from encoders.notes import Notes
from memory.records import CubeMemory
from pipeline.answering.phrases import notes_phrase
from pipeline.times import format_span
from pipeline.video.seek import frames_at
from serve.embedded import Longwatch, watch
from serve.settings import Settings

WIDTH, HEIGHT, LEFT = 256, 144, 360


def row(path: Path, cube: CubeMemory) -> np.ndarray:
    """One cube: when, why it ended, what was seen, and three pictures."""
    last_s = max(cube.span.end_s - 0.2, cube.span.start_s)
    moments = [cube.span.start_s, (cube.span.start_s + cube.span.end_s) / 2, last_s]
    pictures = [cv2.resize(frame.rgb, (WIDTH, HEIGHT)) for frame in frames_at(path, moments, 0.0)]
    words = np.full((HEIGHT, LEFT, 3), 255, np.uint8)
    notes = notes_phrase(Notes.from_plain(dict(cube.notes)))
    lines = [
        f"{format_span(cube.span)}  ({cube.boundary})",
        *(notes[i : i + 36] for i in range(0, min(len(notes), 108), 36)),
    ]
    for number, line in enumerate(lines):
        cv2.putText(words, line, (8, 28 + 26 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    return np.hstack([words, *pictures])


if __name__ == "__main__":
    video, target = Path(sys.argv[1]), Path(sys.argv[2])
    with Longwatch(Settings()) as longwatch:
        rows = [row(video, cube) for cube in longwatch.store.cubes(watch(longwatch, video).id)]
    cv2.imwrite(str(target), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
