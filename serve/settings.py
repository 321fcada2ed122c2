"""The only reader of the environment. Every setting is `LONGWATCH_…`; unknown ones are refused by `check_environment`.

Composes the packages' small config dataclasses; nothing below `serve` knows of environments or files of settings.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memory.config import StoreConfig
from memory.records import TokenType
from pipeline.config import AnswerConfig, IngestConfig
from pipeline.video.sampling import SandboxConfig

PREFIX = "LONGWATCH_"


def _data_dir() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "longwatch"


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longwatch"


def _runtime_dir() -> Path:
    """Short, since a unix socket's path may not pass 107 characters."""
    root = os.environ.get("XDG_RUNTIME_DIR")
    return Path(root) / "longwatch" if root else Path(tempfile.gettempdir()) / f"longwatch-{os.getuid()}"


class Settings(BaseSettings):
    """Everything a person can set.

    Attributes:
        data_dir: memories (the embedded store's files) and kept media.
        cache_dir: converted weights; may be deleted at any time.
        runtime_dir: sockets.
        redis_url: a Redis or Valkey elsewhere; empty starts the embedded one.
        backend: registry name of the encoder backend.
        threads: compute threads a process may use; 0: half the cores for the encoders, one for the language model.
        sandbox: whether media is decoded in a child process without network and files; off only for trusted media.
        sandbox_memory_mb: address space of that child; 8K pictures of ten bits fit.
        host, port: where `longwatch serve` listens; loopback only as long as there are no keys.
        max_upload_bytes: largest file taken.
        ingest_workers: videos watched at once.
        lease_s: a worker that has not been heard of for so long has lost its job.
        token_type: as what new cubes' tokens are stored: int8, bfloat16 or float32.
        store_patience_s: how long watching waits for a store that is away; questions never wait.
        retention_days: the service deletes videos that nothing was added to for so long; 0 keeps them for ever.
        cache_slots: slots of the language model's key-value cache; more memories are read through it than it holds.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(default_factory=_data_dir)
    cache_dir: Path = Field(default_factory=_cache_dir)
    runtime_dir: Path = Field(default_factory=_runtime_dir)
    redis_url: str = ""
    backend: str = "pocket"
    threads: int = Field(default=0, ge=0)
    fps: float = Field(default=1.0, gt=0, le=60)
    screen_text: bool = True
    cubing: str = "momentum"
    compressor: str = "progressive"
    sandbox: bool = True
    sandbox_memory_mb: int = Field(default=3072, ge=512)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    max_upload_bytes: int = Field(default=20 * 2**30, gt=0)
    ingest_workers: int = Field(default=1, ge=1)
    lease_s: float = Field(default=10.0, gt=0)
    token_type: TokenType = "int8"
    store_patience_s: float = Field(default=600.0, ge=0)
    retention_days: float = Field(default=0.0, ge=0)
    cache_slots: int = Field(default=768, ge=768)

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
            token_type=self.token_type,
        )

    def answer_config(self) -> AnswerConfig:
        """How questions are answered."""
        return AnswerConfig()


def settings_message(error: ValidationError) -> str:
    """What is wrong with the environment, one clause a variable."""
    said = (f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
    return "; ".join(said)


def check_environment(environment: dict[str, str] | None = None) -> list[str]:
    """Names of set variables that begin with the prefix and mean nothing: most likely misspelt."""
    names = os.environ if environment is None else environment
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in names if name.startswith(PREFIX) and name.upper() not in known)
