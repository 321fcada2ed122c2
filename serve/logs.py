"""One line for each request, answer, job and worker: who and when, never what was asked or said.

    with LogServer(folder, format, level):   # in the service's main process: prints what the others send
        …
    send_logs()                              # in a replica or worker: its `longwatch.…` loggers go there
    log_event(log, "answer", video=video_id, ms=12.5)

Lines come over a private datagram socket, since Ray keeps its workers' output in files that go when it ends. `text` is
for people, `json` for machines; rotation is the supervisor's of the machine.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
_SOCKET, _FORMAT, _LEVEL = "LW_LOG_SOCKET", "LW_LOG_FORMAT", "LW_LOG_LEVEL"
_MOST_BYTES = 16 << 10
_END = b""
_ROOT = "longwatch"


def log_event(log: logging.Logger, event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Logs an event with its fields: ids, times, counts, codes."""
    log.log(level, event, extra={"fields": fields})


class LineFormatter(logging.Formatter):
    """A record as one line, its traceback included."""

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields: dict[str, Any] = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        about = {"time": when, "level": record.levelname, "logger": record.name, "event": record.getMessage()}
        if self._json:
            return json.dumps(about | fields, ensure_ascii=False, default=str)
        pairs = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
        return f"{when} {record.levelname} {record.name} {about['event']}{pairs}"


def _plain(value: Any) -> str:
    """A value without spaces, line ends and control characters, so that a line stays one line and can be cut apart."""
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    safe = text.isprintable() and " " not in text and text
    return text if safe else json.dumps(text)


class SocketHandler(logging.Handler):
    """Sends each line as a datagram; a line that cannot be sent is dropped, as no request may wait for a log."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode("utf-8", "replace")[:_MOST_BYTES] or b" "
        with suppress(OSError):  # the service's main process is gone, or too busy to read
            self._socket.sendto(line, self._path)

    def close(self) -> None:
        self._socket.close()
        super().close()


def send_logs() -> None:
    """Sends this process's `longwatch.…` loggers to the service's main process, where there is one; once."""
    path = os.environ.get(_SOCKET)
    logger = logging.getLogger(_ROOT)
    if path is None or any(isinstance(handler, SocketHandler) for handler in logger.handlers):
        return
    handler = SocketHandler(path)
    handler.setFormatter(LineFormatter("json" if os.environ.get(_FORMAT) == "json" else "text"))
    logger.addHandler(handler)
    logger.setLevel(os.environ.get(_LEVEL, "INFO"))
    logger.propagate = False


class LogServer:
    """Prints what the service's processes send, a line at a time. A context manager.

    Args:
        folder: private; the socket goes there.
    """

    def __init__(self, folder: Path, style: LogFormat, level: LogLevel, out: TextIO | None = None) -> None:
        self._path = folder / "log.sock"
        self._out = out or sys.stderr
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._print, name="logs", daemon=True)
        self._environment = {_SOCKET: str(self._path), _FORMAT: style, _LEVEL: level}

    def __enter__(self) -> LogServer:
        self._path.unlink(missing_ok=True)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        os.environ.update(self._environment)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.sendto(_END, str(self._path))
        self._thread.join()
        self._socket.close()
        self._path.unlink(missing_ok=True)
        for name in self._environment:
            os.environ.pop(name, None)

    def _print(self) -> None:
        while line := self._socket.recv(_MOST_BYTES):
            self._out.write(line.decode("utf-8", "replace").strip() + "\n")
            self._out.flush()
