"""The page's HTML: what is shown, and that no words from outside become markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.api.schemas import ErrorInfo, Evidence, Span, Timeline, Video
from serve.client import ClientError
from tests.serve.small_service import CREATED, UNKIND, answer, cube
from ui import parts
from ui.times import clock, span

VIDEO = Video(
    id="v0",
    name="a film.mp4",
    status="ingesting",
    duration_s=80.0,
    ingested_s=12.5,
    cubes=3,
    bytes_stored=9,
    backend="pocket",
    key_space="k",
    created_at=CREATED,
    media_url="/v1/videos/v0/media",
)


class ParsedHtml(HTMLParser):
    """Tags with their attributes, and the text in between, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def refusal(code: str, detail: str) -> ClientError:
    return ClientError(500, code, detail)


def fragments(words: str) -> dict[str, str]:
    """Every fragment that shows words from outside, made with these."""
    video = VIDEO.model_copy(update={"id": words, "name": words, "error": ErrorInfo(code=words, detail=words)})
    whole = answer("v0", words)
    cited = whole.citations[0].model_copy(update={"video_id": words, "notes": words, "thumbnail_url": f"/v1/{words}"})
    changed = whole.model_copy(update={"answer": words, "citations": [cited]})
    changed_cube = cube(1).model_copy(update={"notes": words, "thumbnail_url": f"/v1/{words}"})
    return {
        "sending": parts.sending(words),
        "progress": parts.progress(video),
        "player": parts.player(video),
        "timeline": parts.timeline(words, Timeline(video_id=words, cubes=[changed_cube])),
        "question": parts.question(words),
        "answering": parts.answering(words, words),
        "answer": parts.answer(words, changed),
        "citations": parts.citations([cited]),
        "problem": parts.problem(words, refusal(words, words)),
        "hint": parts.hint(words),
    }


def shape(html: str) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in ParsedHtml(html).tags]


@pytest.mark.parametrize(
    "unkind", [UNKIND, '" autofocus onfocus="alert(1)', "'><b>", "</button></li>", "&lt;script&gt;"]
)
@pytest.mark.parametrize("name", fragments("plain").keys())
def test_words_from_outside_never_become_markup(name: str, unkind: str) -> None:
    assert shape(fragments(unkind)[name]) == shape(fragments("plain")[name])


@given(words=st.text(min_size=1))
def test_no_words_become_markup_and_all_are_shown(words: str) -> None:
    plain = fragments("plain")
    for name, html in fragments(words).items():
        assert shape(html) == shape(plain[name]), name
    assert ParsedHtml(parts.hint(words)).text == words


def test_times() -> None:
    assert [clock(s) for s in (-1.0, 0.0, 75.4, 59.9999999, 3723.0)] == ["0:00", "0:00", "1:15", "1:00", "1:02:03"]
    assert (span(10.0, 17.9), span(10.0, 10.4)) == ("0:10–0:17", "0:10")


def test_progress_tells_how_far_and_how_fast() -> None:
    page = ParsedHtml(parts.progress(VIDEO, 7.46))
    assert page.text == "Watching: a film.mp4, 0:12 of 1:20 (3 cubes, 7.5 s of video a second)."
    assert page.named("progress") == [{"aria-label": "Watched", "max": "80.000", "value": "12.500"}]
    assert page.named("div")[0]["data-status"] == "ingesting"


def test_progress_of_a_stream_without_end() -> None:
    page = ParsedHtml(parts.progress(VIDEO.model_copy(update={"status": "live", "duration_s": None, "cubes": 1})))
    assert page.text == "Live: a film.mp4, 0:12 (1 cube)."
    assert not page.named("progress")


def test_a_failed_video_says_why() -> None:
    error = ErrorInfo(code="media.damaged", detail="The file ends early.")
    page = ParsedHtml(parts.progress(VIDEO.model_copy(update={"status": "failed", "error": error})))
    assert "Could not be watched" in page.text
    assert "The file ends early (media.damaged)." in page.text


def test_the_player_plays_from_this_service() -> None:
    video = VIDEO.model_copy(update={"id": "a/b?c", "media_offset_s": 5.0})
    (shown,) = ParsedHtml(parts.player(video)).named("video")
    assert (shown["id"], shown["src"]) == ("player", "/v1/videos/a%2Fb%3Fc/media")
    assert (shown["preload"], shown["data-video"], shown["data-offset"]) == ("metadata", "a/b?c", "5.000")


