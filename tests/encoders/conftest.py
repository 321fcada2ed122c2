"""Shared, slow-to-make objects of the encoder tests."""

from __future__ import annotations

import pytest

from encoders.base import Backend
from encoders.pocket.backend import load


@pytest.fixture(scope="session")
def pocket() -> Backend:
    """The real pocket backend, on one thread."""
    return load(threads=1)
