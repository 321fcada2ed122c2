"""The application's builder takes what `serve run` hands over: the YAML's `args` as a plain dict. No Ray is started."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from serve.actors.app import AppArguments, build


def test_a_dict_builds_the_same_application_as_typed_arguments() -> None:
    names = {build(args)._bound_deployment.name for args in ({"port": 8001}, AppArguments(port=8001))}  # type: ignore[arg-type]
    assert names == {"Gateway"}


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValidationError, match="prot"):
        build({"prot": 8001})  # type: ignore[arg-type]
