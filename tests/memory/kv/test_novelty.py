"""Novelty against the plain formula, and that a cache keeps what is new."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.kv.build import new_cache
from memory.kv.cache import feed
from memory.kv.novelty import SCALE, Novelty
from memory.kv.policies.participative import Participative
from tests.memory.kv.kv_oracle import tiny, words


def random_values(tokens: int, seed: int = 0) -> torch.Tensor:
    """[layers, B, Hkv, n, d]"""
    return torch.randn(3, 2, 2, tokens, 5, generator=torch.Generator().manual_seed(seed))


def plainly(values: torch.Tensor, chunks: list[int], width: int) -> torch.Tensor:
    """[B, n], a loop for a loop."""
    layers, batch, heads, tokens, _ = values.shape
    distances = torch.zeros(batch, tokens)
    unit = values / values.norm(dim=-1, keepdim=True)
    done = 0
    for chunk in chunks:
        end = done + chunk
        for b in range(batch):
            for t in range(done, end):
                parts = []
                for layer in range(layers):
                    for h in range(heads):
                        mean = unit[layer, b, h, 4:end].sum(0)
                        parts.append(1 - float(unit[layer, b, h, t] @ (mean / mean.norm().clamp_min(1e-12))))
                distances[b, t] = sum(parts) / len(parts)
        done = end
    half = width // 2
    means = [distances[:, max(t - half, 0) : t + half + 1].mean(1) for t in range(tokens)]
    return torch.stack([torch.stack(means[max(t - half, 0) : t + half + 1]).amax(0) for t in range(tokens)], dim=1)


@settings(max_examples=20, deadline=None)
@given(chunks=st.lists(st.integers(1, 9), min_size=1, max_size=6), width=st.sampled_from([1, 3, 7]))
def test_it_is_the_formula_whatever_the_chunks(chunks: list[int], width: int) -> None:
    """A token's number is final once all passages that it is in are there."""
    values, novelty = random_values(sum(chunks)), Novelty(width)
    measured = torch.zeros(2, sum(chunks))
    done = 0
    for chunk in chunks:
        novelty, news = novelty.noted(list(values[:, :, :, done : done + chunk]))
        done += chunk
        assert news.shape[1] == min(chunk + width - 1, done)
        measured[:, done - news.shape[1] : done] = news / SCALE
    assert torch.allclose(measured, plainly(values, chunks, width), atol=1e-5)
    assert novelty.arrived == done


def test_what_is_remembered_does_not_grow() -> None:
    novelty = Novelty(5)
    sizes = []
    for seed in range(6):
        novelty, _ = novelty.noted(list(random_values(8, seed)))
        sizes.append(novelty.bytes_held)
    assert len(set(sizes)) == 1


def test_a_passage_unlike_the_rest_stays_and_a_fork_has_its_own_memory() -> None:
    """A stream of a few words over and over, and once ten others."""
    model = tiny("llama", layers=3)
    stream = words(400) % 5
    stream[:, 100:110] = torch.arange(30, 40)
    policy = Participative(sink=2, recent=8, window=4, novel=0.8, passage=5)
    cache = new_cache(model, policy, slots=32, keep=32)
    feed(model, cache, stream[:, :200], chunk=16)
    fork = cache.fork()
    feed(model, fork, words(100, seed=8), chunk=16)
    feed(model, cache, stream[:, 200:], chunk=16)
    for layer in range(3):
        assert set(range(101, 109)) <= set(cache.held(layer).order[0, 0].tolist())
    voting = new_cache(model, Participative(sink=2, recent=8, window=4, kernel=1, novel=0), slots=32, keep=32)
    feed(model, voting, stream, chunk=16)
    assert not set(range(101, 109)) <= set(voting.held(1).order[0, 0].tolist())


def test_a_hand_made_case() -> None:
    values = torch.zeros(1, 1, 1, 20, 2)
    values[..., 0] = 1.0
    values[..., 12, :] = torch.tensor([0.0, 3.0])
    _, news = Novelty(1).noted(list(values))
    mean = torch.tensor([15.0, 1.0]) / torch.tensor([15.0, 1.0]).norm()
    assert (news[0, 12] / SCALE).item() == pytest.approx(1 - float(mean[1]), abs=1e-6)
    assert (news[0, 5] / SCALE).item() == pytest.approx(1 - float(mean[0]), abs=1e-6)
