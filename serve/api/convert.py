"""Converts records to wire types, in one place, so that the command line, HTTP and events say the same."""

from __future__ import annotations

from collections.abc import Iterable

from encoders.notes import Notes
from memory.records import Appearances, CubeMemory, Hit, OpenCube, TimeSpan, VideoRecord
from memory.store.base import MemoryStore
from pipeline.answer import Answer as AnswerRecord
from pipeline.answer import Citation as CitationRecord
from pipeline.answering.claims import Claim
from pipeline.answering.phrases import notes_phrase

from . import schemas


def thumbnail_url(video_id: str, ordinal: int | None) -> str:
    """Where the picture of a cube is; the open cube's is `open`."""
    return f"/v1/videos/{video_id}/thumbnails/{'open' if ordinal is None else ordinal}"


def notes_of(store: MemoryStore, hit: Hit) -> Notes:
    """The notes of a hit's cube. Raises what the store raises where it is gone or damaged."""
    if hit.ordinal is not None:
        return Notes.from_plain(dict(store.cube(hit.video_id, hit.ordinal).notes))
    opened = store.open_cube(hit.video_id)
    return Notes() if opened is None else Notes.from_plain(dict(opened.notes))


def video(record: VideoRecord) -> schemas.Video:
    """One video."""
    error = record.error
    return schemas.Video(
        id=record.id,
        name=record.name,
        status=record.status,
        duration_s=record.duration_s,
        ingested_s=record.ingested_s,
        cubes=record.cubes,
        bytes_stored=record.bytes_stored,
        backend=record.backend,
        key_space=record.key_space,
        created_at=schemas.utc(record.created_s),
        error=None if error is None else schemas.ErrorInfo(code=error.code, detail=error.detail),
        media_offset_s=record.media_offset_s,
        media_url=None if record.media is None else f"/v1/videos/{record.id}/media",
    )


def citation(record: CitationRecord) -> schemas.CitationBody:
    """One citation; wall-clock times only for streams."""
    start = record.start_utc_s
    return schemas.CitationBody(
        video_id=record.video_id,
        start_s=record.span.start_s,
        end_s=record.span.end_s,
        start_utc=None if start is None else schemas.utc(start),
        end_utc=None if start is None else schemas.utc(start + record.span.seconds),
        score=record.score,
        thumbnail_url=thumbnail_url(record.video_id, record.ordinal),
        notes=record.notes,
    )


def span(record: TimeSpan) -> schemas.Span:
    """One span."""
    return schemas.Span(start_s=record.start_s, end_s=record.end_s)


def evidence(record: Appearances) -> schemas.Evidence:
    """What a count rests on."""
    return schemas.Evidence(
        count=record.count,
        first_s=record.first_s,
        last_s=record.last_s,
        spans=[span(interval) for interval in record.spans],
    )


def claim(record: Claim) -> schemas.ClaimBody:
    """One claim."""
    return schemas.ClaimBody(
        subject=record.subject,
        verdict=record.verdict,
        spans=[span(interval) for interval in record.spans],
        count=record.count,
        quote=record.quote,
        confidence=record.confidence,
        why=record.why,
    )


def answer(question: str, record: AnswerRecord) -> schemas.AnswerBody:
    """One answer."""
    use = record.usage
    return schemas.AnswerBody(
        question=question,
        answer=record.text,
        supported=record.supported,
        claims=[claim(stated) for stated in record.claims],
        citations=[citation(cited) for cited in record.citations],
        evidence=None if record.evidence is None else evidence(record.evidence),
        as_of_s=record.as_of_s,
        video_status=record.video_status,
        phrased_by="model" if record.phrased_by == "model" else "memory",
        usage=schemas.UsageBody(
            memory_cubes=use.memory_cubes,
            memory_tokens=use.memory_tokens,
            prompt_tokens=use.prompt_tokens,
            answer_tokens=use.answer_tokens,
            cache=schemas.CacheUsage(slots=use.cache_slots, compactions=use.compactions),
        ),
        timing_ms=schemas.Timing(
            select=use.select_ms, prefill=use.prefill_ms, first_token=use.first_token_ms, total=use.total_ms
        ),
    )


def timeline_cube(video_id: str, cube: CubeMemory | OpenCube) -> schemas.TimelineCube:
    """One cube of a timeline."""
    notes = Notes.from_plain(dict(cube.notes))
    closed = isinstance(cube, CubeMemory)
    ordinal = cube.ordinal if isinstance(cube, CubeMemory) else None
    return schemas.TimelineCube(
        ordinal=ordinal,
        start_s=cube.span.start_s,
        end_s=cube.span.end_s,
        boundary=cube.boundary if isinstance(cube, CubeMemory) else "open",
        things=[thing.name for thing in notes.things],
        texts=[line.text for line in notes.texts],
        motion=notes.motion,
        colours=list(notes.colours),
        notes=notes_phrase(notes),
        thumbnail_url=thumbnail_url(video_id, ordinal) if closed or cube.thumbnail else None,
    )


def timeline(video_id: str, cubes: Iterable[CubeMemory], opened: OpenCube | None) -> schemas.Timeline:
    """Closed cubes in order, the open one last."""
    listed = [timeline_cube(video_id, cube) for cube in cubes]
    if opened is not None:
        listed.append(timeline_cube(video_id, opened))
    return schemas.Timeline(video_id=video_id, cubes=listed)


def search_hit(hit: Hit, notes: Notes) -> schemas.SearchHit:
    """One hit."""
    return schemas.SearchHit(
        video_id=hit.video_id,
        start_s=hit.span.start_s,
        end_s=hit.span.end_s,
        score=round(hit.score, 4),
        kind=hit.kind,
        open=hit.ordinal is None,
        thumbnail_url=thumbnail_url(hit.video_id, hit.ordinal),
        notes=notes_phrase(notes),
    )
