"""Reads all settings from the environment. Each is `LONGWATCH_…`; `check_environment` finds unknown ones.

Nothing else reads the environment. Composes the packages' small config dataclasses; nothing below `serve` knows of
environments or files of settings.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memory.config import StoreConfig
from memory.records import TokenType
from pipeline.config import AnswerConfig, IngestConfig, PlannerName, VerifyMode
from pipeline.video.sampling import SandboxConfig
from serve.logs import LogFormat, LogLevel

PREFIX = "LONGWATCH_"


def _data_dir() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "longwatch"


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longwatch"


def _runtime_dir() -> Path:
    """Short, since a unix socket's path may not pass 107 characters."""
    root = os.environ.get("XDG_RUNTIME_DIR")
    return Path(root) / "longwatch" if root else Path(tempfile.gettempdir()) / f"longwatch-{os.getuid()}"


def _setting(default: Callable[[], Path], description: str, *, shown: str) -> Any:
    """A folder whose default depends on the environment; `shown` in documents in its place."""
    return Field(default_factory=default, description=description, json_schema_extra={"shown": shown})


class Settings(BaseSettings):
    """Everything a person can set; each field is the variable `LONGWATCH_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = _setting(_data_dir, "memories and kept files", shown="`~/.local/share/longwatch`")
    cache_dir: Path = _setting(_cache_dir, "converted weights; may be deleted", shown="`~/.cache/longwatch`")
    runtime_dir: Path = _setting(
        _runtime_dir,
        "sockets and the start secret; without the variable, a folder of yours among the temporary ones",
        shown="`$XDG_RUNTIME_DIR/longwatch`",
    )
    redis_url: str = Field(
        "",
        description="a Redis or Valkey elsewhere, 7.0 or later, `noeviction`, a cluster is recognised; "
        "empty starts the embedded one",
    )
    backend: str = Field("pocket", description="encoder backend, or another distribution's")
    threads: int = Field(
        0,
        ge=0,
        description="compute threads of a process; 0: half the cores for the encoders, one for the language model",
    )
    sandbox: bool = Field(
        True,
        description="whether media is decoded in a child process, on Linux without network and files; off only for "
        "trusted media",
    )
    sandbox_memory_mb: int = Field(3072, ge=512, description="address space of that child; 8K pictures of ten bits fit")
    fps: float = Field(1.0, gt=0, le=60, description="pictures watched a second")
    screen_text: bool = Field(True, description="whether the screen is read")
    cubing: str = Field("momentum", description="or `uniform`")
    compressor: str = Field("progressive", description="or `average`, `cosine`, `tome`, or another distribution's")
    propagator: str = Field("merging", description="what carries a memory of all so far along: or `mean`, `none`")
    cache_slots: int = Field(768, ge=768, description="slots of the language model's cache; at least 768")
    policy: str = Field(
        "participative",
        description="which slots of that cache stay: or `deep_forcing`, `full` (all), `infinipot_v`, `scissorhands`, "
        "`snapkv`, `streaming_llm`, or another distribution's",
    )
    token_type: TokenType = Field(
        "int8", description="as what tokens are stored: or `bfloat16`, `float32`; another type is another memory"
    )
    planner: PlannerName = Field(
        "rules", description="who takes questions apart: rules over English wordings, or a `model` that writes JSON"
    )
    verify: VerifyMode = Field(
        "strict",
        description="how a language model's words are checked: on all that the memory claims; `cited`: on times alone; "
        "`off`: not at all",
    )
    store_patience_s: float = Field(
        600.0, ge=0, description="how long watching waits for a store that is away; questions never wait"
    )
    retention_days: float = Field(
        0.0, ge=0, description="the service deletes videos to which nothing was added for so long; 0 keeps them"
    )
    empty_stream_s: float = Field(
        600.0, gt=0, description="a live stream that got no picture for so long after it was opened is ended"
    )
    host: str = Field("127.0.0.1", description="where the service listens; loopback only")
    port: int = Field(8000, ge=0, le=65535, description="0 takes any free one")
    max_upload_bytes: int = Field(20 * 2**30, gt=0, description="largest file taken")
    ingest_workers: int = Field(1, ge=1, description="videos watched at once")
    log_format: LogFormat = Field("text", description="how the service's log lines look: or `json`")
    log_level: LogLevel = Field("INFO", description="which lines: `DEBUG`, `INFO`, `WARNING` or `ERROR` and above")
    lease_s: float = Field(10.0, gt=0, description="a worker silent for so long loses its job")

    def store_config(self) -> StoreConfig:
        """Where memories are kept."""
        retry_s = self.store_patience_s
        return StoreConfig(self.data_dir, self.redis_url or None, runtime_dir=self.runtime_dir, retry_s=retry_s)

    def sandbox_config(self) -> SandboxConfig | None:
        """Limits of the decoding child; None to decode in the same process."""
        return SandboxConfig(memory_bytes=self.sandbox_memory_mb << 20) if self.sandbox else None

    def ingest_config(self) -> IngestConfig:
        """How videos are watched."""
        return IngestConfig(
            fps=self.fps,
            screen_text=self.screen_text,
            cubing=self.cubing,
            compressor=self.compressor,
            propagator=self.propagator,
            token_type=self.token_type,
        )

    def answer_config(self) -> AnswerConfig:
        """How questions are answered."""
        return AnswerConfig(planner=self.planner, verify=self.verify)


def settings_message(error: ValidationError) -> str:
    """What is wrong with the environment, one clause a variable."""
    clauses = (f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors())
    return "; ".join(clauses)


def check_environment(environment: dict[str, str] | None = None) -> list[str]:
    """Names of set variables that begin with the prefix and mean nothing: most likely misspelt."""
    names = os.environ if environment is None else environment
    valid = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in names if name.startswith(PREFIX) and name.upper() not in valid)
