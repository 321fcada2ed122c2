from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from encoders.published.streaming.selection import choose, similarity


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=12, unique=True), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_without_noise_the_best_are_chosen_in_order_of_time(values: list[int], count: int) -> None:
    chosen = choose(torch.tensor(values, dtype=torch.float32), count)
    best = sorted(sorted(range(len(values)), key=lambda i: -values[i])[:count])
    assert chosen.indices.tolist() == best
    assert chosen.gates.tolist() == [1.0] * len(best)


def test_the_gradient_raises_a_chosen_score_that_helps_and_lowers_the_others() -> None:
    scores = torch.tensor([0.9, 0.1, 0.5, 0.2], requires_grad=True)
    chosen = choose(scores, 2, temperature=0.5)
    (-chosen.gates[1]).backward()  # more of clip 2 would lower the loss
    assert chosen.indices.tolist() == [0, 2]
    assert scores.grad is not None
    assert scores.grad[2] < 0
    assert (scores.grad[[0, 1, 3]] > 0).all()


def test_gumbel_noise_draws_as_often_as_the_softmax_says() -> None:
    scores = torch.tensor([0.0, 0.1, 0.2])
    chance = torch.Generator().manual_seed(0)
    drawn = torch.zeros(3)
    for _ in range(3000):
        drawn[choose(scores, 1, temperature=0.1, noise=1.0, generator=chance).indices] += 1
    torch.testing.assert_close(drawn / 3000, (scores / 0.1).softmax(0), atol=0.03, rtol=0)


def test_the_same_seed_draws_the_same() -> None:
    scores = torch.zeros(20)
    first, second = (
        choose(scores, 4, noise=1.0, generator=torch.Generator().manual_seed(7)).indices.tolist() for _ in range(2)
    )
    assert first == second != [0, 1, 2, 3]


def test_similarity_is_a_cosine() -> None:
    got = similarity(torch.tensor([2.0, 0.0]), torch.tensor([[5.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    assert got.tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize(("scores", "count"), [(torch.zeros(0), 1), (torch.zeros(3), 0), (torch.zeros(2, 2), 1)])
def test_nothing_to_choose_from_is_refused(scores: torch.Tensor, count: int) -> None:
    with pytest.raises(ValueError, match="cannot choose"):
        choose(scores, count)
