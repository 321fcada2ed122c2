"""Python client of the service; the page is one of its users.

Each call is one HTTP request, and answers are the wire's own types. The client is synchronous, does not retry and does
not speak websockets. Times are seconds since a video's first frame.

    with Client("http://127.0.0.1:8000") as client:
        video = client.upload(Path("holiday.mp4"))
        for event, data in client.events(video.id):
            print(event, data["ingested_s"])
        print(client.ask(video.id, "When does the cat appear?").answer)
"""

from __future__ import annotations

import io
import json
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from .api.access import find_secret
from .api.event_stream import Message, messages
from .api.schemas import (
    FINAL,
    AnswerBody,
    CitationBody,
    Link,
    Problem,
    SearchResult,
    SelectionBudget,
    Timeline,
    Video,
    VideoList,
    Wire,
)

Document = TypeVar("Document", bound=Wire)

OnProgress = Callable[[int, int], None]
"""Called with bytes read so far and bytes in all; may be called again from 0 where a request is sent anew."""
CONNECT_TIMEOUT_S = 5.0

AskEvent = (
    tuple[Literal["citations"], list[CitationBody]] | tuple[Literal["delta"], str] | tuple[Literal["done"], AnswerBody]
)


class ClientError(Exception):
    """The service refused, or could not be reached.

    Attributes:
        status: HTTP status; None where no whole answer came.
        code: stable; the service's own, or `unreachable`, `stream.cut`, `answer.unreadable`.
        detail: a sentence for a person.
    """

    def __init__(self, status: int | None, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail


def access_headers(base_url: str) -> dict[str, str]:
    """What a program sends along to a service of this machine and user: its start secret, where it has one."""
    secret = find_secret(base_url)
    return {} if secret is None else {"Authorization": f"Bearer {secret}"}


class VideoEvent(NamedTuple):
    """A step of a video's ingest: `progress`, or one of the final states."""

    event: str
    data: dict[str, Any]

    @property
    def video(self) -> Video:
        """The video as it then was."""
        return Video.model_validate({name: value for name, value in self.data.items() if name != "rate"})

    @property
    def rate(self) -> float | None:
        """Seconds of video watched per second; None where not known."""
        rate = self.data.get("rate")
        return None if rate is None else float(rate)


class Client:
    """A connection to one service.

    Args:
        base_url: such as ``http://127.0.0.1:8000``.
        timeout_s: longest silence before a call fails; event streams are kept alive by comments.
        secret: the service's start secret; None looks it up, where the service runs on this machine as this user.
    """

    def __init__(self, base_url: str, timeout_s: float = 120.0, secret: str | None = None) -> None:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        headers = access_headers(base_url) if secret is None else {"Authorization": f"Bearer {secret}"}
        self._http = httpx.Client(base_url=base_url, timeout=timeout, trust_env=False, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def link(self) -> str:
        """A one-time link that lets a browser in."""
        return self._document(Link, "POST", "/v1/links").url

    def upload(self, path: Path, on_progress: OnProgress | None = None) -> Video:
        """Sends a file, read from disk as it is sent; the video comes back queued."""
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        with _Counted(path, on_progress) as file:
            return self._document(Video, "POST", "/v1/videos", files={"file": (path.name, file, kind)})

    def videos(self) -> list[Video]:
        """All videos, page after page."""
        videos: list[Video] = []
        cursor: str | None = None
        while True:
            params = {} if cursor is None else {"cursor": cursor}
            page = self._document(VideoList, "GET", "/v1/videos", params=params)
            videos += page.videos
            cursor = page.next_cursor
            if cursor is None:
                return videos

    def video(self, video_id: str) -> Video:
        """One video as it is now."""
        return self._document(Video, "GET", _path(video_id))

    def delete(self, video_id: str) -> None:
        """Forgets a video and everything of it."""
        self._call("DELETE", _path(video_id))

    def timeline(self, video_id: str) -> Timeline:
        """The cubes in order of time."""
        return self._document(Timeline, "GET", _path(video_id, "timeline"))

    def events(self, video_id: str) -> Iterator[VideoEvent]:
        """What happens to a video, ending with its final state.

        Raises:
            ClientError: also for a problem on the way, and `stream.cut` where the stream ends before the video does.
        """
        with self._stream("GET", _path(video_id, "events")) as stream:
            for name, data in stream:
                if name == "error":
                    raise _client_error(Problem.model_validate_json(data))
                yield VideoEvent(name, json.loads(data))
                if name in FINAL:
                    return
        raise ClientError(None, "stream.cut", "the service stopped telling of this video")

    def ask(self, video_id: str, question: str, selection: SelectionBudget | None = None) -> AnswerBody:
        """The whole answer at once."""
        return self._document(AnswerBody, "POST", _path(video_id, "ask"), json=_asked(question, False, selection))

    def ask_stream(self, video_id: str, question: str, selection: SelectionBudget | None = None) -> Iterator[AskEvent]:
        """The answer as it is made: citations, pieces of text, then the whole.

        Raises:
            ClientError: also for a problem that comes after the answer has begun.
        """
        with self._stream("POST", _path(video_id, "ask"), json=_asked(question, True, selection)) as stream:
            for name, data in stream:
                match name:
                    case "citations":
                        yield "citations", [CitationBody.model_validate(citation) for citation in json.loads(data)]
                    case "delta":
                        yield "delta", str(json.loads(data)["text"])
                    case "done":
                        yield "done", AnswerBody.model_validate_json(data)
                        return
                    case "error":
                        raise _client_error(Problem.model_validate_json(data))
        raise ClientError(None, "stream.cut", "the answer broke off")

    def search(self, query: str, videos: Sequence[str] | None = None, limit: int = 10) -> SearchResult:
        """Spans that match, best first; no language model."""
        request: dict[str, Any] = {"query": query, "limit": limit}
        if videos is not None:
            request["videos"] = list(videos)
        return self._document(SearchResult, "POST", "/v1/search", json=request)

    def _document(self, kind: type[Document], method: str, url: str, **options: Any) -> Document:
        content = self._call(method, url, **options)
        with _mapped():
            return kind.model_validate_json(content)

    def _call(self, method: str, url: str, **options: Any) -> bytes:
        with _mapped():
            response = self._http.request(method, url, **options)
            if response.is_error:
                raise _refusal(response)
            return response.content

    @contextmanager
    def _stream(self, method: str, url: str, **options: Any) -> Iterator[Iterator[Message]]:
        with _mapped(), self._http.stream(method, url, **options) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield messages(response.iter_bytes())


class _Counted(io.FileIO):
    """A file that reports how much of it has been read."""

    def __init__(self, path: Path, on_progress: OnProgress | None) -> None:
        super().__init__(path)
        self._total = path.stat().st_size
        self._on_progress = on_progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size) or b""
        if self._on_progress is not None:
            self._on_progress(self.tell(), self._total)
        return data


@contextmanager
def _mapped() -> Iterator[None]:
    """The one place where foreign errors become a ClientError."""
    try:
        yield
    except httpx.HTTPError as error:
        raise ClientError(None, "unreachable", "the service could not be reached, or fell silent") from error
    except (ValidationError, json.JSONDecodeError, KeyError) as error:
        raise ClientError(
            None, "answer.unreadable", "the service answered in a way this client does not know"
        ) from error


def _refusal(response: httpx.Response) -> ClientError:
    """The problem document of an error response; its status alone where it carries none."""
    try:
        return _client_error(Problem.model_validate_json(response.content))
    except ValidationError:
        return ClientError(response.status_code, "http", f"the service answered with status {response.status_code}")


def _client_error(problem: Problem) -> ClientError:
    return ClientError(problem.status, problem.code, problem.detail)


def _path(video_id: str, part: str = "") -> str:
    path = f"/v1/videos/{quote(video_id, safe='')}"
    return f"{path}/{part}" if part else path


def _asked(question: str, stream: bool, selection: SelectionBudget | None) -> dict[str, Any]:
    """The request's body. It is the service that checks the question, so that its refusal reads the same everywhere."""
    request: dict[str, Any] = {"question": question, "stream": stream}
    if selection is not None:
        request["selection"] = selection.model_dump(mode="json")
    return request
