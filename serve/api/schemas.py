"""The wire: what clients send and get, the same on the command line (`--json`), over HTTP and on the page.

Times are seconds as numbers since a video's first frame; wall-clock fields are RFC 3339 UTC. Contract: docs/api.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

VideoStatus = Literal["queued", "ingesting", "live", "ready", "partial", "failed", "canceled"]
FINAL: frozenset[str] = frozenset({"ready", "partial", "failed", "canceled"})

Seconds = Annotated[float, PlainSerializer(lambda value: round(value, 3), return_type=float)]
Milliseconds = Annotated[float, PlainSerializer(lambda value: round(value, 2), return_type=float)]


def utc(unix_s: float) -> datetime:
    """Unix seconds -> aware UTC."""
    return datetime.fromtimestamp(unix_s, UTC)


class Wire(BaseModel):
    """Base of everything on the wire: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorInfo(Wire):
    code: str
    detail: str


class Video(Wire):
    """A video, recorded or live."""

    id: str
    name: str
    status: VideoStatus
    duration_s: Seconds | None
    ingested_s: Seconds
    cubes: int
    bytes_stored: int
    backend: str
    key_space: str
    created_at: datetime
    error: ErrorInfo | None = None
    media_offset_s: Seconds = 0.0
    media_url: str | None = None


class VideoList(Wire):
    videos: list[Video]
    next_cursor: str | None = None


class Span(Wire):
    start_s: Seconds
    end_s: Seconds


class CitationBody(Wire):
    """A span the answer rests on."""

    video_id: str
    start_s: Seconds
    end_s: Seconds
    start_utc: datetime | None = None
    end_utc: datetime | None = None
    score: float
    thumbnail_url: str | None
    notes: str


class Evidence(Wire):
    """Every appearance, not only the cited ones."""

    count: int
    first_s: Seconds | None
    last_s: Seconds | None
    spans: list[Span]


class ClaimBody(Wire):
    """A statement about the video; what is not known says why."""

    subject: str
    verdict: Literal["seen", "not_seen", "not_known"]
    spans: list[Span]
    count: int | None
    quote: str | None
    confidence: Literal["high", "low"]
    why: str


class CacheUsage(Wire):
    slots: int
    compactions: int


class UsageBody(Wire):
    memory_cubes: int
    memory_tokens: int
    prompt_tokens: int
    answer_tokens: int
    cache: CacheUsage


class Timing(Wire):
    select: Milliseconds
    prefill: Milliseconds
    first_token: Milliseconds
    total: Milliseconds


class AnswerBody(Wire):
    """The whole answer. `phrased_by` is `memory` where the model's words did not agree with what was found."""

    question: str
    answer: str
    supported: bool
    claims: list[ClaimBody]
    citations: list[CitationBody]
    evidence: Evidence | None
    as_of_s: Seconds
    video_status: VideoStatus
    conversation_id: str | None = None
    phrased_by: Literal["model", "memory"]
    usage: UsageBody
    timing_ms: Timing


class SelectionBudget(Wire):
    cubes: Annotated[int, Field(ge=1, le=64)] = 4
    tokens: Annotated[int, Field(ge=1, le=16384)] = 256


QUESTION_RULE = "a question has 1 to 1000 characters that are not all blank, and numbers of at most 18 digits"
_LONG_NUMBER = re.compile(r"\d{19}")


def _asked(text: str) -> str:
    """Refuses what no question is: blanks alone, and numerals that only take time to read."""
    if not text.strip() or _LONG_NUMBER.search(text):
        raise ValueError(QUESTION_RULE)
    return text


Asked = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_asked)]


class AskRequest(Wire):
    """`conversation_id`, `timezone` and `look_closer` of the contract are not served yet and refused as unknown."""

    question: Asked
    stream: bool = False
    selection: SelectionBudget | None = None


class StreamRequest(Wire):
    """A camera; only `push` (pictures over the stream's websocket) is served yet."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = "camera"
    source: Literal["push"] = "push"


class SearchRequest(Wire):
    query: Asked
    videos: Annotated[list[str], Field(max_length=1000)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class SearchHit(Wire):
    video_id: str
    start_s: Seconds
    end_s: Seconds
    score: float
    kind: str
    open: bool
    thumbnail_url: str | None
    notes: str


class Link(Wire):
    """A link that lets a browser in."""

    url: str


class SearchResult(Wire):
    hits: list[SearchHit]


class TimelineCube(Wire):
    """One cube; `ordinal` is null and `boundary` is `open` while it still grows."""

    ordinal: int | None
    start_s: Seconds
    end_s: Seconds
    boundary: Literal["change", "limit", "interrupted", "end", "open"]
    things: list[str]
    texts: list[str]
    motion: float
    colours: list[str]
    notes: str
    thumbnail_url: str | None


class Timeline(Wire):
    video_id: str
    cubes: list[TimelineCube]


class Problem(BaseModel):
    """RFC 9457 problem document; `code` is stable, `detail` is for a person."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
