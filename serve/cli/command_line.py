"""The `longwatch` command. Results go to stdout (`--json`: one JSON document), progress and logs to stderr.

Exit status: 0 done; 2 refused, with a stable code and a sentence on stderr; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from encoders.errors import EncoderError
from memory.errors import StoreError
from pipeline.errors import PipelineError
from serve.client import ClientError
from serve.embedded import Longwatch
from serve.errors import ServeError, SettingsInvalid, code_of, detail_of
from serve.evals.arguments import add_arguments as add_eval_arguments
from serve.measure import NAMES
from serve.settings import Settings, check_environment, settings_message
from serve.wiring import check_names

from . import commands as local
from . import render

Command = Callable[[Longwatch, argparse.Namespace], Any]


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="longwatch", description="Watches video, keeps a small memory of it, answers questions with times."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Command, text: str, *arguments: tuple[str, dict[str, Any]]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        for argument, options in arguments:
            sub.add_argument(argument, **options)
        sub.add_argument("--json", action="store_true", help="print one JSON document")
        sub.set_defaults(run=run)
        return sub

    file = ("file", {"type": Path, "metavar": "VIDEO", "help": "a video file"})
    video = ("video", {"metavar": "ID", "help": "a video's id (see: longwatch videos)"})
    questions = ("questions", {"nargs": "+", "metavar": "QUESTION"})
    add("ask", local.ask, "watch a video (once) and answer questions about it", file, questions)
    add("ingest", local.ingest, "watch a video and remember it", file)
    add("videos", local.videos, "list what is remembered")
    search = add("search", local.search, "find moments by words, without a language model", ("query", {"nargs": "+"}))
    search.add_argument("--limit", type=int, default=10)
    search.add_argument("--video", action="append", metavar="ID", help="only in this video (may be given again)")
    add("timeline", local.timeline, "what was seen when", video)
    delete = add("delete", local.delete, "forget a video and everything of it")
    which = delete.add_mutually_exclusive_group(required=True)
    which.add_argument("video", nargs="?", metavar="ID", help="a video's id (see: longwatch videos)")
    which.add_argument("--older-than", type=float, metavar="DAYS", help="all to which nothing was added for so long")
    export = add("export", local.export, "write a video's memory as JSON lines", video)
    export.add_argument("--canonical", action="store_true", help="without what depends on the day or the machine")
    add("doctor", local.doctor, "check that everything needed is there and works")
    bench = add(
        "bench", local.bench, "measure something; the last line is one JSON document", ("name", {"choices": NAMES})
    )
    bench.add_argument("--quick", action="store_true", help="a smaller run of the same thing, under 60 s")
    bench.add_argument("--clips", type=Path, help="a folder of real clips with events.json")
    add_eval_arguments(add("eval", local.evaluate, "ask a set of questions with known answers, and score"))
    serve = add("serve", local.serve, "start the service: REST, websockets and the page")
    serve.add_argument("--host", default=None)
    serve.add_argument("--port", type=int, default=None)
    serve.add_argument("--open", action="store_true", help="answer every user of this machine, without a secret")
    port = ("--port", {"type": int, "default": None, "help": "the service's, where it is not the settings'"})
    add("link", local.link, "print a one-time link to the running service's page", port)
    add("secret", local.secret, "print the running service's secret, for programs", port)
    folder = ("folder", {"type": Path, "metavar": "FOLDER"})
    add("backup", local.backup, "copy memories and kept files into a new folder, also while they are in use", folder)
    add("restore", local.restore, "fill an empty data folder from a backup", folder)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = parser().parse_args(arguments)
    os.umask(0o077)  # whatever this process or a child of it writes is its user's alone
    for name in check_environment():
        print(f"longwatch: {name} means nothing; misspelt?", file=sys.stderr)
    try:
        settings = Settings()
    except ValidationError as error:
        return _refuse(SettingsInvalid.code, settings_message(error), as_json=options.json)
    try:
        check_names(settings)
        with Longwatch(settings) as longwatch:
            result = options.run(longwatch, options)
    except (PipelineError, StoreError, EncoderError, ServeError) as error:
        return _refuse(code_of(error), detail_of(error), as_json=options.json)
    except ClientError as error:
        return _refuse(error.code, error.detail, as_json=options.json)
    except KeyboardInterrupt:
        return 130
    if result is not None:
        print(
            json.dumps(result, ensure_ascii=False, indent=2) if options.json else render.text(options.command, result)
        )
    return 0


def _refuse(code: str, detail: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": {"code": code, "detail": detail}}, ensure_ascii=False, indent=2))
    print(f"longwatch: {detail} [{code}]", file=sys.stderr)
    return 2
