"""A hash of the picture itself, free of what re-publishing changes: frame, footer, polarity, contrast, bit depth.

Only the order of grey levels counts, never their values, so that every rising or falling map that keeps levels apart
(stretch, inversion, exposure) leaves the hash alone. Step by step: grey of 8 bit; edge lines of one level go, and a
burned-in scale bar with its caption; the background is the median of the outermost pixels, the object's side the one
with more levels on it; of the levels on that side the object ends at the one that adds the smallest share to those
beyond it (the valley of the histogram); the smallest rectangle that holds the object is kept; its levels are numbered
from the object's side on, those of the outermost 5 % at either end as one, so that saturation there does no harm.
What isn't kept: turning, rescaling and lossy re-encoding, which are for ``aqqua_dataset.dedup.verify``.
Every step is done in integers: the hash is the same on every processor (docs/duplicates.md).
"""

from typing import Any

import cv2
import numba
import numpy as np
import numpy.typing as npt
import xxhash

from aqqua_dataset.images.decode import Pixels
from aqqua_dataset.images.kernels import Grey, edge_medians

#: Below these a picture doesn't tell organisms apart: sides of the object (px), its distinct levels, and its pixels
#: that have neither the first nor the last level.
LEAST_SIDE, LEAST_LEVELS, LEAST_PIXELS = 8, 12, 64
#: Share of the object's rectangle (one in so many pixels) whose levels count as one at either end. MATLAB's
#: ``imadjust`` saturates one in a hundred of the whole frame at either end, ImageJ one in 570.
_SATURATED = 20
#: Least pixels of an object while the valley is searched.
_CORE = 64
#: A scale bar's rows lie among so many at the bottom, are no more than so thick, and so long at least; a caption above
#: it is no higher and no further away than so many rows (31 rows in all for UVP6, about 30 for ZooScan).
_FOOTER, _THICK, _BAR, _CAPTION, _GAP = 40, 6, 8, 14, 12
#: Grey levels from the footer's paper within which a pixel is blank (what JPEG leaves), and from which it is ink.
_BLANK, _INK = 24, 192
_CAMERA_BITS = (8, 10, 12, 14, 16)


def normal_hash(pixels: Pixels) -> str | None:
    """xxh3_128 of the normalised picture as 32 hex digits; None where too little is left to tell organisms apart.

    Args:
        pixels: decoded pixels, uint8 or uint16; rows, columns and, for colour, channels (RGB, RGBA or grey and alpha).
    """
    return framed_hash(without_frame(grey8(pixels)))


def framed_hash(seen: Grey) -> str | None:
    """``normal_hash`` of a grey picture of 8 bit that ``without_frame`` has been through."""
    normal = _normalised(seen)
    if normal.size == 0:
        return None
    found = xxhash.xxh3_128(b"%d %d " % normal.shape)
    found.update(normal.data)
    return str(found.hexdigest())


def normalised(pixels: Pixels) -> Grey | None:
    """The normalised picture: numbers of levels from the object's side on; None where too little is left."""
    normal = _normalised(without_frame(grey8(pixels)))
    return normal if normal.size else None


def grey8(pixels: npt.NDArray[Any]) -> Grey:
    """Grey of 8 bit: luma (ITU-R BT.601) of colour, alpha ignored, the upper 8 bits of deeper values.

    Deeper values count as 10, 12, 14 or 16 bit, the least that holds their maximum; the lower bits are cut off, as by
    the integer division that most scripts use.
    """
    if pixels.ndim == 3:
        if pixels.shape[2] < 3:
            pixels = pixels[..., 0]
        else:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if pixels.shape[2] == 3 else cv2.COLOR_RGBA2GRAY)
    if pixels.dtype != np.uint8:
        needed = int(pixels.max()).bit_length()
        depth = next(bits for bits in _CAMERA_BITS if bits >= needed)
        pixels = (pixels >> (depth - 8)).astype(np.uint8)
    return np.ascontiguousarray(pixels)


