from __future__ import annotations

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from memory.records import TokenType
from memory.store.packing import LARGEST, LARGEST_BFLOAT16, pack_tokens, unpack_tokens

floats = st.floats(-8.0e6, 8.0e6, width=32)
tokens = hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=5), elements=floats)


@given(tokens)
@settings(deadline=None, max_examples=50)
def test_the_stated_error_bound_holds(exact: np.ndarray) -> None:
    packed = pack_tokens(exact)
    error = np.abs(unpack_tokens(packed).astype(np.float64) - exact)
    bound = np.abs(exact).max(axis=2, initial=0.0, keepdims=True).astype(np.float64) / 253 + 3e-8
    assert (error <= bound).all()


@given(tokens)
@settings(deadline=None, max_examples=50)
def test_shapes_and_types_are_the_stated_ones(exact: np.ndarray) -> None:
    packed = pack_tokens(exact)
    assert (packed.values.dtype, packed.values.shape) == (np.int8, exact.shape)
    assert (packed.scales.dtype, packed.scales.shape) == (np.float16, exact.shape[:2])
    assert (packed.values >= -127).all()


def test_the_bound_is_not_generous() -> None:
    exact = np.random.default_rng(0).normal(size=(1, 100, 352)).astype(np.float32)
    error = np.abs(unpack_tokens(pack_tokens(exact)) - exact).max(axis=2)
    assert (error > np.abs(exact).max(axis=2) / 260).mean() > 0.5


@pytest.mark.parametrize("peak", [0.0, 1e-30, 1e-7, 1e-3, 1.0, 8.0e6])
def test_a_token_of_one_value_comes_back_nearly_whole(peak: float) -> None:
    exact = np.full((1, 1, 3), peak, np.float32)
    assert unpack_tokens(pack_tokens(exact)) == pytest.approx(exact, rel=1 / 253, abs=3e-8)


anything = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=5),
    elements=st.floats(-(2.0**127), 2.0**127, width=32),
)


@given(anything)
@settings(deadline=None, max_examples=50)
def test_the_stated_error_bound_of_bfloat16_holds(exact: np.ndarray) -> None:
    packed = pack_tokens(exact, "bfloat16")
    assert (packed.values.dtype, packed.values.shape, packed.scales) == (np.uint16, exact.shape, None)
    back = unpack_tokens(packed)
    assert back.dtype == np.float32
    wide = exact.astype(np.float64)
    assert (np.abs(back - wide) <= np.abs(wide) / 256 + 1e-40).all()


@given(anything)
@settings(deadline=None, max_examples=50)
def test_bfloat16_rounds_as_torch_does(exact: np.ndarray) -> None:
    theirs = torch.from_numpy(exact).bfloat16().float().numpy()
    np.testing.assert_array_equal(unpack_tokens(pack_tokens(exact, "bfloat16")), theirs)


def test_the_bound_of_bfloat16_is_not_generous() -> None:
    exact = np.float32(1 + 2.0**-8)[None, None, None]
    assert np.abs(unpack_tokens(pack_tokens(exact, "bfloat16")) - exact) > exact / 260


@given(anything)
@settings(deadline=None, max_examples=50)
def test_float32_comes_back_to_the_bit(exact: np.ndarray) -> None:
    packed = pack_tokens(exact, "float32")
    assert unpack_tokens(packed).tobytes() == exact.tobytes()
    assert not np.shares_memory(unpack_tokens(packed), packed.values)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("int8", {LARGEST}), ("bfloat16", {LARGEST, LARGEST_BFLOAT16}), ("float32", {LARGEST, LARGEST_BFLOAT16, 3.4e38})],
)
def test_each_type_has_its_own_largest_magnitude(dtype: TokenType, kept: set[float]) -> None:
    for magnitude in (LARGEST, LARGEST_BFLOAT16, 3.4e38):
        exact = np.full((1, 1, 2), magnitude, np.float32)
        if magnitude in kept:
            assert np.isfinite(unpack_tokens(pack_tokens(exact, dtype))).all()
        else:
            with pytest.raises(ValueError, match=f"magnitude above .* as {dtype}"):
                pack_tokens(exact, dtype)


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match="float8"):
        pack_tokens(np.zeros((1, 1, 1)), "float8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.zeros((2, 3)), "S, M, D"),
        (np.full((1, 1, 2), np.nan), "NaN"),
        (np.full((1, 1, 2), -np.inf), "infinity"),
        (np.full((1, 1, 2), LARGEST * 1.001), "magnitude"),
    ],
)
def test_what_cannot_be_packed_is_refused(bad: np.ndarray, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        pack_tokens(bad)
