"""Registries: implementations by name for one kind of thing, from this repository and from other distributions.

    COMPRESSORS = Registry("compressor", "longwatch.compressors", {"tome": ToMe, "mine": "my_package.mine:Mine"})
    COMPRESSORS.get("tome"), COMPRESSORS.names()

A value written ``module:attribute`` is imported when it is asked for, so that naming a backend loads no model code. Any
installed distribution adds to a kind by an entry point in its group; two of one name are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from encoders.errors import DuplicateName, UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Name -> implementation. Entry points are read once, when a name is first asked for.

    Args:
        kind: what is registered here, for example ``"cubing"``; used in error texts.
        group: entry points of other distributions; empty for none.
        built_in: what comes with Longwatch; text is a ``module:attribute``.
    """

    def __init__(self, kind: str, group: str = "", built_in: Mapping[str, T | str] | None = None) -> None:
        self._kind, self._group = kind, group
        self._entries: dict[str, T | EntryPoint] = {}
        self._unread = bool(group)
        for name, implementation in (built_in or {}).items():
            self.register(name, implementation)

    def register(self, name: str, implementation: T | str) -> None:
        """Adds one. Raises `DuplicateName` for a name already taken, ValueError for an empty one."""
        entry = EntryPoint(name, implementation, self._group) if isinstance(implementation, str) else implementation
        self._entries = self._with(self._entries, name, entry)

    def get(self, name: str) -> T:
        """The implementation of that name, imported now where it was not. Raises `UnknownName`, `DuplicateName`, or
        whatever importing it raises."""
        self.check(name)
        entry = self._entries[name]
        return cast(T, entry.load()) if isinstance(entry, EntryPoint) else entry

    def check(self, name: str) -> None:
        """Raises `UnknownName` with the names there are unless this is one; imports nothing."""
        if name not in self._all():
            names = ", ".join(self.names()) or "none"
            raise UnknownName(f"no {self._kind} is called {name!r}; known: {names}")

    def names(self) -> tuple[str, ...]:
        """All names, sorted; imports nothing."""
        return tuple(sorted(self._all()))

    def added(self) -> dict[str, str]:
        """The names that other distributions add, and which distribution each is from."""
        entries = self._all().items()
        return {name: _origin(entry) for name, entry in entries if isinstance(entry, EntryPoint) and entry.dist}

    def _all(self) -> dict[str, T | EntryPoint]:
        if self._unread:
            entries = self._entries
            for point in entry_points(group=self._group):
                entries = self._with(entries, point.name, point)
            self._entries, self._unread = entries, False
        return self._entries

    def _with(self, entries: dict[str, T | EntryPoint], name: str, entry: T | EntryPoint) -> dict[str, T | EntryPoint]:
        if not name:
            raise ValueError(f"a {self._kind} needs a name")
        if name in entries:
            raise DuplicateName(f"{self._kind} {name!r} is registered already, and again by {_origin(entry)}")
        return {**entries, name: entry}


def _origin(entry: object) -> str:
    """For people."""
    if isinstance(entry, EntryPoint):
        return entry.dist.name if entry.dist else entry.value
    return str(getattr(entry, "__module__", type(entry).__name__))