def test_no_player_where_the_file_is_not_kept() -> None:
    page = ParsedHtml(parts.player(VIDEO.model_copy(update={"media_url": None})))
    assert not page.named("video")
    assert "not kept" in page.text


def test_the_timeline_is_buttons_that_seek() -> None:
    page = ParsedHtml(parts.timeline("v0", Timeline(video_id="v0", cubes=[cube(0), cube(1)])))
    assert [(button["class"], button["data-seek"], button["data-end"]) for button in page.named("button")] == [
        ("cube", "0.000", "4.000"),
        ("cube", "4.000", "8.000"),
    ]
    assert [image["src"] for image in page.named("img")] == [f"/v1/videos/v0/thumbnails/{n}" for n in (0, 1)]
    assert "0:04–0:08" in page.text


def test_the_cube_that_goes_on_is_marked() -> None:
    growing = cube(2).model_copy(update={"boundary": "open", "ordinal": None})
    assert "still going on" in parts.timeline("v0", Timeline(video_id="v0", cubes=[growing]))
    assert "still going on" not in parts.timeline("v0", Timeline(video_id="v0", cubes=[cube(2)]))


def test_a_very_long_timeline_is_cut_and_says_so() -> None:
    cubes = [cube(number) for number in range(parts.MAX_CUBES_SHOWN + 7)]
    page = ParsedHtml(parts.timeline("v0", Timeline(video_id="v0", cubes=cubes)))
    assert len(page.named("button")) == parts.MAX_CUBES_SHOWN
    assert "7 later cubes" in page.text


@pytest.mark.parametrize("url", [None, "https://example.org/a.jpg", "//example.org/a.jpg", "javascript:alert(1)"])
def test_pictures_come_from_this_service_only(url: str | None) -> None:
    elsewhere = cube(0).model_copy(update={"thumbnail_url": url})
    assert not ParsedHtml(parts.timeline("v0", Timeline(video_id="v0", cubes=[elsewhere]))).named("img")


def test_the_answer_says_what_it_is_based_on() -> None:
    evidence = Evidence(
        count=2, first_s=4.0, last_s=9.0, spans=[Span(start_s=4.0, end_s=8.0), Span(start_s=9.0, end_s=10.0)]
    )
    whole = answer("v0", "When?").model_copy(update={"evidence": evidence, "answer": "Twice."})
    page = ParsedHtml(parts.answer("v0", whole))
    assert page.text == "When?Twice.When: 0:04–0:08 0:09–0:101 memory read, 1.2 s"
    assert [button["data-seek"] for button in page.named("button")] == ["4.000", "9.000"]
    more = whole.model_copy(update={"evidence": evidence.model_copy(update={"count": 30})})
    assert "When (the first 2 of 30): 0:04" in ParsedHtml(parts.answer("v0", more)).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video_status": "ingesting", "as_of_s": 40.0}, "As of 0:40, the video is still being watched; 1 memory read"),
        ({"evidence": None, "supported": False}, "unsupported"),
    ],
)
def test_what_an_answer_must_not_hide(changes: dict[str, Any], words: str) -> None:
    assert words in parts.answer("v0", answer("v0", "When?").model_copy(update=changes))


def test_citations_are_buttons_that_seek() -> None:
    (button,) = ParsedHtml(parts.citations(answer("v0", "When?").citations)).named("button")
    assert (button["class"], button["type"], button["data-seek"], button["data-video"]) == (
        "citation",
        "button",
        "4.000",
        "v0",
    )
    assert parts.citations([]) == ""


def test_a_problem_is_a_sentence_with_its_code() -> None:
    page = ParsedHtml(
        parts.problem("The question could not be answered", refusal("not_ready", "nothing is watched yet."))
    )
    assert page.text == "The question could not be answered: nothing is watched yet (not_ready)."
    assert page.named("p")[0]["role"] == "alert"


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"status": "ready"}, "a film.mp4 · 1:20"),
        ({"status": "failed"}, "a film.mp4 · 1:20 · could not be watched"),
        ({"status": "live", "duration_s": None}, "a film.mp4 · 0:12 · live"),
    ],
)
def test_how_a_video_reads_in_the_list(changes: dict[str, Any], label: str) -> None:
    assert parts.choice_label(VIDEO.model_copy(update=changes)) == label
