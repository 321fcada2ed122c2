"""Fragments of the page's HTML: pure functions from wire types to text, without Gradio.

Whatever comes from outside (names, notes, words read off the screen, answers, errors) passes `escape`. Anything that
moves the player is a `<button data-seek>`; ui/seek.js does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from serve.api.schemas import AnswerBody, CitationBody, Evidence, Timeline, TimelineCube, Video
from serve.client import ClientError

from .times import clock, span

STATES = {
    "queued": "Waiting to be watched",
    "ingesting": "Watching",
    "live": "Live",
    "ready": "Watched",
    "partial": "Watched in part",
    "failed": "Could not be watched",
    "canceled": "Stopped",
}
UNUSUAL = frozenset({"live", "partial", "failed", "canceled"})
"""States that a video keeps for long, so that its entry in the list may name them."""
MAX_CUBES_SHOWN = 500


def choice_label(video: Video) -> str:
    """How a video reads in the list. Plain text: Gradio escapes it."""
    length = video.ingested_s if video.duration_s is None else video.duration_s
    state = f" · {STATES[video.status].lower()}" if video.status in UNUSUAL else ""
    return f"{video.name} · {clock(length)}{state}"


def sending(name: str) -> str:
    """While the file is on its way."""
    return f'<p class="progress" role="status" data-status="sending">Storing {escape(name)} …</p>'


def progress(video: Video, rate: float | None = None) -> str:
    """How much of a video is watched; `rate` in seconds of video per second."""
    length = "" if video.duration_s is None else f" of {clock(video.duration_s)}"
    cubes = "1 cube" if video.cubes == 1 else f"{video.cubes} cubes"
    speed = "" if rate is None else f", {rate:.1f} s of video a second"
    text = f"{STATES[video.status]}: {escape(video.name)}, {clock(video.ingested_s)}{length} ({cubes}{speed})."
    why = (
        ""
        if video.error is None
        else f' <span class="problem">{_sentence(video.error.detail, video.error.code)}</span>'
    )
    return f'<div class="progress" role="status" data-status="{video.status}"><p>{text}{why}</p>{_bar(video)}</div>'


def _bar(video: Video) -> str:
    if video.status not in ("queued", "ingesting") or not video.duration_s:
        return ""
    return f'<progress aria-label="Watched" max="{video.duration_s:.3f}" value="{video.ingested_s:.3f}"></progress>'


def player(video: Video) -> str:
    """The picture. `data-offset` is the container's first timestamp: seek.js says when it counts."""
    if video.media_url is None:
        return '<p class="hint">The file of this video is not kept: it can be asked about, not played.</p>'
    return (
        f'<video id="player" controls playsinline preload="metadata" data-video="{escape(video.id)}" '
        f'data-offset="{video.media_offset_s:.3f}" src="/v1/videos/{quote(video.id, safe="")}/media" '
        f'aria-label="{escape(video.name)}"></video>'
    )


def timeline(video_id: str, cubes: Timeline) -> str:
    """The cubes in order of time, each a button that moves the player there."""
    if not cubes.cubes:
        return '<p class="hint">Nothing has been watched yet.</p>'
    shown = cubes.cubes[:MAX_CUBES_SHOWN]
    left = len(cubes.cubes) - len(shown)
    more = (
        f'<p class="hint">{left} later cubes are not listed; they can be asked about all the same.</p>' if left else ""
    )
    return f'<ol class="cubes">{"".join(_cube(video_id, cube) for cube in shown)}</ol>{more}'


def _cube(video_id: str, cube: TimelineCube) -> str:
    mark = ' <span class="mark">still going on</span>' if cube.boundary == "open" else ""
    inside = f"{_picture(cube.thumbnail_url)}{_time(cube.start_s, cube.end_s)}{mark}{_notes(cube.notes)}"
    return f"<li>{_seek_button('cube', video_id, cube.start_s, cube.end_s, inside)}</li>"


def question(text: str) -> str:
    """A question that has no answer yet."""
    return f'<p class="asked">{escape(text)}</p><p class="hint" role="status">Looking …</p>'


def answering(asked: str, words: str) -> str:
    """An answer that is still being said."""
    return f'<p class="asked">{escape(asked)}</p><p class="said" aria-busy="true">{escape(words)}</p>'


def answer(video_id: str, whole: AnswerBody) -> str:
    """The whole answer, the times it speaks of, and what it was based on."""
    kind = "said" if whole.supported else "said unsupported"
    still = whole.video_status in ("queued", "ingesting", "live")
    so_far = f"as of {clock(whole.as_of_s)}, the video is still being watched; " if still else ""
    read = "1 memory" if whole.usage.memory_cubes == 1 else f"{whole.usage.memory_cubes} memories"
    basis = f"{so_far}{read} read, {whole.timing_ms.total / 1000:.1f} s".capitalize()
    evidence = "" if whole.evidence is None else _evidence(video_id, whole.evidence)
    return (
        f'<p class="asked">{escape(whole.question)}</p><p class="{kind}" data-done="true">{escape(whole.answer)}</p>'
        f'{evidence}<p class="hint">{basis}</p>'
    )


def _evidence(video_id: str, evidence: Evidence) -> str:
    if not evidence.spans:
        return ""
    times = (
        _seek_button("seen", video_id, interval.start_s, interval.end_s, _time(interval.start_s, interval.end_s))
        for interval in evidence.spans
    )
    shown = len(evidence.spans)
    some = f" (the first {shown} of {evidence.count})" if shown < evidence.count else ""
    return f'<div class="evidence"><span>When{some}:</span> {" ".join(times)}</div>'


def citations(cited: Iterable[CitationBody]) -> str:
    """What the answer rests on, as cards that move the player."""
    cards = "".join(f"<li>{_citation(citation)}</li>" for citation in cited)
    return f'<ul class="citations" aria-label="Where the answer comes from">{cards}</ul>' if cards else ""


def _citation(cited: CitationBody) -> str:
    inside = f"{_picture(cited.thumbnail_url)}{_time(cited.start_s, cited.end_s)}{_notes(cited.notes)}"
    return _seek_button("citation", cited.video_id, cited.start_s, cited.end_s, inside)


def problem(doing: str, error: ClientError) -> str:
    """What went wrong as a sentence, with the code that documentation and logs use."""
    return f'<p class="problem" role="alert">{escape(doing)}: {_sentence(error.detail, error.code)}</p>'


def hint(text: str) -> str:
    """A line of advice."""
    return f'<p class="hint">{escape(text)}</p>'


def _sentence(detail: str, code: str) -> str:
    return f"{escape(detail.rstrip('.'))} (<code>{escape(code)}</code>)."


def _seek_button(kind: str, video_id: str, start_s: float, end_s: float, inside: str) -> str:
    return (
        f'<button type="button" class="{kind}" data-video="{escape(video_id)}" data-seek="{start_s:.3f}" '
        f'data-end="{end_s:.3f}" title="Play from {clock(start_s)}">{inside}</button>'
    )


def _time(start_s: float, end_s: float) -> str:
    return f'<span class="time">{span(start_s, end_s)}</span>'


def _notes(notes: str) -> str:
    return f'<span class="notes">{escape(notes)}</span>' if notes else ""


def _picture(url: str | None) -> str:
    """A thumbnail; only one of this service, so that no document can make a browser call elsewhere."""
    if url is None or not url.startswith("/v1/"):
        return ""
    return f'<img src="{escape(url)}" alt="" loading="lazy" width="160" height="90">'
