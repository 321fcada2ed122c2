"""A module for each variant of `Query`, named after it: `find` retrieves and returns typed findings.

Beside it stand the `Facts` of that kind, which make the sentences. `findings_of(query, memory)` answers any query: it
calls the module of its variant, which it finds by name, so that a kind is added without touching this file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

from pipeline.answering.claims import Findings
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Query


class Kind(Protocol):
    """What a module of this package has."""

    def find(self, query: Any, memory: VideoMemory) -> Findings:
        """The findings of a query of the module's variant, whose words and times are resolved."""
        ...


@cache
def kind_of(variant: str) -> Kind:
    """The module of the variant of that name: ReadText -> `read_text`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", variant).lower()
    return cast(Kind, import_module(f"{__name__}.{name}"))


def findings_of(query: Query, memory: VideoMemory) -> Findings:
    """The findings of a resolved query, without those that depend on a moment counted from a thing."""
    findings = kind_of(type(query).__name__).find(query, memory)
    return findings if findings.query is not None else replace(findings, query=query)
