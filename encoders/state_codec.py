"""Saved state of per-stream objects as bytes: small JSON values plus tensors, exact to the bit.

The bytes live in the store between two commits and are read back by the same version; they are not meant as a file
format. Layout: 4 bytes little-endian length of the header, the header (JSON), then the tensors' raw bytes in header
order. float32 values that all fit bfloat16, as those of a network that computes in it do, are written in half the
bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

_BFLOAT16 = "bfloat16"


def pack(values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor | None] | None = None) -> bytes:
    """Writes values (JSON, floats exact) and CPU tensors of any dtype numpy knows; None tensors are left out."""
    kept = {name: _written(t.detach().contiguous()) for name, t in (tensors or {}).items() if t is not None}
    arrays = {name: array for name, (_, array) in kept.items()}
    header = {"values": dict(values), "tensors": [[n, dtype, list(a.shape)] for n, (dtype, a) in kept.items()]}
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
            array = np.frombuffer(state, np.int16 if dtype == _BFLOAT16 else dtype, count, at).reshape(shape)
            tensor = torch.from_numpy(array.copy())
            tensors[name] = tensor.view(torch.bfloat16).float() if dtype == _BFLOAT16 else tensor
            at += array.nbytes
    except (struct.error, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("not a saved state") from error
    if at != len(state):
        raise ValueError(f"a saved state of {at} bytes came with {len(state)}")
    return header["values"], tensors


def _written(tensor: torch.Tensor) -> tuple[str, npt.NDArray[Any]]:
    """A dtype's name and an array with the tensor's bits, the upper halves alone where the lower ones are all zero."""
    if tensor.dtype == torch.float32 and not (tensor.view(torch.int32) & 0xFFFF).any():
        return _BFLOAT16, tensor.bfloat16().view(torch.int16).numpy()
    array = tensor.numpy()
    return array.dtype.str, array
