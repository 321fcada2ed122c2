"""The pruned cache against slow, plain references: a full cache with everything else hidden, and plain caches."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from memory.errors import CacheMisuse
from memory.kv.attention import attach
from memory.kv.build import new_cache
from memory.kv.cache import feed
from memory.kv.layer import SlotLayer
from memory.kv.policies import default_policies
from memory.kv.policies.base import KVPolicy
from memory.kv.policies.participative import Participative
from tests.memory.kv.kv_oracle import Oracle, numbers, run, tiny, words
from tests.recipes.key_norm import KeyNorm

pytestmark = pytest.mark.usefixtures("one_thread")

POLICY = st.sampled_from(
    [
        *default_policies().names(),
        KeyNorm(),
        Participative(score="max", per_head=True),
        Participative(score="linear", sink=0.3, most_picks=1),
        Participative(window=8, sample=3, weigh_values=True, kernel=3, novel=0, passage=0),
        Participative(per_head=True, novel=0.5, passage=3),
    ]
)


# ---- equal to a full cache in which the rest is hidden ----


@settings(max_examples=25, deadline=None)
@given(
    family=st.sampled_from(["llama", "qwen2"]),
    policy=POLICY,
    layers=st.integers(1, 3),
    kv_heads=st.sampled_from([1, 2, 4]),
    batch=st.integers(1, 2),
    chunks=st.lists(st.integers(1, 17), min_size=3, max_size=8),
    positions=st.sampled_from(["kept", "contiguous"]),
    double=st.booleans(),
    whole=st.booleans(),
)
def test_it_is_a_full_cache_in_which_the_same_slots_are_hidden(
    family: str, policy: Any, layers: int, kv_heads: int, batch: int, chunks: list[int], positions: Any, double: bool,
    whole: bool,
) -> None:  # fmt: skip
    """With positions anew, the full cache is recomputed at the new ones."""
    dtype, most = (torch.float64, 1e-12) if double else (torch.float32, 1e-5)
    model = tiny(family, layers, kv_heads, dtype)
    oracle = Oracle.of(model)
    cache = new_cache(model, policy, slots=24, keep=15, positions=positions, whole_groups=whole)
    ids = words(sum(chunks), batch)
    done = 0
    for group, chunk in enumerate(chunks):
        cache.announce(chunk, group=group if group % 3 else None, protect="turn" if group % 5 == 4 else "no")
        part = ids[:, done : done + chunk]
        expected = oracle.read(part, cache)
        assert (run(model, cache, part) - expected).abs().max() <= most * max(1.0, float(expected.abs().max()))
        done += chunk
    assert cache.arrived == done
    if getattr(policy, "name", policy) != "full":
        assert cache.slots <= 24
        assert (cache.compactions > 0) == (done > 24)
        assert cache.get_seq_length() == (cache.slots if positions == "contiguous" else done)


@settings(max_examples=12, deadline=None)
@given(
    family=st.sampled_from(["qwen2.5-vl", "qwen3-vl"]),
    policy=st.sampled_from(["participative", "streaming_llm", "snapkv"]),
    pictures=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)), min_size=3, max_size=6),
    double=st.booleans(),
)
def test_pictures_in_three_dimensions(
    family: str, policy: str, pictures: list[tuple[int, int, int]], double: bool
) -> None:
    """Contiguous and interleaved sections; text between pictures; a picture may come in two chunks."""
    dtype, most = (torch.float64, 1e-12) if double else (torch.float32, 1e-5)
    model = tiny(family, 2, 2, dtype)
    oracle = Oracle.of(model)
    cache = new_cache(model, policy, slots=20, keep=14)
    for seed, shape in enumerate(pictures):
        grid = torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, 3).T
        cache.announce(grid.shape[1], offsets=grid, group=seed)
        cache.announce(4, group=seed)
        ids = words(grid.shape[1] + 4, seed=seed)
        halves = ids.split([grid.shape[1] // 2, ids.shape[1] - grid.shape[1] // 2], dim=1)
        for part in (half for half in halves if half.shape[1]):
            expected = oracle.read(part, cache)
            got = run(model, cache, part, position_ids=cache.position_ids(part.shape[1]))
            assert (got - expected).abs().max() <= most * max(1.0, float(expected.abs().max()))
    held = cache.held(1).positions
    text = cache.held(1).order[0, 0] >= cache.arrived - 4
    assert (held[:, 0, 0, text] == held[0, 0, 0, text]).all(), "a text token has one position on all axes"
    assert cache.get_seq_length() <= 20 * 4


def test_positions_of_text_are_those_of_the_slots() -> None:
    model = tiny("llama")
    cache = new_cache(model, "participative", slots=16, keep=12)
    feed(model, cache, words(100), chunk=7)
    for layer in range(2):
        assert cache.held(layer).positions[0, 0, 0].tolist() == list(range(cache.slots))
        assert cache.held(layer).order[0, 0, :4].tolist() == [0, 1, 2, 3]


# ---- equal to the plain cache ----


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen2.5-vl", "qwen3-vl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("policy", ["full", "participative"])
def test_without_a_limit_it_is_the_plain_cache_to_the_bit(family: str, dtype: torch.dtype, policy: str) -> None:
    model = tiny(family, dtype=dtype)
    ids = words(60, batch=2)
    plain, ours = DynamicCache(), new_cache(copy.deepcopy(model), policy, slots=None)
    pruned_model = copy.deepcopy(model)
    attach(pruned_model)
    for part in ids.split([25, 1, 1, 20, 13], dim=1):
        assert torch.equal(run(model, plain, part), run(pruned_model, ours, part))
    assert ours.slots == ours.arrived == ours.get_seq_length() == 60


def test_an_attached_model_is_unchanged_for_other_caches() -> None:
    model = tiny("llama")
    attached = copy.deepcopy(model)
    attach(attached)
    ids = words(40)
    for cache in (None, DynamicCache()):
        assert torch.equal(run(model, copy.deepcopy(cache), ids), run(attached, copy.deepcopy(cache), ids))


@pytest.mark.parametrize("policy", [*default_policies().names(), KeyNorm()], ids=str)
def test_a_chunk_does_not_see_its_own_future(policy: str | KVPolicy) -> None:
    model = tiny("llama")
    first, second = words(50), words(50)
    second[:, 45:] = (second[:, 45:] + 1) % 61
    caches = [new_cache(model, policy, slots=24, keep=18) for _ in range(2)]
    for cache, ids in zip(caches, (first, second), strict=True):
        feed(model, cache, ids[:, :40], chunk=8)
    outputs = [run(model, cache, ids[:, 40:]) for cache, ids in zip(caches, (first, second), strict=True)]
    assert torch.equal(outputs[0][:, :5], outputs[1][:, :5])
    assert not torch.equal(outputs[0][:, 5:], outputs[1][:, 5:])


def test_embeddings_are_read_like_their_ids() -> None:
    model = tiny("qwen2")
    ids = words(70, batch=2)
    by_id, by_embedding = (new_cache(model, "participative", slots=32) for _ in range(2))
    first = feed(model, by_id, ids, chunk=9)
    second = feed(model, by_embedding, model.get_input_embeddings()(ids).detach(), chunk=9)
    assert torch.equal(first.logits, second.logits)
    assert by_id.compactions == by_embedding.compactions > 0


# ---- forks ----


@settings(max_examples=15, deadline=None)
@given(before=st.integers(1, 40), question=st.integers(1, 40), after=st.integers(1, 12), policy=POLICY)
def test_a_fork_that_is_thrown_away_changes_nothing(before: int, question: int, after: int, policy: Any) -> None:
    model = tiny("llama")
    ids = words(before + after)
    caches = [new_cache(model, policy, slots=24, keep=18) for _ in range(2)]
    for cache in caches:
        feed(model, cache, ids[:, :before], chunk=11)
    fork = copy.deepcopy(caches[0]) if question % 2 else caches[0].fork()
    feed(model, fork, words(question, seed=9), chunk=7)
    fork.compact(8)
    outputs = [numbers(feed(model, cache, ids[:, before:], chunk=5)) for cache in caches]
    assert torch.equal(*outputs)
    assert torch.equal(caches[0].held(1).order, caches[1].held(1).order)
    assert fork.arrived == before + question


def test_a_fork_goes_on_as_the_cache_itself_would_while_that_one_goes_on() -> None:
    model = tiny("llama")
    cache = new_cache(model, "participative", slots=24)
    feed(model, cache, words(30), chunk=10)
    fork, again = cache.fork(), cache.fork()
    feed(model, cache, words(9, seed=4))  # in place, behind what the forks see
    outputs = [run(model, branch, words(12, seed=5)) for branch in (fork, again)]
    assert torch.equal(*outputs)
    assert cache.arrived == 39
    assert fork.arrived == 42


# ---- for ever ----


@pytest.mark.parametrize(
    ("dtype", "most", "times"),
    [
        (torch.float32, 1e-4, 1_000),
        pytest.param(torch.float32, 1e-4, 10_000, marks=pytest.mark.long),
        pytest.param(torch.bfloat16, 2**-7, 10_000, marks=pytest.mark.long),
    ],
)
def test_thousands_of_compactions_leave_keys_where_they_belong(dtype: torch.dtype, most: float, times: int) -> None:
    """Every slot that is left is the key that came in, turned once: bfloat16 has its own rounding and no more. Before
    each compaction a key comes in at position 11; a random one goes."""
    rotary = attach(tiny("llama", layers=1, kv_heads=1)).rotary
    layer, source = SlotLayer(rotary), torch.Generator().manual_seed(3)
    unturned = torch.randn(times + 11, 12, generator=source).to(dtype)
    places = torch.arange(times + 11).clamp_max(11)[None, None, None]
    turned = rotary.moved(unturned[None, None], torch.zeros_like(places), places)
    gone = torch.randint(2, 12, (times,), generator=source).tolist()
    layer.add(turned[:, :, :11], turned[:, :, :11], 12)
    tail = _rows(0, 10, 10)
    for step in range(times):
        order = 11 + step
        layer.add(turned[:, :, order : order + 1], turned[:, :, order : order + 1], 12)
        tail = torch.cat((tail, _rows(order, order, 11)), dim=1)
        metadata, tail = layer.all_metadata(tail), tail[:, :0]
        kept = torch.tensor([[[slot for slot in range(12) if slot != gone[step]]]])
        assert layer.keep(kept, metadata, 12, move=True) == 11
    held = layer.all_metadata(_rows(0, -1, 0))
    exact = unturned[held[0, 0, 0]].double()
    at = held[-1:]
    back = rotary.moved(layer.rows_k.view().double(), at, torch.zeros_like(at))[0, 0]
    assert ((back - exact).norm(dim=-1) / exact.norm(dim=-1)).max() < most
    assert at.flatten().tolist() == list(range(11))


def _rows(first: int, last: int, at: int) -> torch.Tensor:
    """What a cache knows of text tokens, of which the last has position `at`."""
    orders = torch.arange(first, last + 1)
    positions = orders - last + at
    none = torch.zeros_like(orders)
    return torch.stack((orders, orders, none - 1, none, none, none, none, positions, positions))


def test_memory_and_slots_stay_flat() -> None:
    model = tiny("llama")
    cache = new_cache(model, "participative", slots=32)
    held = []
    for seed in range(30):
        feed(model, cache, words(16, seed=seed), chunk=16)
        held.append((cache.slots <= 32, cache.bytes_held))
    assert all(within for within, _ in held)
    assert max(size for _, size in held[6:]) == max(size for _, size in held[3:9])


# ---- what stays ----


def test_what_is_protected_stays_and_the_rest_goes_with_its_cube() -> None:
    model = tiny("llama")
    cache = new_cache(model, "participative", slots=40, keep=30, whole_groups=True)
    cache.announce(6, protect="system")
    feed(model, cache, words(6))
    for cube in range(12):
        cache.announce(2, group=cube)  # its time stamp
        cache.announce(5, group=cube)
        feed(model, cache, words(7, seed=cube), chunk=3)
    cache.announce(8, protect="turn")
    feed(model, cache, words(8))
    held = cache.held(0)
    order, group = held.order[0, 0], held.group[0, 0]
    assert set(range(6)) <= set(order.tolist())
    assert held.evictable[0, 0].sum() == cache.slots - 14
    assert all(int((group == cube).sum()) == 7 for cube in cache.groups)
    assert torch.equal(order, cache.held(1).order[0, 0]), "the same cubes in all layers"
    feed(model, cache, words(60), chunk=10)
    assert set(range(90, 98)) <= set(cache.held(1).order[0, 0].tolist()), "the last turn is still there"


def test_turns_stay_within_their_share_the_latest_first() -> None:
    model = tiny("llama")
    cache = new_cache(model, "streaming_llm", slots=40, keep=30, protected=0.5)
    cache.announce(5, protect="system")
    for _ in range(6):
        cache.announce(5, protect="turn")
        cache.announce(5)
    feed(model, cache, words(65), chunk=5)
    order = set(cache.held(0).order[0, 0].tolist())
    assert set(range(5)) | set(range(45, 50)) | set(range(55, 60)) <= order
    assert not set(range(15, 20)) <= order
    with pytest.raises(CacheMisuse, match="protected 20"):
        cache.announce(16, protect="system")


def test_a_slot_chosen_too_often_makes_room() -> None:
    model = tiny("llama", layers=1)
    policy = Participative(sink=0.1, recent=0.3, score="linear", novel=0)
    ever, worn = (new_cache(model, variant, slots=24, keep=16) for variant in (policy, replace(policy, most_picks=2)))
    for cache in (ever, worn):
        feed(model, cache, words(200), chunk=8)
    assert worn.held(0).order[0, 0, 2:].min() > ever.held(0).order[0, 0, 2:].min()


def test_a_question_on_a_fork_keeps_what_it_asks_for() -> None:
    """The same stream compacted for two questions holds different slots; without a question both are one."""
    model = tiny("llama")
    cache = new_cache(model, Participative(sink=2, recent=4, window=6), slots=64)
    feed(model, cache, words(60))
    kept = []
    for seed in (7, 8):
        fork = cache.fork()
        fork.announce(6, protect="turn")
        feed(model, fork, words(6, seed=seed))
        fork.compact(16)
        kept.append(fork.held(1).order[0, 0].tolist())
    assert kept[0] != kept[1]
    assert cache.slots == 60


# ---- what is refused ----


def test_other_positions_are_refused() -> None:
    model = tiny("llama")
    cache = new_cache(model, "streaming_llm", slots=16, keep=12)
    feed(model, cache, words(30), chunk=6)
    with pytest.raises(CacheMisuse, match="positions belong to the cache"):
        run(model, cache, words(2), position_ids=torch.tensor([[30, 31]]))


def test_a_model_that_does_not_tell_is_refused() -> None:
    model, other = tiny("llama"), tiny("llama")
    cache = new_cache(model, "streaming_llm", slots=16)
    run(other, cache, words(3))
    with pytest.raises(CacheMisuse, match="attach"):
        run(other, cache, words(3))


def test_padding_training_beams_and_windows_are_refused() -> None:
    model = tiny("llama")
    cache = new_cache(model)
    mask = torch.ones(2, 8, dtype=torch.int64)
    assert run(model, cache, words(8, batch=2), attention_mask=mask).shape[:2] == (2, 8)
    mask[0, 0] = 0
    with pytest.raises(CacheMisuse, match="padding"):
        run(model, new_cache(model), words(8, batch=2), attention_mask=mask)
    with pytest.raises(CacheMisuse, match="inference_mode"):
        model(input_ids=words(3), past_key_values=new_cache(model))
    with pytest.raises(CacheMisuse, match="beams"):
        cache.reorder_cache(torch.tensor([0, 0]))
    with pytest.raises(CacheMisuse, match="fork"):
        cache.crop(-1)
    model.config.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(CacheMisuse, match="sliding_attention"):
        attach(model)


def test_transformers_own_generation_works_until_positions_would_be_wrong() -> None:
    model = tiny("llama")
    plain = model.generate(words(10), max_new_tokens=8, do_sample=False)
    cache = new_cache(model, "participative", slots=64)
    assert torch.equal(model.generate(words(10), max_new_tokens=8, do_sample=False, past_key_values=cache), plain)


@pytest.mark.gpu
def test_it_is_the_same_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = tiny("llama", dtype=torch.float64)
    here, there = (new_cache(model, "participative", slots=24) for _ in range(2))
    expected = numbers(feed(model, here, words(80), chunk=9))
    model.cuda()
    assert (numbers(feed(model, there, words(80).cuda(), chunk=9)).cpu() - expected).abs().max() < 1e-9
