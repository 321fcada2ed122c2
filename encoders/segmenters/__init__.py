"""Where one cube ends and the next begins, online: one segmenter a file, and the registry of their names."""

from __future__ import annotations

from collections.abc import Callable

from encoders.base import Cubing
from encoders.registry import Registry
from encoders.segmenters.momentum import MomentumCubing
from encoders.segmenters.uniform import UniformCubing

CubingFactory = Callable[..., Cubing]
"""Makes a cubing for one stream; keyword arguments are the implementation's own."""


def default_cubings() -> Registry[CubingFactory]:
    """A registry with the cubings that come with Longwatch."""
    registry: Registry[CubingFactory] = Registry("cubing")
    registry.register("momentum", MomentumCubing)
    registry.register("uniform", UniformCubing)
    return registry