@numba.njit(cache=True, nogil=True)
def _normalised(seen: Grey) -> Grey:
    """The normalised picture of a grey one without frame; empty where too little is left."""
    nothing = np.empty((0, 0), np.uint8)
    if min(seen.shape) < LEAST_SIDE:
        return nothing
    counts = level_counts(seen)
    lower, upper = edge_medians(seen)
    rising, last = object_levels(counts, lower, upper)
    if last < 0:
        return nothing
    top, bottom, left, right = level_box(seen, rising, last)
    if bottom - top < LEAST_SIDE or right - left < LEAST_SIDE:
        return nothing
    return numbered(seen[top:bottom, left:right], rising)


def without_frame(pixels: Grey) -> Grey:
    """The picture without a burned-in footer and plain margin."""
    top, bottom, left, right = frame(pixels)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


@numba.njit(cache=True, nogil=True)
def frame(pixels: Grey) -> tuple[int, int, int, int]:
    """Top, bottom, left and right (ends excluded) of the picture without footer and plain margin."""
    top, bottom, left, right = 0, pixels.shape[0], 0, pixels.shape[1]
    while True:
        # The footer first: alone in its columns a bar is a line of one level, too.
        end = footer_top(pixels, top, bottom, left, right)
        before = (top, bottom, left, right)
        top, bottom, left, right = without_margin(pixels, top, end, left, right)
        if (top, bottom, left, right) == before:
            return before


