"""Token compressors, one a file. A cube's patch tokens in, at most M tokens out (`encoders.base.Compressor`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from encoders.base import Compressor
from encoders.compressors.average import AveragePooling
from encoders.compressors.cosine import CosineFilter
from encoders.compressors.progressive import ProgressiveCompressor
from encoders.compressors.tome import ToMe
from encoders.registry import Registry

CompressorFactory = Callable[[int], Compressor]
"""Makes an empty compressor for one stream from its budget M, tokens a cube."""


@cache
def default_compressors() -> Registry[CompressorFactory]:
    """The compressors that come with Longwatch, and those of other distributions (`longwatch.compressors`). Adding one
    here takes a file and a line below."""
    built_in: dict[str, CompressorFactory | str] = {
        "average": AveragePooling,
        "cosine": CosineFilter,
        "progressive": ProgressiveCompressor,
        "tome": ToMe,
    }
    return Registry("compressor", "longwatch.compressors", built_in)
