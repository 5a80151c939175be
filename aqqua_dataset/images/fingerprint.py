"""Fingerprints for near duplicates: 256 bits that survive re-encoding, scaling, padding, inversion and contrast.

A hash only proposes, pixels decide (docs/images.md). Step by step: halved by means of 2 x 2 pixels while the longer
side is at least 256; the absolute difference from the background (median of the outermost pixels), so that both
polarities are one; the smallest rectangle that holds every pixel at least ``TRIM`` from the background; halved again
while its longer side is at least 64, then scaled (bilinear) to a longer side of 32 and put in the middle of a square
of 32 x 32 zeros; its cosine transform (DCT-II), of which the 16 x 16 lowest frequencies count; each bit is whether a
coefficient lies above their median, row by row, as 64 hex digits. Every step is done in integers, so that the hash is
the same on every processor: the cosines are rounded to 1/4096 and all sums stay below 2**53.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from aqqua_dataset.images.content import Greys

#: Grey levels (of 255) from the background from which on a pixel belongs to the object.
TRIM = 24
_SIDE, _KEPT, _LARGE = 32, 16, 256
_STEP = np.arange(_KEPT)[:, None] * (2 * np.arange(_SIDE)[None, :] + 1)
_COSINES = np.round(4096 * np.cos(np.pi * _STEP / (2 * _SIDE)))


def thumbnail(greys: Greys) -> bytes:
    """The object on a square of 32 x 32 pixels, background 0; 1,024 bytes for ``near_hashes``."""
    difference = cv2.absdiff(_halved(greys.pixels, _LARGE), float(greys.background))  # type: ignore[call-overload]
    _, mask = cv2.threshold(difference, TRIM - 1, 255, cv2.THRESH_BINARY)
    x, y, width, height = cv2.boundingRect(mask)
    object_ = difference[y : y + height, x : x + width] if width and height else difference
    object_ = _halved(object_, 2 * _SIDE)
    longest = max(object_.shape)
    height, width = (max(1, side * _SIDE // longest) for side in object_.shape)
    square = np.zeros((_SIDE, _SIDE), np.uint8)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(
        object_, (width, height), interpolation=cv2.INTER_LINEAR_EXACT
    )
    return square.tobytes()


def _halved(pixels: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Halved until the longer side is below ``side``."""
    while max(pixels.shape) >= side and min(pixels.shape) >= 2:
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        pixels = cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return pixels


def near_hashes(thumbnails: Sequence[bytes]) -> list[str]:
    """The fingerprints of many images at once; one by one the calls would cost more than the sums."""
    if not thumbnails:
        return []
    squares: npt.NDArray[np.float64] = np.frombuffer(b"".join(thumbnails), np.uint8).astype(np.float64)
    found = _COSINES @ squares.reshape(-1, _SIDE, _SIDE) @ _COSINES.T
    low = found.reshape(len(thumbnails), -1)
    packed = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1).tobytes().hex()
    return [packed[i : i + 64] for i in range(0, len(packed), 64)]
