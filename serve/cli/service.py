"""`longwatch serve`: Ray, the application, and a clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray import serve as ray_serve

from memory.store.opening import StoreHold
from serve.actors.app import NAME, AppArguments, build
from serve.actors.ray_node import HeadGone, RayNode
from serve.api.access import ENTER, Access, find_secret, secret_path
from serve.errors import ServiceRefused, code_of, detail_of
from serve.settings import Settings

_END_S = 10.0
_LOOK_S = 1.0
"""How often the main process looks whether Ray's head is there."""


def run(settings: Settings, node: RayNode, host: str, port: int, *, open_to_all: bool) -> None:
    """Starts the service and returns after it was told to end and has ended.

    Raises `ServiceRefused` with one sentence where Ray or a part of the service does not start.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    began = time.monotonic()
    _say("starting Ray, the store and the models; this takes about half a minute")
    with _ray(node, settings, port):
        for number in (signal.SIGINT, signal.SIGTERM):  # after Ray, which sets handlers of its own
            signal.signal(number, on_signal)
        with _started("the service"):
            handle = _start_app(AppArguments(host=host, port=port, open=open_to_all))
        node.check_ports()
        address = f"http://{host}:{port}"
        _say(f"listening on {address} ({time.monotonic() - began:.0f} s)")
        _say(_who(address, port, settings))
        while not stop.wait(_LOOK_S):
            node.check_head()
        _say("ending")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the end is under way and bounded; a second signal changes nothing
        handle.leave.remote().result(timeout_s=60)


@contextmanager
def _ray(node: RayNode, settings: Settings, port: int) -> Iterator[None]:
    """Ray, for as long as the block lasts; afterwards none of its processes and files are left, nor a store that nobody
    else uses. Raises `HeadGone` in the place of what goes wrong where Ray's head has ended."""
    with _started("Ray"):
        _start_ray(node)
    node.follow()
    try:
        try:
            yield
        except Exception:
            node.check_head()
            raise
    except HeadGone:
        with _without_stderr():  # where Ray says the same at length
            node.end_family()  # they cannot go on, and would not all end by themselves
        atexit.register(_leave, 2)
        raise
    except BaseException:
        ray.shutdown()
        raise
    else:
        ray.shutdown()  # this Ray is ours alone: its processes end with it
        node.end_family(_END_S)
    finally:
        secret_path(settings.runtime_dir, port).unlink(missing_ok=True)
        StoreHold(settings.store_config()).await_end()


@contextmanager
def _without_stderr() -> Iterator[None]:
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _leave(status: int) -> None:
    """Ends this process before Ray, whose head is gone, waits for it at exit (10 s)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@contextmanager
def _started(what: str) -> Iterator[None]:
    """Whatever stops a start is one sentence; the reason is the first of ours among its causes, else its last line."""
    try:
        yield
    except ServiceRefused:
        raise
    except Exception as error:
        causes = [error, *_causes(error)]
        reason = next((detail_of(cause) for cause in causes if code_of(cause) != "internal"), None)
        last_line = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ServiceRefused(f"{what} did not start: {reason or last_line[0]}") from error


def _causes(error: BaseException) -> Iterator[Exception]:
    """The errors behind one, Ray's wrapping included."""
    for behind in (getattr(error, "cause", None), error.__cause__, error.__context__):
        if isinstance(behind, Exception):
            yield behind
            yield from _causes(behind)


def _say(text: str) -> None:
    sys.stderr.write(f"longwatch: {text}\n")
    sys.stderr.flush()


def _who(address: str, port: int, settings: Settings) -> str:
    """Who is answered, and how a browser gets in."""
    secret = find_secret(address, settings.runtime_dir)
    if secret is None:
        return "open: every user of this machine is answered"
    return f"open the page once by {address}{ENTER}?code={Access(secret, port).first_code}"


def _start_ray(node: RayNode) -> None:
    """A Ray of our own on this machine, without its dashboard; workers' logs stay in Ray's session folder."""
    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.init(logging_level=logging.WARNING, **node.options())


def _start_app(arguments: AppArguments) -> Any:
    ray_serve.start(proxy_location="Disabled", logging_config={"log_level": "WARNING", "enable_access_log": False})
    handle = ray_serve.run(build(arguments), name=NAME, route_prefix=None)
    handle.url.remote().result(timeout_s=60)
    with suppress(TimeoutError):
        _await_models()
    return handle


def _await_models() -> None:
    """The address is printed when the first question would not wait for a model."""
    ray_serve.get_deployment_handle("AnswerReplica", NAME).warm.remote().result(timeout_s=120)
