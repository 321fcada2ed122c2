"""Fetches and reads the prose of the cache benchmark: Jane Austen's six novels (public domain), from a Debian package.

`r-cran-janeaustenr` (MIT; the texts are Project Gutenberg's) holds them in R's own format. Of that format only vectors
of strings are read.

    python -m tests.bench.kv.text [--cache FOLDER]      fetches the package with apt-get and checks its digest
"""

from __future__ import annotations

import argparse
import hashlib
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from serve.settings import Settings

PACKAGE = "r-cran-janeaustenr"
SHA256 = "8fb5198960d0da724b1562f96e4221e5c1b41ff455000280b02c55980c3d8f21"
NOVELS = ("emma", "mansfield_park", "northanger_abbey", "persuasion", "pride_and_prejudice", "sense_and_sensibility")
"""In the file's order."""

_DATA = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
_HEADER = 2 + 3 * 4 + 4 + 5  # "X\n", three versions, the length of "UTF-8", "UTF-8"
_STRINGS = 16  # STRSXP in R's serialization


class TextMissing(RuntimeError):
    """The novels are not in the cache; the text is the command that fetches them."""


def novel(name: str, cache: Path) -> str:
    """One novel's paragraphs, a blank line between two; lines of a paragraph joined.

    Raises:
        TextMissing: `fetch` has not run, or the file is not the one that was measured with.
    """
    path = cache / "Rdata.rdb"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise TextMissing(f"the novels are not in {cache}; run: python -m tests.bench.kv.text --cache {cache}")
    vectors = list(_vectors(path.read_bytes()))
    return paragraphs(strings(vectors[NOVELS.index(name)]))


def paragraphs(lines: Sequence[str]) -> str:
    """Lines with blank ones between paragraphs -> text with one line a paragraph and a blank line between two."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            parts[-1].append(line.strip())
        elif parts[-1]:
            parts.append([])
    return "\n\n".join(" ".join(part) for part in parts if part)


def _vectors(raw: bytes) -> Iterator[bytes]:
    """The entries of an R database: length (big-endian), then zlib."""
    at = 0
    while at < len(raw):
        (size,) = struct.unpack(">I", raw[at : at + 4])
        unpacking = zlib.decompressobj()
        entry = unpacking.decompress(raw[at + 4 :])
        if len(entry) != size:
            raise ValueError(f"an entry of {len(entry)} bytes says it has {size}")
        at = len(raw) - len(unpacking.unused_data)
        yield entry


def strings(entry: bytes) -> list[str]:
    """A serialized character vector (version 3, big-endian): flags, count, then flags, length and bytes of each."""
    kind, count = struct.unpack(">II", entry[_HEADER : _HEADER + 8])
    if entry[:2] != b"X\n" or kind & 0xFF != _STRINGS:
        raise ValueError("not a vector of strings")
    at, texts = _HEADER + 8, []
    for _ in range(count):
        _, size = struct.unpack(">Ii", entry[at : at + 8])
        at += 8
        texts.append(entry[at : at + max(size, 0)].decode("utf-8"))
        at += max(size, 0)
    return texts


def fetch(cache: Path) -> Path:
    """The package's data file in the cache, downloaded if it is not there.

    Raises:
        TextMissing: apt-get cannot get the package, or it holds another file than the one that was measured with.
    """
    target = cache / "Rdata.rdb"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="longwatch-text-") as folder:
        try:
            subprocess.run(["apt-get", "-q", "download", PACKAGE], cwd=folder, check=True, capture_output=True)
            package = next(Path(folder).glob("*.deb"))
            subprocess.run(["dpkg", "-x", str(package), folder], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError, StopIteration) as failed:
            message = getattr(failed, "stderr", b"") or str(failed).encode()
            raise TextMissing(f"{PACKAGE} cannot be fetched: {message.decode()[-300:]}") from failed
        data = (Path(folder) / _DATA).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise TextMissing(f"{PACKAGE} is of another version: its novels are not those that were measured with")
    target.write_bytes(data)
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetches the novels and says where they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Settings().cache_dir / "bench" / "kv")
    try:
        sys.stdout.write(f"{fetch(parser.parse_args(arguments).cache)}\n")
    except TextMissing as missing:
        sys.exit(str(missing))


if __name__ == "__main__":
    main()
