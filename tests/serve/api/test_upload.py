from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from serve.api.upload import Received, receive
from serve.errors import BadRequest, DiskFull, UploadTooLarge

BOUNDARY = "xX-boundary-Xx"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
LIMIT = 1 << 16


def part(content: bytes, name: str = "file", filename: str | None = "clip.mp4") -> bytes:
    """One part of a body, its boundary first."""
    parameter = f'; filename="{filename}"' if filename is not None else ""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{parameter}\r\nContent-Type: video/mp4\r\n\r\n'
    )
    return head.encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def _chunks(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def upload(folder: Path, pieces: Sequence[bytes], kind: str = FORM, limit: int = LIMIT) -> Received:
    return asyncio.run(receive(_chunks(pieces), kind, folder / "inbox" / "part", limit))


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def cut_at(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


contents = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"\r\n", b"--", BOUNDARY.encode(), b"\r\n--xX-boundary", b"\r\n--xX-", b"a", b"\r", b"\n"]),
    max_size=12,
).map(b"".join)
contents = contents.filter(lambda content: f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + content)


@given(contents, st.lists(st.integers(0, 1 << 16), max_size=12))
@settings(deadline=None, max_examples=80)
def test_any_bytes_in_any_pieces_arrive_whole(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("upload")
    got = upload(folder, cut_at(body(part(content)), cuts))
    assert got.path.read_bytes() == content
    assert (got.name, got.size_bytes) == ("clip.mp4", len(content))
    assert got.sha256 == hashlib.sha256(content).hexdigest()


def test_byte_by_byte(tmp_path: Path) -> None:
    whole = body(part(b"note", "title", None), part(b"\r\n--xX-boundary-X? \x00\xff"))
    got = upload(tmp_path, [whole[i : i + 1] for i in range(len(whole))])
    assert got.path.read_bytes() == b"\r\n--xX-boundary-X? \x00\xff"


def test_the_first_of_two_files_is_taken(tmp_path: Path) -> None:
    got = upload(tmp_path, [body(part(b"one", filename="1.mp4"), part(b"two", filename="2.mp4"))])
    assert (got.path.read_bytes(), got.name, got.size_bytes) == (b"one", "1.mp4", 3)


def test_other_parts_are_passed_over(tmp_path: Path) -> None:
    got = upload(tmp_path, [body(part(b"x", "thumb"), part(b"y", "file", None), part(b"film"), part(b"z", "more"))])
    assert got.path.read_bytes() == b"film"
    assert left(tmp_path) == [got.path]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("clip.mp4", "clip.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\clip.mp4", "clip.mp4"),
        ("a\x07b.mp4", "ab.mp4"),
        ("/", "video"),
        ("", "video"),
        ("x" * 300, "x" * 200),
        ("Kätzchen 猫.mp4", "Kätzchen 猫.mp4"),
    ],
)
def test_names_are_only_names(tmp_path: Path, sent: str, kept: str) -> None:
    assert upload(tmp_path, [body(part(b"film", filename=sent))]).name == kept


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_is_a_limit_of_the_file(tmp_path: Path, over: int) -> None:
    whole = body(part(b"f" * (1000 + over)))
    if over:
        with pytest.raises(UploadTooLarge, match="1000 bytes"):
            upload(tmp_path, cut_at(whole, range(0, 1200, 97)), limit=1000)
        assert left(tmp_path) == []
    else:
        assert upload(tmp_path, [whole], limit=1000).size_bytes == 1000


BAD = {
    "no file part": body(part(b"x", "title", None)),
    "no parts": body(),
    "a field named file": body(part(b"x", "file", None)),
    "nothing": b"",
    "not multipart": b"this is a film",
    "another boundary": body(part(b"film")).replace(BOUNDARY.encode(), b"other"),
    "broken off in the file": part(b"film" * 100)[:-50],
    "broken off in the headers": part(b"film")[:40],
    "broken off before the boundary": part(b"film"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_no_whole_upload_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadRequest):
        upload(tmp_path, cut_at(data, range(0, 500, 41)))
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", ["", "video/mp4", "multipart/form-data", "multipart/mixed; boundary=x", "\xff"])
def test_another_kind_of_body_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadRequest):
        upload(tmp_path, [body(part(b"film"))], kind)
    assert left(tmp_path) == []


def test_nothing_stays_of_a_connection_that_broke(tmp_path: Path) -> None:
    class Gone(Exception):
        """The server's word for a client that left."""

    async def broken() -> AsyncIterator[bytes]:
        yield part(b"film" * 100)[:200]
        raise Gone

    with pytest.raises(Gone):
        asyncio.run(receive(broken(), FORM, tmp_path / "inbox" / "part", LIMIT))
    assert left(tmp_path) == []


def test_nothing_stays_of_an_upload_that_was_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        waiting = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield part(b"film" * 100)[:200]
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(receive(endless(), FORM, tmp_path / "inbox" / "part", LIMIT))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert left(tmp_path) == []


def test_a_full_disk_is_said_as_such(tmp_path: Path) -> None:
    full = tmp_path / "inbox" / "part"
    full.parent.mkdir()
    full.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        upload(tmp_path, [part(b"f" * (1 << 20))], limit=1 << 24)
    assert not full.is_symlink()
