"""The planners by name, as LONGWATCH_PLANNER names them: `planner_of("rules", model)`."""

from __future__ import annotations

from pipeline.config import PlannerName
from pipeline.errors import BackendUnavailable
from pipeline.queries.model import ModelPlanner
from pipeline.queries.planner import JsonModel, QueryPlanner
from pipeline.queries.rules.planner import RulePlanner


def planner_of(name: PlannerName, model: object) -> QueryPlanner:
    """The planner of that name. Raises `BackendUnavailable` where the language model cannot be one."""
    if name == "rules":
        return RulePlanner()
    if not isinstance(model, JsonModel):
        raise BackendUnavailable(
            f"{getattr(model, 'name', 'this language model')} writes no JSON, so it cannot plan; set "
            "LONGWATCH_PLANNER=rules"
        )
    return ModelPlanner(model.generate_json)
