"""The embedded server with real processes: shared, killed, left, and found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory.config import StoreConfig
from memory.errors import StoreError, StoreUnavailable
from memory.private_folder import LONGEST_SOCKET_PATH_BYTES
from memory.records import GlobalMemory, IngestState, VideoRecord
from memory.store.base import Commit
from memory.store.embedded import EmbeddedValkey
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore

OTHER_USER = """
import sys
from pathlib import Path
from memory.store.embedded import EmbeddedValkey
with EmbeddedValkey(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
    server.ensure()
    print(server.pid, flush=True)
"""


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status != "Z"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the same data directory until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_USER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        if process.poll() is None:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def commit_one(store: RedisStore, step: int = 0, epoch: int | None = None) -> int:
    """One full commit to video ``v``, made when missing; returns the epoch."""
    if epoch is None:
        store.create_video(VideoRecord("v", 0, "local", "n", "ingesting", "", "pocket", "k", "1fps", 1.0))
        epoch = store.claim("v")
    state = IngestState(step + 16, 0, "full", 1.0, GlobalMemory.empty(4), {"cubing": bytes(100_000)})
    store.commit("v", Commit(epoch, step, state, (), None, float(step)))
    return epoch


def test_what_was_kept_is_there_after_a_stop(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        store, first = RedisStore.at_socket(server.socket), server.pid
        commit_one(store)
        store.close()
    assert not alive(first)
    with EmbeddedValkey(tmp_path) as server:
        store = RedisStore.at_socket(server.socket)
        assert server.pid != first
        assert store.applied("v") == 1
        store.close()


def test_options_are_ours(tmp_path: Path) -> None:
    with StoreHold(StoreConfig(tmp_path)) as hold:
        assert hold.store.check_server()[0].append_only
        options = hold.store._client.config_get("*")
    wanted = {"appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0", "maxmemory": "0", "save": ""}
    assert {name: options[name] for name in wanted} == wanted


def test_a_server_killed_after_a_commit_has_lost_nothing(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        store, epoch = RedisStore.at_socket(server.socket), None
        for kill in range(3):
            epoch = commit_one(store, 16 * kill, epoch)
            os.kill(killed := server.pid, signal.SIGKILL)
            until(lambda pid=killed: not alive(pid), "the server outlived SIGKILL")
            server.ensure()
            assert server.pid != killed
            state = store.state("v")
            assert state is not None
            assert (state.next_step, store.applied("v")) == (16 * kill + 16, kill + 1)
        store.close()


def test_a_client_rides_out_a_restart(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        store = RedisStore.at_socket(server.socket)
        epoch = commit_one(store)
        os.kill(server.pid, signal.SIGKILL)
        commit_one(store, 16, epoch)
        assert store.applied("v") == 2
        store.close()


def test_a_killed_keeper_takes_its_server_along_and_both_come_back(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        store, old = RedisStore.at_socket(server.socket), server.pid
        commit_one(store)
        os.kill(int(str(server._info()["keeper"])), signal.SIGKILL)
        until(lambda: not alive(old), "the server outlived its keeper")
        server.ensure()
        assert server.pid != old
        assert store.applied("v") == 1
        store.close()


def test_two_processes_share_one_server_and_the_first_may_leave(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    first = EmbeddedValkey(tmp_path)
    first.start()
    pid = first.pid
    assert line(other) == str(pid)
    first.stop()
    assert alive(pid)
    assert other.stdin is not None
    other.stdin.close()
    assert line(other) == str(pid)
    assert other.wait(timeout=15) == 0
    until(lambda: not alive(pid), "the server outlived its last user")


def test_the_server_ends_when_its_last_user_is_killed(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    pid = int(line(other))
    other.kill()
    other.wait(timeout=15)
    until(lambda: not alive(pid), "the server outlived its killed user")
    with EmbeddedValkey(tmp_path) as server:
        assert server.pid != pid


def test_who_comes_while_the_server_is_leaving_gets_a_new_one(tmp_path: Path) -> None:
    for _ in range(5):
        server = EmbeddedValkey(tmp_path)
        server.start()
        server._leave()  # without the wait that `stop` makes
    with EmbeddedValkey(tmp_path) as server:
        store = RedisStore.at_socket(server.socket)
        store.ping()
        store.close()


def test_many_who_start_at_once_share_one_server(tmp_path: Path) -> None:
    users = [EmbeddedValkey(tmp_path) for _ in range(5)]
    threads = [threading.Thread(target=user.start) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pids = {user.pid for user in users}
    for user in users:
        user.stop()
    assert len(pids) == 1
    assert not alive(pids.pop())


def test_a_runtime_folder_too_deep_for_a_socket_is_passed_over(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    with EmbeddedValkey(tmp_path / "data – ü", deep) as server:
        assert len(os.fsencode(server.socket)) <= LONGEST_SOCKET_PATH_BYTES
        assert deep not in server.socket.parents
    with EmbeddedValkey(tmp_path / "data – ü", tmp_path / "run") as server:
        assert server.socket.parent == tmp_path / "run"
        assert server.socket.parent.stat().st_mode & 0o077 == 0


def test_files_that_the_server_cannot_read_are_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(StoreUnavailable, match="its log ends"):
        EmbeddedValkey(tmp_path).start()


def test_a_store_that_was_let_go_is_not_there(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    with pytest.raises(StoreUnavailable, match="not started"):
        server.ensure()
    with pytest.raises(StoreUnavailable, match="no embedded store runs"):
        _ = server.socket
    server.start()
    store = RedisStore.at_socket(server.socket)
    server.stop()
    server.stop()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.ping()


def test_a_store_elsewhere_is_opened_by_its_url(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        with StoreHold(StoreConfig(tmp_path, url=f"unix://{server.socket}")) as hold:
            hold.store.ping()
            hold.store._client.config_set("maxmemory-policy", "allkeys-lfu")
        again = StoreHold(StoreConfig(tmp_path, url=f"unix://{server.socket}"))
        with again, pytest.raises(StoreError, match="noeviction"):
            again.store.ping()


def test_a_copied_folder_never_reaches_the_store_it_was_copied_from(tmp_path: Path) -> None:
    """Copied while its server runs, as `cp -a` and file backups do: locks are not copied, `server.json` is."""
    with EmbeddedValkey(tmp_path / "original") as original:
        store = RedisStore.at_socket(original.socket)
        commit_one(store)
        subprocess.run(["cp", "-a", str(tmp_path / "original"), str(tmp_path / "copy")], check=True)
        with EmbeddedValkey(tmp_path / "copy") as copy:
            assert copy.socket != original.socket
            assert copy.pid != original.pid
            theirs = RedisStore.at_socket(copy.socket)
            assert theirs.applied("v") == 1
            theirs.mark_video_deleted("v")
            theirs.delete_video("v")
            theirs.close()
        assert alive(original.pid)
        assert store.applied("v") == 1
        store.close()


def test_a_folder_put_back_in_the_place_of_a_lost_one_gets_a_server_of_its_own(tmp_path: Path) -> None:
    """Removed under its running server and restored from a copy: the same path, perhaps even the same inode."""
    with EmbeddedValkey(tmp_path / "data") as lost:
        store = RedisStore.at_socket(lost.socket)
        commit_one(store)
        pid = lost.pid
        subprocess.run(["cp", "-a", str(tmp_path / "data"), str(tmp_path / "copy")], check=True)
        subprocess.run(["rm", "-r", str(tmp_path / "data")], check=True)
        subprocess.run(["cp", "-a", str(tmp_path / "copy"), str(tmp_path / "data")], check=True)
        with EmbeddedValkey(tmp_path / "data") as restored:
            assert restored.pid != pid
            theirs = RedisStore.at_socket(restored.socket)
            assert theirs.applied("v") == 1
            theirs.close()
        store.close()


def test_a_folder_that_was_moved_keeps_its_memory(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "before") as server:
        store = RedisStore.at_socket(server.socket)
        commit_one(store)
        store.close()
    (tmp_path / "before").rename(tmp_path / "after")
    with EmbeddedValkey(tmp_path / "after") as server:
        store = RedisStore.at_socket(server.socket)
        assert store.applied("v") == 1
        store.close()
