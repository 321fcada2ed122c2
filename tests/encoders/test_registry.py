from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest

from encoders.backends import default_backends
from encoders.errors import DuplicateName, EncoderError, UnknownName
from encoders.registry import Registry
from tests.conftest import ROOT


def test_what_is_registered_is_found() -> None:
    registry: Registry[type] = Registry("number")
    registry.register("whole", int)
    assert registry.get("whole") is int


def test_a_taken_name_is_refused_and_keeps_its_owner() -> None:
    registry: Registry[type] = Registry("number")
    registry.register("whole", int)
    with pytest.raises(DuplicateName, match="number 'whole' is registered already, and again by builtins"):
        registry.register("whole", float)
    assert registry.get("whole") is int


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        Registry[type]("number").register("", int)


def test_an_unknown_name_lists_the_known_ones_sorted() -> None:
    registry: Registry[type] = Registry("number")
    registry.register("whole", int)
    registry.register("real", float)
    with pytest.raises(UnknownName, match="no number is called 'odd'; known: real, whole") as caught:
        registry.get("odd")
    assert isinstance(caught.value, EncoderError)
    assert registry.names() == ("real", "whole")


def test_an_empty_registry_says_so() -> None:
    with pytest.raises(UnknownName, match="known: none"):
        Registry[type]("number").get("odd")


def test_registries_do_not_share_names() -> None:
    first: Registry[type] = Registry("number")
    first.register("whole", int)
    assert Registry[type]("number").names() == ()


def test_the_pocket_backend_is_known() -> None:
    assert "pocket" in default_backends().names()


def test_a_module_and_attribute_is_imported_when_it_is_asked_for() -> None:
    registry: Registry[type] = Registry("number", built_in={"exact": "fractions:Fraction", "none": "fractions:Nothing"})
    assert registry.names() == ("exact", "none")
    assert registry.get("exact") is Fraction
    with pytest.raises(AttributeError, match="Nothing"):
        registry.get("none")
    assert registry.added() == {}


def test_naming_a_backend_loads_no_model() -> None:
    code = "import sys; from encoders.backends import default_backends as d; d().names(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "encoders.pocket.backend" not in run.stdout.split()
