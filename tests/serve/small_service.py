"""A service of one memory, over real HTTP, for tests of what calls the service: no Ray, no store, no models.

It keeps what it is sent, has watched a video as soon as its events are read, and answers every question the same way.
Its words are hostile on purpose: markup, line separators, template syntax.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.types import ASGIApp

from serve.api.schemas import (
    AnswerBody,
    CacheUsage,
    CitationBody,
    ErrorInfo,
    Evidence,
    Problem,
    SearchHit,
    SearchResult,
    Span,
    Timeline,
    TimelineCube,
    Timing,
    UsageBody,
    Video,
    VideoList,
)

UNKIND = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> ${1+1} {{value}} \u2028 end"
)
CREATED = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
DURATION_S = 12.0


@dataclass
class SmallService:
    """What the service knows, for tests to look at and to spoil.

    Attributes:
        url: where it listens.
        files: uploaded bytes on disk by video id.
        refusal: answered to every request while set.
        plain_refusal: the same, as a status with a page that is not of this service.
        cut: event streams end without their final event.
        outcome: final state of every video.
        bodies: JSON bodies received.
    """

    folder: Path
    url: str = ""
    videos: dict[str, Video] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    refusal: Problem | None = None
    plain_refusal: int | None = None
    cut: bool = False
    outcome: str = "ready"
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> Video:
        """A new video, not watched yet."""
        number = len(self.videos)
        video = Video(
            id=f"v{number}",
            name=name,
            status="queued",
            duration_s=DURATION_S,
            ingested_s=0.0,
            cubes=0,
            bytes_stored=len(content),
            backend="pocket",
            key_space="k",
            created_at=CREATED + timedelta(minutes=number),
            media_url=f"/v1/videos/v{number}/media",
        )
        self.files[video.id] = self.folder / f"{video.id}.mp4"
        self.files[video.id].write_bytes(content)
        self.videos[video.id] = video
        return video

    def watch(self, video_id: str) -> Iterator[bytes]:
        """A video's events; afterwards it is final."""
        for done in (4.0, 8.0):
            step = {"status": "ingesting", "ingested_s": done, "cubes": int(done / 4)}
            yield b": still here\n\n" + self._event("progress", video_id, step, rate=7.5)
        if self.cut:
            return
        last = {"status": self.outcome, "ingested_s": DURATION_S, "cubes": 3}
        if self.outcome in ("failed", "partial"):
            last["error"] = ErrorInfo(code="media.damaged", detail="The file ends early.")
        yield self._event(self.outcome, video_id, last)

    def _event(self, name: str, video_id: str, changes: dict[str, Any], **more: float) -> bytes:
        self.videos[video_id] = self.videos[video_id].model_copy(update=changes)
        return event(name, {**self.videos[video_id].model_dump(mode="json"), **more})


