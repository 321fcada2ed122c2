"""Reads questions with dated truth from JSON: what is asked, of which video, and what would be right.

A file of questions is one JSON object::

    {"videos": {"bottles.mp4": {"seconds": 39.9, "shows": {"bottle": [[0.0, 39.9]]}}},
     "items": [{"video": "bottles.mp4", "question": "When is a bottle on the table?", "kind": "when",
                "subject": "bottle", "known": true, "words": ["bottle"], "spans": [[0.0, 39.9]]}]}

Times are seconds since the video's first frame; a span is [start, end). `shows` says for a subject *every* time at
which it can be seen in that video, which is what lets `serve.evals.concat_items` ask about many videos joined. Of an
item, `video`, `question` and `kind` are needed; the rest is left out where it is not to be scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serve.errors import BadRequest

from .scoring import Span

_KEYS = {"in_vocabulary": "known"}
"""Fields of `Item` that have another name in JSON."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question and its truth.

    Attributes:
        video: path of the file, relative to the folder of videos.
        kind: a row of the table: when, first, last, count, exists, at, before, after, text, what, absent, or what a
            public set calls its kinds.
        subject: the thing asked for, as `ClipTruth.shows` calls it; empty where the question is about no single thing.
        alone: whether it means its own video only ("the first person at the table"), so that it is never asked of many
            joined.
        in_vocabulary: whether `subject` is a word of the pocket backend's vocabulary; `known` in JSON.
        words: what a right answer says: one word of every group, each a list of synonyms.
        spans: times that count as right; a citation or time that meets any of them hits.
        count: how many times, where that is asked.
        refusal: whether "nothing was found" is the right answer.
        choices, correct: options without their letters, and the index of the right one.
        until_s: the moment at which it is asked; only what was watched until then may be used.
    """

    video: str
    question: str
    kind: str
    subject: str = ""
    in_vocabulary: bool = False
    alone: bool = False
    words: tuple[tuple[str, ...], ...] = ()
    spans: tuple[Span, ...] = ()
    count: int | None = None
    refusal: bool = False
    choices: tuple[str, ...] = ()
    correct: int | None = None
    until_s: float | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it, what is unset left out."""
        unset = {name: field.default for name, field in self.__dataclass_fields__.items()}
        return {_KEYS.get(name, name): value for name, value in asdict(self).items() if value != unset[name]}


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """What is known of a video besides its questions: its length in seconds, and when each subject can be seen."""

    seconds: float
    shows: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Questions:
    """A file of questions."""

    items: tuple[Item, ...]
    clips: Mapping[str, ClipTruth] = field(default_factory=dict)


def load_items(path: Path) -> Questions:
    """Reads a file of questions. Raises `BadRequest` with the place and the reason where it is not one."""
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise BadRequest(f"{path.name}: a file of questions is a JSON object with a list `items`")
    items = tuple(parsed(plain, f"{path.name}, item {number}") for number, plain in enumerate(document["items"]))
    clips = {name: _clip(clip, f"{path.name}, video {name}") for name, clip in document.get("videos", {}).items()}
    return Questions(items, clips)


def read_json(path: Path) -> Any:
    """A file's JSON. Raises `BadRequest` where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadRequest(f"{path.name} is not JSON: {error}") from error


def parsed(plain: Any, where: str) -> Item:
    """One item of a file; `where` begins the error's sentence."""
    if not isinstance(plain, dict) or not {"video", "question", "kind"} <= plain.keys():
        raise BadRequest(f"{where}: an item needs `video`, `question` and `kind`")
    fields = {_KEYS.get(name, name): name for name in Item.__dataclass_fields__}
    if unknown := plain.keys() - fields.keys():
        raise BadRequest(f"{where}: {min(unknown)} means nothing here")
    try:
        item = Item(
            **{
                **{fields[key]: value for key, value in plain.items()},
                "words": _groups(plain.get("words", [])),
                "spans": _spans(plain.get("spans", [])),
                "choices": tuple(plain.get("choices", ())),
            }
        )
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{where}: {error}") from error
    if item.choices and item.correct is not None and not 0 <= item.correct < len(item.choices):
        raise BadRequest(f"{where}: `correct` is no index of `choices`")
    return item


def _groups(words: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    """A flat list of words is one group of synonyms."""
    if all(isinstance(word, str) for word in words):
        return (tuple(words),) if words else ()
    return tuple((group,) if isinstance(group, str) else tuple(group) for group in words)


def _spans(spans: Sequence[Sequence[float]]) -> tuple[Span, ...]:
    pairs = tuple((float(start), float(end)) for start, end in spans)
    if any(end <= start for start, end in pairs):
        raise ValueError("a span ends after it starts")
    return pairs


def _clip(plain: Any, where: str) -> ClipTruth:
    try:
        return ClipTruth(
            float(plain["seconds"]), {name: _spans(spans) for name, spans in plain.get("shows", {}).items()}
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"{where}: {error!r}") from error
