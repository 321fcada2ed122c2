"""A `Query` as JSON and back, and the JSON schema of the union; all three are derived from its dataclasses.

`to_plain` gives what `json.dumps` takes, with the variant's name as `kind`. `from_plain` reads it strictly: a field
that is not of its type, an unknown field or a time that is not finite raises `ValueError`.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from pipeline.queries.query import Query, QueryBase

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}


def kind_name(variant: type) -> str:
    """The `kind` of a variant in JSON: ReadText -> "ReadText"."""
    return variant.__name__


def to_plain(query: Query) -> dict[str, Any]:
    """The query as JSON values."""
    return cast(dict[str, Any], _plain(query))


def from_plain(value: Any) -> Query:
    """The query of JSON values. Raises ValueError where they are none."""
    return cast(Query, _variant(get_args(Query), value))


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a query."""
    definitions: dict[str, Any] = {}
    return {**_schema(Query, definitions), "$defs": definitions}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if not is_dataclass(value):
        return value
    kind = {"kind": kind_name(type(value))} if isinstance(value, QueryBase) else {}
    return kind | {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _read(hint: Any, value: Any) -> Any:
    """A JSON value as what the hint says."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return _read_union(args, value)
    if origin is Literal:
        return _checked(value in args, value, value)
    if origin is tuple:
        return tuple(_read(args[0], part) for part in _checked(isinstance(value, list), value, value))
    if is_dataclass(hint):
        return _read_object(cast(type, hint), value)
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_checked(number and math.isfinite(value), value, value))
    return _checked(type(value) is hint, value, value)


def _read_union(args: tuple[Any, ...], value: Any) -> Any:
    if value is None and types.NoneType in args:
        return None
    others = [arg for arg in args if arg is not types.NoneType]
    return _read(others[0], value) if len(others) == 1 else _variant(others, value)


def _variant(variants: Any, value: Any) -> Any:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    variant = next((variant for variant in variants if kind_name(variant) == kind), None)
    return _read_object(_checked(variant is not None, variant, value), value)


def _read_object(cls: type, value: Any) -> Any:
    _checked(isinstance(value, Mapping), value, value)
    hints = _hints(cls)
    given = {name: part for name, part in value.items() if name != "kind" or not issubclass(cls, QueryBase)}
    _checked(given.keys() <= hints.keys(), value, value)
    try:
        return cls(**{name: _read(hints[name], part) for name, part in given.items()})
    except TypeError as missing:
        raise ValueError(f"not all of {cls.__name__}: {missing}") from missing


def _checked(right: bool, result: Any, value: Any) -> Any:
    if not right:
        raise ValueError(f"no part of a query: {str(value)[:80]}")
    return result


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return {"anyOf": [_schema(arg, definitions) for arg in args]}
    if hint is types.NoneType:
        return {"type": "null"}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0], definitions)}
    return _object_schema(hint, definitions) if is_dataclass(hint) else {"type": _PLAIN[hint]}


def _object_schema(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}  # a place for those that hold themselves
        kind = {"kind": {"const": kind_name(cls)}} if issubclass(cls, QueryBase) else {}
        needed = [field.name for field in fields(cls) if field.default is MISSING and field.default_factory is MISSING]
        definitions[name] = {
            "type": "object",
            "description": (cls.__doc__ or "").split("\n")[0],
            "properties": kind | {field: _schema(hint, definitions) for field, hint in _hints(cls).items()},
            "required": [*kind, *needed],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}
