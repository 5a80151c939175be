"""Fingerprints for near duplicates: 256 bits that survive re-encoding, scaling, padding, inversion and contrast.

A hash only proposes, pixels decide (docs/duplicates.md). Step by step: a burned-in footer and margins of one level go
(``normalise.without_frame``); halved by means of 2 x 2 pixels while the longer side is at least 256; the absolute
difference from the background (median of the outermost pixels), so that both polarities are one; the smallest rectangle
that holds every pixel that differs by at least ``TRIM``; halved again while its longer side is at least 64, then scaled
(bilinear) to a longer side of 32 and put in the middle of a square of 32 x 32 zeros; its cosine transform (DCT-II), of
which the 16 x 16 lowest frequencies count; each bit is whether a coefficient lies above their median, row by row, as
64 hex digits. Every step is done in integers, so that the hash is the same on every processor: the cosines are rounded
to 1/4096 and all sums stay below 2**53.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aqqua_dataset.images import kernels

#: Grey levels (of 255) from the background from which on a pixel belongs to the object.
TRIM = 24
_SIDE, _KEPT, _LARGE = 32, 16, 256
_STEP = np.arange(_KEPT)[:, None] * (2 * np.arange(_SIDE)[None, :] + 1)
_COSINES = np.round(4096 * np.cos(np.pi * _STEP / (2 * _SIDE)))


def thumbnail(seen: kernels.Grey) -> bytes:
    """The object on a square of 32 x 32 pixels, background 0; 1,024 bytes for ``near_hashes``.

    Args:
        seen: the picture as grey of 8 bit, after ``normalise.without_frame``.
    """
    return kernels.thumbnail(seen, kernels.edge_medians(seen)[1], TRIM, _SIDE, _LARGE).tobytes()


def near_hashes(thumbnails: Sequence[bytes]) -> list[str]:
    """The fingerprints of many images at once; one by one the calls would cost more than the sums."""
    if not thumbnails:
        return []
    squares: npt.NDArray[np.float64] = np.frombuffer(b"".join(thumbnails), np.uint8).astype(np.float64)
    found = _COSINES @ squares.reshape(-1, _SIDE, _SIDE) @ _COSINES.T
    low = found.reshape(len(thumbnails), -1)
    packed = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1).tobytes().hex()
    return [packed[i : i + 64] for i in range(0, len(packed), 64)]