def event(name: str, data: Any) -> bytes:
    """As the service writes events; characters outside ASCII stay as they are."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def cube(number: int) -> TimelineCube:
    """Four seconds of video each."""
    return TimelineCube(
        ordinal=number,
        start_s=4.0 * number,
        end_s=4.0 * number + 4.0,
        boundary="change",
        things=[],
        texts=[UNKIND],
        motion=0.0,
        colours=[],
        notes=f"{number} {UNKIND}",
        thumbnail_url=f"/v1/videos/v0/thumbnails/{number}",
    )


def answer(video_id: str, question: str) -> AnswerBody:
    """The one answer there is: seconds 4 to 8."""
    cited = CitationBody(
        video_id=video_id,
        start_s=4.0,
        end_s=8.0,
        score=0.9,
        thumbnail_url=f"/v1/videos/{video_id}/thumbnails/1",
        notes=UNKIND,
    )
    return AnswerBody(
        question=question,
        answer=f"The cat is seen from 0:04 to 0:08. {UNKIND}",
        supported=True,
        claims=[],
        citations=[cited],
        evidence=Evidence(count=1, first_s=4.0, last_s=4.0, spans=[Span(start_s=4.0, end_s=8.0)]),
        as_of_s=DURATION_S,
        video_status="ready",
        phrased_by="model",
        usage=UsageBody(
            memory_cubes=1,
            memory_tokens=16,
            prompt_tokens=9,
            answer_tokens=9,
            cache=CacheUsage(slots=64, compactions=0),
        ),
        timing_ms=Timing(select=1.0, prefill=2.0, first_token=3.0, total=1234.0),
    )


def answer_events(video_id: str, question: str) -> Iterator[bytes]:
    """The same answer as a stream; a question about trouble meets some half-way."""
    whole = answer(video_id, question)
    yield event("citations", [citation.model_dump(mode="json") for citation in whole.citations])
    yield event("delta", {"text": "The cat "})
    if "trouble" in question:
        yield event("error", problem(503, "store.unavailable", "The store is away.").model_dump())
        return
    yield event("delta", {"text": whole.answer.removeprefix("The cat ")})
    yield event("done", whole.model_dump(mode="json"))


def problem(status: int, code: str, detail: str) -> Problem:
    """A problem document."""
    return Problem(title=code, status=status, code=code, detail=detail)


def build(state: SmallService) -> FastAPI:
    """The routes."""
    app = FastAPI()

    @app.middleware("http")
    async def refuse(request: Request, call_next: Any) -> Response:
        if state.plain_refusal is not None:
            return Response(b"<h1>Bad Gateway</h1>", status_code=state.plain_refusal)
        video_id = request.url.path.removeprefix("/v1/videos/").partition("/")[0]
        refusal = state.refusal
        if request.url.path.startswith("/v1/videos/") and video_id not in state.videos:
            refusal = problem(404, "not_found", "There is no such video.")
        if refusal is not None and request.url.path.startswith("/v1/"):
            return JSONResponse(refusal.model_dump(), refusal.status, media_type="application/problem+json")
        response: Response = await call_next(request)
        return response

    _add_videos(app, state)
    _add_questions(app, state)
    return app


def _add_videos(app: FastAPI, state: SmallService) -> None:
    @app.post("/v1/videos", status_code=202)
    async def upload(request: Request) -> Video:
        async with request.form() as form:
            file: Any = form["file"]
            return state.add(file.filename, await file.read())

    @app.get("/v1/videos")
    def videos(cursor: int = 0) -> VideoList:
        """Two a page."""
        listed = list(state.videos.values())
        after = cursor + 2
        return VideoList(videos=listed[cursor:after], next_cursor=str(after) if after < len(listed) else None)

    @app.get("/v1/videos/{video_id}")
    def video(video_id: str) -> Video:
        return state.videos[video_id]

    @app.delete("/v1/videos/{video_id}", status_code=204)
    def delete(video_id: str) -> None:
        del state.videos[video_id]

    @app.get("/v1/videos/{video_id}/events")
    def events(video_id: str) -> StreamingResponse:
        return StreamingResponse(state.watch(video_id), media_type="text/event-stream")

    @app.get("/v1/videos/{video_id}/timeline")
    def timeline(video_id: str) -> Timeline:
        return Timeline(video_id=video_id, cubes=[cube(n) for n in range(state.videos[video_id].cubes)])

    @app.get("/v1/videos/{video_id}/media")
    def media(video_id: str) -> FileResponse:
        return FileResponse(state.files[video_id])

    @app.get("/v1/videos/{video_id}/thumbnails/{ordinal}")
    def thumbnail(ordinal: int) -> Response:
        rgb = np.full((90, 160, 3), 40 + 60 * (ordinal % 4), np.uint8)
        return Response(cv2.imencode(".jpg", rgb)[1].tobytes(), media_type="image/jpeg")


def _add_questions(app: FastAPI, state: SmallService) -> None:
    @app.post("/v1/videos/{video_id}/ask", response_model=None)
    def ask(video_id: str, body: dict[str, Any]) -> Response | AnswerBody:
        state.bodies.append(body)
        if not body["stream"]:
            return answer(video_id, body["question"])
        return StreamingResponse(answer_events(video_id, body["question"]), media_type="text/event-stream")

    @app.post("/v1/search")
    def search(body: dict[str, Any]) -> SearchResult:
        state.bodies.append(body)
        hit = SearchHit(
            video_id="v0", start_s=4.0, end_s=8.0, score=0.5, kind="thing", open=False, thumbnail_url=None, notes=UNKIND
        )
        return SearchResult(hits=[hit][: body["limit"]])


@contextmanager
def listening(app: ASGIApp, sock: socket.socket) -> Iterator[None]:
    """`app` behind a bound socket, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    sock.listen()  # connections wait in its backlog until the server takes them
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=15.0)
        assert not thread.is_alive()


def bound() -> tuple[socket.socket, str]:
    """A socket on a free port, and its URL."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock, f"http://127.0.0.1:{sock.getsockname()[1]}"


@contextmanager
def small_service(folder: Path) -> Iterator[SmallService]:
    """The service, listening."""
    sock, url = bound()
    state = SmallService(folder, url)
    with sock, listening(build(state), sock):
        yield state
