"""Plants pictures and clips in 10 min, 1 h and 10 h of film and asks for them; part of `python -m tests.bench memory`.

Every film goes through the real path: `Ingest` with momentum cubing, compression, propagation, keys and commits into an
embedded store; then `LocalRetriever`, `Executor` and, for a few questions, `Answerer` with the language model. The only
shortcut is that a picture is not encoded twice (`encoded`). A question names what is shown: "When does the zebra
appear?". A needle is found when one of the 4 cubes that the selection chooses points to it (`score`). `cited` counts
only cubes that reach the encoder's threshold for support.

The needles were chosen by what they show, not by whether the encoder knows them. The main figures are over those that
it knows: whose shot alone reaches the encoder's threshold for its question and scores higher than any other needle's
shot. `known_or_not` counts all. All lengths ask for the same needles, in the same pictures.

Watched films stay in the cache folder and are watched anew only when code that shapes a memory has changed, so another
setting of the selection is measured in minutes. Questions are always asked, and timed, anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.base import Backend, Frame
from encoders.pocket.backend import load
from memory.config import StoreConfig
from memory.records import F32, VideoRecord
from memory.store.base import MemoryStore
from memory.store.opening import StoreHold
from pipeline.config import AnswerConfig, IngestConfig
from pipeline.ingest import Ingest
from pipeline.language.protocol import LanguageModel
from pipeline.language.smollm.model import PocketLanguageModel
from pipeline.library import Identity, register_file
from serve.measure.code_digest import code_digest
from tests.bench.memory.needle import score
from tests.bench.memory.needle.ask import Asker
from tests.bench.memory.needle.encoded import remembered
from tests.bench.memory.needle.film import NEEDLE_STEPS, Film, FilmSource, film
from tests.bench.memory.needle.shots import Shot
from tests.bench.memory.needle.sources import Source, present

_ASKED = 3


@dataclass(frozen=True, slots=True)
class Length:
    """Films of one length: `films` of them with `each_depth` needles at each of 11 depths."""

    name: str
    seconds: int
    each_depth: int
    films: int


FULL = (Length("10min", 600, 1, 27), Length("1h", 3600, 9, 3), Length("10h", 36000, 9, 3))
QUICK = (Length("10min", 600, 1, 1),)


def needle_rows(quick: bool, cache: Path) -> dict[str, object]:
    """Recall of planted moments and what asking costs, by length.

    Args:
        quick: 10 minutes only.
        cache: Longwatch's cache folder; pictures, encodings and films' memories are in its folder ``needle``, so that
            a run that was interrupted goes on at the film it was at.

    Raises:
        SourcesMissing: the pictures were never fetched; the text is the command.
    """
    torch.set_num_threads(1)
    folder = cache / "needle"
    filler, needles = present(folder)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run is waited for: encodings have one writer
        return _rows(QUICK if quick else FULL, cache, filler, needles)


def _rows(
    lengths: Sequence[Length], cache: Path, filler: Sequence[Source], needles: Sequence[Source]
) -> dict[str, object]:
    folder = cache / "needle"
    bench = _Bench(folder, remembered(load(threads=1), folder / "encoded"), cache / "weights")
    figures: dict[str, object] = {"sources": len(filler), "needles": len(needles)}
    known_topics: dict[int, list[str]] = {}
    with StoreHold(StoreConfig(folder / "store")) as hold:
        for length in lengths:
            films = [film(length.seconds, length.each_depth, number, filler, needles) for number in range(length.films)]
            rows = [bench.row(hold.store, length, number, shown) for number, shown in enumerate(films)]
            known_topics |= {
                seed: bench.known_topics(needles, seed) for seed in sorted(_seeds(films) - known_topics.keys())
            }
            figures[length.name] = {
                **_length(rows, known_topics),
                **bench.answers(hold.store, length, films[0], known_topics[0]),
            }
    return figures


def _seeds(films: Sequence[Film]) -> set[int]:
    return {planted.shot.seed for shown in films for planted in shown.planted}


def _length(films: list[dict[str, Any]], known_topics: Mapping[int, Collection[str]]) -> dict[str, Any]:
    """One length's keys from its films' rows and the topics that the encoder knows in the pictures of each seed."""
    trials = [trial for row in films for trial in row["trials"]]
    return {
        **score.summed([trial for trial in trials if trial["topic"] in known_topics[trial["seed"]]]),
        "known_or_not": score.summed(trials),
        "films": len(films),
        "cubes": round(statistics.fmean(row["cubes"] for row in films)),
        "steps": sum(row["steps"] for row in films),
    }


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


class _Bench:
    """What all films share: the encoders, the language model, and what shapes a film's memory."""

    def __init__(self, folder: Path, backend: Backend, weights: Path) -> None:
        self._folder = folder
        self._backend = backend
        self._weights = weights
        self._model: LanguageModel | None = None
        self._watching = IngestConfig(screen_text=False)
        self._answering = AnswerConfig()
        self._code = watching_digest()

    def row(self, store: MemoryStore, length: Length, number: int, shown: Film) -> dict[str, Any]:
        """One film's trials."""
        video = self._watched(store, length, number, shown)
        asker = Asker(store, self._backend.keys, video, self._answering)
        trials = [asker.trial(planted) for planted in shown.planted]
        return {"trials": trials, "steps": shown.seconds, "cubes": video.cubes}

    def answers(self, store: MemoryStore, length: Length, shown: Film, known_topics: Collection[str]) -> dict[str, Any]:
        """What whole answers about a length's first film take, in ms: medians of `_ASKED`."""
        asker = Asker(store, self._backend.keys, self._watched(store, length, 0, shown), self._answering)
        self._model = self._model or PocketLanguageModel(self._weights)
        usages = asker.usages(self._model, shown, known_topics, _ASKED)
        prefill_ms = [usage.prefill_ms for usage in usages if usage.prefill_ms > 0]
        return {"prefill_ms": _median(prefill_ms), "total_ms": _median([usage.total_ms for usage in usages])}

    def _watched(self, store: MemoryStore, length: Length, number: int, shown: Film) -> VideoRecord:
        """The film's memory; what other code remembered of this film is deleted first."""
        name = f"{length.name}-{number}"
        digest = hashlib.sha256(f"{self._code} {self._watching} {shown}".encode()).hexdigest()
        for old in store.videos():
            if old.name == name and old.sha256 != digest:
                store.delete_video(old.id)
        keys = self._backend.keys
        identity = Identity(digest, self._backend.name, str(keys.space), self._watching.sampling)
        source = FilmSource(shown, self._folder)
        video = register_file(store, identity, source, Path(name), name).video
        ingest = Ingest(store, self._backend, self._watching, lambda record, closed: None)
        return ingest.run(video.id, source)

    def known_topics(self, needles: Sequence[Source], seed: int) -> list[str]:
        """Topics of needles whose shot alone answers to its question: its best cosine reaches the threshold and is
        larger than that of every other needle's shot."""
        keys = self._backend.keys
        shots = [self._alone(Shot(needle, seed, NEEDLE_STEPS)) for needle in needles]
        topics = []
        for i, needle in enumerate(needles):
            vector = keys.question(needle.topic or "")
            scores = np.array([(rows @ vector).max(initial=-1.0) for rows in shots])
            if scores[i] >= keys.threshold and scores[i] > np.delete(scores, i).max():
                topics.append(needle.topic or "")
        return topics

    def _alone(self, shot: Shot) -> F32:
        """A shot's keys, float32 [R, K], as a cube of nothing else would have them."""
        frames = [Frame(shot.frame(step, self._folder), float(step)) for step in range(shot.steps)]
        pool = self._backend.keys.pool()
        for evidence in self._backend.keys.evidence(frames, self._backend.frames.encode(frames)):
            pool.add(evidence)
        return self._backend.keys.keys(pool.summary(), []).vectors


def watching_digest() -> str:
    """Of all code that shapes a film's memory; what is configured, the film itself names (`IngestConfig`)."""
    parts = ("film", "shots", "sources", "encoded")
    roots = ("pipeline.ingest", "pipeline.library", "encoders.pocket.backend", "memory.store.opening")
    bench = tuple(f"tests.bench.memory.needle.{part}" for part in parts)
    return code_digest(*roots, *bench, without=("pipeline.config", "serve.settings"))
