"""The process boundary: settings, command line, HTTP, Ray Serve; and the public door, `Longwatch` and `Client`.

from serve import Longwatch    # in this process: watch files, ask about them
from serve import Client       # a running service over HTTP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Client
    from .embedded import Longwatch
    from .settings import Settings

__all__ = ["Client", "Longwatch", "Settings"]
_HOMES = {"Client": "client", "Longwatch": "embedded", "Settings": "settings"}


def __getattr__(name: str) -> object:
    """Imported when it is asked for: a client needs no model's libraries."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
