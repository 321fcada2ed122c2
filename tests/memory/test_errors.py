"""Errors cross process borders: what comes out of a pickle is what went in."""

from __future__ import annotations

import pickle

import pytest

from memory.errors import (
    CommitRefused,
    ImpossibleVideoId,
    KeySpaceMismatch,
    SchemaTooNew,
    StoreError,
    UnknownCube,
    UnknownVideo,
)


@pytest.mark.parametrize(
    "error",
    [
        SchemaTooNew(3, 2),
        CommitRefused("epoch"),
        UnknownVideo("vid_1"),
        ImpossibleVideoId("{"),
        UnknownCube("vid_1", 3),
        KeySpaceMismatch("a", "b"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_a_pickle(error: StoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
