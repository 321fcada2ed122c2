"""Greedy decoding, one token after another, over a key-value cache that is somebody else's.

What it is: prefill once, then the loop; positions are explicit, so that a cache which drops or moves slots can be put
in the plain one's place (`new_cache`). What it is not: sampling, batching, or a prompt's wording.

A constant beginning of every prompt is prefilled once and its cache copied for each call (`Prefix`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

NewCache = Callable[[], Any]
"""Makes an empty cache that a `transformers` model can write to; `copy.deepcopy` of it must be independent."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Tokens every prompt begins with, and the cache that holds them. Copied, never written to.

    Attributes:
        length: number of tokens.
        cache: holds exactly these tokens.
    """

    length: int
    cache: Any


class GreedyDecoder:
    """A causal language model of `transformers` and how its caches are made. Holds no state between calls."""

    def __init__(self, model: Any, new_cache: NewCache, stop_tokens: frozenset[int]) -> None:
        self._model = model
        self._new_cache = new_cache
        self._stop_tokens = stop_tokens

    @torch.inference_mode()
    def prefix(self, tokens: Sequence[int]) -> Prefix:
        """Prefills the constant beginning of all prompts."""
        cache = self._new_cache()
        self._forward(tokens, 0, cache)
        return Prefix(len(tokens), cache)

    @torch.inference_mode()
    def start(self, prefix: Prefix, tokens: Sequence[int]) -> Decoding:
        """Prefills the rest of a prompt (at least one token) on a copy of the prefix's cache."""
        cache = copy.deepcopy(prefix.cache)
        first = self._forward(tokens, prefix.length, cache)
        return Decoding(cache=cache, position=prefix.length + len(tokens), next_token=first)

    @torch.inference_mode()
    def _step(self, decoding: Decoding) -> None:
        decoding.next_token = self._forward([decoding.next_token], decoding.position, decoding.cache)
        decoding.position += 1

    def tokens(self, decoding: Decoding, max_tokens: int) -> Iterator[int]:
        """At most `max_tokens` tokens, up to and without the stop token. The last one is not written to the cache."""
        for count in range(1, max_tokens + 1):
            if decoding.next_token in self._stop_tokens:
                return
            yield decoding.next_token
            if count < max_tokens:
                self._step(decoding)

    def _forward(self, tokens: Sequence[int], position: int, cache: Any) -> int:
        positions = torch.arange(position, position + len(tokens))[None]
        out = self._model(
            input_ids=torch.tensor([list(tokens)]),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return int(out.logits[0, -1].argmax())


@dataclass(slots=True)
class Decoding:
    """One generation under way.

    Attributes:
        cache: this generation's own.
        position: tokens seen so far; the next one's position.
        next_token: chosen, not yet in the cache.
    """

    cache: Any
    position: int
    next_token: int


def slots_of(cache: Any) -> int:
    """Slots the cache holds now."""
    return int(cache.get_seq_length())


def compactions_of(cache: Any) -> int:
    """How often the cache dropped slots; a plain cache never does and does not count."""
    return int(getattr(cache, "compactions", 0))
