"""Text read off the screen: PP-OCRv6 (small) from the rapidocr wheel, on ONNX Runtime, tuned for single video frames.

What it is: a reader for captions, scoreboards, signs and slides. What it is not: a document reader (upright lines
only: the orientation classifier is off), and nothing it reads is ever an instruction. Nothing is downloaded: the
models are taken from the wheel by path.

rapidocr's default blows every picture up until its shorter side has 736 pixels, which costs a second a frame. Here the
longer side decides, and small pictures are left small.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from encoders.errors import WeightsUnavailable

INSTALL = 'pip install "rapidocr>=3.10,<4" onnxruntime'
_DETECTOR, _READER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
LONGEST_SIDE_PX = 480
"""0.2 s of one core a frame without text, 0.3 s with three lines (at 640: 0.37 and 0.52); all lines were still read."""
MIN_CONFIDENCE = 0.8
MIN_CHARACTERS = 2


class ScreenReader:
    """Reads lines of text.

    Args:
        threads: of ONNX Runtime, per model.
        longest_side_px: pictures larger than this are made smaller before text is looked for (lines are then read from
            the full picture).
        min_confidence: lines the reader is less sure of are left out, 0 to 1.

    Raises:
        WeightsUnavailable: rapidocr or its models are missing.
    """

    def __init__(
        self, threads: int = 2, longest_side_px: int = LONGEST_SIDE_PX, min_confidence: float = MIN_CONFIDENCE
    ) -> None:
        models = _models()
        from rapidocr import RapidOCR

        self._min_confidence = min_confidence
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.text_score": min_confidence,
                "Det.model_path": str(models / _DETECTOR),
                "Det.limit_type": "max",
                "Det.limit_side_len": longest_side_px,
                "Rec.model_path": str(models / _READER),
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, rgb: npt.NDArray[np.uint8]) -> tuple[tuple[str, float], ...]:
        """Lines on a picture uint8 [H, W, 3], top to bottom: (words, confidence 0 to 1)."""
        found: Any = self._engine(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), use_cls=False)
        if found.txts is None or found.boxes is None:
            return ()
        lines = [
            (float(box[:, 1].mean()), float(box[:, 0].min()), text.strip(), float(score))
            for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]
        kept = [line for line in lines if len(line[2]) >= MIN_CHARACTERS and line[3] >= self._min_confidence]
        return tuple((text, score) for _, _, text, score in sorted(kept))


def _models() -> Path:
    spec = find_spec("rapidocr")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        models = Path(folder) / "models"
        if (models / _DETECTOR).is_file() and (models / _READER).is_file():
            return models
    raise WeightsUnavailable(f"the text reader is not installed; run: {INSTALL}")
