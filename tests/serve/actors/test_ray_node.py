"""What a service's Ray leaves open, without starting one: its folder, its token, and the ports of its processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serve.actors.ray_node import RayNode, WorldReachable, remove_abandoned

LISTEN = """
import socket, sys
listening = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
if ":" in sys.argv[1]:
    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listening.bind((sys.argv[1], 0))
listening.listen()
print("listening", flush=True)
sys.stdin.read()
"""


@contextmanager
def child_listening_on(address: str) -> Iterator[None]:
    command = [sys.executable, "-c", LISTEN, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "listening\n"
        yield
        child.kill()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before the test, whatever it sets."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.usefixtures("environment")
def test_its_folder_and_token_are_its_users_alone_and_go_with_it(tmp_path: Path) -> None:
    with RayNode(tmp_path / "run") as node:
        folder = Path(node.options()["_temp_dir"])
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        assert token.stat().st_mode & 0o777 == 0o600
        assert len(token.read_text()) == 64
        assert not token.is_relative_to(Path.home() / ".ray")
    assert not folder.exists()


@pytest.mark.usefixtures("environment")
def test_what_a_killed_service_left_goes_at_the_next_start(tmp_path: Path) -> None:
    short = Path("/tmp") / f"lwt{os.getpid()}"
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    left, other = short / f"ray-{gone.pid}", short / "ray-1"
    for folder in (left, other):
        folder.mkdir(parents=True)
    with RayNode(short):
        assert not left.exists()
        assert other.exists(), "process 1 lives"
    other.rmdir()
    short.rmdir()


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_port_that_other_machines_reach_ends_the_start(tmp_path: Path, address: str) -> None:
    with child_listening_on(address), pytest.raises(WorldReachable, match="other machines"):
        RayNode(tmp_path / "run").check_ports()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_no_such_port(tmp_path: Path, address: str) -> None:
    with child_listening_on(address):
        RayNode(tmp_path / "run").check_ports()


@pytest.mark.usefixtures("environment")
def test_a_killed_pages_socket_goes_too(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        left, other = tmp_path / f"page-{gone.pid}.sock", tmp_path / f"page-{os.getpid()}.sock"
        os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)  # it has ended and keeps its number
        for path in (left, other):
            path.touch()
        remove_abandoned(tmp_path)
        assert not left.exists()
        assert other.exists()


HEAD = """
import os, subprocess, sys
from pathlib import Path
import psutil
from serve.actors.ray_node import HeadGone, RayNode

def gone(node):
    try:
        node.check_head()
    except HeadGone:
        return True
    return False

node = RayNode(Path(sys.argv[1]))
gcs, raylet = (subprocess.Popen([program, "60"]) for program in sys.argv[2:])
node.follow()
assert not gone(node)
gcs.kill()
os.waitid(os.P_PID, gcs.pid, os.WEXITED | os.WNOWAIT)
assert gone(node)
node.end_family()
assert not psutil.pid_exists(raylet.pid)
assert gone(node)
"""


def test_a_head_of_which_a_part_has_ended_is_gone_and_its_family_is_ended(tmp_path: Path) -> None:
    """In a process of its own: the family are all its children."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    programs = [shutil.copy(sleep, tmp_path / name) for name in ("gcs_server", "raylet")]
    command = [sys.executable, "-c", HEAD, str(tmp_path / "run"), *programs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
