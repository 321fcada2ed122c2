"""Another local account against a running service: it reads nothing, reaches no socket, and no port acts for it."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve.client import Client
from serve.settings import Settings
from tests.e2e.conftest import RunningService
from tests.e2e.test_service import SAMPLE, watched

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]

NOBODY = 65534
SCRIPT = Path(__file__).resolve().parent / "other_user.py"


def listening(service: RunningService) -> list[Any]:
    """Every TCP address that a process of the service listens on."""
    processes = [psutil.Process(service.process.pid), *service.family()]
    connections = [connection for process in processes for connection in process.net_connections(kind="tcp")]
    return sorted({connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN})


def node_folder(service: RunningService) -> Path:
    """The folder of the service's Ray."""
    (folder,) = {Path(process.environ()["RAY_AUTH_TOKEN_PATH"]).parent for process in service.named("raylet")}
    return folder


def tried(service: RunningService, uid: int, folders: list[Path], token: str, proof: Path) -> dict[str, Any]:
    """What `uid` gets; with a token of the service's user."""
    run = Settings().runtime_dir
    sockets = [path for folder in {run, node_folder(service)} for path in folder.rglob("*") if path.is_socket()]
    plan = {
        "folders": [str(folder) for folder in folders],
        "sockets": [] if token else [str(path) for path in sockets],
        "ports": sorted({address.port for address in listening(service)}),
        "token": token,
        "proof": str(proof),
    }
    assert len(sockets) >= 4, "the store's, the page's and Ray's two"
    assert len(plan["ports"]) >= 10
    command = [sys.executable, str(SCRIPT), str(uid), json.dumps(plan)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_every_port_is_on_loopback(service: RunningService) -> None:
    addresses = {str(address.ip).removeprefix("::ffff:") for address in listening(service)}
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses), addresses


def test_files_are_their_users_alone(service: RunningService, client: Client) -> None:
    """By their modes, which hold for every other account, whoever runs this test."""
    watched(client, client.upload(SAMPLE))
    media = list((service.data_dir / "media").iterdir())
    assert media
    private = [*media, *service.data_dir.rglob("*"), *Settings().runtime_dir.glob("service-*.secret")]
    assert [path for path in private if path.stat().st_mode & 0o077] == []
    token = node_folder(service) / "token"
    assert token.stat().st_mode & 0o077 == 0
    assert any(parent.stat().st_mode & 0o077 == 0 for parent in token.parents if parent.stat().st_uid == os.getuid())


def test_who_has_no_secret_is_not_answered(service: RunningService) -> None:
    assert httpx.get(service.url + "/v1/videos").status_code == 401
    assert httpx.get(service.url + "/").status_code == 401
    assert httpx.get(service.url + "/v1/videos", headers=service.headers).status_code == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_nobody_reads_nothing_and_no_port_acts(service: RunningService, client: Client, tmp_path: Path) -> None:
    video = watched(client, client.upload(SAMPLE))
    for parent in [service.data_dir, *service.data_dir.parents][:-1]:
        if str(parent).startswith("/tmp/"):  # as a home that others may enter: what is inside must hold by itself
            parent.chmod(parent.stat().st_mode | 0o055 if parent != service.data_dir else 0o700)
    public = tmp_path / "public"
    public.mkdir(mode=0o777)
    for folder in (public, *public.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    public.chmod(0o777)
    folders = [service.data_dir, Settings().runtime_dir, node_folder(service), Path.home() / ".ray"]
    got = tried(service, NOBODY, folders, "", public / "run")
    assert got["readable"] == []
    assert got["sockets"] == []
    alive = [line for line in got["http"] if line.endswith("/api/healthz 200")]  # Ray's agent says that it is alive
    assert got["http"] == alive
    assert "OK" not in got["grpc"], got["grpc"]["OK"]
    assert len(got["grpc"]["UNAUTHENTICATED"]) >= 6, got["grpc"]
    assert not (public / "run").exists()
    assert client.video(video.id).status == "ready"


def test_the_same_calls_act_for_who_has_the_token(service: RunningService, tmp_path: Path) -> None:
    """The control: these ports do run what they are sent, so that it is the token which keeps the others out."""
    token = (node_folder(service) / "token").read_text()
    tried(service, os.getuid(), [], token, tmp_path / "run")
    assert (tmp_path / "run").exists()
