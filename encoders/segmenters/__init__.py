"""Where one cube ends and the next begins, online: one segmenter a file, and the registry of their names."""

from __future__ import annotations

from collections.abc import Callable

from encoders.base import Segmenter
from encoders.registry import Registry
from encoders.segmenters.momentum import MomentumSegmenter
from encoders.segmenters.uniform import UniformSegmenter

SegmenterFactory = Callable[..., Segmenter]
"""Makes a cubing for one stream; keyword arguments are the implementation's own."""


def default_segmenters() -> Registry[SegmenterFactory]:
    """A registry with the cubings that come with Longwatch."""
    registry: Registry[SegmenterFactory] = Registry("cubing")
    registry.register("momentum", MomentumSegmenter)
    registry.register("uniform", UniformSegmenter)
    return registry
