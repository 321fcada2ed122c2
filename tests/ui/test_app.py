"""The built page, served: it answers, stays with its own host, and carries what it needs."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

import ui
from tests.serve.small_service import SmallService, bound, listening
from ui.app import build
from ui.shell import POLICY

HOME = Path(ui.__file__).parent
URL = re.compile(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]{2,}|127\.0\.0\.1)\b")


def built(api_url: str, public_url: str, max_upload_bytes: int | None = None) -> ASGIApp:
    """The page, built while an event loop runs: where none does, Gradio makes its own and never closes them."""

    async def build_there() -> ASGIApp:
        return build(api_url, public_url, max_upload_bytes)

    return asyncio.run(build_there())


@pytest.fixture
def page(service: SmallService) -> Iterator[httpx.Client]:
    sock, url = bound()
    with sock, listening(built(service.url, ""), sock), httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def test_the_page_is_served_and_names_no_other_host(page: httpx.Client) -> None:
    answer = page.get("/", headers={"host": "longwatch.test:1234"})
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert set(URL.findall(answer.text)) == {"longwatch.test"}
    assert "<title>Longwatch</title>" in answer.text or '"title":"Longwatch"' in answer.text
    assert '"analytics_enabled":false' in answer.text


def test_what_the_page_loads_at_once_names_no_other_host(page: httpx.Client) -> None:
    for path in ("/theme.css", "/config", "/manifest.json"):
        answer = page.get(path)
        assert answer.status_code == 200, path
        # The name of SVG's XML namespace is an address that nobody calls.
        assert set(URL.findall(answer.text)) <= {"127.0.0.1", "www.w3.org"}, path


def test_every_answer_carries_the_policy(page: httpx.Client) -> None:
    for path in ("/config", "/theme.css", "/nothing-here"):
        assert page.get(path).headers["content-security-policy"] == POLICY, path


def test_the_parts_can_be_found_by_their_ids(page: httpx.Client) -> None:
    text = page.get("/").text
    for name in ("upload", "choice", "progress", "player-box", "question", "ask", "answer", "citations", "timeline"):
        assert f'"elem_id":"{name}"' in text, name


def test_a_public_address_behind_a_proxy_is_used(service: SmallService) -> None:
    sock, url = bound()
    with sock, listening(built(service.url, "https://watch.example"), sock):
        assert '"root":"https://watch.example"' in httpx.get(url, trust_env=False).text


def test_the_address_of_the_service_itself_stays_out_of_the_page(service: SmallService) -> None:
    sock, url = bound()
    with sock, listening(built(service.url, service.url), sock):
        assert service.url not in httpx.get(url, trust_env=False).text


def test_the_page_offers_no_api_of_its_own(page: httpx.Client) -> None:
    named = page.get("/gradio_api/info").json()
    assert named == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_too_large_an_upload_is_refused_on_the_way(service: SmallService) -> None:
    sock, url = bound()
    with sock, listening(built(service.url, "", max_upload_bytes=1000), sock):
        answer = httpx.post(f"{url}/gradio_api/upload", files={"files": ("a.mp4", bytes(5000))}, trust_env=False)
    assert answer.status_code == 413


def test_the_script_is_well_formed() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    subprocess.run([node, "--check", str(HOME / "seek.js")], check=True, timeout=60)
