"""Loads public sets of questions about video, one module a set: their own annotation files become our items.

`longwatch eval --set NAME --videos DIR --annotations FILE`. Nothing is downloaded; who has a set names its folder and
its annotations. Their licences are theirs: most allow research only.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from serve.evals.items import Item


def load(name: str, annotations: Path, videos: Path) -> Iterator[Item]:
    """The items of one of `serve.evals.arguments.PUBLIC`, in its order, whether their videos are there or not.

    Raises `BadRequest` where the annotations are not of the set's shape.
    """
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    items: Iterator[Item] = module.load(annotations, videos)
    return items
