"""HEAD, 405 with Allow, ranges, /docs and OpenAPI: what an HTTP client expects; refusals are problem documents."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from memory.errors import UnknownVideo
from serve.api.gateway import new_app
from serve.api.problems import STATUSES

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    film = tmp_path / "film.mp4"
    film.write_bytes(CONTENT)

    def media(video_id: str) -> Path:
        if video_id != "vid":
            raise UnknownVideo(video_id)
        return film

    app = new_app(cast(Any, SimpleNamespace(media=media)), object(), None)
    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/videos", "GET, HEAD, POST"),
        ("PUT", "/v1/videos/vid", "DELETE, GET, HEAD"),
        ("POST", "/v1/videos/vid", "DELETE, GET, HEAD"),
        ("GET", "/v1/search", "POST"),
        ("PATCH", "/healthz", "GET, HEAD"),
        ("HEAD", "/v1/videos/vid/events", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: TestClient, method: str, path: str, allowed: str) -> None:
    refusal = client.request(method, path)
    assert (refusal.status_code, refusal.headers["allow"]) == (405, allowed)
    assert refusal.headers["content-type"] == "application/problem+json"


def test_no_such_route(client: TestClient) -> None:
    assert client.get("/v1/nothing").json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/healthz", "/v1/videos/vid/media"])
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))


def test_head_of_a_missing_file(client: TestClient) -> None:
    assert client.head("/v1/videos/other/media").status_code == 404


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        ("bytes=10-19", 206, CONTENT[10:20]),
        ("bytes=1000-", 206, CONTENT[1000:]),
        ("bytes=-24", 206, CONTENT[-24:]),
        ("bytes=1024-", 416, None),
        ("bytes=20-10", 416, None),
        ("bytes=", 400, None),
        ("bytes=a-b", 400, None),
        ("lines=1-2", 400, None),
        ("bytes=" + "9" * 990 + "-", 400, None),
    ],
)
def test_ranges(client: TestClient, header: str, status: int, content: bytes | None) -> None:
    answer = client.get("/v1/videos/vid/media", headers={"Range": header})
    assert answer.status_code == status
    if content is None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    else:
        assert answer.content == content
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_the_docs_need_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert re.findall(r"(?:src|href)=\"(https?:)?//", page.text) == []
    for path in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page.text):
        assert client.get(path).status_code == 200, path


def test_openapi_names_every_status_and_its_document(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            missing = {str(status.value) for status in STATUSES} - set(call["responses"])
            assert not missing, (method, path)
            for status in STATUSES:
                content = call["responses"][str(status.value)]["content"]
                assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert document["components"]["schemas"]["Problem"]["properties"].keys() >= {"status", "code", "detail"}
