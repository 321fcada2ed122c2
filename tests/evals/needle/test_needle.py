"""Runs the quick needle benchmark on a ten-minute film: planted pictures and clips are found again.

The pictures are fetched once by `python -m tests.bench.memory.needle.sources`. Recall over one and ten hours is
measured by the full run, `python -m tests.bench memory`.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from serve.settings import Settings
from tests.bench.memory.needle.benchmark import needle_rows
from tests.bench.memory.needle.film import DEPTHS
from tests.bench.memory.needle.sources import SourcesMissing, present

pytestmark = pytest.mark.long


@pytest.mark.timeout(900)
def test_what_the_encoder_knows_is_found_again_and_controls_find_next_to_nothing() -> None:
    cache = Settings().cache_dir
    try:
        present(cache / "needle")
    except SourcesMissing:
        pytest.skip("the needle pictures were not fetched")
    figures = needle_rows(True, cache)
    assert cast(int, figures["sources"]) >= 300
    row = cast(dict[str, Any], figures["10min"])
    assert row["known_or_not"]["trials"] == DEPTHS
    assert row["recall_at_4"] >= 0.9
    assert max(row["controls"]["last"], row["controls"]["uniform"]) <= 0.4
    assert row["memory_tokens"] <= 4 * 16
    assert row["total_ms"] > row["prefill_ms"] > 0
