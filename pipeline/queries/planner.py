"""Planners turn a question into a `Query`: rules over English wordings, or a language model that writes JSON.

`QueryPlanner` is the protocol; `pipeline.queries.planners` makes the planner that a setting names. Both pass
`tests/contracts/test_planners.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.queries.query import Query


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What is known of the video when a question is planned.

    Attributes:
        watched_s: how far it was watched, in seconds.
        growing: whether it is still being watched, so that its end is not known.
    """

    watched_s: float = 0.0
    growing: bool = False


class QueryPlanner(Protocol):
    """Takes questions apart, without looking at memories."""

    @property
    def language(self) -> str:
        """BCP 47 tag of the questions it understands; empty for any."""
        ...

    def plan(self, text: str, context: PlanContext) -> Query:
        """Never raises: what it cannot take apart is `Unsupported` with a reason."""
        ...


@runtime_checkable
class JsonModel(Protocol):
    """A language model that can be held to a JSON schema."""

    def generate_json(self, prompt: str, schema: Mapping[str, Any]) -> str:
        """JSON that follows the schema."""
        ...
