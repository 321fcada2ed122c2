from __future__ import annotations

import pytest

from encoders.errors import EncoderError, UnknownName
from encoders.registry import Registry, default_backends


def test_what_is_registered_is_found() -> None:
    registry: Registry[type] = Registry("number")
    assert registry.register("whole", int) is int
    assert registry.get("whole") is int


def test_a_taken_name_is_refused_and_keeps_its_owner() -> None:
    registry: Registry[type] = Registry("number")
    registry.register("whole", int)
    with pytest.raises(ValueError, match="number 'whole' is registered already"):
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
