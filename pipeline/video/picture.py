"""Converts a decoded picture to RGB: upright, square pixels, shrunk.

The conversion runs inside libswscale in one pass, with fixed flags and one thread, so that the same picture always
gives the same bytes. numpy is imported where arrays are wanted: the decoding child hands on plain bytes and starts in
half the time without it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter

from encoders.frame import Frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    U8 = npt.NDArray[np.uint8]

_FLAGS = int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)
_WIDEST_ASPECT = 8
"""Pixel aspects beyond 8:1 are taken as nonsense in the header, and pixels as square."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A picture as bytes: `data` holds `height` rows of `width` pixels of three bytes, upright; times as in `Frame`."""

    width: int
    height: int
    data: bytearray
    time_s: float

    def frame(self) -> Frame:
        """The same picture as an array, without a copy."""
        import numpy as np

        return Frame(rgb=np.frombuffer(self.data, np.uint8).reshape(self.height, self.width, 3), time_s=self.time_s)


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Size in square pixels of a picture whose pixels are `aspect` times as wide as high; it never loses detail."""
    if not aspect or not Fraction(1, _WIDEST_ASPECT) <= aspect <= _WIDEST_ASPECT:
        return width, height
    if aspect >= 1:
        return max(1, round(width * aspect)), height
    return width, max(1, round(height / aspect))


def shrunk_size(width: int, height: int, max_side_px: int) -> tuple[int, int]:
    """The size with its longer side at most `max_side_px`, in proportion; never larger than it was."""
    longer = max(width, height)
    if longer <= max_side_px:
        return width, height
    return max(1, round(width * max_side_px / longer)), max(1, round(height * max_side_px / longer))


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """The picture's display matrix (a, b, c, d), 16.16 fixed point, or None: x' = a x + c y, y' = b x + d y."""
    matrices = [data for data in cast(Iterable[SideData], frame.side_data) if data.type == SideDataType.DISPLAYMATRIX]
    if not matrices:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrices[0]))
    return a, b, c, d


def is_sideways(matrix: tuple[int, int, int, int] | None) -> bool:
    """Whether rows become columns."""
    return matrix is not None and abs(matrix[1]) > abs(matrix[0])


def is_mirrored(matrix: tuple[int, int, int, int] | None) -> bool:
    """Whether the matrix flips the picture besides turning it: its determinant is negative."""
    return matrix is not None and matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0


def upright(rgb: U8, matrix: tuple[int, int, int, int]) -> U8:
    """Applies a display matrix, to the nearest quarter turn, mirrored ones too. uint8 [H, W, 3] both."""
    a, b, c, d = matrix
    if is_sideways(matrix):
        rgb, rows, columns = rgb.transpose(1, 0, 2), b, c
    else:
        rows, columns = d, a
    return rgb[:: -1 if rows < 0 else 1, :: -1 if columns < 0 else 1]


class PictureReader:
    """Converts pictures of one stream; keeps the scaler between calls."""

    def __init__(self, aspect: Fraction | None, max_side_px: int) -> None:
        self._aspect = aspect
        self._max_side_px = max_side_px
        self._reformatter = VideoReformatter()

    def packed(self, frame: av.VideoFrame, time_s: float) -> Packed:
        """The picture upright, its longer side at most `max_side_px`."""
        width, height = shrunk_size(*square_size(frame.width, frame.height, self._aspect), self._max_side_px)
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=_FLAGS, threads=1
        )
        picture, matrix = Packed(width, height, _rows(small), time_s), display_matrix(frame)
        if matrix is None or (matrix[0] > 0 and matrix[3] > 0 and not is_sideways(matrix)):
            return picture
        turned = upright(picture.frame().rgb, matrix)
        return Packed(turned.shape[1], turned.shape[0], bytearray(turned.tobytes()), time_s)


def _rows(picture: av.VideoFrame) -> bytearray:
    """The pixels of an RGB picture without the padding behind its rows."""
    plane, wide = picture.planes[0], 3 * picture.width
    data, step = memoryview(cast(bytes, plane)), plane.line_size
    if step == wide:
        return bytearray(data[: wide * picture.height])
    packed = bytearray()
    for row in range(picture.height):
        packed += data[row * step : row * step + wide]
    return packed
