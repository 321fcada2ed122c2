"""EfficientNet-Lite2 for inference, its batch norms folded into the convolutions.

The network of Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019, Table
1), in its Lite variant 2 (TensorFlow team, 2020): ReLU6 for Swish, no squeeze-and-excite, stem, head and the first and
last stage not deepened, width 1.1, depth 1.2. As published; the weights are TensorFlow's, so convolutions pad as
TensorFlow's ``SAME`` does. It cannot be trained, since its norms are folded and it has no dropout.

Three parts, so that tokens can be taken out between them: `stem` (to stride 16, 120 channels), `tail` (to stride 32,
352 channels) and `head` (channels to class logits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

CLASSES = 1000
SIZE_PX = 260
"""The square input Lite2 was trained on."""
_STEM_CHANNELS, _HEAD_CHANNELS = 32, 1280
_EPS = 1e-3  # TensorFlow's batch-norm epsilon
# repeats, kernel, stride of the first, expansion, output channels
_STAGES = (
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)
_TAIL_STAGE = 5  # the first stage of `tail`
STEM_DIM, TAIL_DIM = _STAGES[_TAIL_STAGE - 1][4], _STAGES[-1][4]


@dataclass(frozen=True, slots=True)
class Kernels:
    """How a convolution and the ReLU6 behind it are computed, and why; shown by `longwatch doctor`."""

    fused: bool
    reason: str


def choose_kernels(device: torch.device) -> Kernels:
    """Both in one pass over memory where oneDNN offers it: on the CPU twice as fast (measured), in bfloat16 the same
    to the bit. The operator is the one that torch's own compiler uses; torch has no public name for it."""
    if device.type != "cpu":
        return Kernels(False, f"plain: oneDNN does not run on {device.type}")
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return Kernels(False, "plain: this torch was built without oneDNN")
    return Kernels(True, "fused: oneDNN convolves and cuts off in one pass")


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's ``SAME`` padding: the odd pixel of an uneven pad goes right and below.

    Attributes:
        relu6: whether the result is cut off to 0 to 6.
        fused: see `Kernels`.
        wide: a depthwise kernel with a row and a column of zeros before it, for an uneven pad: convolving with it and
            an even pad says the same to the bit, without a padded copy of the picture.
    """

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, *, groups: int = 1, relu6: bool = False
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups)
        self.relu6, self.fused = relu6, False
        self.wide: torch.Tensor | None = None

    def use(self, kernels: Kernels) -> None:
        """Computes with these kernels from now on, with the weights as they are now."""
        self.fused = kernels.fused
        depthwise = self.groups > 1 and self.stride[0] > 1
        self.wide = functional.pad(self.weight, (1, 0, 1, 0)) if kernels.fused and depthwise else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (top, bottom), (left, right) = (_same(x.shape[axis], self.kernel_size[0], self.stride[0]) for axis in (-2, -1))
        weight, padding = self.weight, [top, left]
        if self.wide is not None and (bottom, right) == (top + 1, left + 1):
            weight, padding = self.wide, [bottom, right]
        elif (top, left) != (bottom, right):
            x, padding = functional.pad(x, (left, right, top, bottom)), [0, 0]
        if self.fused:
            after: tuple[str, list[float], str] = ("hardtanh", [0.0, 6.0], "") if self.relu6 else ("none", [], "")
            fused: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
                x, weight, self.bias, padding, self.stride, [1, 1], self.groups, *after
            )
            return fused
        y = functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)
        return functional.relu6(y) if self.relu6 else y


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return pad // 2, pad - pad // 2


class MBConvBlock(nn.Module):
    """Inverted residual: 1 x 1 expansion (except in the first stage), depthwise, linear 1 x 1 projection."""

    def __init__(self, channels: int, kernel: int, stride: int, expansion: int, out: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand = SameConv(channels, wide, 1, relu6=True) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide, relu6=True)
        self.project = SameConv(wide, out, 1)
        self.residual = stride == 1 and channels == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        out: torch.Tensor = x + y if self.residual else y
        return out


class Head(nn.Module):
    """Tokens [..., N, 352] -> class logits; the classifier of the network, applicable to stored tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Linear(TAIL_DIM, _HEAD_CHANNELS)  # the 1 x 1 head convolution
        self.classify = nn.Linear(_HEAD_CHANNELS, CLASSES)

    def forward(self, tokens: torch.Tensor, pooled: bool) -> torch.Tensor:
        """[..., N, 352] -> [..., 1000] with the mean over N before the classifier, or [..., N, 1000] without."""
        wide = functional.relu6(self.widen(tokens))
        logits: torch.Tensor = self.classify(wide.mean(-2) if pooled else wide)
        return logits


