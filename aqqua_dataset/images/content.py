"""What can be said of an image's content from its decoded pixels, for the tests of whole contributions."""

import math
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
import xxhash

from aqqua_dataset.images import kernels

#: Height of the footer that EcoTaxa burns into a UVP6 vignette, and a width that its scale bar always reaches.
FOOTER_ROWS, FOOTER_COLUMNS = 31, 40


class Greys(NamedTuple):
    """Grey values of an image on a scale from 0 to 255, whatever its bit depth.

    ``background`` is the median of the outermost pixels; ``polarity`` says whether the image on the whole is darker or
    brighter than that. ``pixels`` are the grey values rounded to 8 bit.
    """

    mean: float
    std: float
    background: int
    polarity: str
    pixels: npt.NDArray[np.uint8]


def greys(pixels: npt.NDArray[Any], grey: npt.NDArray[np.uint8] | None = None) -> Greys:
    """Mean, standard deviation and polarity of an image.

    Colour counts with its luma (ITU-R BT.601), alpha not at all. 16-bit values are spread from the bits that the
    largest of them needs: 12-bit values in 16 bits are compared with 4095.

    Args:
        pixels: decoded pixels, uint8 or uint16, with or without channels.
        grey: the same as grey where the channels alone don't tell how.
    """
    values = _as_grey(pixels) if grey is None else grey
    if values.dtype == np.uint8:
        shown, scale = values, 1.0
        total, squares = kernels.sums(shown)
    else:
        scale = 255 / ((1 << max(1, int(values.max()).bit_length())) - 1)
        total, squares = int(values.sum()), int(np.square(values, dtype=np.uint64).sum())
        shown = cast("npt.NDArray[np.uint8]", cv2.convertScaleAbs(values, alpha=scale))
    background = kernels.edge_medians(shown)[1]
    # The variance is exact before its root is taken; rounded to what is the same on every processor.
    mean, std = total / values.size, math.sqrt(values.size * squares - total * total) / values.size
    brightness = round(mean * scale, 4)
    polarity = "dark_on_light" if brightness <= background else "light_on_dark"
    return Greys(brightness, round(std * scale, 4), background, polarity, shown)


def _as_grey(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels[..., 0])
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if pixels.shape[2] == 3 else cv2.COLOR_RGBA2GRAY)


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
    corner = pixels[-FOOTER_ROWS:, :FOOTER_COLUMNS]
    if kernels.is_uniform(corner) if corner.ndim == 2 else (corner == corner.flat[0]).all():
        return None
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(corner).data)
