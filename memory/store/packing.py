"""Tokens as stored: int8 values with one float16 scale a token (default), bfloat16, or float32. Ours, from no paper.

Error bounds, for every element x of a token whose largest magnitude is m:

    int8      |x - y| <= m / 253 + 3e-8      symmetric, per token (the last axis), no zero point: ``y = value * scale``
    bfloat16  |x - y| <= |x| / 256 + 1e-40   float32 rounded to its upper 16 bits, to nearest, ties to even
    float32   y == x

int8: ``scale = max|x| / 127`` rounded *up* to a float16, so that no value is ever clipped; the error is half a step;
253 rather than 254 pays for rounding the scale up, 3e-8 for scales too small for a normal float16. A quarter of
float32's bytes plus two a token. bfloat16: half of float32's bytes; kept as the bits, since numpy has no such type.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memory.records import F16, F32, PackedTokens, TokenType

_TOP = np.float32(127.0)
LARGEST = float(np.finfo(np.float16).max) * 127.0
"""The largest magnitude that can be packed as int8 (about 8.3 million)."""
LARGEST_BFLOAT16 = float(np.array(0x7F7F0000, np.uint32).view(np.float32))
"""The largest magnitude that can be packed as bfloat16 (about 3.39e38)."""


def _scales(peak: F32) -> F16:
    """float32 [S, M] largest magnitudes -> float16 [S, M], the smallest float16 not below ``peak / 127``."""
    exact = peak / _TOP
    with np.errstate(over="ignore"):
        scales = exact.astype(np.float16)
    low = scales.astype(np.float32) < exact
    scales[low] = np.nextafter(scales[low], np.float16(np.inf))
    return scales


def pack_tokens(tokens: npt.NDArray[np.floating], dtype: TokenType = "int8") -> PackedTokens:
    """float [S, M, D] -> packed. Refuses NaN, infinity, other ranks, unknown types and magnitudes above the type's
    largest with ValueError."""
    exact = np.asarray(tokens, dtype=np.float32)
    if exact.ndim != 3:
        raise ValueError(f"tokens are [S, M, D], not {exact.shape}")
    if not np.isfinite(exact).all():
        raise ValueError("tokens hold NaN or infinity")
    if dtype == "int8":
        return _as_int8(exact)
    if dtype == "bfloat16":
        return PackedTokens(_bfloat16_bits(exact), None, dtype)
    if dtype == "float32":
        return PackedTokens(exact.copy(), None, dtype)
    raise ValueError(f"tokens are stored as int8, bfloat16 or float32, not {dtype!r}")


def _as_int8(exact: F32) -> PackedTokens:
    scales = _scales(np.abs(exact).max(axis=2, initial=0.0))
    if not np.isfinite(scales).all():
        raise ValueError(f"tokens of a magnitude above {LARGEST:g} cannot be packed as int8")
    step = scales.astype(np.float32)[..., None]
    values = np.divide(exact, step, out=np.zeros_like(exact), where=step > 0)
    return PackedTokens(np.rint(values).astype(np.int8), scales)


def _bfloat16_bits(exact: F32) -> npt.NDArray[np.uint16]:
    if np.abs(exact).max(initial=0.0) > LARGEST_BFLOAT16:
        raise ValueError(f"tokens of a magnitude above {LARGEST_BFLOAT16:g} cannot be packed as bfloat16")
    bits = np.ascontiguousarray(exact).view(np.uint32)
    odd = bits >> 16 & 1  # ties go to the even neighbour
    return ((bits + (np.uint32(0x7FFF) + odd)) >> 16).astype(np.uint16)


def unpack_tokens(packed: PackedTokens) -> F32:
    """The tokens again, float32 [S, M, D], within the bounds above."""
    if packed.dtype == "bfloat16":
        return (packed.values.astype(np.uint32) << 16).view(np.float32)
    unpacked: F32 = packed.values.astype(np.float32)
    if packed.scales is not None:
        unpacked *= packed.scales.astype(np.float32)[..., None]
    return unpacked
