from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from encoders.published.streaming.body import LanguageBody
from encoders.published.streaming.encoder import StreamClip, StreamingConfig, StreamingEncoder, joined, time_prompt
from encoders.published.streaming.mask import Context, Layout
from tests.encoders.published.tiny_language import FAMILIES, WIDTH, tiny, tokenize

CONFIG = StreamingConfig(vision_dim=6, grid=(3, 3), clip_frames=4, summary_per_frame=2, layers=2)


def encoder(family: str = "llama", config: StreamingConfig = CONFIG, attention: str = "sdpa") -> StreamingEncoder:
    model = tiny(family, attention=attention)
    torch.manual_seed(1)
    return StreamingEncoder(model, tokenize, config)


def clips(count: int, frames: int = 4, seed: int = 0) -> list[StreamClip]:
    chance = torch.Generator().manual_seed(seed)
    return [StreamClip(torch.randn(frames, 9, 6, generator=chance), 4.0 * k, 4.0 * k + frames) for k in range(count)]


def may_look(layout: Layout, row: int, column: int, context: Context) -> bool:
    """The mask in words: nobody sees what comes later; isolated frames do not see the history."""

    def name(token: int) -> str:
        for part in ("prompt", "history", "frames", "summary", "indicators"):
            if token < (size := getattr(layout, part)):
                return part
            token -= size
        raise AssertionError(token)

    hidden = context == "isolated" and name(row) == "frames" and name(column) == "history"
    return column <= row and not hidden


@pytest.mark.parametrize("context", ["isolated", "causal"])
def test_the_mask_is_what_it_says(context: Context) -> None:
    layout = Layout(prompt=2, history=3, frames=4, summary=3, indicators=2)
    mask = layout.mask(context)
    assert mask.shape == (14, 14)
    for row in range(14):
        for column in range(14):
            assert bool(mask[row, column]) == may_look(layout, row, column, context), (row, column)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_in_every_family_a_token_that_is_hidden_changes_nothing(family: str, attention: str) -> None:
    body = LanguageBody(tiny(family, attention=attention), 2)
    layout = Layout(prompt=2, history=3, frames=4, summary=3, indicators=1)
    mask = layout.mask("isolated")
    embeds = torch.randn(layout.length, WIDTH, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = body(embeds, mask)
        for column in range(layout.length):
            changed = embeds.clone()
            changed[column] += 1.0 + torch.arange(WIDTH)
            moved = (body(changed, mask) != before).any(dim=1)
            assert torch.equal(moved, mask[:, column]), column


@pytest.mark.parametrize("family", FAMILIES)
def test_any_causal_language_model_will_do(family: str) -> None:
    model = encoder(family)
    assert model.body.layers == 2
    with torch.no_grad():
        first, second = model.read(clips(2))
        asked = model.question(second.tokens, "where is the cat")
    assert second.tokens.shape == (8, WIDTH)
    assert second.indicator.shape == asked.shape == (WIDTH,)
    assert not torch.equal(first.tokens, second.tokens)


def test_a_cut_model_computes_what_the_whole_one_computes_up_to_there() -> None:
    whole = tiny("llama")
    cut = LanguageBody(tiny("llama"), 2)
    ids = torch.tensor([5, 9, 11, 2])
    with torch.no_grad():
        hidden = whole.get_decoder()(ids[None], output_hidden_states=True).hidden_states[2]
        expected = whole.get_decoder().norm(hidden)[0]
        got = cut(cut.embed(ids), torch.ones(4, 4, dtype=torch.bool).tril())
    torch.testing.assert_close(got, expected)


def test_history_and_clip_meet_only_in_the_summary_unless_told_otherwise() -> None:
    looked: list[torch.Tensor] = []
    for context in ("isolated", "causal"):
        model = encoder(config=replace(CONFIG, context=context))
        parts: list[torch.Tensor] = []
        model.body.register_forward_hook(lambda _m, _i, out, kept=parts: kept.append(out))
        with torch.no_grad():
            first, second = clips(2)
            memory = model(None, first).tokens
            model(memory, second)
            model(memory + torch.arange(float(WIDTH)), second)
        frames = slice(len(tokenize(time_prompt(4, 8))) + 8, -9)
        looked.append((parts[1][frames] != parts[2][frames]).any())
    assert [bool(moved) for moved in looked] == [False, True]


@pytest.mark.parametrize("summary", ["frame", "clip", "learned"])
@pytest.mark.parametrize("history", ["direct", "linear"])
def test_what_comes_later_changes_nothing_before_and_the_state_keeps_its_size(summary: str, history: str) -> None:
    model = encoder(config=replace(CONFIG, summary=summary, history=history))
    stream = [*clips(3), StreamClip(clips(1, frames=1, seed=9)[0].frames, 12.0, 13.0)]
    with torch.no_grad():
        whole, beginning = model.read(stream), model.read(stream[:2])
        on = model.read(stream[2:], memory=beginning[-1].tokens)
    assert all(state.tokens.shape == (CONFIG.memory_tokens, WIDTH) for state in whole)
    for state, other in zip(whole, [*beginning, *on], strict=True):
        assert torch.equal(state.tokens, other.tokens)
        assert torch.equal(state.indicator, other.indicator)


def test_the_memory_carries_what_an_earlier_clip_showed() -> None:
    model = encoder()
    other = clips(3, seed=5)[0]
    stream = clips(3)
    with torch.no_grad():
        states, changed = model.read(stream), model.read([other, *stream[1:]])
    assert not torch.equal(states[-1].tokens, changed[-1].tokens)
    assert not torch.equal(states[-1].indicator, changed[-1].indicator)


def test_a_question_can_be_asked_at_any_moment_and_reads_the_memory() -> None:
    model = encoder()
    with torch.no_grad():
        states = [state.tokens for state in model.read(clips(3))]
        asked = [model.question(memory, "is there a cat") for memory in (None, *states)]
        again = model.question(model.read(clips(2))[-1].tokens, "is there a cat")
        other = model.question(states[1], "is there a dog")
    assert torch.equal(asked[2], again)
    assert all(not torch.equal(asked[2], vector) for vector in (asked[0], asked[1], asked[3], other))


def test_the_indicator_is_apart_from_the_payload() -> None:
    model = encoder()
    with torch.no_grad():
        before = model(None, clips(1)[0])
        model.clip_indicator.add_(1.0)
        after = model(None, clips(1)[0])
    assert torch.equal(before.tokens, after.tokens)
    assert not torch.equal(before.indicator, after.indicator)


@pytest.mark.parametrize("shared", [True, False])
def test_every_weight_that_is_trained_has_a_gradient(shared: bool) -> None:
    model = encoder(config=replace(CONFIG, history="linear", shared_indicator=shared))
    states = model.read(clips(2))
    asked = model.question(states[-1].tokens, "what is it")
    loss = states[-1].tokens.square().sum() + (asked * states[0].indicator).sum()
    loss.backward()
    trained = model.own_state()
    assert not any("embed_tokens" in name for name in trained)
    assert ("question_indicator" in trained) is not shared
    for name, weight in trained.items():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().sum()) > 0, name


