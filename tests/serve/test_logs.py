"""Log lines of other processes are printed by the main one: one line an event, as text or JSON, at the level set."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.logs import LineFormatter, LogFormat, LogServer, send_logs

SENDER = """
import logging
from serve.logs import log_event, send_logs
send_logs()
send_logs()
log = logging.getLogger("longwatch.http")
log_event(log, "request", method="GET", path="/v1/videos", status=200, ms=3.25)
log_event(log, "request", logging.DEBUG, path="/")
log_event(log, "a name", name="two\\nlines \\x1b[31m")
try:
    raise ValueError("inside")
except ValueError:
    log.exception("unexpected error")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lw", dir="/tmp") as name:
        yield Path(name)


def sent(folder: Path, style: LogFormat, level: str) -> list[str]:
    out = io.StringIO()
    with LogServer(folder, style, level, out):  # type: ignore[arg-type]
        assert (folder / "log.sock").stat().st_mode & 0o077 == 0
        subprocess.run([sys.executable, "-c", SENDER], check=True, timeout=60)
    assert not (folder / "log.sock").exists()
    return out.getvalue().splitlines()


def test_one_line_an_event_as_text(folder: Path) -> None:
    request, name, failed, *_ = lines = sent(folder, "text", "INFO")
    assert request.split(" ", 1)[1] == "INFO longwatch.http request method=GET path=/v1/videos status=200 ms=3.2"
    assert name.endswith(r'name="two\nlines \u001b[31m"')
    assert "unexpected error traceback=" in failed
    assert len(lines) == 3


def test_one_document_an_event_as_json(folder: Path) -> None:
    request, name, failed = map(json.loads, sent(folder, "json", "INFO"))
    assert {
        "logger": "longwatch.http",
        "event": "request",
        "level": "INFO",
        "status": 200,
        "ms": 3.25,
    }.items() <= request.items()
    assert name["name"] == "two\nlines \x1b[31m"
    assert "ValueError: inside" in failed["traceback"]


def test_levels(folder: Path) -> None:
    assert len(sent(folder, "text", "DEBUG")) == 4
    assert len(sent(folder, "text", "ERROR")) == 1


def test_without_a_server_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LW_LOG_SOCKET", raising=False)
    before = list(logging.getLogger("longwatch").handlers)
    send_logs()
    assert logging.getLogger("longwatch").handlers == before


def test_a_plain_record_is_a_line_too() -> None:
    record = logging.LogRecord("longwatch.store", logging.WARNING, "", 0, "waiting for %s", ("the store",), None)
    assert LineFormatter("text").format(record).endswith("WARNING longwatch.store waiting for the store")
