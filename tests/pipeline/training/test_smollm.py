"""Adapter training on a small model: its lessons are right, a resumed run is the same run, and merging is exact."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from encoders.pocket.vocabulary import NAMES_FILE
from pipeline.errors import BackendUnavailable
from pipeline.language.smollm.adapter import read_adapter
from pipeline.language.smollm.timeline_template import TimelineTemplate
from pipeline.training.smollm.lessons import batch, scene_and_lessons
from pipeline.training.smollm.loop import AdapterRecipe, AdapterTraining
from pipeline.training.smollm.questions import MAKERS, TimelineScene, lesson
from pipeline.training.smollm.timelines import Names, TimelineEntry, timeline
from pipeline.training.smollm.wordings import WORDINGS

FROZEN = Path(__file__).parents[2] / "evals" / "timelines"
RECIPE = AdapterRecipe(steps=4, sequences=1, tokens=400, lessons=3, rank=2, alpha=4.0, warmup=1)


@pytest.fixture(scope="module")
def wording(tmp_path_factory: pytest.TempPathFactory) -> TimelineTemplate:
    """A byte vocabulary with the chat format's tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet]
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(names[:3])
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    tokenizer.save(str(path))
    return TimelineTemplate(path)


def small_model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=259, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def test_held_out_names_are_never_learned() -> None:
    held = {entry["name"] for i, entry in enumerate(json.loads(NAMES_FILE.read_text())) if i % 7 == 3}
    assert len(held) > 100
    assert not held & set(Names.for_training().all)


def test_no_wording_of_the_frozen_tests_is_learned() -> None:
    frozen = {
        text.casefold() for texts in json.loads((FROZEN / "wordings.json").read_text()).values() for text in texts
    }
    assert not frozen & {text.casefold() for texts in WORDINGS.values() for text in texts}
    assert set(WORDINGS) == set(MAKERS)


def test_answers_are_right() -> None:
    names = Names({"cup": ("dish",), "tabby cat": ("cat", "animal"), "pug": ("dog", "animal")})
    scene = TimelineScene(
        [
            TimelineEntry(0, 14, ("cup",)),
            TimelineEntry(14, 75, ("tabby cat",), ("EXIT",)),
            TimelineEntry(75, 90, ("cup",)),
        ],
        names,
    )
    lessons = {kind: {lesson(random.Random(s), scene, kind) for s in range(40)} for kind in MAKERS}
    assert {"The cup is seen 2 times: 0:00 to 0:14 and 1:15 to 1:30."} <= {
        made.answer for made in lessons["count"] if made
    }
    assert {made.answer for made in lessons["text"] if made} == {'The screen says "EXIT" from 0:14 to 1:15.'}
    assert "The cat is first seen from 0:14 to 1:15." in {made.answer for made in lessons["first"] if made}
    assert {made.answer for made in lessons["how_long"] if made} == {
        "The tabby cat is seen for 1 min 1 s, from 0:14 to 1:15."
    }
    assert "No, the pug is not seen." in {made.answer for made in lessons["exists"] if made}


def test_each_question_is_blind_to_the_others(wording: TimelineTemplate) -> None:
    names = Names.for_training()
    scene, lessons = scene_and_lessons(random.Random(3), names, 4)
    together, model = batch(wording, scene, lessons, 4000), small_model()
    alone = [batch(wording, scene, [taught], 4000) for taught in lessons]

    def logits(packed: Any) -> torch.Tensor:
        mask = torch.zeros(packed.mask.shape).masked_fill(~packed.mask, torch.finfo(torch.float32).min)
        with torch.no_grad():
            out = model(input_ids=packed.ids, position_ids=packed.positions, attention_mask=mask, use_cache=False)
        return out.logits[0][packed.targets >= 0]  # type: ignore[no-any-return]

    torch.testing.assert_close(logits(together), torch.cat([logits(packed) for packed in alone]), atol=1e-5, rtol=1e-4)


def test_a_resumed_run_is_the_same_run(wording: TimelineTemplate, tmp_path: Path) -> None:
    def run(folder: Path, *stops: int) -> list[float]:
        losses: list[float] = []
        for stop in stops:
            training = AdapterTraining(small_model(), wording, RECIPE, folder)
            training.resume()
            training.run(stop, lambda _, loss, __: losses.append(loss), every=1)
        return losses

    whole, pieces = run(tmp_path / "a", 4), run(tmp_path / "b", 1, 3, 4)
    assert whole == pieces
    assert whole[-1] < whole[0]
    uninterrupted, resumed = (read_adapter(tmp_path / name / "adapter.safetensors") for name in "ab")
    assert all(torch.equal(uninterrupted.pairs[name][1], resumed.pairs[name][1]) for name in uninterrupted.pairs)


def test_merging_is_what_was_trained(wording: TimelineTemplate, tmp_path: Path) -> None:
    training = AdapterTraining(model := small_model(), wording, RECIPE, tmp_path)
    training.run(4, lambda *_: None)
    plain = small_model()
    before = plain(torch.arange(20)[None]).logits
    plain.load_state_dict(read_adapter(tmp_path / "adapter.safetensors").merged(plain.state_dict()))
    trained = model(torch.arange(20)[None]).logits
    after = plain(torch.arange(20)[None]).logits
    torch.testing.assert_close(after, trained, atol=2e-4, rtol=1e-3)
    assert not torch.allclose(after, before, atol=1e-3)


def test_a_damaged_or_foreign_adapter_is_refused(wording: TimelineTemplate, tmp_path: Path) -> None:
    AdapterTraining(small_model(), wording, RECIPE, tmp_path).save()
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(BackendUnavailable, match="does not fit"):
        read_adapter(path).merged({})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BackendUnavailable, match="cannot be read"):
        read_adapter(path)


def test_timelines_have_no_gaps_and_two_to_twelve_lines() -> None:
    for seed in range(50):
        lines = timeline(random.Random(seed), Names.for_training())
        assert 2 <= len(lines) <= 12
        assert all(a.end == b.start for a, b in itertools.pairwise(lines))
