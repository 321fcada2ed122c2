"""Greedy decoding, one token after another, over a key-value cache that is somebody else's.

What it is: reading into a cache, and the loop; positions are the cache's business, so that one which drops or moves
slots can be put in the plain one's place (`new_cache`). What it is not: sampling, batching, or a prompt's wording.

What was read is never written to by an answer: each works on a fork of the cache (`memory.kv_cache`), or on a copy of
one that cannot fork.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

NewCache = Callable[[], Any]
"""Makes an empty cache that a `transformers` model can write to; `copy.deepcopy` of it must be independent."""

CHUNK = 128
"""Tokens that go through the model at once; a cache with a budget holds that many more for a moment."""


@dataclass(slots=True)
class Prefix:
    """What was read so far: answers begin from a copy of it.

    Attributes:
        length: number of tokens read.
        cache: holds what is left of them.
    """

    length: int
    cache: Any


class GreedyDecoder:
    """A causal language model of `transformers` and how its caches are made. Holds no state between calls."""

    def __init__(self, model: Any, new_cache: NewCache, stop_tokens: frozenset[int]) -> None:
        self._model = model
        self._new_cache = new_cache
        self._stop_tokens = stop_tokens

    def prefix(self, tokens: Sequence[int]) -> Prefix:
        """Reads the constant beginning of all prompts, which stays in the cache for ever."""
        so_far = Prefix(0, self._new_cache())
        announce(so_far.cache, len(tokens), protect="system")
        self.read(so_far, tokens)
        return so_far

    @torch.inference_mode()
    def read(self, so_far: Prefix, tokens: Sequence[int]) -> int:
        """Reads on (at least one token) into the cache itself; returns the token that would come next."""
        for begin in range(0, len(tokens), CHUNK):
            out = self._model(
                input_ids=torch.tensor([list(tokens[begin : begin + CHUNK])]),
                past_key_values=so_far.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        so_far.length += len(tokens)
        return int(out.logits[0, -1].argmax())

    def start(self, prefix: Prefix, tokens: Sequence[int]) -> Decoding:
        """Reads the rest of a prompt (at least one token) on a copy of what was read so far."""
        mine = fork(prefix)
        announce(mine.cache, len(tokens), protect="turn")
        return Decoding(mine, self.read(mine, tokens))

    def tokens(self, decoding: Decoding, max_tokens: int) -> Iterator[int]:
        """At most `max_tokens` tokens, up to and without the stop token. The last one is not written to the cache."""
        for count in range(1, max_tokens + 1):
            if decoding.next_token in self._stop_tokens:
                return
            yield decoding.next_token
            if count < max_tokens:
                decoding.next_token = self.read(decoding.so_far, [decoding.next_token])


@dataclass(slots=True)
class Decoding:
    """One generation under way.

    Attributes:
        so_far: this generation's own.
        next_token: chosen, not yet in the cache.
    """

    so_far: Prefix
    next_token: int


def fork(prefix: Prefix) -> Prefix:
    """The same content; what is written to one does not reach the other."""
    return Prefix(prefix.length, copy.deepcopy(prefix.cache))


def announce(
    cache: Any, count: int, *, group: int | None = None, protect: Literal["no", "turn", "system"] = "no"
) -> None:
    """Tells a cache with a budget what the next tokens are; a plain one need not know."""
    if hasattr(cache, "announce"):
        cache.announce(count, group=group, protect=protect)


def slots_of(cache: Any) -> int:
    """Slots the cache holds now."""
    slots = getattr(cache, "slots", None)
    return int(cache.get_seq_length() if slots is None else slots)


def compactions_of(cache: Any) -> int:
    """How often the cache dropped slots; a plain cache never does and does not count."""
    return int(getattr(cache, "compactions", 0))
