"""A small real service, and the page's events over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.client import Client
from tests.serve.small_service import SmallService, small_service
from ui.callbacks import Callbacks


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SmallService]:
    with small_service(tmp_path) as state:
        yield state


@pytest.fixture
def callbacks(service: SmallService) -> Iterator[Callbacks]:
    with Client(service.url, timeout_s=20.0) as client:
        yield Callbacks(client)
