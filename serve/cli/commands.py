"""The commands that run everything in this process, embedded: ask, ingest, videos, search, timeline, delete, export."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from memory.records import VideoRecord
from memory.store.export import export_lines
from pipeline.queries.rules.planner import search_topic
from serve.api import convert, schemas
from serve.api.access import find_secret
from serve.embedded import Longwatch, watch
from serve.errors import NotFound
from serve.jobs.backup import back_up
from serve.jobs.backup import restore as fill_from_backup


def ask(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch ask VIDEO QUESTION…`"""
    video = watch(longwatch, options.file)
    answers = []
    for question in options.questions:
        answers.append(convert.answer(question, longwatch.ask(video.id, question)).model_dump(mode="json"))
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
    vector = longwatch.backend.keys.question(search_topic(words))
    retriever = longwatch.retriever_everywhere if options.video is None else longwatch.retriever
    hits = retriever.search(vector, options.limit, options.video)
    results = [convert.search_hit(hit, convert.notes_of(longwatch.store, hit)) for hit in hits]
    return schemas.SearchResult(hits=results).model_dump(mode="json")


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
    from serve.measure.runner import run, table  # imports what it measures

    figures = run(options.name, f"serve.measure.{options.name}", quick=options.quick, clips=options.clips)
    if not options.json:
        sys.stdout.write("\n".join(table(figures)) + "\n")
    sys.stdout.write(json.dumps(figures) + "\n")


def evaluate(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch eval`: a table, and one JSON document on the last line."""
    from serve.evals.command import evaluate as run  # imports what it asks with

    run(longwatch, options)


def serve(longwatch: Longwatch, options: argparse.Namespace) -> None:
    """`longwatch serve`"""
    from serve.actors.ray_node import RayNode
    from serve.logs import LogServer

    from .preflight import ready

    settings = longwatch.settings
    with (
        ready(settings, options.host, options.port) as place,
        RayNode(settings.runtime_dir) as node,
        LogServer(node.folder, settings.log_format, settings.log_level),
    ):
        from .service import run  # imports Ray, after its environment was set

        run(settings, node, place.host, place.port, open_to_all=options.open)


def link(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch link`: a one-time link to the page of the running service."""
    from serve.client import Client

    with Client(_address(longwatch, options)) as client:
        return {"link": client.link()}


def secret(longwatch: Longwatch, options: argparse.Namespace) -> dict[str, Any]:
    """`longwatch secret`: the running service's start secret, for programs."""
    address = _address(longwatch, options)
    start_secret = find_secret(address, longwatch.settings.runtime_dir)
    if start_secret is None:
        raise NotFound(f"no service of yours with a secret is running on {address}")
    return {"secret": start_secret}


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
