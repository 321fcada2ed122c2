"""Measures one row of NVIDIA's kvpress in the cache benchmark; runs in kvpress's own environment (transformers 5.2).

    python -m tests.bench.kv.press_worker '{"press": "snapkv", "positions": "contiguous", "slots": 512, ...}'

A press works as published, under `DecodingPress(interval 1, target N)`: after every chunk N slots are left. With
``kept`` positions every key stays where it was computed and queries go on counting. With ``contiguous`` ones kvpress's
`KeyRerotationPress` moves keys to 0 ... N-1 and queries follow. `DecodingPress` takes no such wrapper, so `Rerotated`
stands between the two. The last line of the output is the row that `reading.measure` returns, as JSON.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from kvpress import (  # type: ignore[import-not-found]  # in its own environment
    DecodingPress,
    ExpectedAttentionPress,
    KeyDiffPress,
    KeyRerotationPress,
    KnormPress,
    ScorerPress,
    SnapKVPress,
    StreamingLLMPress,
    TOVAPress,
)
from transformers import DynamicCache

from tests.bench.kv.model import load_model
from tests.bench.kv.reading import measure
from tests.bench.kv.streams import Streams

PRESSES: dict[str, Callable[[], Any]] = {
    "snapkv": SnapKVPress,
    "tova": TOVAPress,
    "knorm": KnormPress,
    "streaming_llm": StreamingLLMPress,
    "expected_attention": ExpectedAttentionPress,
    "keydiff": KeyDiffPress,
}
"""Each with its own defaults."""

_ALL = 1 << 40


class Rerotated(ScorerPress):  # type: ignore[misc]  # the base is not typed
    """A press whose keys are re-rotated by kvpress's own wrapper."""

    def __init__(self, press: Any) -> None:
        self.press, self.moving = press, KeyRerotationPress(press)
        super().__init__()

    def post_init_from_model(self, model: Any) -> None:
        """Passed on."""
        self.press.post_init_from_model(model)

    def compress(self, *arguments: Any) -> Any:
        """As `KeyRerotationPress` does it."""
        self.press.compression_ratio = self.compression_ratio
        return self.moving.compress(*arguments)


@dataclass(slots=True)
class PressReader:
    """A `reading.CacheReader`; the press hangs on the model and leaves `target` slots."""

    model: Any
    cache: Any
    press: Any
    target: int
    contiguous: bool
    tokens_read: int = 0

    def read(self, ids: torch.Tensor, logits: int) -> torch.Tensor:
        """See `CacheReader`."""
        first = self.slots if self.contiguous else self.tokens_read
        at = torch.arange(first, first + ids.shape[1])[None]
        self.press.target_size = self.target
        out = self.model(
            input_ids=ids, past_key_values=self.cache, use_cache=True, position_ids=at, logits_to_keep=logits
        )
        self.tokens_read += ids.shape[1]
        result: torch.Tensor = out.logits
        return result

    def fork(self) -> PressReader:
        """See `CacheReader`; a cache of `transformers` never writes into its tensors."""
        twin = copy.copy(self.cache)
        twin.layers = [copy.copy(layer) for layer in self.cache.layers]
        return PressReader(self.model, twin, self.press, _ALL, self.contiguous, self.tokens_read)

    @property
    def slots(self) -> int:
        """See `CacheReader`."""
        return int(self.cache.layers[0].keys.shape[2]) if self.tokens_read else 0

    @property
    def bytes_held(self) -> int:
        """See `CacheReader`."""
        return sum(int(layer.keys.nbytes + layer.values.nbytes) for layer in self.cache.layers)


def row(request: dict[str, Any]) -> dict[str, Any]:
    """Reads the streams under one press; `request` has ``press``, ``positions``, ``slots``, ``streams``, ``model``,
    ``dtype``."""
    torch.set_num_threads(1)
    model = load_model(Path(request["model"]), getattr(torch, request["dtype"]))
    contiguous = request["positions"] == "contiguous"
    base = PRESSES[request["press"]]()
    press = DecodingPress(Rerotated(base) if contiguous else base, compression_interval=1, target_size=request["slots"])
    streams = Streams.of(Path(request["streams"]).read_text())
    with press(model):
        return measure(PressReader(model, DynamicCache(), press, request["slots"], contiguous), streams)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(row(json.loads(sys.argv[1]))) + "\n")
