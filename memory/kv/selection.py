"""From scores to the slots that stay: regions, protection, and whole groups. Pure functions.

Order of precedence: protected slots, the sink, the recent ones (latest first), then the best scores; slots that were
chosen too often come last. Ties go to the earlier slot. Scores that are not numbers count as the lowest.
"""

from __future__ import annotations

from collections import defaultdict

import torch

PROTECTED, SINK, RECENT, CANDIDATE, WORN = 4, 3, 2, 1, 0


def standing(protected: torch.Tensor, worn: torch.Tensor | None, sink: int, recent: int) -> torch.Tensor:
    """How firmly each slot stays, int64 [B, H, T], from bool [B, H, T]: which are protected, which were chosen too
    often."""
    slots = protected.shape[-1]
    rank = torch.full_like(protected, CANDIDATE, dtype=torch.int64)
    if worn is not None:
        rank[worn] = WORN
    rank[..., max(slots - recent, 0) :] = RECENT
    rank[..., :sink] = SINK
    rank[protected] = PROTECTED
    return rank


def best(scores: torch.Tensor, rank: torch.Tensor, keep: int) -> torch.Tensor:
    """Indices of the `keep` slots that stay, ascending, int64 [B, H, keep].

    Args:
        scores: float [B, H, T].
        rank: int64 [B, H, T] of `standing`.
    """
    slots = scores.shape[-1]
    clean = torch.nan_to_num(scores.float(), nan=float("-inf"), neginf=float("-inf"))
    ascending = slots - 1 - clean.flip(-1).argsort(dim=-1, stable=True)  # the earlier of two equal ones is the higher
    places = torch.empty_like(ascending).scatter_(-1, ascending, _count(ascending))
    places = torch.where(rank == RECENT, _count(places), places)
    kept = (rank * slots + places).topk(keep, dim=-1, sorted=False).indices
    return kept.sort(-1).values


def _count(like: torch.Tensor) -> torch.Tensor:
    return torch.arange(like.shape[-1], device=like.device).expand_as(like)


def protected_within(levels: torch.Tensor, allowance: int) -> torch.Tensor:
    """Which protected slots stay so: all, or where there are more than `allowance`, the higher levels and of one level
    the latest. int64 [B, H, T] levels (0: not protected) -> bool [B, H, T]."""
    wanted = levels > 0
    if levels.shape[-1] <= allowance or int(wanted.sum(-1).max()) <= allowance:
        return wanted
    firm = (levels * levels.shape[-1] + _count(levels)).topk(allowance, dim=-1).indices
    return torch.zeros_like(wanted).scatter_(-1, firm, True) & wanted


def whole_groups(scores: torch.Tensor, rank: torch.Tensor, groups: torch.Tensor, keep: int) -> torch.Tensor:
    """Indices of slots that stay where a group stays whole or goes whole, ascending, int64 [at most keep].

    A group's score is the mean over the best quarter of its slots. Groups that touch a firmer region belong to it. What
    does not fit any more is passed over for what does.

    Args:
        scores: float [T], over all layers and heads.
        rank: int64 [T] of `standing`.
        groups: int64 [T]; -1: the slot stands for itself.
    """
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for slot, group in enumerate(groups.tolist()):
        members[(group, -1) if group >= 0 else (-1, slot)].append(slot)
    values = torch.nan_to_num(scores.float(), nan=float("-inf"), neginf=float("-inf")).tolist()
    firm = rank.tolist()

    def merit(slots: list[int]) -> tuple[int, float]:
        region = max(firm[slot] for slot in slots)
        if region >= RECENT:
            return region, float(slots[-1])
        top = sorted((values[slot] for slot in slots), reverse=True)[: -(-len(slots) // 4)]
        return region, sum(top) / len(top)

    kept: list[int] = []
    for slots in sorted(members.values(), key=merit, reverse=True):
        if len(kept) + len(slots) <= keep:
            kept += slots
    return torch.tensor(sorted(kept), dtype=torch.int64, device=scores.device)
