"""Backups are of one moment while everything is in use, restored whole, and a copied folder keeps to its own files."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.store.export import export_lines
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from serve.cli.command_line import main
from serve.errors import DiskFull
from serve.jobs import backup
from serve.jobs.backup import BackupRefused, back_up, restore
from serve.jobs.job_queue import JobQueue
from serve.jobs.media import media_file
from serve.jobs.removal import Removal
from serve.settings import Settings
from tests.contracts.store_cases import cube, full, record


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, runtime_dir=folder.parent / "run")


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[StoreHold]:
    with StoreHold(settings(tmp_path / "data").store_config()) as hold:
        yield hold


def kept(hold: StoreHold, data_dir: Path, video_id: str) -> Removal:
    """A video of two cubes with a kept file."""
    removal = Removal(hold.store, JobQueue(hold.client(), 10.0), data_dir)
    file = removal.make_media() / f"{video_id}.mp4"
    file.write_bytes(b"film of " + video_id.encode())
    hold.store.create_video(record(video_id, media=str(file), sha256=video_id))
    hold.store.commit(video_id, full(hold.store.claim(video_id), 0, 16, [cube(0), cube(1)]))
    return removal


def exported(store: RedisStore) -> dict[str, list[str]]:
    return {video.id: list(export_lines(store, video.id, canonical=True)) for video in store.videos()}


def test_what_was_backed_up_is_restored_elsewhere(hold: StoreHold, tmp_path: Path) -> None:
    kept(hold, tmp_path / "data", "vid_a")
    kept(hold, tmp_path / "data", "vid_b")
    before = exported(hold.store)
    back_up(settings(tmp_path / "data"), hold, tmp_path / "backup")
    kept(hold, tmp_path / "data", "vid_late")
    restore(settings(tmp_path / "new"), tmp_path / "backup")
    with StoreHold(settings(tmp_path / "new").store_config()) as restored:
        assert exported(restored.store) == before
        film = media_file(restored.store.video("vid_a"), tmp_path / "new")
        assert film is not None
        assert film.is_relative_to(tmp_path / "new")
        assert film.read_bytes() == b"film of vid_a"
        kept(restored, tmp_path / "new", "vid_c")
    with StoreHold(settings(tmp_path / "new").store_config()) as again:
        assert set(exported(again.store)) == {"vid_a", "vid_b", "vid_c"}, "what came after the restore stays too"
    assert not (tmp_path / "data" / "store" / "dump.rdb").exists()


def test_a_backup_beside_commits_is_of_one_moment(hold: StoreHold, tmp_path: Path) -> None:
    """Each backup holds a whole number of commits, never the half of one."""
    hold.store.create_video(record("vid_a", sha256="a"))
    epoch, done = hold.store.claim("vid_a"), threading.Event()

    def commit() -> None:
        step = 0
        while not done.is_set():
            hold.store.commit("vid_a", full(epoch, 16 * step, 16 * step + 16, [cube(step)], step))
            step += 1

    committing = threading.Thread(target=commit)
    committing.start()
    try:
        for number in range(3):
            back_up(settings(tmp_path / "data"), hold, tmp_path / f"backup{number}")
    finally:
        done.set()
        committing.join()
    counts = []
    for number in range(3):
        restore(settings(tmp_path / f"new{number}"), tmp_path / f"backup{number}")
        with StoreHold(settings(tmp_path / f"new{number}").store_config()) as restored:
            video, state = restored.store.video("vid_a"), restored.store.state("vid_a")
            assert state is not None
            assert (state.next_step, restored.store.applied("vid_a")) == (16 * video.cubes, video.cubes)
            assert len(list(restored.store.cubes("vid_a"))) == video.cubes
            counts.append(video.cubes)
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] >= 0


def test_a_copied_folder_deletes_its_own_files_only(hold: StoreHold, tmp_path: Path) -> None:
    kept(hold, tmp_path / "data", "vid_a")
    subprocess.run(["cp", "-a", str(tmp_path / "data"), str(tmp_path / "copy")], check=True)
    with StoreHold(settings(tmp_path / "copy").store_config()) as copy:
        removal = Removal(copy.store, JobQueue(copy.client(), 10.0), tmp_path / "copy")
        film = media_file(copy.store.video("vid_a"), tmp_path / "copy")
        assert film == tmp_path / "copy" / "media" / "vid_a.mp4"
        removal.delete("vid_a")
        assert not film.exists()
    assert (tmp_path / "data" / "media" / "vid_a.mp4").exists()
    assert hold.store.video("vid_a").cubes == 2


def test_a_file_that_was_only_pointed_to_is_found_where_it_is(hold: StoreHold, tmp_path: Path) -> None:
    own = tmp_path / "holiday.mp4"
    hold.store.create_video(record("vid_a", media=str(own), sha256="a"))
    assert media_file(hold.store.video("vid_a"), tmp_path / "data") == own


@pytest.mark.parametrize("harm", ["damage", "loss", "no list", "outside"])
def test_a_backup_that_is_not_whole_is_refused(hold: StoreHold, tmp_path: Path, harm: str) -> None:
    kept(hold, tmp_path / "data", "vid_a")
    made = tmp_path / "backup"
    back_up(settings(tmp_path / "data"), hold, made)
    if harm == "damage":
        (made / "media" / "vid_a.mp4").write_bytes(b"film of vid_b")
    elif harm == "loss":
        (made / "media" / "vid_a.mp4").unlink()
    elif harm == "no list":
        (made / "backup.json").unlink()
    else:
        listed = json.loads((made / "backup.json").read_text())
        listed["files"]["../escaped"] = listed["files"]["media/vid_a.mp4"]
        (made / "backup.json").write_text(json.dumps(listed))
        shutil.copy(made / "media" / "vid_a.mp4", tmp_path / "escaped")
    with pytest.raises(BackupRefused):
        restore(settings(tmp_path / "new"), made)
    assert not (tmp_path / "new").exists() or not any((tmp_path / "new").iterdir())


def test_nothing_is_overwritten(hold: StoreHold, tmp_path: Path) -> None:
    back_up(settings(tmp_path / "data"), hold, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="there already"):
        back_up(settings(tmp_path / "data"), hold, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="not empty"):
        restore(settings(tmp_path / "data"), tmp_path / "backup")


def test_a_full_disk_leaves_nothing(hold: StoreHold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_copy_media", full_disk)
    with pytest.raises(DiskFull, match="No space left"):
        back_up(settings(tmp_path / "data"), hold, tmp_path / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "run"]


def test_the_commands(
    hold: StoreHold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(hold, tmp_path / "data", "vid_a")
    monkeypatch.setenv("LONGWATCH_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("LONGWATCH_DATA_DIR", str(tmp_path / "data"))
    assert main(["backup", str(tmp_path / "backup")]) == 0
    assert "files" in capsys.readouterr().out
    assert main(["backup", str(tmp_path / "backup")]) == 2
    assert "[backup.refused]" in capsys.readouterr().err
    monkeypatch.setenv("LONGWATCH_DATA_DIR", str(tmp_path / "new"))
    assert main(["restore", str(tmp_path / "backup"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backup"]["folder"] == str(tmp_path / "new")
    assert main(["videos", "--json"]) == 0
    assert [video["id"] for video in json.loads(capsys.readouterr().out)["videos"]] == ["vid_a"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "backup").rglob("*"))
