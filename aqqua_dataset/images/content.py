"""What can be said of an image's content from its decoded pixels, for the tests of whole contributions."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

#: Height of the footer that EcoTaxa burns into a UVP6 vignette, and a width that its scale bar always reaches.
FOOTER_ROWS, FOOTER_COLUMNS = 31, 40


def significant_bits(pixels: npt.NDArray[Any], bit_depth: int) -> int:
    """Bits per channel that carry information: 8 where 16 bit hold at most 256 levels, else those of the maximum.

    Args:
        pixels: decoded pixels, uint8 or uint16.
        bit_depth: bits per channel of the file.
    """
    if bit_depth <= 8:
        return bit_depth
    if np.unique(pixels).size <= 256:
        return 8
    return int(pixels.max()).bit_length()


def footer_hash(pixels: npt.NDArray[Any]) -> str | None:
    """Hash of the bottom left corner, where a scale bar would be; None where it is uniform or the image too small."""
    if pixels.shape[0] <= FOOTER_ROWS or pixels.shape[1] < FOOTER_COLUMNS:
        return None
    corner = np.ascontiguousarray(pixels[-FOOTER_ROWS:, :FOOTER_COLUMNS])
    if corner.min() == corner.max():
        return None
    return xxhash.xxh3_64_hexdigest(corner.tobytes())
