"""The REST routes; the work behind them is done by `serve.api.service`. Contract: docs/api.md."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

from memory.records import VideoRecord
from pipeline.answer import Answer, AnswerEvent
from serve.errors import NotFound

from . import convert, schemas
from .access import ENTER, Access
from .event_bus import ticks
from .problems import Explained, problem_of
from .service import Service

router = APIRouter(prefix="/v1")


def service(request: Request) -> Service:
    """The one service of this gateway."""
    shared: Service = request.app.state.service
    return shared


Uses = Depends(service)


_FILE = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
_UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILE}}}}


@router.post("/videos", status_code=202, openapi_extra=_UPLOAD)
async def post_video(request: Request, use: Service = Uses) -> schemas.Video:
    """Takes a video file (multipart, part `file`); it is watched in the background."""
    record = await use.upload(request.stream(), request.headers.get("content-type", ""))
    return convert.video(record)


@router.get("/videos")
async def get_videos(use: Service = Uses, limit: int = 100, cursor: str | None = None) -> schemas.VideoList:
    """All videos, newest first, a page at a time."""
    records = await asyncio.to_thread(use.store.videos)
    start = 0
    if cursor is not None:
        start = next((i + 1 for i, record in enumerate(records) if record.id == cursor), len(records))
    page = records[start : start + max(1, min(limit, 500))]
    more = start + len(page) < len(records)
    return schemas.VideoList(
        videos=[convert.video(record) for record in page], next_cursor=page[-1].id if more else None
    )


@router.get("/videos/{video_id}")
async def get_video(video_id: str, use: Service = Uses) -> schemas.Video:
    """One video."""
    return convert.video(await asyncio.to_thread(use.store.video, video_id))


@router.delete("/videos/{video_id}", status_code=204)
async def delete_video(video_id: str, use: Service = Uses) -> Response:
    """Forgets a video and everything of it."""
    await use.delete(video_id)
    return Response(status_code=204)


def sse(event: str, data: BaseModel | dict[str, Any] | list[Any]) -> str:
    """One server-sent event."""
    body = data.model_dump_json() if isinstance(data, BaseModel) else json.dumps(data, ensure_ascii=False)
    return f"event: {event}\ndata: {body}\n\n"


def event_stream(lines: AsyncIterator[str]) -> StreamingResponse:
    """A response of server-sent events that no cache or proxy holds back."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)


@router.get("/videos/{video_id}/events")
async def get_events(video_id: str, use: Service = Uses) -> StreamingResponse:
    """Progress as it happens: `progress` …, then `ready`, `partial`, `failed` or `canceled`."""
    await asyncio.to_thread(use.store.video, video_id)
    return event_stream(_progress(use, video_id))


async def _progress(use: Service, video_id: str) -> AsyncIterator[str]:
    try:
        async for line in _changes(use, video_id):
            yield line
    except Exception as error:  # noqa: BLE001 - reported to the client, then the stream ends
        yield sse("error", problem_of(error))


async def _changes(use: Service, video_id: str) -> AsyncIterator[str]:
    began, began_s = time.monotonic(), None
    shown: VideoRecord | None = None
    async for _ in ticks(use.store_url, video_id):
        record = await asyncio.to_thread(use.store.video, video_id)
        if record == shown:
            yield ": still here\n\n"  # a comment: the client's timeout begins anew
            continue
        shown = record
        document = convert.video(record).model_dump(mode="json")
        if record.status in schemas.FINAL:
            yield sse(record.status, document)
            return
        began_s = record.ingested_s if began_s is None else began_s
        seconds = time.monotonic() - began
        rate = (record.ingested_s - began_s) / seconds if record.ingested_s > began_s else None
        yield sse("progress", {**document, "rate": None if rate is None else round(rate, 2)})


@router.get("/videos/{video_id}/timeline")
async def get_timeline(video_id: str, use: Service = Uses) -> schemas.Timeline:
    """The cubes of a video with their notes, in order of time; the open cube last."""

    def look() -> schemas.Timeline:
        use.store.video(video_id)
        return convert.timeline(video_id, use.store.cubes(video_id), use.store.open_cube(video_id))

    return await asyncio.to_thread(look)


@router.get("/videos/{video_id}/frames", response_class=Response)
async def get_frame(video_id: str, time_s: float, use: Service = Uses) -> Response:
    """The picture at one moment, out of the kept file: the moment a citation is about, not its cube's picture."""
    picture = await asyncio.to_thread(use.frame_jpeg, video_id, time_s)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


