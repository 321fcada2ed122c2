"""The registry of backends. A backend's code is imported when it is chosen; `load` of its module makes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from encoders.base import Backend
from encoders.registry import Registry

BackendLoader = Callable[..., Backend]
"""Makes a backend; keyword `threads` is how many it computes with."""


@cache
def default_backends() -> Registry[BackendLoader]:
    """The backends that come with Longwatch, and those of other distributions (`longwatch.backends`)."""
    return Registry("backend", "longwatch.backends", {"pocket": "encoders.pocket.backend:load"})
