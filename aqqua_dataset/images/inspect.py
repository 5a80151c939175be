"""The one pass over one image: decoded once, verified, measured, its fingerprints taken, ready for a shard.

Grey stored as colour or as a palette counts as grey in the pixel hash, so that the same picture meets itself in every
container.
"""

import functools
import hashlib
from typing import NamedTuple

import numpy as np
import xxhash

from aqqua_dataset import schema
from aqqua_dataset.images import container, content
from aqqua_dataset.images.decode import MAX_PIXELS, BadImage, Decoded, Pixels, decode, grey_if_equal
from aqqua_dataset.images.fingerprint import thumbnail
from aqqua_dataset.images.normalise import framed_hash, normal_hash, without_frame
from aqqua_dataset.quality.thresholds import threshold

__all__ = ["BadImage", "PackedImage", "Pixels", "decode_sheet", "inspect_crop", "inspect_file", "inspect_raw"]


class PackedImage(NamedTuple):
    """One image ready for a shard: its stored bytes and what the shard index says of them.

    ``thumbnail`` is what ``fingerprint.near_hashes`` needs.
    """

    data: bytes
    thumbnail: bytes
    image_format: str
    width_px: int
    height_px: int
    channels: int
    bit_depth: int
    significant_bits: int
    grey_mean: float
    grey_std: float
    polarity: str
    footer_hash: str | None
    delivered_sha256: str
    image_sha256: str
    pixel_hash: str
    normal_hash: str | None


def inspect_file(delivered: bytes) -> PackedImage:
    """Verifies an image file; PNG and JPEG keep their bytes without personal metadata, others become PNG.

    Raises:
        BadImage: the image can't be used.
    """
    if not delivered:
        raise BadImage("image_empty", "0 bytes")
    return _packed(delivered, decode(delivered, _no_camera_frame))


def inspect_raw(delivered: bytes, width: int, height: int) -> PackedImage:
    """Turns raw 8-bit grey pixels (row by row) into a lossless PNG.

    Raises:
        BadImage: the bytes don't fill ``width`` x ``height``.
    """
    if width * height > MAX_PIXELS:
        raise BadImage("image_too_large", f"{width} x {height} pixels")
    if len(delivered) != width * height or not delivered:
        raise BadImage("image_truncated", f"{len(delivered)} of {width * height} bytes")
    pixels = np.frombuffer(delivered, np.uint8).reshape(height, width)
    return _packed(delivered, Decoded(pixels, 8, container.encode_png_array(pixels), "png"))


def inspect_crop(sheet: Pixels, x: int, y: int, width: int, height: int) -> PackedImage:
    """Cuts one picture out of a sheet of many (see ``decode_sheet``) and makes it a lossless PNG.

    Raises:
        BadImage: the rectangle lies outside the sheet.
    """
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > sheet.shape[1] or y + height > sheet.shape[0]:
        raise BadImage(
            "image_rectangle_outside", f"{width} x {height} at {x}, {y} in {sheet.shape[1]} x {sheet.shape[0]}"
        )
    pixels = grey_if_equal(sheet[y : y + height, x : x + width])
    cut = Decoded(pixels, pixels.dtype.itemsize * 8, container.encode_png_array(pixels), "png")
    return _packed(pixels.tobytes(), cut)


def decode_sheet(delivered: bytes) -> Pixels:
    """Pixels of a picture that holds many: rows, columns and, for colour, channels.

    Raises:
        BadImage: the image can't be used.
    """
    return decode(delivered).pixels


@functools.cache
def _camera_frames() -> frozenset[tuple[int, int]]:
    """Sizes of whole camera frames: images of that size aren't cut out and hold any number of objects."""
    table = schema.vocabulary("camera_frames.csv")
    return frozenset(zip(table["width_px"].astype(int), table["height_px"].astype(int), strict=True))


def _no_camera_frame(width: int, height: int) -> None:
    if (width, height) in _camera_frames():
        raise BadImage("image_full_frame", f"{width} x {height} pixels, a camera's whole frame")


def _packed(delivered: bytes, image: Decoded) -> PackedImage:
    pixels = image.pixels
    greys = content.greys(pixels, image.grey)
    if greys.std < threshold("I03.std") and _is_flat(pixels):
        raise BadImage("image_constant", f"every pixel is about {greys.mean:g} (standard deviation {greys.std:g})")
    pixel_hash = xxhash.xxh3_128(f"{pixels.shape}{pixels.dtype.str}".encode())
    pixel_hash.update(pixels.data)
    delivered_sha256 = hashlib.sha256(delivered).hexdigest()
    same = image.stored is delivered or image.stored == delivered
    seen = without_frame(greys.pixels)
    grey = pixels if image.grey is None else image.grey
    return PackedImage(
        image.stored,
        thumbnail(seen),
        image.kind,
        pixels.shape[1],
        pixels.shape[0],
        1 if pixels.ndim == 2 else pixels.shape[2],
        image.bit_depth,
        content.significant_bits(pixels, image.bit_depth),
        greys.mean,
        greys.std,
        greys.polarity,
        content.footer_hash(pixels),
        delivered_sha256,
        delivered_sha256 if same else hashlib.sha256(image.stored).hexdigest(),
        pixel_hash.hexdigest(),
        # Deeper values are shown spread over 8 bit, but normalised by cutting bits off.
        framed_hash(seen) if grey.dtype == np.uint8 else normal_hash(grey),
    )


def _is_flat(pixels: Pixels) -> bool:
    """Whether a picture of even brightness has no drawing in colours or transparency either."""
    if pixels.ndim == 2:
        return True
    most = threshold("I03.std") * (257 if pixels.dtype == np.uint16 else 1)
    return all(float(pixels[..., c].std()) < most for c in range(pixels.shape[2]))
