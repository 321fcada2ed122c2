"""The page's events against a real HTTP server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from serve.client import Client
from tests.serve.small_service import SmallService, problem
from ui.callbacks import Callbacks
from ui.turns import Turns

SKIPPED = gr.skip()
ONE_TAB = gr.Request(session_hash="one")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "a film.mp4"
    path.write_bytes(b"pictures")
    return path


def test_an_upload_is_stored_chosen_and_the_copy_deleted(
    callbacks: Callbacks, service: SmallService, film: Path
) -> None:
    sending, (choice, fresh, progress) = callbacks.upload(str(film))
    assert "Storing a film.mp4" in sending[2]
    assert (choice.value, fresh) == ("v0", "v0")
    assert choice.choices == [("a film.mp4 · 0:12", "v0")]
    assert 'data-status="queued"' in progress
    assert service.files["v0"].read_bytes() == b"pictures"
    assert not film.exists()


def test_a_refused_upload_says_why_and_leaves_no_copy(callbacks: Callbacks, service: SmallService, film: Path) -> None:
    service.refusal = problem(413, "media.too_large", "The file is too large.")
    *_, (choice, fresh, progress) = callbacks.upload(str(film))
    assert (choice, fresh) == (SKIPPED, None)
    assert "a film.mp4 was not taken: The file is too large (<code>media.too_large</code>)." in progress
    assert not film.exists()


def test_the_newest_video_is_listed_first(callbacks: Callbacks, service: SmallService) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        service.add(name, b"")
    choice, hint = callbacks.choices()
    assert [video_id for _, video_id in choice.choices] == ["v2", "v1", "v0"]
    assert "Choose a video" in hint


def test_an_empty_list_invites(callbacks: Callbacks) -> None:
    assert "Upload a video to begin." in callbacks.choices()[1]


def test_a_service_that_is_away_is_told() -> None:
    choice, message = Callbacks(Client("http://127.0.0.1:1")).choices()
    assert choice.choices == []
    assert "<code>unreachable</code>" in message


def test_a_chosen_video_is_shown(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    progress, player, timeline, answer, citations = callbacks.show("v0", ONE_TAB)
    assert "Waiting to be watched" in progress
    assert 'src="/v1/videos/v0/media"' in player
    assert "Nothing has been watched yet" in timeline
    assert answer == citations == ""


def test_a_video_that_is_gone_is_told(callbacks: Callbacks) -> None:
    message, *rest = callbacks.show("gone", ONE_TAB)
    assert "There is no such video (<code>not_found</code>)." in message
    assert rest == [""] * 4


def test_nothing_chosen_changes_nothing(callbacks: Callbacks) -> None:
    assert callbacks.show(None, ONE_TAB) == (SKIPPED,) * 5
    assert list(callbacks.follow(None, ONE_TAB)) == []


def test_progress_is_followed_to_the_end(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    steps = list(callbacks.follow("v0", ONE_TAB))
    assert [step[0].partition("</p>")[0].rpartition(">")[2] for step in steps] == [
        "Watching: a.mp4, 0:04 of 0:12 (1 cube, 7.5 s of video a second).",
        "Watching: a.mp4, 0:08 of 0:12 (2 cubes, 7.5 s of video a second).",
        "Watched: a.mp4, 0:12 of 0:12 (3 cubes).",
    ]
    drawn = [step[1].count("<li>") for step in steps]  # the service may be a step ahead of its events
    assert all(cubes >= number for number, cubes in enumerate(drawn, start=1))
    assert drawn[-1] == 3


def test_a_damaged_video_says_so_at_the_end(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    service.outcome = "partial"
    *_, (progress, _) = callbacks.follow("v0", ONE_TAB)
    assert "Watched in part" in progress
    assert "<code>media.damaged</code>" in progress


def test_progress_that_breaks_off_is_told(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    service.cut = True
    *_, (progress, timeline) = callbacks.follow("v0", ONE_TAB)
    assert "<code>stream.cut</code>" in progress
    assert timeline == SKIPPED


def test_choosing_another_video_silences_the_first(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    service.add("b.mp4", b"")
    first = callbacks.follow("v0", ONE_TAB)
    other_tab = callbacks.follow("v0", gr.Request(session_hash="two"))
    next(first)
    next(other_tab)
    callbacks.show("v1", ONE_TAB)
    assert list(first) == []
    assert list(other_tab) != []


def test_an_answer_grows_and_ends_whole(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    steps = list(callbacks.ask("v0", "  When? ", ONE_TAB))
    assert service.bodies == [{"question": "When?", "stream": True}]
    assert "Looking" in steps[0][0]
    assert 'class="citation"' in steps[1][1]
    assert '<p class="said" aria-busy="true">The cat </p>' in steps[2][0]
    assert ["data-done" in step[0] for step in steps] == [False] * (len(steps) - 1) + [True]
    assert "onerror=&quot;" in steps[-1][0]


@pytest.mark.parametrize("question", ["What trouble is there?", "When?"])
def test_a_question_that_fails_is_told(callbacks: Callbacks, service: SmallService, question: str) -> None:
    service.add("a.mp4", b"")
    if question == "When?":
        service.refusal = problem(503, "store.unavailable", "The store is away.")
    *_, (answer, citations) = callbacks.ask("v0", question, ONE_TAB)
    assert "The store is away (<code>store.unavailable</code>)." in answer
    assert citations == ""


@pytest.mark.parametrize(("video_id", "question"), [(None, "When?"), ("v0", "  ")])
def test_nothing_is_asked_without_video_or_question(
    callbacks: Callbacks, service: SmallService, video_id: Any, question: str
) -> None:
    ((answer, _),) = callbacks.ask(video_id, question, ONE_TAB)
    assert "first" in answer
    assert service.bodies == []


def test_a_newer_question_silences_the_older(callbacks: Callbacks, service: SmallService) -> None:
    service.add("a.mp4", b"")
    older = callbacks.ask("v0", "When?", ONE_TAB)
    next(older)
    newer = list(callbacks.ask("v0", "Where?", ONE_TAB))
    assert list(older) == []
    assert "Where?" in newer[-1][0]


def test_turns_forget_a_tab_that_ended() -> None:
    turns = Turns()
    older, newer = turns.begin("tab"), turns.begin("tab")
    turns.end("tab", older)
    assert (turns.holds("tab", older), turns.holds("tab", newer)) == (False, True)
    turns.end("tab", newer)
    assert not turns.holds("tab", newer)
