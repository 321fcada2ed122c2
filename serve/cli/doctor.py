"""`longwatch doctor`: is everything there, does it work, and what was chosen on this machine and why?"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.video.sources import default_sources
from serve.embedded import Longwatch
from serve.errors import detail_of
from serve.wiring import registries

_PACKAGES = ("torch", "transformers", "av", "decord2", "redis", "ray", "gradio", "rapidocr", "onnxruntime")


def examine(longwatch: Longwatch) -> dict[str, Any]:
    """Runs every check; one that fails says how to mend it and does not stop the others."""
    checks = [
        _check("packages", lambda: ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
        _check("device", _device),
        _check("disk", lambda: _disk(longwatch)),
        _check("decoding", lambda: _decoding(longwatch)),
        _check("store", lambda: _store(longwatch)),
        _check("index", lambda: _index(longwatch)),
        _check("backend", lambda: _backend(longwatch)),
        _check("language model", lambda: _model(longwatch)),
        _check("from other distributions", _added),
    ]
    return {"ok": all(check["ok"] for check in checks), "checks": checks}


def _check(name: str, run: Callable[[], str]) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        detail, ok = run(), True
    except Exception as error:  # noqa: BLE001 - a doctor reports every illness
        detail, ok = f"{type(error).__name__}: {detail_of(error)}", False
    return {"name": name, "ok": ok, "detail": detail, "seconds": round(time.perf_counter() - began, 2)}


def _device() -> str:
    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA device"
    return f"{torch.get_num_threads()} threads, {cuda}"


def _disk(longwatch: Longwatch) -> str:
    longwatch.settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(longwatch.settings.data_dir).free
    if free < 1 << 30:
        raise OSError("less than 1 GB free")
    return f"{free / 1e9:.0f} GB free for {longwatch.settings.data_dir}"


def _decoding(longwatch: Longwatch) -> str:
    """Starts a decoding child on an ordinary file, this one, and says what it has given up."""
    from pipeline.video.sandbox.source import guards

    sandbox = longwatch.settings.sandbox_config()
    if sandbox is None:
        return "in the same process: the settings trust all media"
    took = guards(Path(__file__), sandbox)
    network = "without a network" if {"namespace", "seccomp"} & set(took) else "WITH the network"
    return f"in a child process {network}, {sandbox.memory_bytes >> 20} MB; {', '.join(took) or 'limits only'}"


def _store(longwatch: Longwatch) -> str:
    longwatch.store.ping()
    where = longwatch.settings.redis_url or "embedded Valkey"
    return f"{where} answers, {len(longwatch.store.videos())} videos"


def _index(longwatch: Longwatch) -> str:
    from serve.wiring import new_index

    index = new_index(8)
    return f"{type(index).__name__} works, on {index.device}"


def _backend(longwatch: Longwatch) -> str:
    backend = longwatch.backend
    chosen = "; ".join(f"{name}: {why}" for name, why in backend.notes.items())
    return f"{backend.name}, keys {backend.keys.space}, support from {backend.keys.threshold:.2f} ({chosen})"


def _model(longwatch: Longwatch) -> str:
    return f"{longwatch.model.name} loaded"


def _added() -> str:
    """What other distributions add, and that their sources are decoded in no child process."""
    kinds = {**registries(), "source": default_sources()}
    added = [f"{kind} {name} ({whose})" for kind, registry in kinds.items() for name, whose in registry.added().items()]
    if default_sources().added():
        added.append("sources of others run WITHOUT the sandbox")
    return "; ".join(added) or "nothing"
