"""A language model's key-value cache with a hard budget: its cost stays constant however long the stream is.

    attach(model)                     once; makes the model show its queries to its caches (memory/kv/attention.py)
    cache = new_cache(model, "participative", slots=1024)
    feed(model, cache, tokens)        ids or embeddings, chunk after chunk; the cache sets the position ids
    cache.slots, cache.compactions, cache.bytes_held, cache.held(layer), cache.groups
    cache.fork()                      a copy that reads the same slots; what it does leaves the original unchanged

After every forward pass that left more than `slots` (M) slots, the policy (`memory.kv.policies`) chooses `keep` (N) of
them in every layer. During the pass there are M and the chunk. The same number of slots stays in every layer; which
ones may differ, unless `whole_groups` asks for one choice everywhere.

Positions: `transformers` takes them from `get_seq_length`, so a caller that passes none is right. After a compaction
the sink has 0 ... S-1 and all else follows without gaps; `positions="kept"` leaves every slot where it was computed
(and positions grow for ever). Pictures in three-dimensional models are announced (`announce`) and their ids read
(`position_ids`). A caller that passes other ids is refused where they are visible to the cache.

Beam search, cropping, padded batches, sliding windows and training are not supported.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch

from memory.errors import CacheMisuse
from memory.kv.attention import Decoder
from memory.kv.compaction import Budget, Compaction, ObservedQueries
from memory.kv.layer import GROUP, LEVEL, ORDER, PLACES, Held, SlotLayer
from memory.kv.novelty import Novelty
from memory.kv.policies.base import KVPolicy
from memory.kv.positions import Arrivals
from memory.kv.selection import protected_within

Protection = Literal["no", "turn", "system"]
_LEVELS: dict[str, int] = {"no": 0, "turn": 1, "system": 2}


class PrunedCache:
    """See the module. Not for two threads at once; forks may run beside each other.

    Attributes:
        compactions: how often slots were dropped.
    """

    def __init__(self, decoder: Decoder, policy: KVPolicy, budget: Budget) -> None:
        self.layers = [SlotLayer(decoder.rotary) for _ in range(decoder.layers)]
        self.policy, self.budget = policy, budget
        self.compactions = 0
        self._decoder = decoder
        self._arrivals = Arrivals(decoder.rotary.axes)
        self._tail: list[torch.Tensor] = []  # rows of tokens since the last compaction
        self._last = torch.zeros(2 + decoder.rotary.axes, 0, dtype=torch.int64)  # order, shift then, positions
        self._shift = 0  # how far positions were moved down so far
        self._chunk = 0  # largest so far
        self._system = 0
        self._awaiting_queries = False
        self._scaling = 1.0
        self._novelty = Novelty(policy.passage)

    # ---- what a caller does ----

    def announce(
        self,
        count: int,
        *,
        offsets: torch.Tensor | None = None,
        group: int | None = None,
        protect: Protection = "no",
    ) -> None:
        """Says what the next `count` tokens are. Without it they are text, in no group, evictable.

        Args:
            offsets: int64 [axes, count], time, row and column within a picture or cube, from 0; None for text. Such
                tokens may come in several chunks; nothing is dropped before the last.
            group: the cube's number, at least 0: its slots go together where the budget says so.
            protect: ``system`` stays for ever and has to fit the protected share; ``turn`` stays as long as it fits.
        """
        if count < 1 or (group is not None and group < 0):
            raise ValueError("at least one token, in a group numbered from 0")
        if protect == "system":
            self._system += count
            if self.budget.slots is not None and self._system > self.budget.allowance:
                raise CacheMisuse(f"{self._system} slots for ever are more than the protected {self.budget.allowance}")
        self._arrivals.announce(count, offsets, -1 if group is None else group, _LEVELS[protect])

    def position_ids(self, count: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """Of the next `count` tokens: int64 [1, count], or [3, 1, count] for a three-dimensional model."""
        axes = self._arrivals.axes
        positions = self._arrivals.upcoming(count)[4 + axes :].to(device)
        return positions if axes == 1 else positions[:, None]

    def fork(self) -> PrunedCache:
        """The same content, for a question to be read and answered on: a copy at its first write, layer by layer."""
        twin = type(self)(self._decoder, self.policy, self.budget)
        twin.__dict__.update(self.__dict__)
        twin.layers = [layer.fork() for layer in self.layers]
        twin._arrivals, twin._tail = self._arrivals.fork(), list(self._tail)
        return twin

    def __deepcopy__(self, _memo: dict[int, Any]) -> PrunedCache:
        return self.fork()

    def compact(self, keep: int | None = None) -> None:
        """Drops down to `keep` slots (the budget's where None) now; nothing where there are no more than that."""
        target = self.budget.keep if keep is None else keep
        if self.slots > target:
            self._compact(target)

    @property
    def slots(self) -> int:
        """Slots held in every layer."""
        return int(self.layers[0].slots)

    @property
    def arrived(self) -> int:
        """Tokens that ever came in."""
        return self._arrivals.arrived

    @property
    def bytes_held(self) -> int:
        """Bytes of its tensors; keys and values that a fork shares count once, there where it came from."""
        return sum(layer.bytes_held for layer in self.layers) + self._novelty.bytes_held

    @property
    def groups(self) -> frozenset[int]:
        """Groups of which something is left in some layer."""
        if not self.slots:
            return frozenset()
        layers = self.layers[:1] if self.budget.whole_groups else self.layers
        groups = (set(layer.all_metadata(self._rows())[GROUP].flatten().tolist()) for layer in layers)
        return frozenset().union(*groups) - {-1}

    def held(self, layer: int) -> Held:
        """What one layer holds."""
        metadata, axes = self.layers[layer].all_metadata(self._rows()), self._arrivals.axes
        protected = protected_within(metadata[LEVEL], self.budget.allowance if self.budget.slots else self.slots)
        return Held(metadata[ORDER], metadata[GROUP], ~protected, metadata[PLACES + 2 * axes :])

    # ---- what a model does ----

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of a layer, [B, Hkv, q, d], come in; all of them go out."""
        if layer_idx == 0:
            self._begin(key_states)
        room = self._room(self.layers[layer_idx].slots + key_states.shape[2])
        keys, values = self.layers[layer_idx].add(key_states, value_states, room)
        keys.kv_observe_queries = partial(self.observe_queries, layer_idx)  # type: ignore[attr-defined]  # for `attention`
        return keys, values

    def observe_queries(
        self, layer: int, queries: torch.Tensor, scaling: float, position_ids: torch.Tensor | None
    ) -> None:
        """The queries [B, Hq, q, d] that looked at what `update` gave out, and the factor of their attention."""
        if layer == 0 and position_ids is not None:
            self._check(position_ids)
        if self.policy.window:
            self.layers[layer].observe_queries(queries, self.policy.window)
        if layer == len(self.layers) - 1:
            self._scaling = scaling
            self._awaiting_queries = False
            if self.budget.slots is not None and self.slots > self.budget.slots and not self._arrivals.inside_unit:
                self._compact(self.budget.keep)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """The next token's position, from which models take their position ids."""
        return self._arrivals.next_position

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """The next token's slot, from which masks are made."""
        return int(self.layers[layer_idx].slots)

    # ---- inside ----

    def _room(self, need: int) -> int:
        """Slots to take memory for: twice the need, up to the budget and one chunk."""
        return 2 * need if self.budget.slots is None else max(need, min(2 * need, self.budget.slots + self._chunk))

    def _begin(self, keys: torch.Tensor) -> None:
        if self._awaiting_queries:
            raise CacheMisuse("the model did not tell its queries: make it ready with memory.kv.attention.attach")
        if keys.requires_grad:
            raise CacheMisuse("a pruned cache is written to in place: run the model under torch.inference_mode()")
        count, axes = keys.shape[2], self._arrivals.axes
        self._chunk = max(self._chunk, count)
        rows = self._arrivals.take(count)
        none = torch.zeros(1, count, dtype=torch.int64)
        self._tail.append(torch.cat((rows[:4], none, none, rows[4:], rows[4 + axes :])))
        if self.policy.window:
            fresh = torch.cat((rows[:1], none + self._shift, rows[4 + axes :]))
            self._last = torch.cat((self._last, fresh), dim=1)[:, -self.policy.window :]
        self._awaiting_queries = True

    def _check(self, position_ids: torch.Tensor) -> None:
        ours = self._tail[-1][PLACES + 2 * self._arrivals.axes]
        if position_ids.ndim == 2 and [int(position_ids[0, i]) for i in (0, -1)] != [int(ours[i]) for i in (0, -1)]:
            raise CacheMisuse("positions belong to the cache: pass none, or those of position_ids()")

    def _rows(self) -> torch.Tensor:
        none = torch.zeros(PLACES + 3 * self._arrivals.axes, 0, dtype=torch.int64)
        self._tail = [torch.cat(self._tail, dim=1)] if self._tail else [none]
        return self._tail[0]

    def _news(self) -> torch.Tensor | None:
        """The novelty of what came since the last compaction, where the policy asks for it (`Compaction.news`)."""
        fresh = self._rows().shape[1]
        if not self.policy.passage or not fresh:
            return None
        self._novelty, news = self._novelty.noted([layer.rows_v.view()[:, :, -fresh:] for layer in self.layers])
        return news

    def _compact(self, keep: int) -> None:
        if self._arrivals.inside_unit:
            raise CacheMisuse("a picture is only half read; compact before or after it")
        now = self._last[2:] + self._last[1] - self._shift
        observed = ObservedQueries(self._last[0], self._last[2:], now, self._scaling)
        before = self._arrivals.next_position
        plan = Compaction(self.policy, self.budget, keep, self._room(keep), self._rows(), observed, self._news())
        free = plan.run(self.layers)
        self._tail, self.compactions = [], self.compactions + 1
        if self.budget.positions == "contiguous":
            self._arrivals.next_position = free
            self._shift += before - free


@torch.inference_mode()
def feed(model: Any, cache: Any, tokens: torch.Tensor, chunk: int = 128, **forward: Any) -> Any:
    """Reads tokens into a cache, chunk by chunk, and returns what the model gave for the last chunk.

    Args:
        cache: one of ours, or any of `transformers`.
        tokens: int64 [B, n] ids or float [B, n, D] embeddings, n at least 1.
        forward: further arguments of the model's call, for example ``logits_to_keep=1``.
    """
    if tokens.shape[1] < 1 or chunk < 1:
        raise ValueError("at least one token, and chunks of at least one")
    name = "inputs_embeds" if tokens.is_floating_point() else "input_ids"
    out = None
    for start in range(0, tokens.shape[1], chunk):
        part = tokens[:, start : start + chunk]
        if isinstance(cache, PrunedCache):
            forward["position_ids"] = cache.position_ids(part.shape[1], part.device)
        out = model(**{name: part}, past_key_values=cache, use_cache=True, **forward)
    return out
