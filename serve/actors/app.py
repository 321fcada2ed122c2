"""The typed builder of the Ray Serve application: `longwatch serve` and `serve run deploy/serve.yaml` both call it.

The application's ingress is the gateway, which listens with its own uvicorn (serve.api.web_server says why), so Ray
Serve's proxy is not used and may be switched off (`proxy_location: Disabled`).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from ray import serve as ray_serve

from serve.api.access import new_secret
from serve.settings import Settings

from .deployments import AnswerReplica, Encoder, MemoryOwner, Page
from .gateway import Gateway
from .workers import Supervisor

NAME = "longwatch"
PAGE = "ui.app:build"
_CHECKED_S = 1.0
"""How soon it is noticed that a replica was killed; Serve's own 10 s would be most of what it takes to come back."""
_QUIET = {"log_level": "WARNING", "enable_access_log": False}


class AppArguments(BaseModel):
    """What a Serve config file may set under `args`; everything else comes from `LONGWATCH_…`.

    Attributes:
        host, port: where the gateway listens.
        page: import string of the page's builder; empty for a service without a page.
        open: every local user is answered; otherwise only who has the start secret (`serve.api.access`).
        answerers, encoders: replicas.
        gpus: per encoder and answerer replica.
    """

    model_config = ConfigDict(extra="forbid")

    host: str | None = None
    port: int | None = None
    page: str = PAGE
    open: bool = False
    answerers: int = 1
    encoders: int = 1
    gpus: float = 0.0


def _deployment(target: Any, replicas: int, ongoing: int, gpus: float = 0.0) -> Any:
    options = {"num_cpus": 0.01, "num_gpus": gpus}
    return ray_serve.deployment(
        target,
        num_replicas=replicas,
        max_ongoing_requests=ongoing,
        ray_actor_options=options,
        logging_config=_QUIET,
        graceful_shutdown_timeout_s=20.0,
        health_check_period_s=_CHECKED_S,
    )


def build(args: AppArguments) -> Any:
    """The application: handles are injected where they are used. `serve run` hands its YAML over as a plain dict."""
    args = AppArguments.model_validate(args)
    base = Settings()
    settings = base.model_copy(
        update={"host": args.host or base.host, "port": base.port if args.port is None else args.port}
    )
    encoder = _deployment(Encoder, args.encoders, 64, args.gpus).bind(settings)
    memory = _deployment(MemoryOwner, 1, 256).bind(settings, encoder)
    answerer = _deployment(AnswerReplica, args.answerers, 16, args.gpus).bind(settings, encoder, memory)
    supervisor = _deployment(Supervisor, 1, 256).bind(settings, encoder)
    address = f"http://{settings.host}:{settings.port}"
    secret = None if args.open else new_secret()
    page = _deployment(Page, 1, 256).bind(args.page, address, settings, secret) if args.page else None
    gateway = _deployment(Gateway, 1, 1024)
    return gateway.bind(settings, encoder, memory, answerer, supervisor, page, secret)
