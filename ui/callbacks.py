"""Handles the page's events (choose, upload, ask): generators of HTML that call the service.

Layout is in ui/app.py, wording in ui/parts.py. A refusal of the service is shown where its result would have been;
anything else is a fault and surfaces as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from serve.api.schemas import FINAL, CitationBody, Video
from serve.client import Client, ClientError

from . import parts
from .turns import Turns

Html = str
Update = Any
"""Gradio's own kind of value: new content or a change of a component's properties."""
GROWTH = 1.1
"""The timeline is drawn anew when it has a tenth more cubes, so that a long video's drawing stays linear in all."""


class Callbacks:
    """The page's events. One object serves all tabs; a tab is known by Gradio's session hash.

    Args:
        client: of the service; may be used from several threads.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._watching = Turns()
        self._asking = Turns()

    def choices(self) -> tuple[Update, Html]:
        """The list of videos, newest first, and a line on what to do."""
        try:
            videos = self._client.videos()
        except ClientError as error:
            return gr.Dropdown(choices=[]), parts.problem("The list of videos could not be read", error)
        hint = "Choose a video, or upload one." if videos else "Upload a video to begin."
        return gr.Dropdown(choices=_listed(videos)), parts.hint(hint)

    def upload(self, path: str) -> Iterator[tuple[Update, str | None, Html]]:
        """Sends a file on, then deletes the page's copy -> choice, id of the new video or None, progress."""
        file = Path(path)
        yield gr.skip(), None, parts.sending(file.name)
        try:
            video = self._client.upload(file)
            videos = self._client.videos()
        except ClientError as error:
            yield gr.skip(), None, parts.problem(f"{file.name} was not taken", error)
        else:
            yield gr.Dropdown(choices=_listed(videos), value=video.id), video.id, parts.progress(video)
        finally:
            file.unlink(missing_ok=True)

    def show(self, video_id: str | None, request: gr.Request) -> tuple[Html, Html, Html, Html, Html]:
        """A chosen video -> progress, player, timeline, and no answer."""
        if video_id is None:
            return (gr.skip(),) * 5
        tab = _tab(request)
        self._watching.begin(tab)
        self._asking.begin(tab)
        try:
            video = self._client.video(video_id)
            cubes = self._client.timeline(video_id)
        except ClientError as error:
            return parts.problem("The video could not be shown", error), "", "", "", ""
        return parts.progress(video), parts.player(video), parts.timeline(video_id, cubes), "", ""

    def follow(self, video_id: str | None, request: gr.Request) -> Iterator[tuple[Html, Html]]:
        """What happens to a video until it is final -> progress, timeline."""
        if video_id is None:
            return
        tab = _tab(request)
        turn = self._watching.begin(tab)
        try:
            for update in self._steps(video_id):
                if not self._watching.holds(tab, turn):
                    return
                yield update
        except ClientError as error:
            yield parts.problem("The progress could not be followed", error), gr.skip()
        finally:
            self._watching.end(tab, turn)

    def _steps(self, video_id: str) -> Iterator[tuple[Html, Html]]:
        drawn = 0
        for event in self._client.events(video_id):
            video = event.video
            cubes: Html = gr.skip()
            if event.event in FINAL or video.cubes > drawn * GROWTH:
                cubes = parts.timeline(video_id, self._client.timeline(video_id))
                drawn = video.cubes
            yield parts.progress(video, event.rate), cubes

    def ask(self, video_id: str | None, question: str, request: gr.Request) -> Iterator[tuple[Html, Html]]:
        """A question -> answer as it is said, citations."""
        asked = question.strip()
        if video_id is None or not asked:
            yield parts.hint("Choose a video and write a question first."), ""
            return
        tab = _tab(request)
        turn = self._asking.begin(tab)
        yield parts.question(asked), ""
        try:
            for update in self._answer(video_id, asked):
                if not self._asking.holds(tab, turn):
                    return
                yield update
        except ClientError as error:
            yield parts.problem("The question could not be answered", error), ""
        finally:
            self._asking.end(tab, turn)

    def _answer(self, video_id: str, asked: str) -> Iterator[tuple[Html, Html]]:
        words, cited = "", list[CitationBody]()
        for event in self._client.ask_stream(video_id, asked):
            match event:
                case ("citations", list(citations)):
                    cited = citations
                case ("delta", str(text)):
                    words += text
                case ("done", whole):
                    yield parts.answer(video_id, whole), parts.citations(whole.citations)
                    return
            yield parts.answering(asked, words), parts.citations(cited)


def _listed(videos: list[Video]) -> list[tuple[str, str]]:
    newest = sorted(videos, key=lambda video: video.created_at, reverse=True)
    return [(parts.choice_label(video), video.id) for video in newest]


def _tab(request: gr.Request) -> str:
    """Gradio's name of the browser tab."""
    return request.session_hash or ""
