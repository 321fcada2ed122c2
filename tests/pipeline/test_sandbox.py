"""Decoding in a child process: the same frames as without, and whatever becomes of the child, a clear end."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from encoders.frame import Frame
from pipeline import sandbox_process
from pipeline.decode import DecodeConfig, DecodeLimits, SandboxConfig
from pipeline.errors import BackendUnavailable, MediaDamaged, MediaTooLarge, MediaUnsupported
from pipeline.prefetch import prefetched
from pipeline.sandbox import SandboxedSource, guards, jump
from pipeline.sandbox_messages import plain_probed
from pipeline.sources.base import FrameSource
from pipeline.sources.file import FileSource
from tests.pipeline.media import Recipe, cut, spoil, steady, write_video

EVERY = DecodeConfig(fps=1000)
KINDS: dict[str, Recipe] = {
    "turned.mp4": Recipe(steady(3), options={"g": "15", "bf": "3"}, rotation=90),
    "late.ts": Recipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5),
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", Recipe(steady(8), options={"g": "10"}))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No child, not even a dead one, and no open file outlives a test."""
    gc.collect()  # what earlier tests left behind is not ours
    before, files = children(), open_files()
    yield
    gc.collect()
    assert children() <= before
    assert open_files() <= files


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def the_child() -> int:
    """The number of the only decoding child."""
    found = [c.pid for c in psutil.Process().children() if "sandbox_child" in " ".join(c.cmdline())]
    assert len(found) == 1
    return found[0]


def same(a: list[Frame], b: list[Frame]) -> bool:
    return [f.time_s for f in a] == [f.time_s for f in b] and all(
        np.array_equal(x.rgb, y.rgb) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("name", KINDS)
def test_a_child_gives_the_frames_that_this_process_gives(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, KINDS[name])
    there: FrameSource = SandboxedSource(path, EVERY)
    here = FileSource(path, EVERY)
    assert there.probe() == here.probe()
    assert same(list(there.steps(None, "full")), list(here.steps(None, "full")))
    assert same(list(there.steps(0.7, "keyframes")), list(here.steps(0.7, "keyframes")))
    assert same(SandboxedSource(path).at([0.55, 0.0]), here.at([0.55, 0.0]))
    assert there.damage is None


def test_damage_is_told_as_in_this_process(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", Recipe(steady(10), options={"g": "10", "bf": "0"}, faststart=True))
    path = spoil(cut(whole, tmp_path / "cut.mp4", 0.8), tmp_path / "b.mp4", 0.5, 300)
    there, here = SandboxedSource(path), FileSource(path)
    assert same(list(there.steps(None, "full")), list(here.steps(None, "full")))
    assert there.damage == here.damage
    assert here.damage is not None


def test_a_path_may_hold_anything(tmp_path: Path) -> None:
    path = write_video(tmp_path / "Übung mit Leerzeichen, 100 % %d.mp4", Recipe([0, 500, 1000]))
    assert [frame.time_s for frame in SandboxedSource(path).steps(None, "full")] == [0.0, 1.0]


def test_the_child_gives_up_network_files_and_programs(video: Path) -> None:
    took = guards(video, SandboxConfig())
    code = f"""
import ctypes, fcntl, os, resource, signal, socket, threading
from pipeline import sandbox_guards
left = sandbox_guards.leave_network()
media = os.open({str(video)!r}, os.O_RDONLY)
sandbox_guards.bound(1 << 31, 60)
took = sandbox_guards.shut(media, [])
def tried(what):
    try:
        what()
        return "done"
    except OSError as error:
        return type(error).__name__
print(left, *took)
print(tried(lambda: socket.create_connection(("127.0.0.1", 9), 1)), tried(lambda: open("/etc/hostname")),
      tried(lambda: os.execv("/bin/true", ["true"])), tried(os.fork), tried(lambda: os.kill(os.getppid(), 0)),
      tried(lambda: open("/tmp/longwatch-was-here", "w")), tried(lambda: open(f"/dev/fd/{{media}}").close()))
me = os.getpid()
def call(*arguments):
    if ctypes.CDLL(None, use_errno=True).syscall(*arguments) != 0:
        raise OSError(ctypes.get_errno(), "")
tgkill, queue = (234, 297) if os.uname().machine == "x86_64" else (131, 240)
print(tried(lambda: call(tgkill, os.getppid(), os.getppid(), 0)), tried(lambda: call(queue, me, me, 0, bytes(128))),
      tried(lambda: resource.prlimit(me, resource.RLIMIT_CORE)), tried(lambda: fcntl.fcntl(media, fcntl.F_SETOWN, me)),
      tried(lambda: fcntl.fcntl(media, fcntl.F_SETSIG, 0)), tried(lambda: os.sched_setaffinity(0, {{0}})),
      tried(lambda: os.setpriority(os.PRIO_PROCESS, 0, 19)))
def thread():
    worker = threading.Thread(target=print)
    worker.start()
    worker.join()
print(tried(thread), tried(lambda: signal.pthread_kill(threading.get_ident(), 0)),
      tried(lambda: fcntl.fcntl(media, fcntl.F_GETFL)), tried(lambda: resource.prlimit(0, resource.RLIMIT_CORE)))
"""
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    first, second, processes, _, own = answer.splitlines()
    assert first.split() == [str("namespace" in took), *(name for name in took if name != "namespace")]
    if "seccomp" not in took or "landlock" not in took:
        pytest.skip("this kernel has no seccomp filters or no Landlock")
    assert second.split() == ["PermissionError"] * 6 + ["done"]
    assert processes.split() == ["PermissionError"] * 7
    assert own.split() == ["done"] * 4


def test_a_child_that_crashes_costs_only_what_it_had_not_decoded(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    steps = source.steps(None, "full")
    frames = [next(steps)]
    os.kill(the_child(), signal.SIGSEGV)
    frames += list(steps)
    assert same(frames, list(FileSource(video, EVERY).steps(None, "full"))[: len(frames)])
    assert source.damage is not None
    assert f"up to {frames[-1].time_s:.1f} s, then its decoder crashed" in source.damage
    assert len(frames) < 80
    assert len(list(source.steps(None, "full"))) == 80
    assert source.damage is None


def test_a_child_that_crashes_right_after_a_restart_leaves_what_was_watched_before(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    source.probe()
    with children_that("os.abort()"):
        assert list(source.steps(7.0, "full")) == []
    assert source.damage is not None
    assert "up to 7.0 s" in source.damage


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """Every child that is started in here is killed before it can speak."""
    begun = subprocess.Popen.__init__

    def start(self: subprocess.Popen[bytes], *arguments: object, **options: object) -> None:
        begun(self, *arguments, **options)  # type: ignore[arg-type]
        self.send_signal(signal.SIGABRT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", start)
        yield


@contextlib.contextmanager
def children_that(do: str) -> Iterator[None]:
    """Every child that is started in here says that it is ready, and then does whatever the code `do` says."""
    code = (
        "import itertools, json, os, struct, sys, time\n"
        "def say(**message):\n"
        "    body = json.dumps(message).encode()\n"
        "    os.write(int(sys.argv[4]), struct.pack('>I', len(body)) + body)\n"
        "def show(number, time_s):\n"
        "    say(type='frame', slot=number % 4, width=1, height=1, time_s=time_s, damage=None)\n"
        "say(type='ready', guards=[])\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_process, "_PROGRAM", code + do)
        yield


def test_without_one_frame_a_crash_refuses_the_file(video: Path) -> None:
    with children_that("os.abort()"), pytest.raises(MediaDamaged, match=r"a\.mp4 is damaged: its decoder crashed"):
        SandboxedSource(video).probe()
    source = SandboxedSource(video)
    source.probe()
    with children_that("os.abort()"), pytest.raises(MediaDamaged, match=r"a\.mp4"):
        next(source.steps(None, "full"))


def test_a_child_that_never_takes_its_slots_back_does_not_hold_its_parent_up(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    source.probe()
    code = "import fcntl; fcntl.fcntl(0, 1031, 4096)  # F_SETPIPE_SZ: soon full\n"
    with children_that(code + "for n in itertools.count(): show(n, n / 1000)"):
        assert len(list(source.steps(None, "full"))) > 1000
    assert source.damage is not None
    assert source.damage.endswith("nonsense: slot.")


def test_a_child_that_only_says_that_it_works_is_ended(video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    source._sandbox = SandboxConfig(look_s=1, stall_s=1, cpu_s=0)
    with children_that("while True: say(type='tick'); time.sleep(0.02)"):
        with pytest.raises(MediaDamaged, match="stands still"):
            SandboxedSource(video, sandbox=source._sandbox).probe()
        with pytest.raises(MediaDamaged, match="stands still"):
            source.at([0.0])
        with pytest.raises(MediaDamaged, match="stands still"):
            next(source.steps(None, "full"))


@pytest.mark.parametrize("many", [0, 1, 3])
def test_a_child_gives_as_many_pictures_as_were_asked_for(many: int, video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    with (
        children_that(f"for n in range({many}): show(n, n)\nsay(type='end', damage=None)"),
        pytest.raises(MediaDamaged, match="nonsense: pictures"),
    ):
        source.at([0.0, 1.0])


def test_a_jump_gives_as_many_pictures_as_were_asked_for(video: Path) -> None:
    code = "say(type='jump', backend='pyav', reason='')\nfor n in itertools.count(): show(n, n)"
    with children_that(code), pytest.raises(MediaDamaged, match="nonsense: pictures"):
        jump(video, [0.0], 0.0, SandboxConfig(), damaged=False, max_side_px=320)


@pytest.mark.parametrize(("width", "backend"), [(320, "decord"), (160, "pyav")])
def test_both_libraries_jump_in_a_child(width: int, backend: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Recipe(steady(2), size=(width, 96), options={"g": "10", "bf": "0"}))
    jumped, frames = jump(path, [1.5, 0.2], 0.0, SandboxConfig(), damaged=False, max_side_px=320)
    assert jumped.backend == backend
    assert [frame.time_s for frame in frames] == pytest.approx([1.5, 0.2])


@pytest.mark.parametrize("time_s", [0.0, 0.9, 1e9, -1.0])
def test_a_child_keeps_to_times_that_can_be(time_s: float, video: Path) -> None:
    source = SandboxedSource(video)
    source.probe()
    with children_that(f"show(0, 0.0)\nshow(1, {time_s})\ntime.sleep(60)"):
        assert [frame.time_s for frame in source.steps(None, "full")] == [0.0]
    assert source.damage is not None
    assert source.damage.endswith("nonsense: time_s.")


def test_a_child_may_not_claim_more_than_is_allowed(video: Path) -> None:
    found = plain_probed(FileSource(video).look()) | {"work_pixels": 1e17, "type": "probed"}
    with children_that(f"say(**{found!r})"), pytest.raises(MediaTooLarge, match="pixels in all"):
        SandboxedSource(video).probe()


def test_only_a_child_that_starts_can_fail_to_start(video: Path) -> None:
    with (
        children_that("say(type='broken', kind='start', text='no')"),
        pytest.raises(MediaDamaged, match="its decoder failed"),
    ):
        SandboxedSource(video).probe()


def test_a_child_that_ends_before_it_is_ready_says_nothing_of_the_file(video: Path) -> None:
    with stopped_at_once(), pytest.raises(BackendUnavailable, match="cannot start: its decoder crashed"):
        SandboxedSource(video).probe()
    source = SandboxedSource(video)
    source.probe()
    with stopped_at_once(), pytest.raises(BackendUnavailable, match="cannot start"):
        next(source.steps(7.0, "full"))
    assert source.damage is None
    with stopped_at_once(), pytest.raises(BackendUnavailable, match="cannot start"):
        source.at([1.0] * 50_000)  # a job that no pipe holds


def test_a_start_that_fails_leaves_nothing_open(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipes, real = [1], os.pipe

    def pipe() -> tuple[int, int]:
        if not pipes:
            raise OSError(errno.EMFILE, "too many open files")
        pipes.pop()
        return real()

    source = SandboxedSource(video)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", pipe)
        with pytest.raises(OSError, match="too many"):
            source.probe()
    with monkeypatch.context() as patch:
        patch.setattr(sandbox_process.Child, "_tell", lambda child, document: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            source.probe()


def test_a_child_that_stands_still_is_ended(video: Path) -> None:
    source = SandboxedSource(video, EVERY, sandbox=SandboxConfig(stall_s=2, slots=2))
    source.probe()
    frames = []
    for frame in source.steps(None, "full"):
        frames.append(frame)
        if len(frames) == 10:
            os.kill(the_child(), signal.SIGSTOP)
    assert 10 <= len(frames) <= 13
    assert source.damage is not None
    assert source.damage.endswith("then decoding it stands still.")


def test_time_that_the_parent_takes_is_not_held_against_the_child(video: Path) -> None:
    source = SandboxedSource(video, EVERY, sandbox=SandboxConfig(stall_s=5, slots=1))
    steps = source.steps(None, "full")
    first = next(steps)
    threading.Event().wait(0.2)
    assert len([first, *steps]) == 80
    assert source.damage is None


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "large.mp4", Recipe([0], size=(3840, 2160), options={"preset": "ultrafast"}))
    with pytest.raises(MediaTooLarge, match=r"large\.mp4 takes more memory"):
        SandboxedSource(path, sandbox=SandboxConfig(memory_bytes=160 << 20)).probe()
    source = SandboxedSource(path, EVERY)
    source.probe()
    source._sandbox = SandboxConfig(memory_bytes=160 << 20)
    with pytest.raises(MediaTooLarge, match=r"large\.mp4 takes more memory"):
        next(source.steps(None, "full"))


def test_a_child_that_cannot_even_start_is_nobodys_fault_but_the_settings(video: Path) -> None:
    with pytest.raises(BackendUnavailable, match="the decoding process cannot start"):
        SandboxedSource(video, sandbox=SandboxConfig(memory_bytes=60 << 20)).probe()


def test_processor_time_is_bounded(video: Path) -> None:
    source = SandboxedSource(video, sandbox=SandboxConfig(cpu_s=1))
    with pytest.raises(MediaTooLarge, match="more processor time"):
        source.at([7.9] * 800)


def test_work_is_counted_before_it_is_done_and_while(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", Recipe(steady(3)))
    with pytest.raises(MediaTooLarge, match="pixels in all"):
        SandboxedSource(path, limits=DecodeLimits(max_work_pixels=160 * 96 * 29)).probe()
    source = SandboxedSource(path, EVERY)
    source.probe()
    source._limits = DecodeLimits(max_work_pixels=160 * 96 * 20)  # as if the file claimed less than it holds
    frames = []
    with pytest.raises(MediaTooLarge, match="allowed in all"):
        frames.extend(source.steps(None, "full"))
    assert SandboxedSource(path, limits=DecodeLimits(max_work_pixels=160 * 96 * 31)).probe().width == 160


def test_a_closed_or_forgotten_iterator_ends_its_child(video: Path) -> None:
    source, before = SandboxedSource(video, EVERY), children()
    steps = source.steps(None, "full")
    next(steps)
    assert children() != before
    steps.close()
    assert children() == before
    with prefetched(source.steps(None, "full"), 2) as ahead:
        next(ahead)
        assert children() != before
    assert children() == before
    forgotten = source.steps(2.0, "full")
    next(forgotten)
    del forgotten
    gc.collect()
    assert children() == before


def test_an_iteration_outlives_the_thread_that_began_it(video: Path) -> None:
    source = SandboxedSource(video, EVERY)
    steps, first = source.steps(None, "full"), []
    thread = threading.Thread(target=lambda: first.append(next(steps)))
    thread.start()
    thread.join()
    assert len(first + list(steps)) == 80
    assert source.damage is None


@pytest.mark.parametrize("held_up", [False, True])
def test_a_child_dies_with_its_parent(held_up: bool, video: Path) -> None:
    """Also one that is stopped, which could not notice anything itself."""
    code = (
        "import os, signal, psutil, sys\n"
        "from pathlib import Path\n"
        "from pipeline.decode import DecodeConfig\n"
        "from pipeline.sandbox import SandboxedSource\n"
        f"steps = SandboxedSource(Path({str(video)!r}), DecodeConfig(fps=1000)).steps(None, 'full')\n"
        "next(steps)\n"
        "print(psutil.Process().children()[0].pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        if held_up:
            signal.pidfd_send_signal(child, signal.SIGSTOP)
        parent.kill()
        parent.wait()
    if held_up:
        signal.pidfd_send_signal(child, signal.SIGCONT)
    assert select.select([child], [], [], 10)[0]
    os.close(child)


def test_only_ordinary_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").touch()
    for name, why in {
        "pipe.mp4": "not an ordinary file",
        "empty.mp4": "is empty",
        "missing.mp4": "There is no file",
        ".": "is a folder",
    }.items():
        for source in (SandboxedSource(tmp_path / name), FileSource(tmp_path / name)):
            with pytest.raises(MediaUnsupported, match=why):
                source.probe()


def test_a_file_can_reach_no_other_one(tmp_path: Path) -> None:
    write_video(tmp_path / "other.ts", Recipe(steady(1)))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'other.ts'\n")
    (tmp_path / "dash.mpd").write_text('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>')
    (tmp_path / "talk.sdp").write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n")
    (tmp_path / "still001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    for name in ("list.m3u8", "list.mp4", "dash.mpd", "talk.sdp", "still001.png"):
        with pytest.raises(MediaUnsupported, match="is not a video"):
            SandboxedSource(tmp_path / name).probe()


def test_a_video_of_a_codec_that_is_not_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.avi", Recipe(steady(1), codec="zmbv", pix_fmt="bgr0", rate=10))
    for source in (SandboxedSource(path), FileSource(path)):
        with pytest.raises(MediaUnsupported, match="coded as zmbv"):
            source.probe()


def test_a_mode_that_is_not_a_files_is_refused(video: Path) -> None:
    with pytest.raises(ValueError, match="push"):
        SandboxedSource(video).steps(None, "push")
