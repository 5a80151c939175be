"""Loops over grey pixels, compiled: one walk through memory where single library calls would take six.

Everything is integer arithmetic, so that results are the same on every processor. Signatures are stated, so that all is
compiled when the module is first imported, kept on disk, and never compiled again for another kind of array.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

#: Signatures: a picture may be read-only; what is made or written is not.
_PICTURE, _NEW = "Array(uint8, 2, 'C', True)", "Array(uint8, 2, 'C')"

#: Squares of so many 8-bit values fit 32 bits, which is what makes the sums vectorise.
_RUN = 32_768


@numba.njit(f"UniTuple(int64, 2)({_PICTURE})", cache=True, nogil=True)
def sums(pixels: Grey) -> tuple[int, int]:
    """Sum of the values and sum of their squares."""
    flat = pixels.reshape(-1)
    total = squares = 0
    for start in range(0, flat.size, _RUN):
        run = flat[start : start + _RUN]
        part = square = np.uint32(0)
        for value in run:
            part = np.uint32(part + np.uint32(value))
            square = np.uint32(square + np.uint32(value) * np.uint32(value))
        total += int(part)
        squares += int(square)
    return total, squares


@numba.njit(f"UniTuple(int64, 2)({_PICTURE})", cache=True, nogil=True)
def edge_medians(pixels: Grey) -> tuple[int, int]:
    """Lower and upper median of the outermost pixels; inversion exchanges them."""
    height, width = pixels.shape
    counts = np.zeros(256, np.int64)
    for x in range(width):
        counts[pixels[0, x]] += 1
        counts[pixels[height - 1, x]] += 1
    for y in range(height):
        counts[pixels[y, 0]] += 1
        counts[pixels[y, width - 1]] += 1
    seen = lower = upper = 0
    for level in range(256):
        if seen < width + height:
            lower = level
        if seen <= width + height:
            upper = level
        seen += counts[level]
    return lower, upper


@numba.njit(["boolean(Array(uint8, 2, 'A', True))", "boolean(Array(uint16, 2, 'A', True))"], cache=True, nogil=True)
def is_uniform(pixels: npt.NDArray[Any]) -> bool:
    """Whether all values are equal."""
    first = pixels[0, 0]
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            if pixels[y, x] != first:
                return False
    return True


@numba.njit(f"{_NEW}({_PICTURE})", cache=True, nogil=True)
def halved(pixels: Grey) -> Grey:
    """Means of 2 x 2 pixels, halves rounded up; an odd last row or column is left out."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    small = np.empty((height, width), np.uint8)
    for y in range(height):
        above, below = pixels[2 * y], pixels[2 * y + 1]
        for x in range(width):
            four = np.uint16(above[2 * x]) + above[2 * x + 1] + below[2 * x] + below[2 * x + 1]
            small[y, x] = (four + 2) >> 2
    return small


@numba.njit(f"UniTuple(int64, 4)({_PICTURE}, int64, int64)", cache=True, nogil=True)
def object_box(pixels: Grey, background: int, trim: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right (ends excluded) of what is ``trim`` from the background or more; 0 if none."""
    height, width = pixels.shape
    level, least = np.uint8(background), np.uint8(trim)
    columns = np.zeros(width, np.uint8)
    top, bottom = height, 0
    for y in range(height):
        row = pixels[y]
        most = np.uint8(0)
        for x in range(width):
            away = np.uint8(max(row[x], level) - min(row[x], level))
            columns[x] = max(columns[x], away)
            most = max(most, away)
        if most >= least:
            top, bottom = min(top, y), y + 1
    if bottom == 0:
        return 0, 0, 0, 0
    left, right = 0, width
    while columns[left] < least:
        left += 1
    while columns[right - 1] < least:
        right -= 1
    return top, bottom, left, right


@numba.njit("Array(int32, 2, 'C')(int64, int64)", cache=True, nogil=True)
def _between(many: int, source: int) -> npt.NDArray[np.int32]:
    """For each of ``many`` pixels the pixels of ``source`` before and after its centre, and 256ths of the way."""
    found = np.empty((3, many), np.int32)
    for place in range(many):
        centre = (2 * place + 1) * source - many
        before = centre // (2 * many)
        found[0, place] = max(before, 0)
        found[1, place] = min(before + 1, source - 1)
        found[2, place] = ((centre - before * 2 * many) * 256 + many) // (2 * many)
    return found


@numba.njit(f"void({_PICTURE}, int64, int64, {_NEW}, int64, int64)", cache=True, nogil=True)
def scaled(pixels: Grey, height: int, width: int, out: Grey, top: int, left: int) -> None:
    """Writes the picture into ``out`` at ``top``, ``left``, scaled to height x width.

    Bilinear between pixel centres; weights are rounded to 1/256 and the edge pixels go on outside.
    """
    columns = _between(width, pixels.shape[1])
    rows = _between(height, pixels.shape[0])
    for y in range(height):
        above, below, down = pixels[rows[0, y]], pixels[rows[1, y]], rows[2, y]
        for x in range(width):
            first, second, across = columns[0, x], columns[1, x], columns[2, x]
            high = (256 - across) * np.int32(above[first]) + across * np.int32(above[second])
            low = (256 - across) * np.int32(below[first]) + across * np.int32(below[second])
            out[top + y, left + x] = ((256 - down) * high + down * low + 32_768) >> 16


@numba.njit(f"{_NEW}({_PICTURE}, int64, int64, int64, int64)", cache=True, nogil=True)
def thumbnail(pixels: Grey, background: int, trim: int, side: int, large: int) -> Grey:
    """The object on a square of ``side`` x ``side`` pixels, as ``fingerprint`` describes it step by step."""
    seen = pixels
    while max(seen.shape) >= large and min(seen.shape) >= 2:
        seen = halved(seen)
    top, bottom, left, right = object_box(seen, background, trim)
    if bottom == 0:
        top, bottom, left, right = 0, seen.shape[0], 0, seen.shape[1]
    object_ = np.empty((bottom - top, right - left), np.uint8)
    level = np.uint8(background)
    for y in range(bottom - top):
        for x in range(right - left):
            value = seen[top + y, left + x]
            object_[y, x] = max(value, level) - min(value, level)
    while max(object_.shape) >= 2 * side and min(object_.shape) >= 2:
        object_ = halved(object_)
    longest = max(object_.shape)
    height, width = max(1, object_.shape[0] * side // longest), max(1, object_.shape[1] * side // longest)
    square = np.zeros((side, side), np.uint8)
    scaled(object_, height, width, square, (side - height) // 2, (side - width) // 2)
    return square
