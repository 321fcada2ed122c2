"""The websocket `/v1/streams/{id}/live`, subprotocol `longwatch.v1`: pictures in; credit, cubes and answers out.

A binary message is 8 bytes big-endian capture time (Unix UTC, microseconds) and one JPEG or WebP picture; text messages
are JSON. Contract: docs/api.md.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from memory.errors import StoreError
from pipeline.answer import Answer
from serve.errors import BadRequest, NotLive, ServeError, code_of

from . import convert, schemas
from .problems import problem_of, unwrapped
from .service import Service

router = APIRouter(prefix="/v1")
SUBPROTOCOL = "longwatch.v1"
_HEADER = struct.Struct(">q")
_POLL_S = 10.0
_PAUSE_S = 0.1
MOST_WORDS = 1 << 16
"""Characters of a text message."""
_LATEST_US = 4_102_444_800_000_000  # the year 2100


class _Socket:
    """One connection: a task that reads, a task that sends the stream's events, and a task for each question."""

    def __init__(self, socket: WebSocket, use: Service, video_id: str, worker: Any) -> None:
        self._socket = socket
        self._use = use
        self._id = video_id
        self._worker = worker
        self._sending = asyncio.Lock()
        self._asking: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def send(self, kind: str, **data: Any) -> None:
        async with self._sending:
            await self._socket.send_text(json.dumps({"type": kind, **data}, ensure_ascii=False))

    async def run(self) -> None:
        """Until the client says `bye` or leaves."""
        credit = await self._worker.begin.remote()
        await self.send("ready", video_id=self._id, credit=credit["frames"], committed_s=credit["committed_s"])
        relaying = asyncio.create_task(self._relay_events(credit["after"]))
        reading = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait([reading, relaying], return_when=asyncio.FIRST_COMPLETED)
            if reading in done or self._stopping:  # a worker that was asked to end is not missed
                await reading
            else:
                await relaying  # raises what became of the worker
        finally:
            tasks = [reading, relaying, *self._asking]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        while await self._take(await self._socket.receive()):
            pass

    async def _relay_events(self, after: int) -> None:
        while True:
            events = await self._worker.events.remote(after, _POLL_S)
            for event in events:
                after = event.number
                await self.send(event.kind, **event.data)
            if not events:
                await asyncio.sleep(_PAUSE_S)  # a stream that is ending answers at once

    async def _take(self, message: MutableMapping[str, Any]) -> bool:
        if message["type"] == "websocket.disconnect":
            return False
        if (picture := message.get("bytes")) is not None:
            if len(picture) <= _HEADER.size:
                await self._refuse(BadRequest("a picture needs 8 bytes of capture time before it"))
                return True
            (capture_us,) = _HEADER.unpack_from(picture)
            if not 0 <= capture_us < _LATEST_US:
                await self._refuse(BadRequest("a capture time is microseconds of Unix UTC, before the year 2100"))
                return True
            await self._worker.push.remote(capture_us, bytes(picture[_HEADER.size :]))
            return True
        return await self._word(message.get("text") or "")

    async def _word(self, text: str) -> bool:
        if len(text) > MOST_WORDS:
            await self._refuse(BadRequest(f"a text message may have {MOST_WORDS} characters"))
            return True
        try:
            word = json.loads(text)
            kind = word["type"]
        except (ValueError, TypeError, KeyError, RecursionError):
            await self._refuse(BadRequest("text messages are JSON objects with a type"))
            return True
        if kind == "hello":
            if word.get("codec", "jpeg") not in ("jpeg", "webp"):
                await self._refuse(BadRequest("codec is jpeg or webp"))
        elif kind == "ask":
            task = asyncio.create_task(self._answer(word))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        elif kind == "bye":
            self._stopping = True
            await asyncio.gather(*self._asking, return_exceptions=True)  # what was asked before is answered
            record = await self._use.stop_stream(self._id)
            await self.send("ended", video=convert.video(record).model_dump(mode="json"))
            return False
        else:
            await self._refuse(BadRequest(f"no message is called {str(kind)[:40]!r}"))
        return True

    async def _answer(self, word: dict[str, Any]) -> None:
        number = word.get("id")
        try:
            ask = schemas.AskRequest(question=word.get("question", ""))
            events = self._use.ask(self._id, ask.question, self._use.settings.answer_config())
            async for event in events:
                if isinstance(event, str):
                    await self.send("delta", id=number, text=event)
                elif isinstance(event, Answer):
                    answer = convert.answer(ask.question, event).model_dump(mode="json")
                    await self.send("done", id=number, **answer)
        except ValidationError:
            await self._refuse(BadRequest(schemas.QUESTION_RULE), number)
        except Exception as error:  # noqa: BLE001 - reported to the client; the stream goes on
            await self._refuse(unwrapped(error), number)

    async def _refuse(self, error: Exception, number: Any = None) -> None:
        problem = problem_of(error)
        which = {} if number is None else {"id": number}
        await self.send("error", code=problem.code, detail=problem.detail, fatal=False, **which)


async def _reason(use: Service, video_id: str, error: Exception) -> Exception:
    """A worker that is gone because its stream was ended or deleted by somebody else is no mishap."""
    if code_of(error) != ServeError.code:
        return error
    try:
        record = await asyncio.to_thread(use.store.video, video_id)
    except StoreError as gone:
        return gone
    return error if record.status == "live" else NotLive(f"this video is {record.status}, not live")


@router.websocket("/streams/{video_id}/live")
async def live(socket: WebSocket, video_id: str) -> None:
    """One connection to one stream."""
    use: Service = socket.app.state.service
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    try:
        worker = await use.live_worker(video_id)
        await _Socket(socket, use, video_id, worker).run()
    except WebSocketDisconnect:
        return
    except Exception as error:  # noqa: BLE001 - reported to the client, then the connection ends
        problem = problem_of(await _reason(use, video_id, unwrapped(error)))
        message = {"type": "error", "code": problem.code, "detail": problem.detail, "fatal": True}
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_text(json.dumps(message))
    with suppress(WebSocketDisconnect, RuntimeError):
        await socket.close()