@numba.njit(cache=True, nogil=True)
def without_margin(pixels: Grey, top: int, bottom: int, left: int, right: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right without outermost lines of one level each."""
    while True:
        before = (bottom - top) + (right - left)
        while bottom - top > 1 and _is_level(pixels[top, left:right]):
            top += 1
        while bottom - top > 1 and _is_level(pixels[bottom - 1, left:right]):
            bottom -= 1
        while right - left > 1 and _is_level(pixels[top:bottom, left]):
            left += 1
        while right - left > 1 and _is_level(pixels[top:bottom, right - 1]):
            right -= 1
        if (bottom - top) + (right - left) == before:
            return top, bottom, left, right


@numba.njit(cache=True, nogil=True)
def _is_level(line: Grey) -> bool:
    for value in line:  # noqa: SIM110 - compiled, a loop that stops early is the fast one
        if value != line[0]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def footer_top(pixels: Grey, top: int, bottom: int, left: int, right: int) -> int:
    """Row at which a footer with a scale bar starts, ``bottom`` where there is none.

    The bar is a straight run of ink on paper, alone in its rows or with its end ticks; its caption stands above or
    below it. Paper is white or black, whichever is nearer to the left and right edge there.
    """
    bright = 0
    for y in range(max(top, bottom - _FOOTER), bottom):
        bright += 1 if pixels[y, left] > 127 else -1
        bright += 1 if pixels[y, right - 1] > 127 else -1
    ground = np.int64(255 if bright > 0 else 0)
    bar, written = bottom - 1, 0
    while bar >= max(top, bottom - _FOOTER) and not _bar_in(pixels[bar, left:right], ground):
        written += not _is_blank(pixels[bar, left:right], ground)
        bar -= 1
    if bar < max(top, bottom - _FOOTER) or written > _CAPTION:
        return bottom
    start = bar
    while start > top and not _is_blank(pixels[start - 1, left:right], ground):
        start -= 1
    if bar - start >= _THICK or start == top:
        return bottom
    gap = start
    while gap > top and start - gap <= _GAP and _is_blank(pixels[gap - 1, left:right], ground):
        gap -= 1
    caption = gap
    while caption > top and not _is_blank(pixels[caption - 1, left:right], ground):
        caption -= 1
    return caption if start - gap <= _GAP and gap - caption <= _CAPTION and caption > top else start


@numba.njit(cache=True, nogil=True)
def _is_blank(line: Grey, ground: np.int64) -> bool:
    for value in line:  # noqa: SIM110 - as above
        if abs(np.int64(value) - ground) > _BLANK:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _bar_in(line: Grey, ground: np.int64) -> bool:
    """Whether a row holds one run of ink of one level and is blank elsewhere (two pixels at either end are free)."""
    first = last = -1
    for x in range(line.size):
        if abs(np.int64(line[x]) - ground) >= _INK:
            first = x if first < 0 else first
            last = x
    if first < 0 or last - first + 1 < _BAR:
        return False
    level = np.int64(line[(first + last) // 2])
    for x in range(first + 1, last):
        if abs(np.int64(line[x]) - level) > _BLANK:
            return False
    for x in range(line.size):
        if (x < first - 2 or x > last + 2) and abs(np.int64(line[x]) - ground) > _BLANK:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def level_counts(pixels: Grey) -> npt.NDArray[np.uint32]:
    """Pixels of each of 256 levels; four counts side by side, since equal neighbours would wait for each other."""
    counts = np.zeros(1024, np.uint32)
    one = np.uint32(1)
    for y in range(pixels.shape[0]):
        row = pixels[y]
        whole = row.size // 4 * 4
        for x in range(0, whole, 4):
            counts[np.intp(row[x])] += one
            counts[256 + np.intp(row[x + 1])] += one
            counts[512 + np.intp(row[x + 2])] += one
            counts[768 + np.intp(row[x + 3])] += one
        for x in range(whole, row.size):
            counts[np.intp(row[x])] += one
    return counts[:256] + counts[256:512] + counts[512:768] + counts[768:]


@numba.njit(cache=True, nogil=True)
def object_levels(counts: npt.NDArray[np.uint32], lower: int, upper: int) -> tuple[bool, int]:
    """Whether the object's levels count up from black, and the last of them; -1 where no side is the object's.

    ``lower`` and ``upper`` are the two medians of the background.
    """
    dark = bright = darker = brighter = 0
    for level in range(256):
        if counts[level] and level < lower:
            dark, darker = dark + 1, darker + int(counts[level])
        elif counts[level] and level > upper:
            bright, brighter = bright + 1, brighter + int(counts[level])
    if (dark, darker) == (bright, brighter):
        return True, -1
    rising = (dark, darker) > (bright, brighter)
    best, last, beyond = 0.0, -1, 0
    for step in range(lower if rising else 255 - upper):
        level = step if rising else 255 - step
        here = int(counts[level])
        beyond += here
        if here == 0 or beyond < _CORE:
            continue
        # Smallest here / beyond^1.5; squared and turned over, so that whole numbers are divided once.
        gain = float(beyond) * float(beyond) * float(beyond) / (float(here) * float(here))
        if gain > best:
            best, last = gain, level
    return rising, last


@numba.njit(cache=True, nogil=True)
def level_box(pixels: Grey, rising: bool, last: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right (ends excluded) of the levels up to (``rising``) or from ``last`` on."""
    height, width = pixels.shape
    flip = np.uint8(0) if rising else np.uint8(255)
    most = np.uint8(last) ^ flip
    columns = np.full(width, 255, np.uint8)
    top, bottom = height, 0
    for y in range(height):
        row = pixels[y]
        least = np.uint8(255)
        for x in range(width):
            value = np.uint8(row[x] ^ flip)
            columns[x] = min(columns[x], value)
            least = min(least, value)
        if least <= most:
            top, bottom = min(top, y), y + 1
    left, right = 0, width
    while columns[left] > most:
        left += 1
    while columns[right - 1] > most:
        right -= 1
    return top, bottom, left, right


@numba.njit(cache=True, nogil=True)
def numbered(pixels: Grey, rising: bool) -> Grey:
    """Each pixel's number among the levels, from the object's side; empty where too few pixels differ."""
    counts = level_counts(pixels)
    if not rising:
        counts = counts[::-1].copy()
    share = pixels.size // _SATURATED
    first, seen = -1, 0
    while seen <= share:
        first += 1
        seen += int(counts[first])
    last, seen = 256, 0
    while seen <= share:
        last -= 1
        seen += int(counts[last])
    numbers = np.zeros(256, np.uint8)
    number = between = 0
    for level in range(first + 1, 256):
        if counts[level] and level <= last:
            number += 1
            between += int(counts[level]) if level < last else 0
        numbers[level] = number
    if number + 1 < LEAST_LEVELS or between < LEAST_PIXELS:
        return np.empty((0, 0), np.uint8)
    if not rising:
        numbers = numbers[::-1].copy()
    normal = np.empty(pixels.shape, np.uint8)
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            normal[y, x] = numbers[np.intp(pixels[y, x])]
    return normal