class EfficientNetLite2(nn.Module):
    """The whole network.

    Input of `stem`: [T, 3, H, W], RGB, (value - 127) / 128 as the Lite models were trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = SameConv(3, _STEM_CHANNELS, 3, 2, relu6=True)
        blocks: list[nn.Module] = []
        channels, split = _STEM_CHANNELS, 0
        for number, (repeats, kernel, stride, expansion, out) in enumerate(_STAGES):
            split = len(blocks) if number == _TAIL_STAGE else split
            for repeat in range(repeats):
                blocks.append(MBConvBlock(channels, kernel, stride if repeat == 0 else 1, expansion, out))
                channels = out
        self.early, self.late = nn.Sequential(*blocks[:split]), nn.Sequential(*blocks[split:])
        self.head = Head()

    def use(self, kernels: Kernels) -> None:
        """Computes with these kernels from now on."""
        for layer in self.modules():
            if isinstance(layer, SameConv):
                layer.use(kernels)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """[T, 3, H, W] -> [T, 120, H/16, W/16]."""
        y: torch.Tensor = self.early(self.conv(x))
        return y

    def tail(self, x: torch.Tensor) -> torch.Tensor:
        """[T, 120, h, w] -> [T, 352, h/2, w/2]."""
        y: torch.Tensor = self.late(x)
        return y


def load(path: Path) -> EfficientNetLite2:
    """The network with the weights of a checkpoint in the naming of EfficientNet-PyTorch, float32, in eval mode.

    Raises:
        ValueError: the checkpoint lacks a weight, has one of another shape, or has one the network has no place for.
    """
    stored: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    network = EfficientNetLite2().eval().requires_grad_(False)
    used = _fill(network, stored)
    left = [name for name in stored if name not in used and not name.endswith("num_batches_tracked")]
    if left:
        raise ValueError(f"weights without a place in EfficientNet-Lite2: {left[:3]}")
    return network


def _fill(network: EfficientNetLite2, stored: Mapping[str, torch.Tensor]) -> set[str]:
    used = _fold(network.conv, stored, "_conv_stem", "_bn0") | _fold(network.head.widen, stored, "_conv_head", "_bn1")
    for number, block in enumerate((*network.early, *network.late)):
        at = f"_blocks.{number}"
        if block.expand is not None:
            used |= _fold(block.expand, stored, f"{at}._expand_conv", f"{at}._bn0")
        used |= _fold(block.depthwise, stored, f"{at}._depthwise_conv", f"{at}._bn1")
        used |= _fold(block.project, stored, f"{at}._project_conv", f"{at}._bn2")
    _put(network.head.classify.weight, _weight(stored, "_fc.weight"))
    _put(network.head.classify.bias, _weight(stored, "_fc.bias"))
    return used | {"_fc.weight", "_fc.bias"}


def _fold(layer: nn.Conv2d | nn.Linear, stored: Mapping[str, torch.Tensor], conv: str, norm: str) -> set[str]:
    """Writes a bias-free convolution followed by a batch norm into one layer with a bias; returns the names used."""
    names = [f"{conv}.weight", *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))]
    kernel, gain, shift, mean, variance = (_weight(stored, name) for name in names)
    scale = gain / (variance + _EPS).sqrt()
    folded = kernel * scale.reshape(-1, 1, 1, 1)
    _put(layer.weight, folded.flatten(1) if isinstance(layer, nn.Linear) else folded)
    _put(layer.bias, shift - mean * scale)
    return set(names)


def _weight(stored: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    if name not in stored:
        raise ValueError(f"the checkpoint has no {name}")
    return stored[name]


def _put(parameter: torch.Tensor | None, value: torch.Tensor) -> None:
    if parameter is None or parameter.shape != value.shape:
        raise ValueError(f"a weight of shape {tuple(value.shape)} does not fit EfficientNet-Lite2")
    with torch.no_grad():
        parameter.copy_(value)
