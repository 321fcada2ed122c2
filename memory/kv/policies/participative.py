"""Deep sink and participative compression: Deep Forcing (arXiv 2512.05081) for a language model's cache.

Followed: three regions, sink | candidates | recent; candidates are scored by the recent queries and the best stay, in
order; one set a layer, shared by all heads, as in the released code (heads are summed); a cap on how often a slot is
chosen. `deep_forcing` has the paper's own numbers: S : C : R = 10 : 2 : 4 of N = 16, raw sums (Eq. 7), cap 7.

Not followed: the paper's setting is the generation of video, in which a chunk is denoised several times and compression
runs at the first step of it; here it runs after a chunk. Queries are the last `window` ones rather than those of R
frames. The sink is not rotated towards the tail: the tail's positions move to the sink, which is the same geometry and
keeps the sink untouched. The rotation of the chosen ones, which the released code never runs, is part of that.

`participative` is adapted to questions about text: a small sink, softmax votes of the last 64 queries, and a part of
the candidates' room for passages unlike the rest of the stream (`memory.kv.novelty`), for which no later query votes
until somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from memory.kv.policies.base import KVPolicy, LayerView, part
from memory.kv.policies.scores import SCORES, pooled, value_norm


@dataclass(frozen=True, slots=True)
class Participative(KVPolicy):
    """The policy and its knobs.

    Attributes:
        sink, recent: slots (recent ones at most a quarter of what is kept), or below 1 a share of what is kept.
        score: ``linear``, ``max`` or ``softmax``.
        window: queries that vote: the last ones.
        sample: of these, how many, evenly spaced; 0 for all.
        weigh_values: scores are multiplied by the length of the value.
        kernel: neighbourhood over which scores are pooled (odd; 1: none).
        per_head: a set for each key-value head.
        most_picks: the reuse cap.
        novel: share of the candidates' room that goes by novelty, not by votes.
        passage: tokens in a passage (odd).
    """

    name: str = "participative"
    sink: float = 4
    recent: float = 64
    score: str = "softmax"
    window: int = 64
    sample: int = 0
    weigh_values: bool = False
    kernel: int = 5
    per_head: bool = False
    most_picks: int | None = None
    novel: float = 0.5
    passage: int = 17

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"no score {self.score!r}; there are {', '.join(sorted(SCORES))}")
        if self.window < 1 or self.sample < 0 or self.kernel % 2 == 0:
            raise ValueError("a window of at least one query, a sample of at least 0 and an odd kernel are needed")
        if not 0 <= self.novel <= 1 or (self.novel and self.passage % 2 == 0):
            raise ValueError("novelty has a share of the room, over an odd number of tokens")

    def regions(self, keep: int) -> tuple[int, int]:
        """See `KVPolicy.regions`."""
        sink = part(self.sink, keep)
        recent = part(self.recent, keep)
        return sink, min(recent if self.recent < 1 else min(recent, keep // 4), keep - sink)

    def scores(self, view: LayerView) -> torch.Tensor:
        """See `KVPolicy.scores`."""
        if 0 < self.sample < view.queries.shape[3]:
            chosen = (
                torch.linspace(0, view.queries.shape[3] - 1, self.sample, device=view.queries.device).round().long()
            )
            view = replace(view, queries=view.queries[:, :, :, chosen], query_order=view.query_order[chosen])
        scores = pooled(SCORES[self.score](view), self.kernel)
        if self.weigh_values:
            scores = scores * value_norm(view)
        scores = scores if self.per_head else scores.sum(1, keepdim=True)
        return novel_first(scores, view, self.novel) if self.novel else scores


def novel_first(scores: torch.Tensor, view: LayerView, share: float) -> torch.Tensor:
    """Scores [B, H, T] brought below 1, and 2 more for as many candidates as `share` of the room holds: the newest in
    kind."""
    ends = slice(view.sink, scores.shape[-1] - view.recent)
    novelty = view.novelty.expand_as(scores)[..., ends]
    chosen = novelty.topk(min(round(share * view.room), novelty.shape[-1]), dim=-1).indices + view.sink
    low, high = scores.amin(-1, keepdim=True), scores.amax(-1, keepdim=True)
    below_one = (scores - low) / (high - low).clamp_min(1e-12) * 0.999
    return below_one.scatter_add(-1, chosen, torch.full_like(chosen, 2, dtype=scores.dtype))


def deep_forcing() -> Participative:
    """The published numbers (sections 4.3 and appendix; the reuse cap from the released code)."""
    return Participative(
        "deep_forcing", sink=10 / 16, recent=4 / 16, score="linear", kernel=1, most_picks=7, novel=0, passage=0
    )
