"""Every kind of input that people really have, through the decoding child: it works, or it is refused in plain words.

`test_decode.py` holds what concerns decoding itself: resuming, damage, sizes, key frames, late beginnings."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from encoders.frame import Frame
from pipeline.errors import MediaUnsupported
from pipeline.video.sampling import DecodeConfig, choose_mode
from pipeline.video.sandbox.source import SandboxedSource
from tests.pipeline.media import VideoRecipe, cut, hide_beginning, picture, restamp, steady, write_streams, write_video

EVERY = DecodeConfig(fps=1000)
X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}

KINDS: dict[str, tuple[VideoRecipe, str, str]] = {
    "hevc-10-bit.mp4": (VideoRecipe(steady(1.1), codec="libx265", pix_fmt="yuv420p10le", options=X265), "hevc", "mov"),
    "av1.mp4": (VideoRecipe(steady(1.1), codec="libsvtav1", options={"preset": "12"}), "libdav1d", "mov"),
    "av1-10-bit.mkv": (
        VideoRecipe(steady(1.1), codec="libsvtav1", pix_fmt="yuv420p10le", options={"preset": "12"}),
        "libdav1d",
        "matroska",
    ),
    "vp8.webm": (VideoRecipe(steady(1.1), codec="libvpx", options={"deadline": "realtime"}), "vp8", "webm"),
    "vp9.webm": (VideoRecipe(steady(1.1), codec="libvpx-vp9", options={"deadline": "realtime"}), "vp9", "webm"),
    "mpeg4.avi": (VideoRecipe(steady(1.1), codec="mpeg4", rate=10), "mpeg4", "avi"),
    "h264.mov": (VideoRecipe(steady(1.1)), "h264", "mov"),
    "prores.mov": (VideoRecipe(steady(1.1), codec="prores", pix_fmt="yuv422p10le"), "prores", "mov"),
    "h264.flv": (VideoRecipe(steady(1.1)), "h264", "flv"),
    "windows.wmv": (VideoRecipe(steady(1.1), codec="wmv2", rate=10), "wmv2", "asf"),
    "tape.mxf": (VideoRecipe(steady(1.1), codec="mpeg2video", rate=25), "mpeg2video", "mxf"),
    "moving.gif": (VideoRecipe(steady(1.1), codec="gif", pix_fmt="rgb8", rate=10), "gif", "gif"),
    "raw.h264": (VideoRecipe(steady(1.1)), "h264", "h264"),
    "plain.y4m": (VideoRecipe(steady(1.1), codec="wrapped_avframe", rate=10), "rawvideo", "yuv4mpegpipe"),
    "odd.mkv": (VideoRecipe(steady(1.1), codec="ffv1", size=(161, 97)), "ffv1", "matroska"),
    "tiny.mkv": (VideoRecipe(steady(1.1), codec="ffv1", size=(1, 1)), "ffv1", "matroska"),
    "thin.mov": (VideoRecipe(steady(1.1), codec="png", pix_fmt="rgb24", size=(2, 1200)), "png", "mov"),
}


def watched(path: Path, config: DecodeConfig = EVERY) -> tuple[list[Frame], str | None]:
    source = SandboxedSource(path, config)
    return list(source.steps(None, "full")), source.damage


def error(frame: Frame, number: int, size: tuple[int, int]) -> float:
    """How far a frame is from the picture it was made of."""
    return float(np.abs(frame.rgb.astype(int) - picture(number, size)).mean())


@pytest.mark.parametrize("name", KINDS)
def test_codecs_and_containers(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recipe, codec, container = KINDS[name]
    path = write_video(tmp_path / name, recipe)
    capfd.readouterr()
    source = SandboxedSource(path, EVERY)
    frames = list(source.steps(None, "full"))
    assert source.damage is None
    assert source.probe().codec == codec
    assert container in source.probe().container
    assert len(frames) == 11
    assert all(later.time_s > earlier.time_s for earlier, later in pairwise(frames))
    if name not in ("raw.h264", "tape.mxf"):  # these count pictures and know no time of their own
        assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(11)], abs=0.011)
    if name != "thin.mov":
        assert max(error(frame, number, recipe.size) for number, frame in enumerate(frames)) < 25
    assert capfd.readouterr().err == ""


def test_of_several_streams_the_one_marked_to_be_shown_is_watched(tmp_path: Path) -> None:
    small, large = VideoRecipe(steady(1), size=(128, 96)), VideoRecipe(steady(2), size=(320, 192))
    for name, default, wanted in (("none.mkv", None, small), ("second.mkv", 1, large), ("second.mp4", 1, large)):
        path = write_streams(tmp_path / name, [small, large], default)
        frames, damage = watched(path)
        assert (frames[0].rgb.shape[1], frames[0].rgb.shape[0]) == wanted.size
        assert len(frames) == len(wanted.times_ms)
        assert damage is None


def test_a_cover_is_not_the_video(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, (64, 64)), format="rgb24")))
    with pytest.raises(MediaUnsupported, match="no video stream"):
        watched(path)


def test_a_first_timestamp_below_zero_is_second_zero(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", VideoRecipe(steady(4), options={"g": "10", "bf": "0"}))
    path = hide_beginning(whole, tmp_path / "below.ts", 500)
    assert SandboxedSource(path).probe().start_offset_s == pytest.approx(-0.5)
    frames, damage = watched(path)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(40)], abs=1e-3)
    assert damage is None


def test_a_jump_ahead_is_obeyed(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.ts", VideoRecipe(steady(2), options={"g": "10", "bf": "0"}))
    second = write_video(tmp_path / "b.ts", VideoRecipe(steady(2, start_ms=3_600_000), options={"g": "10", "bf": "0"}))
    (tmp_path / "ahead.ts").write_bytes(first.read_bytes() + second.read_bytes())
    frames, _ = watched(tmp_path / "ahead.ts")
    times_s = [frame.time_s for frame in frames]
    assert len(times_s) >= 38  # a picture or two may be lost where the streams were joined
    assert times_s[10] == pytest.approx(1.0, abs=1e-3)
    assert times_s[-1] == pytest.approx(3601.9, abs=1e-3)


def test_a_jump_back_never_turns_time_back_and_is_told(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.ts", VideoRecipe(steady(2, start_ms=60_000), options={"g": "10", "bf": "0"}))
    second = write_video(tmp_path / "b.ts", VideoRecipe(steady(2), options={"g": "10", "bf": "0"}))
    (tmp_path / "back.ts").write_bytes(first.read_bytes() + second.read_bytes())
    frames, damage = watched(tmp_path / "back.ts")
    assert len(frames) >= 18
    assert all(later.time_s > earlier.time_s for earlier, later in pairwise(frames))
    assert damage is not None
    assert "timestamps go back" in damage


def test_of_pictures_with_the_same_time_the_first_is_watched(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", VideoRecipe(steady(1.2), codec="mjpeg", pix_fmt="yuvj420p", rate=10))
    times_ms = [0, 0, 100, 200, 200, 200, 200, 200, 200, 300, 400, 500]
    frames, damage = watched(restamp(whole, tmp_path / "same.mkv", times_ms))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [error(frame, number, (160, 96)) < 14 for frame, number in zip(frames, (0, 2, 3, 9, 10, 11), strict=True)]
    assert damage is None


def test_a_timestamp_beyond_all_sense_costs_its_picture(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.flv", VideoRecipe(steady(3), codec="flv", options={"g": "1"}))
    data, place, video_tags = bytearray(whole.read_bytes()), 13, 0
    while place < len(data):  # tags: kind, length (3 bytes), time (3 bytes, then its highest byte), stream (3 bytes)
        video_tags += data[place] == 9
        if video_tags == 12:
            data[place + 7] = 0x7F
            break
        place += 15 + int.from_bytes(data[place + 1 : place + 4], "big")
    (tmp_path / "wild.flv").write_bytes(data)
    frames, damage = watched(tmp_path / "wild.flv")
    assert len(frames) == 29
    assert frames[-1].time_s == pytest.approx(2.9, abs=1e-3)
    assert damage is not None
    assert "1 picture was left out for timestamps that make no sense" in damage


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4"])
def test_a_file_that_grows_while_it_is_read_gives_what_was_there(name: str, tmp_path: Path) -> None:
    recipe = VideoRecipe(steady(20), size=(320, 192), options={"g": "10", "bf": "0"}, faststart=name == "a.mp4")
    whole = write_video(tmp_path / f"whole-{name}", recipe)
    growing = cut(whole, tmp_path / name, 0.4)
    expected, _ = watched(whole)
    source = SandboxedSource(growing, EVERY)
    steps = source.steps(None, "full")
    frames = [next(steps)]
    with growing.open("ab") as file:
        file.write(whole.read_bytes()[growing.stat().st_size :])
    frames += list(steps)
    assert len(frames) >= 60
    sound = len(frames) - 1  # the last one may have been cut in the middle
    assert [f.time_s for f in frames[:sound]] == [f.time_s for f in expected[:sound]]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(frames[:sound], expected, strict=False))
    assert [f.time_s for f in watched(growing)[0]] == [f.time_s for f in expected]


def test_a_file_that_may_not_be_read_is_refused_as_such(tmp_path: Path) -> None:
    path = write_video(tmp_path / "secret.mp4", VideoRecipe([0]))
    path.chmod(0)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pipeline.errors import MediaUnsupported\n"
        "from pipeline.video.sandbox.source import SandboxedSource\n"
        "from pipeline.video.file import FileSource\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]), os.setgid(65534), os.setuid(65534)\n"
        "for source in (SandboxedSource, FileSource):\n"
        "    try:\n"
        "        source(Path(sys.argv[1])).probe()\n"
        "    except MediaUnsupported as refusal:\n"
        "        print(refusal)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "secret.mp4 may not be read.\n" * 2


def test_a_file_that_vanishes_while_it_is_watched_is_watched_to_its_end(tmp_path: Path) -> None:
    source = SandboxedSource(write_video(tmp_path / "a.mp4", VideoRecipe(steady(4))), EVERY)
    steps = source.steps(None, "full")
    first = next(steps)
    (tmp_path / "a.mp4").unlink()
    assert len([first, *steps]) == 40
    assert source.damage is None
    with pytest.raises(MediaUnsupported, match=r"There is no file a\.mp4"):
        next(source.steps(None, "full"))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [("libx264", "yuv420p", {"preset": "ultrafast"}), ("libx265", "yuv420p10le", X265)],
)
def test_8k(codec: str, pix_fmt: str, options: dict[str, str], tmp_path: Path) -> None:
    size = (7680, 4320)
    recipe = VideoRecipe([0, 500, 1000, 1500, 2000], codec=codec, size=size, pix_fmt=pix_fmt, options=options)
    source = SandboxedSource(write_video(tmp_path / "8k.mp4", recipe))
    frames = list(source.steps(None, "full"))
    assert [frame.rgb.shape for frame in frames] == [(540, 960, 3)] * 3
    assert (source.probe().width, source.probe().height) == size
    assert source.damage is None


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twelve_hours_of_a_still_picture(tmp_path: Path) -> None:
    hours, fps, gop = 12, 25, 250
    still = tmp_path / "still.mp4"
    _write_still(tmp_path / "one-group.mp4", still, hours * 3600 * fps, fps, gop)
    source, process = SandboxedSource(still), psutil.Process()
    info = source.probe()
    assert info.duration_s == pytest.approx(hours * 3600, abs=1)
    before, most, count = process.memory_info().rss, 0, 0
    for frame in source.steps(None, choose_mode(info, 1.0)):
        assert frame.time_s == pytest.approx(count, abs=1e-3)
        count += 1
        if count % 3600 == 0:
            most = max([most, process.memory_info().rss, *(c.memory_info().rss for c in process.children())])
    assert count == hours * 3600
    assert source.damage is None
    assert most < before + (300 << 20)
    resumed = source.steps(hours * 3600 - 2.5, "full")
    assert [frame.time_s for frame in resumed] == pytest.approx([hours * 3600 - 2, hours * 3600 - 1])


def _write_still(group: Path, target: Path, pictures: int, fps: int, gop: int) -> None:
    """The same encoded group of pictures again and again, which is how a still picture looks to a decoder."""
    write_video(
        group,
        VideoRecipe([1000 * i // fps for i in range(gop)], options={"g": str(gop), "bf": "0", "sc_threshold": "0"}),
    )
    with av.open(str(group)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = [(bytes(packet), packet.is_keyframe) for packet in source.demux(stream) if packet.size]
        step = round(1 / (fps * stream.time_base))
        for number in range(pictures):
            data, is_key = packets[number % gop]
            packet = av.Packet(data)
            packet.pts = packet.dts = number * step
            packet.duration, packet.time_base = step, stream.time_base
            packet.stream, packet.is_keyframe = copy, is_key
            out.mux(packet)


def test_a_link_and_a_long_name_are_files_like_others(tmp_path: Path) -> None:
    name = "ä" * 120 + ".mp4"  # 244 bytes
    (tmp_path / name).symlink_to(write_video(tmp_path / "a.mp4", VideoRecipe([0])))
    assert len(watched(tmp_path / name)[0]) == 1
    with pytest.raises(MediaUnsupported, match="There is no file"):
        watched(tmp_path / ("x" * 300))
