"""Token compressors, one a file. A cube's patch tokens in, at most M tokens out (`encoders.base.Compressor`)."""

from __future__ import annotations

from collections.abc import Callable

from encoders.base import Compressor
from encoders.compressors.average import AveragePooling
from encoders.compressors.cosine import CosineFilter
from encoders.compressors.progressive import ProgressiveCompressor
from encoders.compressors.tome import ToMe
from encoders.registry import Registry

CompressorFactory = Callable[[int], Compressor]
"""Makes an empty compressor for one stream from its budget M, tokens a cube."""


def default_compressors() -> Registry[CompressorFactory]:
    """A registry with the compressors that come with Longwatch. Adding one takes a file here and a line below."""
    registry: Registry[CompressorFactory] = Registry("compressor")
    registry.register("average", AveragePooling)
    registry.register("cosine", CosineFilter)
    registry.register("progressive", ProgressiveCompressor)
    registry.register("tome", ToMe)
    return registry
