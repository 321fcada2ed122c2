"""Which slots each cache policy keeps, on cases small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import UnknownName
from memory.kv.policies import default_policies, kv_policy
from memory.kv.policies.base import KVPolicy, LayerView, part
from memory.kv.policies.infinipot_v import InfiniPotV
from memory.kv.policies.participative import Participative, deep_forcing
from memory.kv.policies.scissorhands import Scissorhands
from memory.kv.policies.scores import SCORES, pooled
from memory.kv.policies.snapkv import SnapKV
from memory.kv.selection import PROTECTED, best, protected_within, standing, whole_groups
from tests.recipes.key_norm import KeyNorm


def view(keys: torch.Tensor, queries: torch.Tensor, **more: Any) -> LayerView:
    """One head: keys [T, d], queries [R, d] that came after all of them."""
    slots, room = len(keys), more.pop("room", 2)
    values = more.pop("values", torch.ones_like(keys))
    plain = LayerView(
        keys[None, None], values[None, None], queries[None, None, None], torch.arange(slots)[None, None],
        torch.arange(slots, slots + len(queries)), 1.0, 0, 0, room, 0, 1,
        torch.zeros(1, 1, slots),
    )  # fmt: skip
    return replace(plain, **more)


def planted(seed: int = 0) -> tuple[LayerView, list[int]]:
    """40 keys; half of the queries want keys 5 to 8 and half avoid them."""
    source = torch.Generator().manual_seed(seed)
    keys, wanted = torch.randn(40, 16, generator=source) * 0.3, torch.zeros(16)
    wanted[0] = 4.0
    keys[5:9] = wanted
    queries = torch.randn(8, 16, generator=source) * 0.3
    queries[:4, 0], queries[4:, 0] = 4.0, -4.5
    return view(keys, queries), [5, 6, 7, 8]


def test_the_linear_sum_loses_what_some_want_and_others_avoid() -> None:
    case, wanted = planted()
    kept = {name: set(score(case)[0, 0].topk(4).indices.tolist()) for name, score in SCORES.items()}
    assert kept["max"] == kept["softmax"] == set(wanted)
    assert not kept["linear"] & set(wanted)


def test_scores_are_their_formulas() -> None:
    source = torch.Generator().manual_seed(1)
    case = view(torch.randn(6, 4, generator=source), torch.randn(3, 4, generator=source), scaling=0.5)
    logits = case.queries[0, 0, 0] @ case.keys[0, 0].T * 0.5
    assert torch.allclose(SCORES["linear"](case)[0, 0], logits.sum(0), atol=1e-6)
    assert torch.allclose(SCORES["max"](case)[0, 0], logits.amax(0))
    assert torch.allclose(SCORES["softmax"](case)[0, 0], logits.softmax(-1).sum(0))


def test_a_query_has_no_say_about_what_came_after_it() -> None:
    case = replace(planted()[0], query_order=torch.tensor([0, 1, 2, 3, 4, 4, 4, 4]))
    assert SCORES["softmax"](case)[0, 0, 5:].abs().max() == 0


def test_pooling_keeps_neighbours() -> None:
    assert pooled(torch.tensor([[[0.0, 5.0, 0.0, 0.0, 1.0]]]), 3).tolist() == [[[5.0, 5.0, 5.0, 1.0, 1.0]]]


def test_a_sample_of_queries_is_evenly_spread_and_values_weigh() -> None:
    case, _ = planted()
    sampled = replace(case, queries=case.queries[:, :, :, [0, 4, 7]], query_order=case.query_order[[0, 4, 7]])
    whole = Participative(score="max").scores(sampled)
    assert torch.equal(Participative(score="max", sample=3).scores(case), whole)
    heavy = replace(case, values=torch.zeros_like(case.values).index_fill(2, torch.tensor([9]), 1.0))
    assert Participative(weigh_values=True, novel=0).scores(heavy)[0, 0].argmax() == 9


def test_a_part_of_the_room_goes_by_novelty() -> None:
    """Keys 5 to 8 are voted for; 20 to 22 are in a passage unlike the rest."""
    case, wanted = planted()
    novelty = torch.full((1, 1, 40), 0.1)
    novelty[..., 20:23] = torch.tensor([0.7, 0.9, 0.8])
    case = replace(case, novelty=novelty, room=4)
    kept = {share: Participative(novel=share).scores(case)[0, 0].topk(4).indices.tolist() for share in (0, 0.5, 1)}
    assert set(kept[0]) == set(wanted)
    assert set(kept[0.5][:2]) == {21, 22}
    assert set(kept[0.5][2:]) <= set(wanted)
    assert {20, 21, 22} < set(kept[1])
    with pytest.raises(ValueError, match="novelty"):
        Participative(novel=0.5, passage=8)


def test_the_published_numbers() -> None:
    assert deep_forcing().regions(3120) == (1950, 780)
    assert (deep_forcing().score, deep_forcing().most_picks, deep_forcing().per_head) == ("linear", 7, False)
    assert (deep_forcing().novel, deep_forcing().passage) == (0, 0)


def test_scissorhands_counts_verdicts() -> None:
    """A key with more than its share from one query beats one with a little less than it from all."""
    keys = torch.tensor([[3.0, 0.0], [0.9, 0.9], [0.0, 3.0], [0.0, 0.0], [0.0, 0.0]])
    queries = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    assert Scissorhands().scores(view(keys, queries))[0, 0].argsort(descending=True).tolist()[:2] == [0, 2]


def test_snapkv_votes_by_the_window_and_keeps_it() -> None:
    case, wanted = planted()
    assert SnapKV(kernel=1).scores(case)[0, 0].topk(4).indices.sort().values.tolist() == wanted
    assert SnapKV(window=64).regions(100) == (0, 50)


def test_infinipot_takes_the_new_then_the_strong() -> None:
    """Keys 0 to 3 are like the recent ones (8, 9), key 5 is unlike; value 2 is the longest."""
    keys = torch.zeros(10, 4)
    keys[:, 0] = 1.0
    keys[5] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    values = torch.ones(10, 4)
    values[2] *= 9
    case = view(keys, torch.zeros(0, 4), values=values, recent=2, room=2, layers=2, layer=1)
    assert InfiniPotV(alpha=0.5).scores(case)[0, 0, :8].topk(2).indices.tolist() == [5, 2]


@pytest.mark.parametrize("policy", [*map(kv_policy, default_policies().names()), KeyNorm()], ids=lambda it: it.name)
@pytest.mark.parametrize("keep", [1, 7, 100])
def test_every_policy_keeps_within_what_may_be_kept(policy: KVPolicy, keep: int) -> None:
    sink, recent = policy.regions(keep)
    assert 0 <= sink <= sink + recent <= keep
    case, _ = planted()
    case = replace(case, sink=sink, recent=min(recent, 40), room=max(keep - sink - recent, 0))
    assert policy.scores(case).shape == (1, 1, 40)


def test_every_policy_is_called_as_it_is_registered() -> None:
    assert [kv_policy(name).name for name in default_policies().names()] == list(default_policies().names())


def test_short_keys_stay() -> None:
    case = view(torch.tensor([[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]]), torch.zeros(0, 2))
    assert KeyNorm().scores(case).tolist() == [[[-5.0, -1.0, -2.0]]]


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="snapkv"):
        kv_policy("snapvk")
    with pytest.raises(ValueError, match="softmax"):
        Participative(score="cosine")
    assert part(0.25, 100) == 25
    assert part(4, 100) == 4
    assert part(400, 100) == 100


# ---- from scores to slots ----


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sets(st.integers(0, 29), max_size=4),
    st.integers(14, 20),
)
def test_the_best_are_those_of_a_plain_sort(
    scores: list[int], sink: int, recent: int, protected: set[int], keep: int
) -> None:
    slots = len(scores)
    keep = min(keep, slots)
    mask = torch.tensor([[[slot in protected for slot in range(slots)]]])
    kept = best(torch.tensor([[scores]]).float(), standing(mask, None, sink, recent), keep)[0, 0].tolist()

    def merit(slot: int) -> tuple[int, int, int]:
        forced = slot in protected or slot < sink or slot >= slots - recent
        return int(forced), 0 if forced else scores[slot], -slot

    forced = sum(merit(slot)[0] for slot in range(slots))
    if forced <= keep:
        assert kept == sorted(sorted(range(slots), key=merit, reverse=True)[:keep])
    else:
        assert kept == sorted(kept)
        assert len(set(kept)) == keep


def test_worn_slots_and_those_without_a_number_come_last() -> None:
    rank = standing(torch.zeros(1, 1, 5, dtype=torch.bool), torch.tensor([[[True, False, False, False, False]]]), 0, 0)
    scores = torch.tensor([[[9.0, 1.0, float("nan"), 0.0, 2.0]]])
    assert best(scores, rank, 3).tolist() == [[[1, 3, 4]]]
    assert best(scores, rank, 4).tolist() == [[[1, 2, 3, 4]]]


def test_protection_gives_way_by_level_then_by_age() -> None:
    levels = torch.tensor([[[2, 2, 1, 1, 0, 1]]])
    assert protected_within(levels, 9).tolist() == [[[True, True, True, True, False, True]]]
    assert protected_within(levels, 3).tolist() == [[[True, True, False, False, False, True]]]


def test_groups_stay_whole_or_go_whole() -> None:
    groups = torch.tensor([-1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1])
    scores = torch.tensor([0.0, 9, 0, 0, 0, 5, 5, 5, 5, 1, 1, 1, 0])
    rank = standing(torch.zeros(1, 1, 13, dtype=torch.bool), None, 1, 1)[0, 0]
    assert whole_groups(scores, rank, groups, 6).tolist() == [0, 1, 2, 3, 4, 12], "the best quarter of a group counts"
    assert whole_groups(scores, rank, groups, 9).tolist() == [0, 1, 2, 3, 4, 9, 10, 11, 12], "what fits comes instead"
    rank[6] = PROTECTED
    assert whole_groups(scores, rank, groups, 6).tolist() == [0, 5, 6, 7, 8, 12], "a group is as firm as its firmest"
