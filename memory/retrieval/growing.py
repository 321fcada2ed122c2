"""Arrays that grow at the end, at a cost that is spread: their capacity doubles. What was handed out stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_FIRST_ROOM = 64


def with_room(array: npt.NDArray[Any], used: int, wanted: int) -> npt.NDArray[Any]:
    """The array, or a larger copy of its used part where `wanted` places do not fit."""
    if wanted <= len(array):
        return array
    larger = np.zeros((max(2 * len(array), wanted, _FIRST_ROOM), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger
