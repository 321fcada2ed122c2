"""Decoding in a child process: the same frames as without, and whatever becomes of the child, a clear end."""

from __future__ import annotations

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

import pytest

from pipeline.errors import BackendUnavailable, MediaDamaged, MediaTooLarge, MediaUnsupported
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig, DecodeLimits, SandboxConfig
from pipeline.video.sandbox import process as sandbox_process
from pipeline.video.sandbox.source import SandboxedSource, guards, jump
from pipeline.video.source import FrameSource
from pipeline.watching.stages import prefetched
from tests.pipeline.media import VideoRecipe, cut, spoil, steady, write_video
from tests.pipeline.video.sandbox.children import children, children_that, nothing_is_left, same

EVERY = DecodeConfig(fps=1000)
KINDS: dict[str, VideoRecipe] = {
    "turned.mp4": VideoRecipe(steady(3), options={"g": "15", "bf": "3"}, rotation=90),
    "late.ts": VideoRecipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5),
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", VideoRecipe(steady(8), options={"g": "10"}))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_is_left():
        yield


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
    whole = write_video(tmp_path / "a.mp4", VideoRecipe(steady(10), options={"g": "10", "bf": "0"}, faststart=True))
    path = spoil(cut(whole, tmp_path / "cut.mp4", 0.8), tmp_path / "b.mp4", 0.5, 300)
    there, here = SandboxedSource(path), FileSource(path)
    assert same(list(there.steps(None, "full")), list(here.steps(None, "full")))
    assert there.damage == here.damage
    assert here.damage is not None


def test_a_path_may_hold_anything(tmp_path: Path) -> None:
    path = write_video(tmp_path / "Übung mit Leerzeichen, 100 % %d.mp4", VideoRecipe([0, 500, 1000]))
    assert [frame.time_s for frame in SandboxedSource(path).steps(None, "full")] == [0.0, 1.0]


def test_the_child_gives_up_network_files_and_programs(video: Path) -> None:
    took = guards(video, SandboxConfig())
    code = f"""
import ctypes, fcntl, os, resource, signal, socket, threading
from pipeline.video.sandbox import guards as sandbox_guards
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


def test_a_jump_gives_as_many_pictures_as_were_asked_for(video: Path) -> None:
    code = "say(type='jump', backend='pyav', reason='')\nfor n in itertools.count(): show(n, n)"
    with children_that(code), pytest.raises(MediaDamaged, match="nonsense: pictures"):
        jump(video, [0.0], 0.0, SandboxConfig(), damaged=False, max_side_px=320)


@pytest.mark.parametrize(("width", "backend"), [(320, "decord"), (160, "pyav")])
def test_both_libraries_jump_in_a_child(width: int, backend: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", VideoRecipe(steady(2), size=(width, 96), options={"g": "10", "bf": "0"}))
    jumped, frames = jump(path, [1.5, 0.2], 0.0, SandboxConfig(), damaged=False, max_side_px=320)
    assert jumped.backend == backend
    assert [frame.time_s for frame in frames] == pytest.approx([1.5, 0.2])


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
        patch.setattr(sandbox_process.Child, "_send", lambda child, document: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            source.probe()


def test_time_that_the_parent_takes_is_not_held_against_the_child(video: Path) -> None:
    source = SandboxedSource(video, EVERY, sandbox=SandboxConfig(stall_s=5, slots=1))
    steps = source.steps(None, "full")
    first = next(steps)
    threading.Event().wait(0.2)
    assert len([first, *steps]) == 80
    assert source.damage is None


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "large.mp4", VideoRecipe([0], size=(3840, 2160), options={"preset": "ultrafast"}))
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
    path = write_video(tmp_path / "a.mkv", VideoRecipe(steady(3)))
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
        "from pipeline.video.sampling import DecodeConfig\n"
        "from pipeline.video.sandbox.source import SandboxedSource\n"
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
    write_video(tmp_path / "other.ts", VideoRecipe(steady(1)))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'other.ts'\n")
    (tmp_path / "dash.mpd").write_text('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>')
    (tmp_path / "talk.sdp").write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n")
    (tmp_path / "still001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    for name in ("list.m3u8", "list.mp4", "dash.mpd", "talk.sdp", "still001.png"):
        with pytest.raises(MediaUnsupported, match="is not a video"):
            SandboxedSource(tmp_path / name).probe()


def test_a_video_of_a_codec_that_is_not_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.avi", VideoRecipe(steady(1), codec="zmbv", pix_fmt="bgr0", rate=10))
    for source in (SandboxedSource(path), FileSource(path)):
        with pytest.raises(MediaUnsupported, match="coded as zmbv"):
            source.probe()


def test_a_mode_that_is_not_a_files_is_refused(video: Path) -> None:
    with pytest.raises(ValueError, match="push"):
        SandboxedSource(video).steps(None, "push")
