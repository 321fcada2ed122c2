"""OCR of single video frames: PP-OCRv6 (small) from the rapidocr wheel, on ONNX Runtime.

`OcrReader.read` returns the lines of captions, scoreboards, signs and slides with their confidences. Only upright lines
are read: the orientation classifier is off. The text is data and is never followed as an instruction. The models are
taken from the wheel by path, so nothing is downloaded.

rapidocr's default enlarges every picture until its shorter side has 736 pixels, which costs a second a frame. Here the
longer side decides, and small pictures are left small.
"""

from __future__ import annotations

import os
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

_EDGE = 96  # least horizontal gradient (Sobel, 3 x 3) of an edge: 24 grey values a pixel
_STROKE_PX, _LINE_PX = 9, (36, 8)
_LIKELY_SHARE, _SCALES = 0.7, 3


class OcrReader:
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
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime's wheel reports its use over the network
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
        result: Any = self._engine(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), use_cls=False)
        if result.txts is None or result.boxes is None:
            return ()
        lines = [
            (float(box[:, 1].mean()), float(box[:, 0].min()), text.strip(), float(score))
            for box, text, score in zip(result.boxes, result.txts, result.scores, strict=True)
        ]
        kept = [line for line in lines if len(line[2]) >= MIN_CHARACTERS and line[3] >= self._min_confidence]
        return tuple((text, score) for _, _, text, score in sorted(kept))


def text_likely(rgb: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture uint8 [H, W, 3] has a place that looks like lettering: a millisecond against a reader's 200.

    Strokes have an edge up and an edge down close by; a line of text is a place of 36 x 8 pixels, at one of three
    sizes, of which 70 % lies near both. Ours. Short, faint or tiny lettering is missed, so this saves
    readings but does not replace them (docs/adr/0009).
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, LONGEST_SIDE_PX / max(grey.shape))
    for _ in range(_SCALES):
        size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
        if min(size) < _LINE_PX[1]:
            return False
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        slope = cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3)
        up, down = (np.asarray(edge, np.uint8) for edge in (slope > _EDGE, slope < -_EDGE))
        near = np.ones((1, _STROKE_PX), np.uint8)
        beside_up, beside_down = (
            cv2.bitwise_and(up, cv2.dilate(down, near)),
            cv2.bitwise_and(down, cv2.dilate(up, near)),
        )
        strokes = cv2.bitwise_or(beside_up, beside_down)
        share = cv2.boxFilter(strokes, cv2.CV_32F, _LINE_PX, normalize=True, borderType=cv2.BORDER_CONSTANT)
        if float(share.max()) >= _LIKELY_SHARE:
            return True
        scale = 0.5
    return False


def _models() -> Path:
    spec = find_spec("rapidocr")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        models = Path(folder) / "models"
        if (models / _DETECTOR).is_file() and (models / _READER).is_file():
            return models
    raise WeightsUnavailable(f"the text reader is not installed; run: {INSTALL}")
