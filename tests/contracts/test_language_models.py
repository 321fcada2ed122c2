"""What every `LanguageModel` promises, held against the scripted one and the pocket one."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pipeline.language.protocol import Generation, LanguageModel, Prompt
from pipeline.language.scripted import ScriptedModel

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPT = Prompt("When does the cat appear?", "A cat is seen from 0:00 to 0:09 and from 0:52 to 1:01.", ())


@pytest.fixture(params=["scripted", "pocket"])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return ScriptedModel() if request.param == "scripted" else request.getfixturevalue("pocket")


def test_it_has_a_name(model: LanguageModel) -> None:
    assert model.name


def test_pieces_join_to_the_text_and_one_generation_ends_them(model: LanguageModel) -> None:
    *pieces, last = model.generate(PROMPT, 30)
    assert isinstance(last, Generation)
    assert all(isinstance(piece, str) and piece for piece in pieces)
    assert "".join(map(str, pieces)) == last.text
    assert last.text.strip()


def test_the_account_adds_up(model: LanguageModel) -> None:
    *_, last = model.generate(PROMPT, 20)
    assert isinstance(last, Generation)
    assert 0 < last.answer_tokens <= 20
    assert last.prompt_tokens > 0
    assert last.prompt_tokens <= last.cache_slots <= last.prompt_tokens + last.answer_tokens
    assert 0 <= last.prefill_ms <= last.first_token_ms
    assert last.compactions == 0


@pytest.mark.parametrize("max_tokens", [1, 5])
def test_it_says_no_more_than_it_may(model: LanguageModel, max_tokens: int) -> None:
    *_, short = model.generate(PROMPT, max_tokens)
    *_, long = model.generate(PROMPT, max_tokens + 2)
    assert isinstance(short, Generation)
    assert isinstance(long, Generation)
    assert short.answer_tokens == max_tokens
    assert long.text.startswith(short.text)


def test_the_same_prompt_gives_the_same_words(model: LanguageModel) -> None:
    def pieces() -> list[str]:
        return [piece for piece in model.generate(PROMPT, 12) if isinstance(piece, str)]

    assert pieces() == pieces()


def test_closing_early_is_clean_and_leaves_no_trace(model: LanguageModel) -> None:
    *before, _ = model.generate(PROMPT, 6)
    stopped = model.generate(PROMPT, 40)
    assert isinstance(stopped, Generator)
    assert isinstance(next(stopped), str)
    stopped.close()
    assert list(stopped) == []
    *after, _ = model.generate(PROMPT, 6)
    assert after == before
