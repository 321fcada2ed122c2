from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.state_codec import pack, unpack

BITS = st.lists(st.integers(0, 2**32 - 1), max_size=40)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


@given(bits=BITS, short=st.booleans())
@settings(deadline=None)
def test_every_float_comes_back_to_the_bit(bits: list[int], short: bool) -> None:
    """NaN, infinity, minus zero and all others, whether they fit bfloat16 or not."""
    raw = np.array(bits, np.uint32) & np.uint32(0xFFFF0000 if short else 0xFFFFFFFF)
    tensor = torch.from_numpy(raw.view(np.float32))
    _, tensors = unpack(pack({}, {"one": tensor}))
    nan = tensor.isnan()
    assert same(tensors["one"][~nan], tensor[~nan])
    assert bool(tensors["one"][nan].isnan().all())


def test_what_fits_bfloat16_takes_half_the_bytes() -> None:
    exact = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    whole, half = (len(pack({}, {"one": tensor})) for tensor in (exact, exact.bfloat16().float()))
    assert 1990 < whole - half < 2010


def test_values_and_other_dtypes_come_back() -> None:
    given_ = {"a": torch.arange(6, dtype=torch.uint8).reshape(2, 3), "b": torch.tensor([0.1], dtype=torch.float64)}
    values, tensors = unpack(pack({"x": 0.1, "y": [1, None]}, {**given_, "none": None}))
    assert values == {"x": 0.1, "y": [1, None]}
    assert set(tensors) == {"a", "b"}
    assert all(same(tensors[name], given_[name]) for name in given_)


@pytest.mark.parametrize("state", [b"", b"\x05\x00\x00\x00{}", pack({}, {"one": torch.ones(3)}) + b"?"])
def test_other_bytes_are_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match=r"saved state|Expecting"):
        unpack(state)
