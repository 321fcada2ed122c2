"""Where one cube ends and the next begins, online: one segmenter a file, and the registry of their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from encoders.base import Segmenter
from encoders.registry import Registry
from encoders.segmenters.momentum import MomentumSegmenter
from encoders.segmenters.uniform import UniformSegmenter

SegmenterFactory = Callable[..., Segmenter]
"""Makes a cubing for one stream; keyword arguments are the implementation's own."""


@cache
def default_segmenters() -> Registry[SegmenterFactory]:
    """The cubings that come with Longwatch."""
    return Registry("cubing", built_in={"momentum": MomentumSegmenter, "uniform": UniformSegmenter})
