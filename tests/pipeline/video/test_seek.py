"""Jumps to cited times show what watching saw at those times, whichever library fetches the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import MediaNotKept, MediaUnsupported
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig, SandboxConfig
from pipeline.video.seek import choose_jump, frames_at
from tests.pipeline.media import VideoRecipe, hide_beginning, spoil, steady, write_video

SIZE = (320, 192)
B_FRAMES = {"g": "12", "bf": "2"}
UNEVEN = [0, 40, 80, 1200, 1220, 1260, 2900, 2950, 3000, 3033, 4700, 4800, 4900, 6000]

JUMPS: dict[str, tuple[VideoRecipe, str]] = {
    "b-frames.mp4": (VideoRecipe(steady(5), options=B_FRAMES, size=SIZE), "decord"),
    "open-gop.mkv": (
        VideoRecipe(steady(5), options={"x264-params": "open-gop=1:keyint=12:scenecut=0"}, size=SIZE),
        "pyav",
    ),
    "uneven.mp4": (VideoRecipe(UNEVEN, options={"g": "5"}, size=SIZE), "decord"),
    "late.mp4": (VideoRecipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5, size=SIZE), "decord"),
    "late.mkv": (VideoRecipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5, size=SIZE), "decord"),
    "turned.mp4": (VideoRecipe(steady(2), size=(400, 330), rotation=90), "decord"),
    "wide.mp4": (VideoRecipe(steady(2), aspect=Fraction(3, 2), size=SIZE), "decord"),
    "odd.webm": (
        VideoRecipe(steady(2), codec="libvpx-vp9", size=(331, 241), options={"deadline": "realtime"}),
        "decord",
    ),
    "large.mp4": (VideoRecipe(steady(1), size=(1280, 720)), "decord"),
    "one.mp4": (VideoRecipe([0], size=SIZE), "decord"),
    "narrow.mp4": (VideoRecipe(steady(2), size=(96, 64)), "pyav"),
    "mirrored.mp4": (VideoRecipe(steady(2), size=(400, 330), rotation=90, mirror=True), "pyav"),
    "late.ts": (VideoRecipe(steady(4, start_ms=5230), options={"g": "10"}, audio_s=9.5), "pyav"),
    "mpeg4.mp4": (VideoRecipe(steady(4), codec="mpeg4", options=B_FRAMES), "pyav"),
    "mpeg4.avi": (VideoRecipe(steady(4), codec="mpeg4", rate=10, options=B_FRAMES), "pyav"),
    "refresh.mp4": (VideoRecipe(steady(4), options={"x264-params": "intra-refresh=1:keyint=8:scenecut=0"}), "pyav"),
}


def assert_jumps_show_what_was_watched(path: Path, *, damaged: bool = False) -> None:
    source = FileSource(path, DecodeConfig(fps=1000))
    watched = list(source.steps(None, "full"))
    asked = [watched[i] for i in sorted({0, 1, 3, len(watched) // 2, len(watched) - 1}) if i < len(watched)][::-1]
    offset_s = source.probe().start_offset_s
    frames = frames_at(path, [frame.time_s for frame in asked], offset_s, damaged=damaged)
    for got, wanted in zip(frames, asked, strict=True):
        assert got.time_s == pytest.approx(wanted.time_s, abs=1e-3)
        assert got.rgb.shape == wanted.rgb.shape
        # Neighbouring test pictures differ by 20 or more; the two libraries' scalers by 3 at most.
        assert np.abs(got.rgb.astype(int) - wanted.rgb).mean() < 4


@pytest.mark.parametrize("name", JUMPS)
def test_a_jump_shows_the_picture_that_was_watched(name: str, tmp_path: Path) -> None:
    recipe, backend = JUMPS[name]
    path = write_video(tmp_path / name, recipe)
    assert choose_jump(path).backend == backend
    assert_jumps_show_what_was_watched(path)


def test_a_hidden_beginning_does_not_shift_the_pictures(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", VideoRecipe(steady(4), size=SIZE, options={"g": "10", "sc_threshold": "0"})
    )
    trimmed = hide_beginning(whole, tmp_path / "trimmed.mp4", 500)
    assert choose_jump(trimmed).backend == "pyav"
    assert_jumps_show_what_was_watched(trimmed)


def test_a_damaged_file_is_jumped_about_in_by_checked_times(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", VideoRecipe(steady(10), options={"g": "10", "bf": "0"}, faststart=True))
    spoilt = spoil(whole, tmp_path / "b.mp4", 0.5, 300)
    assert choose_jump(spoilt, damaged=True).reason == "the file is damaged"
    assert_jumps_show_what_was_watched(spoilt, damaged=True)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_between_two_pictures_the_earlier_one_is_on_screen(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, VideoRecipe(UNEVEN, size=SIZE, options={"g": "5"}))
    offset_s = FileSource(path).probe().start_offset_s
    frames = frames_at(path, [1.1, 2.89, 2.9, 100.0, 0.0, -5.0], offset_s)
    assert [frame.time_s for frame in frames] == pytest.approx([0.08, 1.26, 2.9, 6.0, 0.0, 0.0], abs=1e-3)


def test_times_count_from_the_offset_that_watching_recorded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", VideoRecipe(steady(4), size=SIZE, options={"g": "10"}))
    frame = frames_at(path, [1.0], start_offset_s=0.5)[0]
    assert frame.time_s == pytest.approx(1.0, abs=1e-3)
    assert np.array_equal(frame.rgb, frames_at(path, [1.5], start_offset_s=0.0)[0].rgb)


def test_long_files_are_not_read_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", VideoRecipe(steady(3), size=SIZE))
    assert choose_jump(path, sandbox=None).backend == "decord"
    monkeypatch.setattr("pipeline.video.jumping.MOST_PICTURES", 20)
    assert choose_jump(path, sandbox=None).backend == "pyav"


@pytest.mark.parametrize("name", ["b-frames.mp4", "late.ts"])
def test_a_jump_in_this_process_is_the_one_in_a_child(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, JUMPS[name][0])
    times_s = [2.0, 0.31, 3.3, *(0.1 * i for i in range(9))]
    here, there = (frames_at(path, times_s, 0.0, sandbox=sandbox) for sandbox in (None, SandboxConfig()))
    assert [frame.time_s for frame in here] == [frame.time_s for frame in there]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(here, there, strict=True))
    assert choose_jump(path, sandbox=None) == choose_jump(path)


def test_no_times_give_no_pictures(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.ts"):
        assert frames_at(write_video(tmp_path / name, VideoRecipe(steady(1))), [], 0.0) == []


def test_pictures_are_no_larger_than_asked(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.ts"):
        path = write_video(tmp_path / name, VideoRecipe(steady(1), size=(640, 360)))
        offset_s = FileSource(path).probe().start_offset_s
        assert frames_at(path, [0.5], offset_s, max_side_px=320)[0].rgb.shape == (180, 320, 3)


def test_a_file_that_is_gone_or_no_video_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MediaNotKept, match=r"gone\.mp4"):
        frames_at(tmp_path / "gone.mp4", [0.0], 0.0)
    (tmp_path / "text.mp4").write_text("no video" * 99)
    with pytest.raises(MediaUnsupported, match=r"text\.mp4"):
        frames_at(tmp_path / "text.mp4", [0.0], 0.0)
    assert capfd.readouterr().err == ""
