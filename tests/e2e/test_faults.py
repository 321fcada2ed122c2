"""Each process of a running service is killed in turn, during an ingest and questions; nothing is lost or doubled.

How long it took until a question was answered again, and until watching went on, is printed for each (`pytest -s`).
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import WebSocketException

from memory.config import StoreConfig
from memory.store.embedded import EmbeddedValkey
from memory.store.export import export_lines
from memory.store.opening import StoreHold
from serve.api.schemas import Video
from serve.client import Client, ClientError
from tests.e2e.conftest import RunningService, end, start
from tests.e2e.test_live import connected, next_message, opened, pictures
from tests.e2e.test_service import SAMPLE, remade
from tests.memory.store.stoppable import StoppableServer

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(590)]

GOAL_S = 15.0
FINISHED_S = 120.0
REPLICAS = ("Gateway", "Encoder", "MemoryOwner", "AnswerReplica", "Page", "Supervisor")
VICTIMS = (*REPLICAS, "IngestWorker", "server", "keeper")
QUESTION = "When does the cat appear?"
FILM_S = 60.0


@dataclass
class Try:
    """One question and what came of it; times by `time.monotonic`. `refusal` is empty where it was answered."""

    began: float
    ended: float
    refusal: str


@dataclass
class QuestionLoop:
    """Asks the same question again and again, and looks at the page, from a thread of its own."""

    service: RunningService
    video_id: str
    tries: list[Try] = field(default_factory=list)
    page: list[Try] = field(default_factory=list)
    leave: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.leave.wait(0.1):
            self.tries.append(_tried(self._ask))
            self.page.append(_tried(self._look))

    def _ask(self) -> str:
        with Client(self.service.url, timeout_s=40.0) as client:
            answer = client.ask(self.video_id, QUESTION)
            return "" if answer.supported and len(answer.citations) == 2 else f"another answer: {answer.answer}"

    def _look(self) -> str:
        response = httpx.get(self.service.url, headers=self.service.headers, timeout=20.0)
        return "" if response.status_code == 200 else str(response.status_code)


def _tried(call: Callable[[], str]) -> Try:
    began = time.monotonic()
    try:
        refusal = call()
    except ClientError as error:
        refusal = f"{error.status} {error.code}"
    except httpx.HTTPError as error:
        refusal = type(error).__name__
    return Try(began, time.monotonic(), refusal)


def recovered_s(tries: list[Try], killed: float) -> float:
    """From the kill to the first answer after the last refusal; of a question that was asked after the kill."""
    later = [t for t in tries if t.ended > killed]
    last_refused = max((t.ended for t in later if t.refusal), default=killed)
    return min((t.ended for t in later if not t.refusal and t.began >= last_refused), default=float("inf")) - killed


@contextmanager
def asking(service: RunningService, video_id: str) -> Iterator[QuestionLoop]:
    asker = QuestionLoop(service, video_id)
    thread = threading.Thread(target=asker.run)
    thread.start()
    try:
        yield asker
    finally:
        asker.leave.set()
        thread.join()


@contextmanager
def folders_of_its_own() -> Iterator[Path]:
    """A short folder with the runtime folder (`run`) and the temporary one (`tmp`) of what is started in here."""
    folder = Path(tempfile.mkdtemp(prefix="lwf", dir="/tmp"))
    (folder / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGWATCH_RUNTIME_DIR", str(folder / "run"))
        patch.setenv("TMPDIR", str(folder / "tmp"))
        yield folder
    shutil.rmtree(folder)


def left_in(folder: Path) -> list[Path]:
    return [*(folder / "run").rglob("*"), *(folder / "tmp").rglob("*")]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    data_dir = tmp_path_factory.mktemp("faults")  # before the temporary folder is another one
    with folders_of_its_own() as folder:
        running = start(data_dir)
        yield running
        end(running)
        assert left_in(folder) == []


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_without_the_head_of_ray_the_service_ends_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    with folders_of_its_own() as folder:
        running = start(tmp_path)
        store = EmbeddedValkey(tmp_path / "store")
        everything = [*running.family(), psutil.Process(store.pid), psutil.Process(store.keeper_pid)]
        (head,) = [process for process in everything if process.name() == name]
        killed = time.monotonic()
        head.kill()
        status = running.process.wait(30)
        running.listening.join(10)
        print(f"\n{name}: the service has ended after {time.monotonic() - killed:.1f} s")
        running.process.stderr.close()  # type: ignore[union-attr]
        assert status == 2
        assert running.stderr_lines[-1].endswith("and so the service ends [ray.gone]\n")
        assert time.monotonic() - killed < GOAL_S
        assert not [process for process in everything if alive(process)]
        assert left_in(folder) == []


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_hung_store_is_told_within_two_seconds(service: RunningService, client: Client, sample: Video) -> None:
    with httpx.Client(base_url=service.url, headers=service.headers, timeout=20.0) as http:
        server = psutil.Process(EmbeddedValkey(service.data_dir / "store").pid)
        server.suspend()
        try:
            for _ in range(2):
                began = time.monotonic()
                answer = http.post(f"/v1/videos/{sample.id}/ask", json={"question": QUESTION})
                took_s = time.monotonic() - began
                print(f"\nhung store: {answer.status_code} after {took_s:.1f} s")
                assert (answer.status_code, answer.json()["code"]) == (503, "store.unavailable")
                assert took_s < 2.0
            ready = http.get("/readyz")
            assert (ready.status_code, ready.json()["code"]) == (503, "store.unavailable")
            assert "store" in ready.json()["detail"]
        finally:
            server.resume()
        resumed = time.monotonic()
        while http.get("/readyz").status_code != 200:
            assert time.monotonic() - resumed < GOAL_S
        print(f"hung store: ready again after {time.monotonic() - resumed:.1f} s")
    assert len(client.ask(sample.id, QUESTION).citations) == 2


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Client]:
    with Client(service.url) as new_client:
        yield new_client


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return remade(tmp_path_factory.mktemp("film") / "film.mp4", FILM_S)


@pytest.fixture(scope="module")
def sample(client: Client) -> Video:
    """What is asked about: watched before anything is killed."""
    return _finished(client, client.upload(SAMPLE), [])


@pytest.fixture(scope="module")
def whole(service: RunningService, client: Client, film: Path, sample: Video) -> str:
    """The canonical export of an undisturbed ingest."""
    video = _finished(client, client.upload(film), [])
    exported = export(service, video.id)
    client.delete(video.id)
    return exported


def export(service: RunningService, video_id: str) -> str:
    with StoreHold(StoreConfig(service.data_dir)) as hold:
        return "".join(export_lines(hold.store, video_id))


def _finished(client: Client, video: Video, progress: list[tuple[float, float]]) -> Video:
    """The video at its end; on the way there, when it was how far."""
    deadline = time.monotonic() + FINISHED_S
    while video.status in ("queued", "ingesting"):
        assert time.monotonic() < deadline, video
        time.sleep(0.1)
        with suppress(ClientError, httpx.HTTPError):
            video = client.video(video.id)
            progress.append((time.monotonic(), video.ingested_s))
    assert video.status == "ready", video
    return video


def victim_of(service: RunningService, name: str) -> psutil.Process:
    store = EmbeddedValkey(service.data_dir / "store")
    if name in ("server", "keeper"):
        return psutil.Process(store.pid if name == "server" else store.keeper_pid)
    (process,) = service.named(f"longwatch:{name}" if name in REPLICAS else f"ray::{name}")
    return process


def begun(client: Client, video: Video) -> None:
    """Returns when some of it is in the memory."""
    deadline = time.monotonic() + FINISHED_S
    while client.video(video.id).ingested_s <= 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_store_pauses_watching_while_questions_go_on(film: Path, tmp_path: Path) -> None:
    """A server elsewhere that may not use more memory; also a gateway that is killed meanwhile comes back."""
    with folders_of_its_own() as folder, StoppableServer(folder) as server:
        running = start(tmp_path, LONGWATCH_REDIS_URL=server.url)
        with Client(running.url, timeout_s=40.0) as client, StoreHold(StoreConfig(tmp_path, url=server.url)) as hold:
            sample, video = _finished(client, client.upload(SAMPLE), []), client.upload(film)
            begun(client, video)
            hold.client().config_set("maxmemory", 1)
            paused_s = client.video(video.id).ingested_s
            with pytest.raises(ClientError, match=r"store\.full"):
                client.upload(remade(tmp_path / "other.mp4", 20.0))
            assert len(client.ask(sample.id, QUESTION).citations) == 2
            killed = time.monotonic()
            victim_of(running, "Gateway").kill()
            with asking(running, sample.id) as asker:
                while recovered_s(asker.tries, killed) == float("inf"):
                    assert time.monotonic() - killed < 60.0
                    time.sleep(0.1)
            print(f"\nfull store, gateway killed: question after {recovered_s(asker.tries, killed):.1f} s")
            assert recovered_s(asker.tries, killed) <= GOAL_S
            assert client.video(video.id).ingested_s == paused_s
            hold.client().config_set("maxmemory", 0)
            _finished(client, video, [])
        end(running)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own at `folder`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_pauses_watching_while_questions_go_on(
    service: RunningService, film: Path, whole: str, tmp_path: Path
) -> None:
    """The embedded store's disk is filled during an ingest and freed again: the memory is an undisturbed one's."""
    with small_disk(tmp_path / "disk", 512) as disk, folders_of_its_own():
        running = start(disk)
        with Client(running.url, timeout_s=40.0) as client:
            sample, video = _finished(client, client.upload(SAMPLE), []), client.upload(film)
            begun(client, video)
            filler = disk / "filler"
            with filler.open("wb") as out:
                out.truncate(0)
                os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(disk).free - (8 << 20))
            filled = time.monotonic()
            time.sleep(2.0)  # a commit that was on its way when the disk filled up has gone through
            paused_s = client.video(video.id).ingested_s
            with asking(running, sample.id) as asker:
                while time.monotonic() - filled < 8.0:
                    time.sleep(0.1)
            assert [attempt.refusal for attempt in asker.tries if attempt.refusal] == []
            assert len(asker.tries) > 3
            assert client.video(video.id).ingested_s == paused_s < FILM_S - 1.0
            with pytest.raises(ClientError, match=r"disk\.full|store\.full"):
                client.upload(remade(tmp_path / "other.mp4", 20.0))
            filler.unlink()
            freed = time.monotonic()
            _finished(client, video, progress := [])
            again_s = next(when for when, ingested_s in progress if ingested_s > paused_s) - freed
            print(f"\nfull disk: watching again {again_s:.1f} s after it was freed")
            assert again_s <= GOAL_S
            with StoreHold(StoreConfig(disk)) as hold:
                assert "".join(export_lines(hold.store, video.id)) == whole
        end(running)


@pytest.mark.parametrize("name", VICTIMS)
def test_a_killed_process_costs_seconds_and_no_memory(
    name: str, service: RunningService, client: Client, film: Path, sample: Video, whole: str
) -> None:
    video = client.upload(film)
    begun(client, video)
    with asking(service, sample.id) as asker:
        time.sleep(0.5)
        killed = time.monotonic()
        victim_of(service, name).kill()
        progress: list[tuple[float, float]] = []
        _finished(client, video, progress)
        deadline = killed + 60.0
        while recovered_s(asker.tries, killed) == float("inf") and time.monotonic() < deadline:
            time.sleep(0.1)
        while recovered_s(asker.page, killed) == float("inf") and time.monotonic() < deadline:
            time.sleep(0.1)
    asked_s, page_s = recovered_s(asker.tries, killed), recovered_s(asker.page, killed)
    watched = [at - killed for (_, before), (at, now) in pairwise(progress) if now > before]
    refusals = sorted({t.refusal for t in [*asker.tries, *asker.page] if t.refusal})
    print(
        f"\n{name}: question after {asked_s:.1f} s, page after {page_s:.1f} s, "
        f"watching after {watched[0] if watched else 0.0:.1f} s; refusals {refusals}"
    )
    assert export(service, video.id) == whole
    client.delete(video.id)
    assert max(asked_s, page_s, watched[0] if watched else 0.0) <= GOAL_S


def test_a_killed_live_worker_loses_no_picture(service: RunningService, client: Client, sample: Video) -> None:
    video_id, live = opened(service, "porch")
    shots, began_us = list(pictures(17.0)), time.time_ns() // 1000
    with live:
        next_message(live, "ready")
        for time_s, picture in shots[:8]:
            live.send(struct.pack(">q", began_us + round(time_s * 1e6)) + picture)
        while (next_message(live, "credit")["committed_s"] or 0.0) < 3.0:
            pass
        (worker,) = service.named("ray::LiveWorker")
        killed = time.monotonic()
        worker.kill()
        with suppress(WebSocketException, TimeoutError):
            print(f"\nLiveWorker: its client gets {next_message(live, 'error', 20.0)}")
    with _again(service, video_id, killed) as (again, committed_s):
        for time_s, picture in shots:
            if time_s > committed_s + 1e-3:
                again.send(struct.pack(">q", began_us + round(time_s * 1e6)) + picture)
        next_message(again, "cube")
        print(f"LiveWorker: watching after {time.monotonic() - killed:.1f} s")
        assert time.monotonic() - killed <= GOAL_S
        again.send(json.dumps({"type": "bye"}))
        ended: dict[str, Any] = next_message(again, "ended")
    assert ended["video"]["status"] == "ready"
    cubes = client.timeline(video_id).cubes
    assert cubes[0].start_s == 0.0
    assert all(a.end_s == b.start_s for a, b in pairwise(cubes))
    assert cubes[-1].end_s == pytest.approx(17.0, abs=0.1)
    client.delete(video_id)


@contextmanager
def _again(service: RunningService, video_id: str, killed: float) -> Iterator[tuple[Any, float]]:
    """A new connection, and up to where the stream is kept."""
    while time.monotonic() - killed < 60.0:
        with connected(service, video_id) as live:
            try:
                committed_s = float(next_message(live, "ready", 20.0)["committed_s"])
            except (WebSocketException, TimeoutError):
                continue
            yield live, committed_s
            return
    pytest.fail("the stream was not taken up again")
