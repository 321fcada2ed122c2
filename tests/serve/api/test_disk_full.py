"""An upload onto a disk that is full, really: a file system of its own, of a few hundred kilobytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import asyncio, json, sys
from pathlib import Path

import httpx
from fastapi import FastAPI

from serve.api import routes as http, problems
from serve.api.service import Service
from serve.settings import Settings

folder = Path(sys.argv[1])
service = object.__new__(Service)  # an upload that does not fit needs neither store nor models
service.settings = Settings(data_dir=folder)
app = FastAPI()
app.include_router(http.router)
app.state.service = service
problems.install(app)


async def upload(size):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://longwatch") as client:
        return await client.post("/v1/videos", files={"file": ("clip.mp4", bytes(size), "video/mp4")})


answer = asyncio.run(upload(1 << 20))
print(json.dumps([answer.status_code, answer.json(), [str(path) for path in folder.rglob("*") if path.is_file()]]))
"""


def test_an_upload_onto_a_full_disk_is_refused_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    mount = f'mount -t tmpfs -o size=256k none "{tmp_path}"'
    namespace = [unshare or "unshare", "--map-root-user", "--mount", "sh", "-c"]
    if unshare is None or subprocess.run([*namespace, mount], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    command = [*namespace, f'{mount} && exec "$0" "$@"', sys.executable, "-c", SCRIPT, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    status, problem, left = json.loads(ran.stdout)
    assert status == 507
    assert problem["code"] == "disk.full"
    assert left == []
