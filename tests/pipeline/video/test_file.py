"""Files, nice and not, through `FileSource`: which frames come, when, upright, and the same after a restart."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.base import Frame
from encoders.sketch import thumbnail_jpeg
from pipeline.errors import MediaDamaged, MediaTooLarge, MediaUnsupported, PipelineError
from pipeline.video.file import FileSource
from pipeline.video.picture import shrunk_size, square_size
from pipeline.video.sampling import Clock, DecodeConfig, DecodeLimits, Sampler, choose_mode
from pipeline.video.source import DecodeMode, FrameSource
from tests.pipeline.media import VideoRecipe, cut, hide_beginning, picture, spoil, steady, write_audio_only, write_video

OPEN_GOP = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=3"}


def uneven(count: int, seed: int = 3) -> list[int]:
    """Times of a variable frame rate, 20 ms to 1.7 s apart."""
    rng, times = random.Random(seed), [0]
    while len(times) < count:
        times.append(times[-1] + rng.choice([20, 33, 33, 40, 100, 400, 1700]))
    return times


RESUMED: dict[str, VideoRecipe] = {
    "b-frames.mp4": VideoRecipe(steady(6), options={"g": "15", "bf": "3"}),
    "open-gop.mkv": VideoRecipe(steady(6), options=OPEN_GOP),
    "open-gop.ts": VideoRecipe(steady(6), options=OPEN_GOP),
    "intra-refresh.mp4": VideoRecipe(steady(4), options={"x264-params": "intra-refresh=1:keyint=8:scenecut=0"}),
    "mpeg4.mp4": VideoRecipe(steady(5), codec="mpeg4", options={"g": "12", "bf": "2"}),
    "mpeg4.avi": VideoRecipe(steady(5), codec="mpeg4", rate=10, options={"g": "12", "bf": "2"}),
    "mpeg2.mpg": VideoRecipe([40 * i for i in range(150)], codec="mpeg2video", rate=25, options={"g": "12", "bf": "2"}),
    "vp9.webm": VideoRecipe(
        steady(4), codec="libvpx-vp9", options={"g": "12", "deadline": "realtime", "cpu-used": "8"}
    ),
    "uneven.mp4": VideoRecipe(uneven(40), options={"g": "10", "bf": "2"}),
    "late.mkv": VideoRecipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5),
    "late.ts": VideoRecipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5),
}


def same(a: list[Frame], b: list[Frame]) -> bool:
    return [f.time_s for f in a] == [f.time_s for f in b] and all(
        np.array_equal(x.rgb, y.rgb) for x, y in zip(a, b, strict=True)
    )


def times(path: Path, fps: float = 1.0, mode: DecodeMode = "full") -> list[float]:
    return [frame.time_s for frame in FileSource(path, DecodeConfig(fps=fps)).steps(None, mode)]


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_resumed_anywhere_gives_what_an_uninterrupted_one_gives(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, RESUMED[name])
    for fps, mode in ((1000.0, "full"), (3.0, "full"), (3.0, "keyframes")):
        source = FileSource(path, DecodeConfig(fps=fps))
        whole = list(source.steps(None, mode))
        stops = {frame.time_s for frame in (whole[::4] if fps > 100 else whole)} | {0.05, 1.234}
        for stop in sorted(stops):
            rest = list(source.steps(stop, mode))
            assert same(rest, [frame for frame in whole if frame.time_s > stop]), (fps, mode, stop)


@pytest.mark.parametrize("name", RESUMED)
def test_key_frame_mode_gives_pictures_of_full_mode_at_their_times(name: str, tmp_path: Path) -> None:
    source = FileSource(write_video(tmp_path / name, RESUMED[name]), DecodeConfig(fps=1000))
    whole = {frame.time_s: frame for frame in source.steps(None, "full")}
    keys = list(source.steps(None, "keyframes"))
    assert keys
    assert same(keys, [whole[key.time_s] for key in keys])


def test_steps_are_the_first_pictures_of_each_second(tmp_path: Path) -> None:
    path = write_video(tmp_path / "uneven.mp4", VideoRecipe(uneven(60)))
    stamps = [time_ms / 1000 for time_ms in uneven(60)]
    expected = [t for i, t in enumerate(stamps) if i == 0 or math.floor(t + 1e-6) > math.floor(stamps[i - 1] + 1e-6)]
    assert times(path) == pytest.approx(expected, abs=1e-3)


def test_time_counts_from_the_first_picture_not_from_the_sound(tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.mp4", VideoRecipe(steady(3, start_ms=2500), audio_s=6))
    info = FileSource(path).probe()
    assert info.start_offset_s == pytest.approx(2.5, abs=0.01)
    assert info.has_audio
    assert info.duration_s == pytest.approx(3.0, abs=0.15)
    assert times(path) == pytest.approx([0, 1, 2], abs=1e-3)


def test_an_edit_list_that_hides_the_beginning_is_obeyed(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", VideoRecipe(steady(4), options={"g": "10", "bf": "0"}))
    source = FileSource(hide_beginning(whole, tmp_path / "trimmed.mp4", 500), DecodeConfig(fps=1000))
    frames = list(source.steps(None, "full"))
    assert len(frames) == 35
    assert frames[0].time_s == 0
    original = next(f for f in FileSource(whole, DecodeConfig(fps=1000)).steps(0.45, "full"))
    assert np.array_equal(frames[0].rgb, original.rgb)
    assert same(list(source.steps(1.0, "full")), [f for f in frames if f.time_s > 1.0])


@pytest.mark.parametrize(("gop", "fps", "mode"), [(10, 1.0, "keyframes"), (10, 2.0, "full"), (30, 1.0, "full")])
def test_key_frames_alone_are_decoded_only_where_they_are_dense_enough(
    gop: int, fps: float, mode: str, tmp_path: Path
) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = write_video(tmp_path / name, VideoRecipe(steady(9), options={"g": str(gop), "sc_threshold": "0"}))
        info = FileSource(path).probe()
        assert info.key_interval_s == pytest.approx(gop / 10, abs=0.002)
        assert choose_mode(info, fps) == mode


def test_entry_points_of_an_intra_refresh_do_not_pass_for_key_frames(tmp_path: Path) -> None:
    info = FileSource(write_video(tmp_path / "refresh.mp4", RESUMED["intra-refresh.mp4"])).probe()
    assert info.key_interval_s is None
    assert choose_mode(info, 1.0) == "full"


@pytest.mark.parametrize(("rotation", "mirror"), [(0, False), (90, False), (180, False), (270, False), (90, True)])
def test_pictures_are_upright(rotation: int, mirror: bool, tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", VideoRecipe([0], size=(128, 96), rotation=rotation, mirror=mirror))
    source = FileSource(path)
    frame = next(iter(source.steps(None, "full")))
    # The written matrix turns anticlockwise, as numpy's rot90 does, and then flips left and right.
    expected = np.rot90(picture(0, (128, 96)), rotation // 90)[:, :: -1 if mirror else 1]
    assert frame.rgb.shape == expected.shape == (source.probe().height, source.probe().width, 3)
    assert np.abs(frame.rgb.astype(int) - expected).mean() < 12


def test_pixels_become_square_and_large_pictures_small(tmp_path: Path) -> None:
    wide = FileSource(write_video(tmp_path / "wide.mp4", VideoRecipe([0], aspect=Fraction(3, 2))))
    assert (wide.probe().width, wide.probe().height) == (240, 96)
    assert next(iter(wide.steps(None, "full"))).rgb.shape == (96, 240, 3)
    small = FileSource(tmp_path / "wide.mp4", DecodeConfig(max_side_px=100))
    assert next(iter(small.steps(None, "full"))).rgb.shape == (40, 100, 3)


@given(st.integers(1, 9000), st.integers(1, 9000), st.fractions(Fraction(1, 20), 20), st.integers(1, 2000))
def test_sizes_keep_proportion_and_stay_within_bounds(width: int, height: int, aspect: Fraction, side: int) -> None:
    square = square_size(width, height, aspect)
    assert square[0] >= width
    assert square[1] >= height
    small = shrunk_size(*square, side)
    assert max(small) <= max(side, 1)
    assert min(small) >= 1
    assert max(square) > side or small == square


@pytest.mark.parametrize(
    ("name", "recipe", "count"),
    [
        ("one.mp4", VideoRecipe([0]), 1),
        ("short.mkv", VideoRecipe(steady(0.3)), 1),
        (
            "odd.webm",
            VideoRecipe(steady(1.1), codec="libvpx-vp9", size=(319, 241), options={"deadline": "realtime"}),
            2,
        ),
        ("ten-bit.mp4", VideoRecipe(steady(1.1), pix_fmt="yuv420p10le"), 2),
        ("Übung mit Leerzeichen, 100 %.mp4", VideoRecipe(steady(1.1)), 2),
        ("-dash:colon.mkv", VideoRecipe(steady(1.1)), 2),
        ("still.avi", VideoRecipe(steady(1.1), codec="mjpeg", pix_fmt="yuvj420p", rate=10), 2),
    ],
)
def test_unusual_videos_are_watched(name: str, recipe: VideoRecipe, count: int, tmp_path: Path) -> None:
    source = FileSource(write_video(tmp_path / name, recipe))
    frames = list(source.steps(None, "full"))
    assert len(frames) == count
    assert source.damage is None
    assert frames[0].rgb.dtype == np.uint8
    assert frames[0].rgb.flags.c_contiguous
    assert np.abs(frames[0].rgb.astype(int) - picture(0, recipe.size)).mean() < 14


def not_videos(folder: Path) -> dict[str, Path]:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video\n" * 500)
    (folder / "playlist.mp4").write_text("ffconcat version 1.0\nfile 'other.mp4'\n")
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    write_audio_only(folder / "sound.mp4")
    write_video(folder / "other.mp4", VideoRecipe(steady(1)))
    cut(folder / "other.mp4", folder / "no-index.mp4", 0.6)
    names = ("empty.mp4", "text.mp4", "playlist.mp4", "list.m3u8", "sound.mp4", "no-index.mp4", "missing.mp4")
    return {name: folder / name for name in names} | {"folder": folder}


@pytest.mark.parametrize(
    "name",
    ["empty.mp4", "text.mp4", "playlist.mp4", "list.m3u8", "sound.mp4", "no-index.mp4", "missing.mp4", "folder"],
)
def test_what_is_no_video_is_refused_in_our_words(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = not_videos(tmp_path)[name]
    capfd.readouterr()
    with pytest.raises(MediaUnsupported) as refusal:
        FileSource(path).probe()
    with pytest.raises(MediaUnsupported):
        next(FileSource(path).steps(None, "full"))
    text = str(refusal.value)
    assert path.name in text
    assert str(tmp_path.parent) not in text
    assert "Errno" not in text
    assert "avformat" not in text
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_truncated_file_gives_what_is_left_and_says_so(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(
        tmp_path / name, VideoRecipe(steady(10), options={"g": "10", "bf": "0"}, faststart=name == "a.mp4")
    )
    source = FileSource(cut(whole, tmp_path / f"cut-{name}", 0.6), DecodeConfig(fps=4))
    capfd.readouterr()
    frames = list(source.steps(None, "full"))
    assert capfd.readouterr().err == ""
    assert 4 <= frames[-1].time_s <= 8
    assert same(frames[:-1], list(FileSource(whole, DecodeConfig(fps=4)).steps(None, "full"))[: len(frames) - 1])
    assert source.damage is not None
    assert f"{source.probe().duration_s:.1f} s" in source.damage
    assert same(list(source.steps(2.0, "full")), [frame for frame in frames if frame.time_s > 2.0])


def test_damage_in_the_middle_costs_little_and_is_told(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", VideoRecipe(steady(10), options={"g": "10", "bf": "0"}, faststart=True))
    source = FileSource(spoil(whole, tmp_path / "b.mp4", 0.5, 300), DecodeConfig(fps=1000))
    intact = list(FileSource(whole, DecodeConfig(fps=1000)).steps(None, "full"))
    frames = list(source.steps(None, "full"))
    assert 80 <= len(frames) < len(intact)
    assert same(frames[:40], intact[:40])
    assert same(frames[-20:], intact[-20:])
    assert source.damage is not None
    assert "could not be decoded" in source.damage
    for stop in (1.0, 3.9, 5.0, 7.0):
        assert same(list(source.steps(stop, "full")), [frame for frame in frames if frame.time_s > stop])


def test_a_video_without_one_good_picture_is_damaged(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", VideoRecipe([0], faststart=True))
    data = bytearray(whole.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin:] = bytes(len(data) - begin)
    (tmp_path / "b.mp4").write_bytes(bytes(data))
    with pytest.raises(MediaDamaged, match=r"b\.mp4"):
        FileSource(tmp_path / "b.mp4").probe()


def test_limits_are_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", VideoRecipe(steady(3)))
    for limits in (DecodeLimits(max_pixels=160 * 96 - 1), DecodeLimits(max_seconds=2.5)):
        with pytest.raises(MediaTooLarge, match="allowed"):
            FileSource(path, limits=limits).probe()
    assert FileSource(path, limits=DecodeLimits(max_pixels=160 * 96, max_seconds=3.2)).probe().width == 160


def test_a_closed_iterator_closes_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", VideoRecipe(steady(3)))
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open files are counted through /proc")
    before = len(list(descriptors.iterdir()))
    steps = FileSource(path).steps(None, "full")
    next(steps)
    assert len(list(descriptors.iterdir())) == before + 1
    steps.close()
    assert len(list(descriptors.iterdir())) == before


def test_a_file_source_is_a_frame_source(tmp_path: Path) -> None:
    source: FrameSource = FileSource(write_video(tmp_path / "a.mp4", VideoRecipe([0])))
    assert source.damage is None
    with pytest.raises(ValueError, match="push"):
        source.steps(None, "push")
    assert issubclass(MediaUnsupported, PipelineError)


def test_packets_read_on_the_way_to_a_key_frame_are_told(tmp_path: Path) -> None:
    path, reads = (
        write_video(tmp_path / "a.ts", VideoRecipe(steady(30), options={"g": "1000", "sc_threshold": "0"})),
        [],
    )
    source = FileSource(path, on_read=lambda: reads.append(None))
    source.probe()
    assert [frame.time_s for frame in source.at([10.0])] == [10.0]
    from_the_beginning = 100
    assert len(reads) > from_the_beginning + 150  # after a seek that met no key frame in the rest of the file


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=60), st.floats(0.1, 30))
def test_the_sampler_never_takes_two_of_a_step_nor_goes_back(stamps: list[float], fps: float) -> None:
    sampler = Sampler(fps)
    taken = [stamp for stamp in stamps if sampler.take(stamp)]
    assert taken[0] == stamps[0]
    assert all(b > a for a, b in pairwise(taken))
    steps = [math.floor(stamp * fps + 1e-6) for stamp in taken]
    assert len(set(steps)) == len(steps)
    assert max(steps) == max(math.floor(stamp * fps + 1e-6) for stamp in stamps)


def test_the_clock_bridges_missing_timestamps() -> None:
    clock = Clock(start_pts=900, time_base=Fraction(1, 90), frame_s=0.04)
    assert [clock.time_s(pts) for pts in (900, None, None, 990)] == pytest.approx([0.0, 0.04, 0.08, 1.0])
    assert clock.pts(1.0) == 990
    assert clock.seconds(clock.pts(0.999)) <= 0.999


def test_thumbnails_are_small_and_repeatable() -> None:
    frame = Frame(rgb=picture(3, (640, 360)), time_s=0.0)
    jpeg = thumbnail_jpeg(frame)
    assert jpeg == thumbnail_jpeg(frame)
    assert jpeg.startswith(b"\xff\xd8")
    assert len(jpeg) < 40_000
    with pytest.raises(ValueError, match="quality"):
        thumbnail_jpeg(frame, quality=0)


def test_real_clips_are_watched_whole(clips: Path) -> None:
    for path in sorted(clips.glob("*.mp4")):
        source = FileSource(path)
        info = source.probe()
        stamps = [frame.time_s for frame in source.steps(None, choose_mode(info, 1.0))]
        assert source.damage is None
        assert info.duration_s is not None
        assert abs(len(stamps) - info.duration_s) <= 1
