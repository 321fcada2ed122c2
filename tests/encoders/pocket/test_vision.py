from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.base import Backend, Frame, FrameEncoder
from encoders.pocket import efficientnet_lite
from encoders.pocket.vision import BATCH, PocketFrameEncoder, Precision, choose_precision
from encoders.pocket.vocabulary import load_vocabulary
from encoders.pocket.weights import EFFICIENTNET_LITE2, weight_file

STEPS = 6


def vision(pocket: Backend) -> PocketFrameEncoder:
    assert isinstance(pocket.frames, PocketFrameEncoder)
    return pocket.frames


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Pictures of several sizes, real and noise."""
    noise = np.random.default_rng(7).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    pictures = [skimage.data.chelsea(), skimage.data.coffee(), noise, skimage.data.rocket(), noise[::-1], noise[:, ::2]]
    return [Frame(np.ascontiguousarray(rgb), float(second)) for second, rgb in enumerate(pictures)]


@pytest.fixture(scope="module")
def together(pocket: Backend, frames: list[Frame]) -> torch.Tensor:
    return pocket.frames.encode(frames).tokens


def test_shapes_and_times(pocket: Backend, frames: list[Frame]) -> None:
    encoder = vision(pocket)
    assert isinstance(encoder, FrameEncoder)
    got = encoder.encode(frames)
    assert got.tokens.shape == (1, STEPS, 81, 352)
    assert got.tokens.dtype == torch.float32
    assert (got.grid, got.frames_per_step, encoder.levels, encoder.dim) == ((9, 9), 1, 1, 352)
    assert got.times_s == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


def test_no_frames_give_no_steps(pocket: Backend) -> None:
    got = pocket.frames.encode([])
    assert got.tokens.shape == (1, 0, 81, 352)
    assert got.times_s == ()


@settings(max_examples=6, deadline=None)
@given(order=st.lists(st.integers(0, STEPS - 1), min_size=1, max_size=BATCH + 2))
def test_tokens_do_not_depend_on_the_batch(
    pocket: Backend, frames: list[Frame], together: torch.Tensor, order: list[int]
) -> None:
    got = pocket.frames.encode([frames[index] for index in order]).tokens
    assert torch.equal(got, together[:, order])


@pytest.mark.parametrize(
    ("picture", "kind", "least"), [("chelsea", "cat", 0.7), ("coffee", "cup", 0.7), ("rocket", "rocket", 0.15)]
)
def test_real_pictures_are_recognised(pocket: Backend, picture: str, kind: str, least: float) -> None:
    words = load_vocabulary()
    tokens = pocket.frames.encode([Frame(getattr(skimage.data, picture)(), 0.0)]).tokens
    evidence = words.evidence(vision(pocket).class_probabilities(tokens[0, 0]))
    assert evidence[words.words.index(kind, 1000)] > least


def test_probabilities_are_a_function_of_tokens(pocket: Backend, together: torch.Tensor) -> None:
    steps = vision(pocket).class_probabilities(together[0])
    single = vision(pocket).class_probabilities(together[0, 3])
    cells = vision(pocket).class_probabilities(together[0], pooled=False)
    assert steps.shape == (STEPS, 1000)
    assert cells.shape == (STEPS, 81, 1000)
    torch.testing.assert_close(steps.sum(-1), torch.ones(STEPS))
    torch.testing.assert_close(cells.sum(-1), torch.ones(STEPS, 81))
    torch.testing.assert_close(single, steps[3])


def test_the_fine_grid_can_still_be_read_as_a_whole(frames: list[Frame]) -> None:
    encoder = PocketFrameEncoder("fine")
    got = encoder.encode(frames[:1])
    assert (got.grid, got.tokens.shape) == ((24, 24), (1, 1, 576, 120))
    cats = load_vocabulary().evidence(encoder.class_probabilities(got.tokens[0]))
    assert cats[0, load_vocabulary().words.index("cat", 1000)] > 0.3  # 384 px is not the size it learned at
    with pytest.raises(ValueError, match="whole grid"):
        encoder.class_probabilities(got.tokens[0], pooled=False)


def test_bfloat16_recognises_what_float32_does(frames: list[Frame]) -> None:
    answers = [
        PocketFrameEncoder(precision=Precision(dtype, "as the test says")) for dtype in (torch.float32, torch.bfloat16)
    ]
    exact, rounded = (encoder.class_probabilities(encoder.encode(frames[:2]).tokens[0]) for encoder in answers)
    assert torch.equal(exact.argmax(-1), rounded.argmax(-1))
    assert float((exact - rounded).abs().max()) < 0.1


def test_the_choice_of_precision_gives_its_reason() -> None:
    chosen = choose_precision(torch.device("cpu"))
    assert str(chosen.dtype).removeprefix("torch.") in chosen.reason
    assert choose_precision(torch.device("meta")).dtype == torch.float32


def test_folding_equals_convolution_and_norm() -> None:
    stored = torch.load(weight_file(EFFICIENTNET_LITE2), weights_only=True)
    network = efficientnet_lite.load(weight_file(EFFICIENTNET_LITE2))
    x = torch.randn(1, 3, 65, 65, generator=torch.Generator().manual_seed(1))
    names = ("running_mean", "running_var", "weight", "bias")
    with torch.no_grad():
        plain = torch.nn.functional.conv2d(x, stored["_conv_stem.weight"], stride=2, padding=1)
        normed = torch.nn.functional.batch_norm(plain, *(stored[f"_bn0.{name}"] for name in names), eps=1e-3)
        torch.testing.assert_close(network.conv(x), torch.nn.functional.relu6(normed), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 0.0), (torch.float32, 1e-3)])
def test_fused_kernels_say_what_plain_ones_say(frames: list[Frame], dtype: torch.dtype, most: float) -> None:
    """In bfloat16, where every layer rounds, to the bit."""
    precision = Precision(dtype, "as the test says")
    kernels = [efficientnet_lite.Kernels(fused, "as the test says") for fused in (False, True)]
    plain, fused = (PocketFrameEncoder(precision=precision, kernels=choice).encode(frames).tokens for choice in kernels)
    assert float((plain - fused).abs().max()) <= most


def test_the_choice_of_kernels_gives_its_reason() -> None:
    assert efficientnet_lite.choose_kernels(torch.device("cpu")).fused
    elsewhere = efficientnet_lite.choose_kernels(torch.device("cuda"))
    assert (elsewhere.fused, elsewhere.reason.split()[0]) == (False, "plain:")


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path, change: str) -> None:
    stored = torch.load(weight_file(EFFICIENTNET_LITE2), weights_only=True)
    if change == "missing":
        del stored["_blocks.7._project_conv.weight"]
    elif change == "extra":
        stored["_se.weight"] = torch.zeros(1)
    else:
        stored["_fc.bias"] = torch.zeros(10)
    torch.save(stored, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"the checkpoint has no|without a place|does not fit"):
        efficientnet_lite.load(tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "out"), [(260, 3, 2, 130), (65, 5, 2, 33), (9, 3, 1, 9), (8, 5, 2, 4)]
)
def test_same_padding_keeps_tensorflows_sizes(size: int, kernel: int, stride: int, out: int) -> None:
    layer = efficientnet_lite.SameConv(1, 1, kernel, stride)
    with torch.no_grad():
        assert layer(torch.zeros(1, 1, size, size)).shape[-2:] == (out, out)