def test_two_by_two_patches_become_one_and_odd_edges_are_repeated() -> None:
    frame = torch.arange(9.0).reshape(1, 9, 1)
    assert joined(frame, (3, 3)).tolist() == [[[0, 1, 3, 4], [2, 2, 5, 5], [6, 7, 6, 7], [8, 8, 8, 8]]]
    even = torch.arange(32.0).reshape(2, 8, 2)
    assert joined(even, (2, 4)).shape == (2, 2, 8)
    assert joined(even, (2, 4))[0, 1].tolist() == [4, 5, 6, 7, 12, 13, 14, 15]


def test_published_sizes() -> None:
    config = StreamingConfig(vision_dim=1024, grid=(24, 24))
    assert (config.clip_frames, config.summary_per_frame, config.memory_tokens, config.layers) == (16, 4, 64, 16)
    assert time_prompt(16, 32) == "this contains a history of 0 to 16 seconds, and a clip sampled in 16 to 32 seconds"


@pytest.mark.parametrize(
    ("memory", "frames", "why"),
    [
        (None, torch.zeros(5, 9, 6), "1 to 4 frames"),
        (None, torch.zeros(0, 9, 6), "1 to 4 frames"),
        (None, torch.zeros(4, 8, 6), "frames are"),
        (torch.zeros(3, WIDTH), torch.zeros(4, 9, 6), "a memory is"),
    ],
)
def test_what_does_not_fit_is_refused(memory: torch.Tensor | None, frames: torch.Tensor, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encoder()(memory, StreamClip(frames, 0.0, 4.0))


def test_a_body_that_cannot_be_cut_or_masked_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot keep 4 of 3 layers"):
        LanguageBody(tiny(), 4)
    flash = tiny()
    flash.get_decoder().config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match="ready-made mask"):
        LanguageBody(flash)


def test_words_are_given_to_the_model_as_its_tokenizer_makes_them() -> None:
    texts: list[str] = []

    def recording(text: str) -> Sequence[int]:
        texts.append(text)
        return tokenize(text)

    model = StreamingEncoder(tiny(), recording, CONFIG)
    with torch.no_grad():
        model.read(clips(2))
    assert texts == [time_prompt(0, 4), time_prompt(4, 8)]
