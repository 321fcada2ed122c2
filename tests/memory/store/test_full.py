"""A store without room for more: what adds to it waits, reads and deletions go on, and nothing ends the server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.config import StoreConfig
from memory.errors import StoreFull, UnknownVideo
from memory.store.disk_reserve import DiskReserve
from memory.store.opening import StoreHold
from tests.contracts.store_cases import cube, full, record
from tests.memory.store.stoppable import StoppableServer


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[StoreHold]:
    """A store elsewhere with two videos of one cube each."""
    with StoppableServer(tmp_path) as server, StoreHold(StoreConfig(tmp_path, url=server.url)) as opened:
        for video_id in ("v1", "v2"):
            opened.store.create_video(record(video_id, sha256=video_id * 32))
            opened.store.commit(video_id, full(opened.store.claim(video_id), 0, 16, [cube(0)]))
        yield opened


def test_a_commit_waits_for_memory_while_reads_go_on(hold: StoreHold) -> None:
    store, client, waits = hold.retrying(), hold.client(), threading.Event()
    epoch = store.claim("v1")
    client.config_set("maxmemory", 1)
    with pytest.raises(StoreFull, match="the store is full"):
        hold.store.commit("v1", full(epoch, 16, 32, [cube(1)], 1))
    store._sleep = lambda seconds: (waits.set(), threading.Event().wait(seconds))[0]
    committing = threading.Thread(target=lambda: store.commit("v1", full(epoch, 16, 32, [cube(1)], 1)))
    committing.start()
    assert waits.wait(10)
    assert len(list(hold.store.cubes("v1"))) == 1
    assert len(hold.store.searchable("v1").closed) == 1
    client.config_set("maxmemory", 0)
    committing.join(10)
    assert hold.store.video("v1").cubes == 2


def test_a_full_store_is_opened_and_makes_room_by_deleting(hold: StoreHold, tmp_path: Path) -> None:
    client = hold.client()
    client.zrem("lw:videos", "v1")
    client.config_set("maxmemory", 1)
    with StoreHold(StoreConfig(tmp_path, url=hold.url)) as other:
        other.store.delete_video("v2")
        assert other.store.repair() == 0, "nothing can be added to the lists now"
        with pytest.raises(UnknownVideo):
            other.store.video("v2")
        other.store.update_video("v1", status="failed")
    client.config_set("maxmemory", 0)
    assert hold.store.repair() == 1
    assert [video.id for video in hold.store.videos()] == ["v1"]


def test_room_is_kept_for_the_log_and_for_writing_it_anew(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    DiskReserve(tmp_path, 1).check()
    DiskReserve(tmp_path / "missing", 2 * free).check()
    with pytest.raises(StoreFull, match="kept free for the store"):
        DiskReserve(tmp_path, 2 * free).check()
    log = tmp_path / "store" / "appendonlydir"
    log.mkdir(parents=True)
    with (log / "appendonly.aof.1.incr.aof").open("wb") as sparse:
        sparse.truncate(2 * free)
    with pytest.raises(StoreFull):
        DiskReserve(tmp_path, 1).check()


SCRIPT = """
import json, logging, shutil, sys, threading
from pathlib import Path

from memory.config import StoreConfig
from memory.store.embedded import EmbeddedValkey
from memory.store.opening import StoreHold
from tests.contracts.store_cases import cube, full, record

logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
folder = Path(sys.argv[1])
RESERVE = 8 << 20
with StoreHold(StoreConfig(folder, runtime_dir=Path(sys.argv[2]), reserve_bytes=RESERVE)) as hold:
    store, server, waits = hold.retrying(), EmbeddedValkey(folder / "store"), threading.Event()
    store.create_video(record())
    epoch = store.claim("v1")
    pid, filler = server.pid, (folder / "filler").open("wb", buffering=0)
    original, store._sleep = store._sleep, lambda seconds: (waits.set(), original(seconds))

    half = threading.Event()

    def commit():
        for step in range(40):
            if step == 20:
                half.wait()
            store.commit("v1", full(epoch, 16 * step, 16 * step + 16, [cube(step)], step))

    committing = threading.Thread(target=commit)
    committing.start()
    while shutil.disk_usage(folder).free > RESERVE:
        filler.write(bytes(1 << 18))
    half.set()
    waits.wait(30)
    seen = hold.store.video("v1").cubes
    readable = len(list(hold.store.cubes("v1")))
    filler.truncate(0)
    committing.join(60)
    print(json.dumps([waits.is_set(), seen, readable, hold.store.video("v1").cubes, pid == server.pid]))
"""


def test_commits_wait_before_the_disk_of_the_embedded_server_is_full(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    disk, run = tmp_path / "disk", tmp_path / "run"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=24m none "{disk}"'
    namespace = [unshare or "unshare", "--map-root-user", "--mount", "sh", "-c"]
    if unshare is None or subprocess.run([*namespace, mount], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    script = [sys.executable, "-c", SCRIPT, str(disk), str(run)]
    ran = subprocess.run([*namespace, f'{mount} && exec "$0" "$@"', *script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    waited, before, readable, after, same_server = json.loads(ran.stdout)
    assert waited
    assert before == readable <= 20
    assert after == 40
    assert same_server, "the server never had to end"
    assert ran.stderr.count("waiting: the disk is full") == 1
