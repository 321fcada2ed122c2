"""What every `QueryPlanner` promises, held against the rules and a scripted model that writes JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given

from memory.records import TimeSpan
from pipeline.errors import BackendUnavailable
from pipeline.language.scripted import ScriptedModel
from pipeline.queries.json_form import from_plain, schema, to_plain
from pipeline.queries.model import ModelPlanner
from pipeline.queries.planner import PlanContext, QueryPlanner
from pipeline.queries.planners import planner_of
from pipeline.queries.query import (
    At,
    Count,
    Exists,
    Find,
    Neighbour,
    Offset,
    Order,
    Query,
    ReadText,
    Scope,
    Several,
    Spoken,
    Summary,
    Term,
    Unsupported,
)
from pipeline.queries.rules.planner import RulePlanner

CONTEXT = PlanContext(60.0)
RULES = RulePlanner()
QUESTIONS = [
    "When does the cat appear?",
    "How many cats and dogs are there in the last minute?",
    "Is there a cat or a dog on the sofa at 0:05?",
    "What is there 10 seconds after the second dog appears?",
    "Which animal comes before the last dog?",
    "What is between the first cat and the second one?",
    "Which comes first, the cat or the dog?",
    'When is "EXIT 5" shown?',
    "What does the screen say at the end?",
    "What did he say about the boat?",
    "How long is the red car there?",
    "What is going on?",
    "Summarize the video",
    "Who owns the boat?",
    "Wie oft ist der Hund zu sehen?",
    "",
]


def written_by_rules(prompt: str, form: Mapping[str, Any]) -> str:
    """JSON of what the rules make of the question in the prompt: a model that plans as well as they do."""
    return json.dumps(to_plain(RULES.plan(prompt.rsplit("\n", 1)[-1], CONTEXT)))


@pytest.fixture(params=["rules", "model"])
def planner(request: pytest.FixtureRequest) -> QueryPlanner:
    return RULES if request.param == "rules" else ModelPlanner(written_by_rules)


def numbers(value: Any) -> Iterator[float]:
    """Every number anywhere in a query."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from numbers(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name))


