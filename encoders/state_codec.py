"""Saved state of per-stream objects as bytes: small JSON values plus tensors, exact to the bit.

What it is not: a file format. The bytes live in Redis between two commits and are read back by the same version.
Layout: 4 bytes little-endian length of the header, the header (JSON), then the tensors' raw bytes in header order.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def pack(values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor | None] | None = None) -> bytes:
    """Writes values (JSON, floats exact) and CPU tensors of any dtype numpy knows; None tensors stay None."""
    arrays = {name: t.detach().contiguous().numpy() for name, t in (tensors or {}).items() if t is not None}
    header = {"values": dict(values), "tensors": [[n, a.dtype.str, list(a.shape)] for n, a in arrays.items()]}
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(text)), text, *(a.tobytes() for a in arrays.values())])


def unpack(state: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The inverse of `pack`; tensors own their memory. Raises ValueError for bytes that `pack` did not write."""
    try:
        (size,) = struct.unpack_from("<I", state)
        header = json.loads(state[4 : 4 + size])
        tensors, at = {}, 4 + size
        for name, dtype, shape in header["tensors"]:
            count = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(state, dtype=np.dtype(dtype), count=count, offset=at).reshape(shape)
            tensors[name] = torch.from_numpy(array.copy())
            at += array.nbytes
    except (struct.error, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("not a saved state") from error
    if at != len(state):
        raise ValueError(f"a saved state of {at} bytes came with {len(state)}")
    return header["values"], tensors
