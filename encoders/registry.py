"""Registries of backends, cubings and compressors: one dictionary of implementations by name for each kind.

A registry refuses to overwrite a name, and lists the names it has when it is asked for another. Implementations are
registered by a call, for example ``registry.register("one-token", OneToken)``; nothing is discovered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from encoders.base import Backend
from encoders.errors import UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Name -> implementation, in order of registration.

    Args:
        kind: what is registered here, for example ``"cubing"``; used in error texts.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str, implementation: T) -> T:
        """Adds one and hands it back. A name already taken, or an empty one, is refused with ValueError."""
        if not name:
            raise ValueError(f"a {self._kind} needs a name")
        if name in self._entries:
            raise ValueError(f"{self._kind} {name!r} is registered already")
        self._entries[name] = implementation
        return implementation

    def get(self, name: str) -> T:
        """The implementation of that name. Raises `UnknownName`."""
        if name not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise UnknownName(f"no {self._kind} is called {name!r}; known: {names}")
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._entries))


BackendLoader = Callable[..., Backend]


def _load_pocket(**options: object) -> Backend:
    from encoders.pocket.backend import load  # loads torch models' code only when chosen

    return load(**options)  # type: ignore[arg-type]


def default_backends() -> Registry[BackendLoader]:
    """A registry with the backends that come with Longwatch."""
    registry: Registry[BackendLoader] = Registry("backend")
    registry.register("pocket", _load_pocket)
    return registry