@router.get("/videos/{video_id}/thumbnails/{ordinal}", response_class=Response)
async def get_thumbnail(video_id: str, ordinal: str, use: Service = Uses) -> Response:
    """A cube's picture; `open` for the open cube, whose picture may change."""

    def look() -> bytes:
        record = use.store.video(video_id)
        if ordinal == "open":
            opened = use.store.open_cube(video_id)
            return b"" if opened is None else opened.thumbnail
        if not ordinal.isdecimal() or int(ordinal) >= record.cubes:
            return b""
        return use.store.cube(video_id, int(ordinal)).thumbnail

    picture = await asyncio.to_thread(look)
    if not picture:
        raise NotFound(f"no picture {ordinal!r}")
    lasting = "no-store" if ordinal == "open" else "private, max-age=86400, immutable"
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": lasting})


@router.get("/videos/{video_id}/media", response_class=FileResponse)
@router.head("/videos/{video_id}/media", response_class=FileResponse, include_in_schema=False)
async def get_media(request: Request, video_id: str, use: Service = Uses) -> FileResponse:
    """The file itself, with byte ranges."""
    path = await asyncio.to_thread(use.media, video_id)
    check_range(request.headers.get("range"), path.stat().st_size)
    return FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})


def check_range(header: str | None, size: int) -> None:
    """Refuses a range that the file has not, and one that is none, as problem documents."""
    if header is None:
        return
    unit, _, ranges = header.partition("=")
    parts = [re.fullmatch(r"\s*(\d{0,18})-(\d{0,18})\s*", part) for part in ranges.split(",")]
    if unit.strip().lower() != "bytes" or not all(part and (part[1] or part[2]) for part in parts):
        raise Explained(HTTPStatus.BAD_REQUEST, "a Range header is `bytes=FIRST-LAST`, one or several")
    for part in parts:
        if part and part[1] and (int(part[1]) >= size or (part[2] and int(part[2]) < int(part[1]))):
            detail, headers = f"the file has {size} bytes", {"Content-Range": f"bytes */{size}"}
            raise Explained(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, headers)


@router.post("/videos/{video_id}/ask", response_model=schemas.AnswerBody)
async def post_ask(
    video_id: str, ask: schemas.AskRequest, use: Service = Uses
) -> schemas.AnswerBody | StreamingResponse:
    """Answers a question from the video's memory; with `stream`, as server-sent events."""
    budget = ask.selection
    config = use.settings.answer_config()
    if budget is not None:
        config = replace(config, cubes=budget.cubes, tokens=budget.tokens)
    events = use.ask(video_id, ask.question, config)
    first = await anext(events)  # a refusal is a problem document, not an event
    if ask.stream:
        return event_stream(_answer_events(ask.question, first, events))
    last = [event async for event in events][-1]
    if not isinstance(last, Answer):
        raise RuntimeError("an answer did not end with an Answer")
    return convert.answer(ask.question, last)


async def _answer_events(question: str, first: AnswerEvent, rest: AsyncIterator[AnswerEvent]) -> AsyncIterator[str]:
    yield answer_event(question, first)
    try:
        async for event in rest:
            yield answer_event(question, event)
    except Exception as error:  # noqa: BLE001 - the response has begun: the error is its last event
        yield sse("error", problem_of(error))


def answer_event(question: str, event: AnswerEvent) -> str:
    """One event of a streamed answer."""
    if isinstance(event, str):
        return sse("delta", {"text": event})
    if isinstance(event, Answer):
        return sse("done", convert.answer(question, event))
    return sse("citations", [convert.citation(cited).model_dump(mode="json") for cited in event])


@router.post("/links", status_code=201)
async def post_link(request: Request) -> schemas.Link:
    """A link that lets a browser in once, within ten minutes."""
    access: Access | None = request.app.state.access
    base = str(request.base_url).rstrip("/")
    return schemas.Link(url=base if access is None else f"{base}{ENTER}?code={access.new_code()}")


@router.post("/search")
async def post_search(search: schemas.SearchRequest, use: Service = Uses) -> schemas.SearchResult:
    """Moments that answer to the words, over many videos; no language model."""
    hits = await use.search(search.query, search.limit, search.videos)
    return schemas.SearchResult(hits=[convert.search_hit(hit, notes) for hit, notes in hits])


@router.post("/streams", status_code=201)
async def post_stream(stream: schemas.StreamRequest, use: Service = Uses) -> schemas.Video:
    """A new live stream whose pictures are pushed over its websocket."""
    return convert.video(await use.open_stream(stream.name))


@router.get("/streams")
async def get_streams(use: Service = Uses) -> schemas.VideoList:
    """The live ones."""
    records = await asyncio.to_thread(use.store.videos)
    return schemas.VideoList(videos=[convert.video(record) for record in records if record.status == "live"])


@router.post("/streams/{video_id}/stop")
async def post_stop(video_id: str, use: Service = Uses) -> schemas.Video:
    """Ends a stream: what was sent is watched, the open cube closed, the video becomes `ready`."""
    return convert.video(await use.stop_stream(video_id))
