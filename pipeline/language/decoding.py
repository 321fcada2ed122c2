"""Greedy decoding, one token after another, over a key-value cache with a budget.

A `GreedyDecoder` reads prompts into a cache and generates from a copy of it. There is no sampling and no batching. The
cache (`memory.kv.cache`) assigns positions and decides which slots are dropped. An answer never writes to what was read
before it: each works on a fork of the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from memory.kv.cache import PrunedCache

NewCache = Callable[[], PrunedCache]
"""Makes an empty cache for the model."""

Model = Callable[[Sequence[int], PrunedCache], torch.Tensor]
"""Reads tokens (at least one) into the cache; scores [1, vocabulary] of the token after them."""

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
    cache: PrunedCache

    def fork(self) -> Prefix:
        """The same content; what is written to one does not reach the other."""
        return Prefix(self.length, self.cache.fork())


class GreedyDecoder:
    """A causal language model and how its caches are made. Holds no state between calls."""

    def __init__(self, model: Model, new_cache: NewCache, stop_tokens: frozenset[int]) -> None:
        self._model = model
        self._new_cache = new_cache
        self._stop_tokens = stop_tokens

    def prefix(self, tokens: Sequence[int]) -> Prefix:
        """Reads the constant beginning of all prompts, which stays in the cache for ever."""
        so_far = Prefix(0, self._new_cache())
        so_far.cache.announce(len(tokens), protect="system")
        self.read(so_far, tokens)
        return so_far

    def read(self, so_far: Prefix, tokens: Sequence[int]) -> int:
        """Reads on (at least one token) into the cache itself; returns the token that would come next."""
        for begin in range(0, len(tokens), CHUNK):
            scores = self._model(tokens[begin : begin + CHUNK], so_far.cache)
        so_far.length += len(tokens)
        return int(scores[-1].argmax())

    def start(self, prefix: Prefix, tokens: Sequence[int]) -> Decoding:
        """Reads the rest of a prompt (at least one token) on a copy of what was read so far."""
        mine = prefix.fork()
        mine.cache.announce(len(tokens), protect="turn")
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
