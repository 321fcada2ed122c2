"""Tokens as stored: int8 values with one float16 scale a token.

Symmetric, per token (the last axis), no zero point: ``x ~ value * scale`` with ``scale = max|x| / 127`` rounded *up* to
a float16, so that no value is ever clipped. Ours, from no paper; a quarter of float32's bytes plus two a token.

Error bound, for every element of a token whose largest magnitude is m:

    |x - unpack_tokens(pack_tokens(x))| <= m / 253 + 3e-8

(half a step; 253 rather than 254 pays for rounding the scale up, 3e-8 for scales too small for a normal float16.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memory.records import PackedTokens

_TOP = np.float32(127.0)
LARGEST = float(np.finfo(np.float16).max) * 127.0
"""The largest magnitude that can be packed (about 8.3 million)."""


def _scales(peak: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """float32 [S, M] largest magnitudes -> float16 [S, M], the smallest float16 not below ``peak / 127``."""
    exact = peak / _TOP
    with np.errstate(over="ignore"):
        scales = exact.astype(np.float16)
    low = scales.astype(np.float32) < exact
    scales[low] = np.nextafter(scales[low], np.float16(np.inf))
    return scales


def pack_tokens(tokens: npt.NDArray[np.floating]) -> PackedTokens:
    """float [S, M, D] -> packed. Refuses NaN, infinity, other ranks and magnitudes above `LARGEST` with ValueError."""
    exact = np.asarray(tokens, dtype=np.float32)
    if exact.ndim != 3:
        raise ValueError(f"tokens are [S, M, D], not {exact.shape}")
    if not np.isfinite(exact).all():
        raise ValueError("tokens hold NaN or infinity")
    peak = np.abs(exact).max(axis=2, initial=0.0)
    scales = _scales(peak)
    if not np.isfinite(scales).all():
        raise ValueError(f"tokens of a magnitude above {LARGEST:g} cannot be packed")
    step = scales.astype(np.float32)[..., None]
    values = np.divide(exact, step, out=np.zeros_like(exact), where=step > 0)
    return PackedTokens(np.rint(values).astype(np.int8), scales)


def unpack_tokens(packed: PackedTokens) -> npt.NDArray[np.float32]:
    """The tokens again, float32 [S, M, D], within the bound above."""
    unpacked: npt.NDArray[np.float32] = packed.values.astype(np.float32)
    unpacked *= packed.scales.astype(np.float32)[..., None]
    return unpacked
