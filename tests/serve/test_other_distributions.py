"""Another distribution adds a backend, a compressor, a policy and a source, and each is used by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.backends import default_backends
from encoders.compressors import default_compressors
from encoders.errors import DuplicateName
from memory.kv.build import new_cache
from memory.kv.policies import default_policies
from pipeline.video.sources import default_sources
from pipeline.watching.cubes import new_cube_stream
from serve.cli import doctor
from serve.errors import code_of
from serve.settings import Settings
from serve.wiring import check_names, file_source, load_backend
from tests.memory.kv.kv_oracle import tiny
from tests.pipeline.fakes import colour_backend

MODULE = """
from tests.pipeline.fakes import PictureSource, colour_backend, frames_of
from tests.recipes.key_norm import KeyNorm
from tests.recipes.runs import Runs

def load(threads):
    return colour_backend()

def open_colours(address, config, sandbox):
    return PictureSource(frames_of(address.removeprefix("colours://").split(",")))
"""
ENTRIES = """
[longwatch.backends]
colours = colourful:load
[longwatch.compressors]
runs = colourful:Runs
broken = colourful_extras_that_are_not_there:Runs
[longwatch.policies]
key_norm = colourful:KeyNorm
[longwatch.sources]
colours = colourful:open_colours
"""


def distribute(folder: Path, entries: str, name: str = "colourful") -> None:
    """A distribution's files, as an installer leaves them."""
    about = folder / f"{name}-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(entries)
    (folder / f"{name}.py").write_text(MODULE)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Registries read entry points once a process."""
    registries = (default_backends, default_compressors, default_policies, default_sources)
    for registry in registries:
        registry.cache_clear()
    yield
    for registry in registries:
        registry.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_each_is_used_by_its_name(folder: Path) -> None:
    distribute(folder, ENTRIES)
    settings = Settings(backend="colours", compressor="runs", policy="key_norm")
    check_names(settings)
    backend = load_backend(settings)
    assert backend.name == colour_backend().name
    new_cube_stream(backend, settings.ingest_config())
    assert type(default_compressors().get("runs")(4)).__name__ == "Runs"
    assert new_cache(tiny("llama"), settings.policy, slots=16).slots == 0
    source = file_source(settings, "colours://red,blue")
    assert len(list(source.steps(None, "full"))) == 2
    assert "colours" in default_backends().names()


def test_the_doctor_says_what_is_from_where(folder: Path) -> None:
    assert doctor._added() == "nothing"
    default_compressors.cache_clear()
    default_sources.cache_clear()
    distribute(folder, "[longwatch.compressors]\nruns = colourful:Runs\n[longwatch.sources]\nrtsp = colourful:rtsp\n")
    report = "compressor runs (colourful); source rtsp (colourful); sources of others run WITHOUT the sandbox"
    assert doctor._added() == report


def test_a_broken_one_raises_its_own_error_when_it_is_chosen(folder: Path) -> None:
    distribute(folder, ENTRIES)
    check_names(Settings(compressor="broken"))
    with pytest.raises(ModuleNotFoundError, match="colourful_extras_that_are_not_there"):
        default_compressors().get("broken")
    assert default_compressors().get("tome")(4)


@pytest.mark.parametrize("other", ["", "[longwatch.compressors]\nrows = colourful:Runs\n"])
def test_two_of_one_name_are_refused_whichever_is_asked_for(folder: Path, other: str) -> None:
    distribute(folder, "[longwatch.compressors]\n" + ("rows" if other else "tome") + " = colourful:Runs\n")
    if other:
        distribute(folder, other, "colours_again")
    for _ in range(2):
        with pytest.raises(DuplicateName, match=r"'(tome|rows)' is registered already, and again by colour") as refused:
            check_names(Settings())
        assert code_of(refused.value) == "settings.invalid"
