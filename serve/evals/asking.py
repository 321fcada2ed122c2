"""Asks Longwatch an item's question and returns what came back, plain enough for JSON.

A question with a moment (`Item.until_s`) is asked while the video is being watched: watching stops after the last
picture at or before the moment, the question is asked of what is committed, and watching goes on. So nothing later can
be used, and nothing earlier is missing. Cutting at a cube's border instead would lose or leak up to a whole cube. The
memory made for this is deleted after the last question; it is not the one kept for other questions.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from encoders.base import Frame
from encoders.digest import file_sha256
from memory.records import VideoRecord
from pipeline.answer import Answer
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file
from pipeline.video.source import DecodeMode, FrameSource, MediaInfo
from serve.embedded import Longwatch
from serve.wiring import file_source

from .choices import choose
from .items import Item
from .scoring import Span


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one question; times in seconds.

    Attributes:
        citations: spans, in the order of the answer.
        evidence: spans of the answer's evidence beyond its citations.
        notes: what the cited memories say.
        chosen: index of the option taken; None where there are no options.
        as_of_s: up to where the video was watched.
    """

    text: str
    supported: bool
    citations: tuple[Span, ...]
    evidence: tuple[Span, ...]
    notes: tuple[str, ...]
    phrased_by: str
    chosen: int | None
    as_of_s: float
    ask_ms: float

    def plain(self) -> dict[str, object]:
        """As JSON holds it."""
        return asdict(self)


def ask(longwatch: Longwatch, video_id: str, item: Item) -> Asked:
    """Asks one question of what is remembered of a video now."""
    began = time.perf_counter()
    *_, answer = longwatch.answerer.ask(video_id, item.question)
    if not isinstance(answer, Answer):
        raise RuntimeError("an answer did not end with an Answer")
    ask_ms = (time.perf_counter() - began) * 1000
    return Asked(
        text=answer.text,
        supported=answer.supported,
        citations=tuple((citation.span.start_s, citation.span.end_s) for citation in answer.citations),
        evidence=tuple((span.start_s, span.end_s) for span in answer.evidence.spans) if answer.evidence else (),
        notes=tuple(citation.notes for citation in answer.citations),
        phrased_by=answer.phrased_by,
        chosen=choose(longwatch, video_id, item.choices, answer) if item.choices else None,
        as_of_s=answer.as_of_s,
        ask_ms=round(ask_ms, 1),
    )


class CutSource:
    """A source that ends, for now, before the first frame after `until_s`."""

    def __init__(self, source: FrameSource, until_s: float) -> None:
        self._source = source
        self._until_s = until_s
        self._last_s: float | None = None
        self.cut = False

    @property
    def damage(self) -> str | None:
        """See `FrameSource.damage`."""
        return self._source.damage

    def probe(self) -> MediaInfo:
        """See `FrameSource.probe`."""
        return self._source.probe()

    def steps(self, resume_after_s: float | None, mode: DecodeMode) -> Iterator[Frame]:
        """See `FrameSource.steps`."""
        self._last_s = resume_after_s
        for frame in self._source.steps(resume_after_s, mode):
            if frame.time_s > self._until_s:
                self.cut = True
                return
            self._last_s = frame.time_s
            yield frame

    def all_taken(self, watched_s: float) -> bool:
        """Whether it was cut, and everything before the cut is watched, `watched_s` being the latest step's time."""
        return self.cut and (self._last_s is None or watched_s >= self._last_s - 1e-6)


def ask_while_watching(longwatch: Longwatch, path: Path, items: Sequence[Item]) -> Iterator[tuple[Item, Asked]]:
    """Watches a file from its start and asks each item at its moment, in order of time. The memory is gone when the
    iterator ends or is closed."""
    source = file_source(longwatch.settings, path)
    video = _new_video(longwatch, path, source)
    try:
        for item in sorted(items, key=lambda question: question.until_s or 0.0):
            if item.until_s is not None:
                _watch_until(longwatch, video.id, source, item.until_s)
            yield item, ask(longwatch, video.id, item)
    finally:
        longwatch.store.delete_video(video.id)
        longwatch.retriever.videos.forget(video.id)


def _new_video(longwatch: Longwatch, path: Path, source: FrameSource) -> VideoRecord:
    """A video of its own: never the memory that the same file has otherwise."""
    backend = longwatch.backend
    own = hashlib.sha256(f"asked while watching {file_sha256(path)}".encode()).hexdigest()
    sampling = longwatch.settings.ingest_config().sampling
    identity = Identity(own, backend.name, str(backend.keys.space), sampling)
    registered = register_file(longwatch.store, identity, source, path.resolve(), path.name)
    if not registered.existed:
        return registered.video
    longwatch.store.delete_video(registered.video.id)  # left by a run that was stopped
    return register_file(longwatch.store, identity, source, path.resolve(), path.name).video


def _watch_until(longwatch: Longwatch, video_id: str, source: FrameSource, until_s: float) -> None:
    cut = CutSource(source, until_s)
    config = longwatch.settings.ingest_config()

    def watched_s() -> float:
        state = longwatch.store.state(video_id)
        return -1.0 if state is None or state.resume_after_s is None else state.resume_after_s

    Ingest(longwatch.store, longwatch.backend, config, lambda record, closed: None).run(
        video_id, cut, stop=lambda: cut.all_taken(watched_s())
    )
