from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from encoders.published.streaming.encoder import StreamClip, StreamingConfig, StreamingEncoder
from encoders.published.streaming.lessons import LossOptions, MemoryReader, Stage, StreamLesson, divergence, lesson_loss
from encoders.published.streaming.training import CHECKPOINT, StreamRecipe, StreamTraining, load_streaming_encoder
from tests.encoders.published.tiny_language import WIDTH, tiny, tokenize

CONFIG = StreamingConfig(vision_dim=6, grid=(2, 2), clip_frames=2, summary_per_frame=2, layers=2)
RECIPE = StreamRecipe(clip=6, select=4, stream=4, rate=3e-3, warmup=2)


def models(config: StreamingConfig = CONFIG) -> tuple[StreamingEncoder, MemoryReader]:
    encoder_body, answering = tiny("llama"), tiny("qwen2", spread=0.3)
    torch.manual_seed(3)
    encoder = StreamingEncoder(encoder_body, tokenize, config)
    return encoder, MemoryReader(answering, tokenize, encoder.dim)


def clips(count: int, seed: int) -> tuple[StreamClip, ...]:
    chance = torch.Generator().manual_seed(seed)
    return tuple(StreamClip(torch.randn(2, 4, 6, generator=chance), 2.0 * k, 2.0 * k + 2) for k in range(count))


def lessons() -> dict[Stage, list[StreamLesson]]:
    alone = [StreamLesson(clips(1, seed), "what is seen", answer) for seed, answer in enumerate(("a cat", "red cars"))]
    many = [
        StreamLesson(clips(5, 9), "when is the cat seen", "at two", (1,)),
        StreamLesson(clips(3, 8), "is it day", "yes"),
    ]
    return {"clip": alone, "select": many, "stream": many}


def training(folder: Path, recipe: StreamRecipe = RECIPE) -> StreamTraining:
    return StreamTraining(*models(), lessons(), recipe, folder)


def test_a_stopped_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole, first = training(tmp_path / "whole"), training(tmp_path / "halves")
    whole.run(RECIPE.steps)
    first.run(5)
    second = training(tmp_path / "halves")
    assert second.resume()
    assert second.step == 5
    second.run(RECIPE.steps)
    assert second.step == RECIPE.steps == 14
    for name, weight in whole.weights.items():
        assert torch.equal(weight, second.weights[name]), name
    kept = [load_file(tmp_path / folder / CHECKPOINT) for folder in ("whole", "halves")]
    assert kept[0].keys() == kept[1].keys()
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in kept[0].items())


def test_the_loss_falls_and_the_stages_follow_one_another(tmp_path: Path) -> None:
    progress: list[tuple[int, Stage, float]] = []
    trainer = training(tmp_path, StreamRecipe(clip=40, select=3, stream=2, rate=1e-2, warmup=2))
    trainer.run(100, lambda step, stage, losses: progress.append((step, stage, losses["answer"])))
    assert [stage for _, stage, _ in progress] == ["clip"] * 40 + ["select"] * 3 + ["stream"] * 2
    assert [step for step, _, _ in progress] == list(range(1, 46))
    losses = [loss for _, _, loss in progress[:40]]
    assert sum(losses[-8:]) < 0.7 * sum(losses[:8])


def test_training_leaves_the_answering_model_and_the_word_embeddings_alone(tmp_path: Path) -> None:
    encoder, reader = models()
    words = encoder.body.decoder.get_input_embeddings().weight.clone()
    answering = {name: weight.clone() for name, weight in reader.model.state_dict().items()}
    before = {name: weight.detach().clone() for name, weight in encoder.own_state().items()}
    StreamTraining(encoder, reader, lessons(), RECIPE, tmp_path).run(7)
    assert torch.equal(encoder.body.decoder.get_input_embeddings().weight, words)
    assert all(torch.equal(weight, answering[name]) for name, weight in reader.model.state_dict().items())
    still = [name for name, weight in encoder.own_state().items() if torch.equal(weight, before[name])]
    assert still == []


def test_the_trained_encoder_is_loaded_on_a_fresh_body(tmp_path: Path) -> None:
    encoder, reader = models()
    StreamTraining(encoder, reader, lessons(), RECIPE, tmp_path).run(3)
    again = load_streaming_encoder(tmp_path, tiny("llama"), tokenize)
    assert again.config == CONFIG
    with torch.no_grad():
        for state, other in zip(encoder.read(clips(2, 4)), again.read(clips(2, 4)), strict=True):
            assert torch.equal(state.tokens, other.tokens)
            assert torch.equal(state.indicator, other.indicator)
    with pytest.raises(ValueError, match="does not fit"):
        load_streaming_encoder(tmp_path, tiny("gpt2"), tokenize)


def test_another_recipe_does_not_go_on(tmp_path: Path) -> None:
    assert not training(tmp_path).resume()
    training(tmp_path).run(1)
    with pytest.raises(ValueError, match="another recipe"):
        training(tmp_path, StreamRecipe(clip=6, select=4, stream=4, seed=1)).resume()
    with safe_open(tmp_path / CHECKPOINT, "pt") as file:
        assert json.loads(file.metadata()["recipe"])["clip"] == 6
    assert not list(tmp_path.glob("*.part"))


def test_only_the_warm_up_says_which_clips_are_right() -> None:
    encoder, reader = models()
    many = lessons()["select"]
    options = LossOptions(noise=0.0)
    with torch.no_grad():
        warm, blind, unknown = (
            lesson_loss(encoder, reader, lesson, stage, options)
            for lesson, stage in ((many[0], "select"), (many[0], "stream"), (many[1], "select"))
        )
    assert float(warm["total"]) == pytest.approx(float(warm["answer"] + warm["divergence"]))
    assert set(blind) == set(unknown) == {"answer", "total"}
    assert float(warm["answer"]) == float(blind["answer"])


def test_the_answer_alone_teaches_what_to_choose() -> None:
    encoder, reader = models()
    loss = lesson_loss(encoder, reader, lessons()["stream"][0], "stream", LossOptions(noise=0.0))
    loss["total"].backward()
    assert encoder.question_indicator.grad is not None
    assert float(encoder.question_indicator.grad.abs().sum()) > 0


def test_the_divergence_is_kullback_and_leiblers() -> None:
    scores = torch.tensor([0.1, 0.3, 0.2])
    log = (scores / 0.1).log_softmax(0)
    expected = 0.5 * (torch.tensor(0.5).log() - log[0]) + 0.5 * (torch.tensor(0.5).log() - log[2])
    assert float(divergence(scores, (0, 2), 0.1)) == pytest.approx(float(expected))


def test_what_the_reader_says_depends_on_the_memory() -> None:
    _, reader = models()
    memory = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss, opposite = (float(reader.loss([("a clip", m)], "what", "a cat")) for m in (memory, -memory))
    assert loss != opposite
    with pytest.raises(ValueError, match="at least one token"):
        reader.loss([("a clip", memory)], "what", "")


def test_lessons_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    encoder, reader = models()
    with pytest.raises(ValueError, match="one clip at a time"):
        lesson_loss(encoder, reader, lessons()["select"][0], "clip", LossOptions())
    with pytest.raises(ValueError, match="no lessons for select, stream"):
        StreamTraining(encoder, reader, {"clip": lessons()["clip"]}, RECIPE, tmp_path)
    with pytest.raises(ValueError, match="over"):
        RECIPE.stage(14)
