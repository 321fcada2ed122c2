"""The commands that run everything in this process, embedded: ask, ingest, videos, search, timeline, delete, export."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from encoders.errors import EncoderError
from encoders.notes import Notes
from memory.records import CubeMemory, Hit, VideoRecord
from memory.store.export import export_lines
from pipeline.answer import Answer
from pipeline.errors import PipelineError
from pipeline.ingest import Ingest
from pipeline.library import Identity, file_sha256, register_file
from pipeline.queries.question import parse

from . import convert, schemas
from .access import find_secret
from .backup import back_up
from .backup import restore as fill_from_backup
from .errors import NotFound
from .progress import ProgressLine
from .wiring import Longwatch, file_source


def watch(longwatch: Longwatch, path: Path) -> VideoRecord:
    """The file's video, watched to its end; at once where it was watched before. Nothing stays of one that fails."""
    config = longwatch.settings.ingest_config()
    source = file_source(longwatch.settings, path)
    source.probe()  # refused before a model is loaded
    backend = longwatch.backend
    identity = Identity(file_sha256(path), backend.name, str(backend.keys.space), config.sampling)
    registered = register_file(longwatch.store, identity, source, path.resolve(), path.name)
    if registered.replaced is not None:
        longwatch.removal.drop_outside(registered.replaced)
    video = registered.video
    with ProgressLine(sys.stderr, video.name, video.duration_s) as progress:

        def on_commit(record: VideoRecord, closed: Sequence[CubeMemory]) -> None:
            progress.show(record.ingested_s, record.cubes)

        try:
            video = Ingest(longwatch.patient_store(), backend, config, on_commit).run(video.id, source)
        except (PipelineError, EncoderError):
            if longwatch.removal.kept(video) is None:  # else it is the service's, which goes on with it
                longwatch.removal.delete(video.id)
            raise
    longwatch.recall.refresh(video.id)
    return video


def ask(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch ask VIDEO QUESTION…`"""
    video = watch(longwatch, options.file)
    answers = []
    for question in options.questions:
        *_, last = longwatch.answerer.ask(video.id, question)
        if not isinstance(last, Answer):
            raise RuntimeError("an answer did not end with an Answer")
        answers.append(convert.answer(question, last).model_dump(mode="json"))
    return {"video": _dump(longwatch.store.video(video.id)), "answers": answers}


def ingest(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch ingest VIDEO`"""
    return {"video": _dump(watch(longwatch, options.file))}


def videos(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch videos`"""
    return {"videos": [_dump(record) for record in longwatch.store.videos()]}


def search(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch search WORDS`"""
    words = " ".join(options.query)
    vector = longwatch.backend.keys.question(parse(words).topic or words)
    recall = longwatch.recall_everywhere if options.video is None else longwatch.recall
    hits = recall.search(vector, options.limit, options.video)
    found = [convert.search_hit(hit, notes_of(longwatch, hit)) for hit in hits]
    return schemas.SearchResult(hits=found).model_dump(mode="json")


def notes_of(longwatch: Longwatch, hit: Hit) -> Notes:
    """The notes of a hit's cube."""
    if hit.ordinal is not None:
        return Notes.from_plain(dict(longwatch.store.cube(hit.video_id, hit.ordinal).notes))
    opened = longwatch.store.open_cube(hit.video_id)
    return Notes() if opened is None else Notes.from_plain(dict(opened.notes))


def timeline(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch timeline ID`"""
    longwatch.store.video(options.video)
    cubes = longwatch.store.cubes(options.video)
    opened = longwatch.store.open_cube(options.video)
    return convert.timeline(options.video, cubes, opened).model_dump(mode="json")


def delete(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch delete ID`, `longwatch delete --older-than DAYS`"""
    longwatch.removal.resume()
    if options.older_than is None:
        return {"deleted": _dump(longwatch.removal.delete(options.video))}
    old = longwatch.removal.delete_older_than(options.older_than, time.time())
    return {"forgotten": [_dump(record) for record in old]}


def export(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch export ID [--canonical]`: JSON lines on stdout."""
    for line in export_lines(longwatch.store, options.video, canonical=options.canonical):
        sys.stdout.write(line)


def doctor(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch doctor`"""
    from .doctor import examine  # imports everything there is

    return examine(longwatch)


def bench(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch bench NAME`: a table, and one JSON document on the last line."""
    from .bench.runner import run, table  # imports what it measures

    figures = run(options.name, quick=options.quick, clips=options.clips)
    if not options.json:
        sys.stdout.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures) + "\n")


def evaluate(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch eval`: a table, and one JSON document on the last line."""
    from .evals.command import evaluate as run  # imports what it asks with

    run(longwatch, options)


def serve(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch serve`"""
    from .ray_node import RayNode

    settings = longwatch.settings
    with RayNode(settings.runtime_dir) as node:  # before Ray is imported
        from .service import run

        run(settings, node, options.host, options.port, open_to_all=options.open)


def link(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch link`: a one-time link to the page of the running service."""
    from .client import Client

    with Client(_address(longwatch, options)) as client:
        return {"link": client.link()}


def secret(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch secret`: the running service's start secret, for programs."""
    address = _address(longwatch, options)
    found = find_secret(address, longwatch.settings.runtime_dir)
    if found is None:
        raise NotFound(f"no service of yours with a secret is running on {address}")
    return {"secret": found}


def _address(longwatch: Longwatch, options: argparse.Namespace) -> str:
    settings = longwatch.settings
    return f"http://{settings.host}:{settings.port if options.port is None else options.port}"


def backup(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch backup FOLDER`"""
    return back_up(longwatch.settings, longwatch.hold, options.folder)


def restore(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch restore FOLDER`"""
    return fill_from_backup(longwatch.settings, options.folder)


def _dump(record: VideoRecord) -> dict[str, Any]:
    return convert.video(record).model_dump(mode="json")