def holds(query: Query, text: str) -> None:
    """What is true of any plan."""
    assert isinstance(query, get_args(Query))
    assert query.text == " ".join(text.split())
    assert all(math.isfinite(number) for number in numbers(query))
    assert set(query.unused) <= set(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*|\w+", query.text))
    assert from_plain(json.loads(json.dumps(to_plain(query)))) == query


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_becomes_a_query_that_survives_json(planner: QueryPlanner, text: str) -> None:
    holds(planner.plan(text, CONTEXT), text)


@given(st.text(max_size=120))
def test_no_text_makes_the_rules_fail(text: str) -> None:
    holds(RULES.plan(text, CONTEXT), text)


@given(st.text(max_size=120))
def test_no_text_makes_a_model_fail(text: str) -> None:
    holds(ModelPlanner(written_by_rules).plan(text, CONTEXT), text)


def refused(prompt: str, form: Mapping[str, Any]) -> str:
    raise OSError("the model is away")


@pytest.mark.parametrize(
    ("generate", "why"),
    [
        (refused, "the model is away"),
        (lambda prompt, form: "I would rather not.", "Expecting value"),
        (lambda prompt, form: '{"kind": "Fly", "text": ""}', "no part of a query"),
        (lambda prompt, form: '{"kind": "Find", "text": ""}', "not all of Find"),
        (lambda prompt, form: '{"kind": "Find", "text": "", "term": {"text": 3}}', "no part of a query"),
        (lambda prompt, form: '{"kind": "Find", "text": "", "term": {}, "mood": "good"}', "no part of a query"),
        (lambda prompt, form: '{"kind": "Summary", "text": "", "scope": {"at_s": Infinity}}', "no part of a query"),
        (lambda prompt, form: '{"kind": "Summary", "text": "", "scope": {"span": {"start_s": 2, "end_s": 1}}}', "end"),
        (lambda prompt, form: "[" * 100_000, ""),
    ],
)
def test_what_is_no_query_is_unsupported_and_says_why(
    generate: Callable[[str, Mapping[str, Any]], str], why: str
) -> None:
    query = ModelPlanner(generate).plan("When does the cat appear?", CONTEXT)
    assert isinstance(query, Unsupported)
    assert query.text == "When does the cat appear?"
    assert query.reason.startswith("the question could not be taken apart: ")
    assert why in query.reason


def test_a_model_is_given_the_question_the_video_and_the_schema() -> None:
    given_to: list[tuple[str, Mapping[str, Any]]] = []

    def generate(prompt: str, form: Mapping[str, Any]) -> str:
        given_to.append((prompt, form))
        return '{"kind": "Count", "text": "?", "term": {"text": "dog"}, "unused": ["blue", "happily"]}'

    query = ModelPlanner(generate).plan("Wie oft  läuft der Hund blue?", PlanContext(75.0, growing=True))
    assert query == Count(text="Wie oft läuft der Hund blue?", term=Term("dog"), unused=("blue",))
    ((prompt, form),) = given_to
    assert prompt.endswith("\nWie oft läuft der Hund blue?")
    assert "75 s long so far" in prompt
    assert {option["$ref"].rsplit("/")[-1] for option in form["anyOf"]} == {kind.__name__ for kind in get_args(Query)}


def test_the_schema_names_every_field_and_allows_no_other() -> None:
    definitions = schema()["$defs"]
    for variant in get_args(Query):
        definition = definitions[variant.__name__]
        assert set(definition["properties"]) == {"kind", *(field.name for field in fields(variant))}
        assert definition["properties"]["kind"] == {"const": variant.__name__}
        assert definition["additionalProperties"] is False
    assert definitions["Count"]["required"] == ["kind", "text", "term"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("When does the cat appear?", Find(text="", term=Term("cat", definite=True))),
        ("When was a cat last seen?", Find(text="", term=Term("cat"), place="last")),
        ("How often was a cat there in the last minute?", Count(text="", scope=Scope(recent_s=60), term=Term("cat"))),
        ("Is there no cat?", Exists(text="", term=Term("cat"), yes=False)),
        ("A cat or a dog, are there any?", Exists(text="", term=Term("cat", where="dog"), either=True)),
        ("What is shown at 0:30?", At(text="", scope=Scope(at_s=30.0))),
        ("What is going on?", At(text="", scope=Scope(now=True))),
        ("What happens from 0:10 to 0:20?", At(text="", scope=Scope(span=TimeSpan(10, 20)))),
        ("What comes after 2:10?", Neighbour(text="", scope=Scope(at_s=130.0), side="after")),
        (
            "Which animal comes before the dog?",
            Neighbour(text="", term=Term("dog", definite=True), side="before", wanted="animal"),
        ),
        ("Which is first, the ox or the ass?", Order(text="", term=Term("ox"), other=Term("ass"))),
        ("What does the screen say at the end?", ReadText(text="", scope=Scope(edge="end"), term=Term(written=True))),
        ("What happens in the video?", Summary(text="")),
        ("What did he say about the boat?", Spoken(text="", term=Term("boat", written=True, definite=True))),
        (
            "What is there 5 s after the cat?",
            At(text="", scope=Scope(offset=Offset(5.0, False, Term("cat")))),
        ),
    ],
)
def test_the_rules_make_the_query_that_is_meant(text: str, query: Query) -> None:
    assert replace(RULES.plan(text, CONTEXT), unused=()) == replace(query, text=text)


def test_several_things_alike_are_several_queries_and_one() -> None:
    query = RULES.plan("How many cats and dogs are there?", CONTEXT)
    assert isinstance(query, Several)
    assert [part.term.text for part in query.parts] == ["cats", "dogs"]
    assert isinstance(query.joint, Count)


def test_words_that_no_field_uses_are_listed() -> None:
    assert RULES.plan("When does the cat appear on the sofa?", CONTEXT).unused == ()
    assert RULES.plan("Who owns the red boat?", CONTEXT).unused == ("owns", "red", "boat")


def test_a_planner_is_made_by_its_name() -> None:
    class Json(ScriptedModel):
        def generate_json(self, prompt: str, form: Mapping[str, Any]) -> str:
            return written_by_rules(prompt, form)

    assert planner_of("rules", ScriptedModel()).language == "en"
    planner = planner_of("model", Json())
    assert planner.language == ""
    assert isinstance(planner.plan("When does the cat appear?", CONTEXT), Find)
    with pytest.raises(BackendUnavailable, match=r"scripted writes no JSON.*LONGWATCH_PLANNER=rules"):
        planner_of("model", ScriptedModel())
