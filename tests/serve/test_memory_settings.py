"""The settings of what stays in a cache and of what is carried along reach the parts that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders.notes import Notes, Thing
from memory.records import TimeSpan
from pipeline.language.protocol import Generation, Prompt, ReadableMemory
from serve.settings import Settings
from serve.wiring import load_language_model

MEMORIES = [
    ReadableMemory(TimeSpan(9.0 * i, 9.0 * i + 9), None, Notes(things=(Thing("rocket", 0.8), Thing("sofa", 0.7))))
    for i in range(45)
]
PROMPT = Prompt("Is there a rocket?", "Yes, a rocket is seen from 1:12 to 1:21.", MEMORIES)


@pytest.mark.parametrize(("policy", "pruned"), [("streaming_llm", True), ("full", False)])
def test_the_policy_decides_what_the_language_models_cache_keeps(
    policy: str, pruned: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache_dir = Path(tmp_path_factory.getbasetemp()) / "memory-settings"
    model = load_language_model(Settings(policy=policy, cache_dir=cache_dir, threads=1))
    *_, last = model.generate(PROMPT, 3)
    assert isinstance(last, Generation)
    assert (last.compactions > 0, last.cache_slots <= 768) == (pruned, pruned)


def test_the_propagator_is_part_of_how_a_video_is_watched() -> None:
    config = Settings(propagator="mean").ingest_config()
    assert config.propagator == "mean"
    assert config.sampling != Settings().ingest_config().sampling
    assert Settings().ingest_config().sampling == Settings(propagator="merging").ingest_config().sampling
