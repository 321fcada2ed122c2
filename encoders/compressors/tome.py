"""Token merging (ToMe): bipartite soft matching over a cube's tokens, in chunks so that space stays constant.

The matching is as published (arXiv 2210.09461, section 3; applied to video tokens by VideoChat-Flash,
`tome16_mlp_hd64.py`): tokens are split into even and odd ones, each even one is matched with its most similar odd one
by cosine, the best r pairs are merged by size-weighted mean, r at most half; repeated until few enough are left. Ours:
the whole token is the metric (no attention heads are at hand), and what a chunk left over goes into the next chunk.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from encoders.compressors.base import Group, GroupCompressor


class ToMe(GroupCompressor):
    """At most M tokens a cube by repeated pairwise merging; needs no training (4 steps a chunk as in
    VideoChat-Flash)."""

    def reduced(self, group: Group, count: int) -> Group:
        """Rounds of bipartite soft matching until at most `count` tokens are left."""
        while len(group) > count:
            group = _merge_once(group, min(len(group) - count, len(group) // 2))
        return group


def _merge_once(group: Group, pairs: int) -> Group:
    """Merges the `pairs` most similar (even, odd) pairs; the rest keep their order."""
    unit = F.normalize(group.tokens[0], dim=1)
    best, partner = (unit[::2] @ unit[1::2].T).max(dim=1)
    chosen = best.argsort(descending=True, stable=True)[:pairs]
    labels = torch.arange(len(group))
    labels[chosen * 2] = partner[chosen] * 2 + 1
    return group.merged(labels, len(group))
