"""Runs one benchmark and wraps what it measured: a table for a person, one JSON document on the last line."""

from __future__ import annotations

import importlib
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

_VERSIONS = ("torch", "transformers", "av", "faiss-cpu", "redis", "ray")


def run(name: str, module: str, *, quick: bool, clips: Path | None) -> dict[str, Any]:
    """What `run(quick, clips)` of a module measured, under a benchmark's name, with the machine, the versions and the
    time."""
    started = datetime.now(UTC)
    began = time.monotonic()
    figures = importlib.import_module(module).run(quick, clips)
    return {
        "name": name,
        "machine": _machine(),
        "versions": {package: _version(package) for package in _VERSIONS},
        "backend": "pocket",
        "started_at": started.isoformat(timespec="seconds"),
        "quick": quick,
        **figures,
        "seconds": round(time.monotonic() - began, 1),
    }


def _machine() -> dict[str, Any]:
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    memory_gb = round(psutil.virtual_memory().total / 1e9, 1)
    return {"cores": os.cpu_count(), "memory_gb": memory_gb, "device": device, "platform": platform.machine()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def table(figures: dict[str, Any], indent: str = "") -> list[str]:
    """Figures as indented lines, in their own order."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *table(value, indent + "  ")]
        elif isinstance(value, float):
            lines.append(f"{indent}{name:<28} {value:.4g}")
        else:
            lines.append(f"{indent}{name:<28} {value}")
    return lines
