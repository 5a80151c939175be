"""Decodes and verifies one image and takes its fingerprints; hostile bytes give a reason, not a crash.

The header is judged before anything is decoded: format from an allow-list, at most
``MAX_PIXELS`` pixels, one frame, no full camera frame. Grey stored as colour or as a palette counts as grey in the
pixel hash, so that the same picture meets itself in every container. Colour TIFF with 16 bit per channel, which
Pillow would shorten to 8 without a word, is decoded by tifffile.
"""

import contextlib
import functools
import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import tifffile
import xxhash
from PIL import Image, UnidentifiedImageError

from aqqua_dataset import schema
from aqqua_dataset.images import container, content

MAX_PIXELS = 100_000_000
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP")
_BIT_DEPTH = {
    "1": 1,
    "L": 8,
    "LA": 8,
    "P": 8,
    "PA": 8,
    "RGB": 8,
    "RGBA": 8,
    "CMYK": 8,
    "I;16": 16,
    "I": 16,
}
_TIFF_BITS_PER_SAMPLE = 258


class BadImage(Exception):
    """An image that can't be used; ``reason`` is one of vocabularies/reasons.csv."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """``detail`` is what was found, for the contributor."""
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class PackedImage:
    """One image ready for a shard: its stored bytes and what the shard index says of them."""

    data: bytes
    image_format: str
    width_px: int
    height_px: int
    channels: int
    bit_depth: int
    significant_bits: int
    footer_hash: str | None
    delivered_sha256: str
    image_sha256: str
    pixel_hash: str


def inspect_file(delivered: bytes) -> PackedImage:
    """Verifies an image file; PNG and JPEG keep their bytes without personal metadata, others become PNG.

    Raises:
        BadImage: the image can't be used.
    """
    if not delivered:
        raise BadImage("image_empty", "0 bytes")
    image = _opened(delivered)
    if (image.width, image.height) in _camera_frames():
        raise BadImage("image_full_frame", f"{image.width} x {image.height} pixels, a camera's whole frame")
    if _is_deep_colour(image):
        deep = _deep_colour(delivered)
        return _packed(delivered, container.encode_png_array(deep), "png", _grey_if_equal(deep), 16)
    _load(image)
    pixels = _pixels(image)
    if image.format == "PNG":
        stored, kind = container.strip_png(delivered), "png"
    elif image.format == "JPEG":
        stored, kind = container.strip_jpeg(delivered), "jpeg"
    else:
        stored, kind = container.encode_png(image), "png"
    return _packed(delivered, stored, kind, pixels, _BIT_DEPTH[image.mode])


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
    return _packed(delivered, container.encode_png_array(pixels), "png", pixels, 8)


def inspect_crop(sheet: Pixels, x: int, y: int, width: int, height: int) -> PackedImage:
    """Cuts one picture out of a sheet of many (see ``decode_sheet``) and makes it a lossless PNG.

    Raises:
        BadImage: the rectangle lies outside the sheet.
    """
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > sheet.shape[1] or y + height > sheet.shape[0]:
        raise BadImage(
            "image_rectangle_outside", f"{width} x {height} at {x}, {y} in {sheet.shape[1]} x {sheet.shape[0]}"
        )
    pixels = _grey_if_equal(sheet[y : y + height, x : x + width])
    bits = pixels.dtype.itemsize * 8
    return _packed(pixels.tobytes(), container.encode_png_array(pixels), "png", pixels, bits)


def decode_sheet(delivered: bytes) -> Pixels:
    """Pixels of a picture that holds many: rows, columns and, for colour, channels.

    Raises:
        BadImage: the image can't be used.
    """
    image = _opened(delivered)
    if _is_deep_colour(image):
        return _deep_colour(delivered)
    _load(image)
    return _pixels(image)


@contextlib.contextmanager
def _damage_as_bad_image() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Decoders warn of damage they tolerate; whether they could decode is what counts here.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise BadImage("image_too_large", str(error)) from None
    except BadImage:
        raise
    except Exception as error:  # on damaged bytes decoders raise whatever their parsers run into
        raise BadImage("image_unreadable", f"{type(error).__name__}: {error}"[:200]) from None


def _opened(delivered: bytes) -> Image.Image:
    """The image with its header read and judged, nothing decoded yet."""
    with _damage_as_bad_image():
        try:
            image = Image.open(io.BytesIO(delivered), formats=_FORMATS)
        except UnidentifiedImageError:
            raise BadImage("image_format_unsupported", delivered[:8].hex(" ")) from None
        if image.width * image.height > MAX_PIXELS:
            raise BadImage("image_too_large", f"{image.width} x {image.height} pixels")
        if getattr(image, "n_frames", 1) > 1:
            raise BadImage("image_multiframe", f"{getattr(image, 'n_frames', 1)} pictures")
        bits = _deepest(image)
        if image.mode not in _BIT_DEPTH or (bits > 8 >= _BIT_DEPTH[image.mode] and not _is_deep_colour(image)):
            raise BadImage("image_bit_depth_unsupported", f"mode {image.mode}, {bits} bit per channel")
    return image


def _load(image: Image.Image) -> None:
    with _damage_as_bad_image():
        image.load()


def _deepest(image: Image.Image) -> int:
    """Bits per channel as a TIFF states them; 8 for other formats, whose Pillow mode says it."""
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE, (8,))
    return int(max(bits) if isinstance(bits, tuple) else bits)


def _is_deep_colour(image: Image.Image) -> bool:
    return image.format == "TIFF" and image.mode == "RGB" and _deepest(image) == 16


def _deep_colour(delivered: bytes) -> npt.NDArray[np.uint16]:
    with _damage_as_bad_image():
        pixels = tifffile.imread(io.BytesIO(delivered))
        if pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise BadImage("image_bit_depth_unsupported", f"{pixels.dtype} in shape {pixels.shape}")
    return np.ascontiguousarray(pixels)


@functools.cache
def _camera_frames() -> frozenset[tuple[int, int]]:
    """Sizes of whole camera frames: images of that size aren't cut out and hold any number of objects."""
    table = schema.vocabulary("camera_frames.csv")
    return frozenset(zip(table["width_px"].astype(int), table["height_px"].astype(int), strict=True))


def _grey_if_equal(pixels: Pixels) -> Pixels:
    """Colour with three equal channels as grey."""
    if pixels.ndim == 3 and pixels.shape[2] == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
        pixels = pixels[..., 0]
    return cast("Pixels", np.ascontiguousarray(pixels))


def _pixels(image: Image.Image) -> Pixels:
    """Pixels as they look: palettes and 1-bit resolved, colour with equal channels reduced to grey."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    pixels = np.asarray(image)
    if image.mode == "I":
        if pixels.min() < 0 or pixels.max() > 65_535:
            raise BadImage("image_bit_depth_unsupported", "values beyond 16 bit")
        pixels = pixels.astype(np.uint16)
    if pixels.ndim == 3 and pixels.shape[2] >= 3 and image.mode != "CMYK":
        grey = (pixels[..., :1] == pixels[..., 1:3]).all()
        opaque = pixels.shape[2] == 3 or (pixels[..., 3] == 255).all()
        if opaque:
            pixels = pixels[..., 0] if grey else pixels[..., :3]
    return np.ascontiguousarray(pixels)


def _packed(
    delivered: bytes,
    stored: bytes,
    kind: str,
    pixels: Pixels,
    bit_depth: int,
) -> PackedImage:
    if pixels.min() == pixels.max():
        raise BadImage("image_constant", f"every pixel is {pixels.flat[0]}")
    shape = f"{pixels.shape}{pixels.dtype.str}".encode()
    delivered_sha256 = hashlib.sha256(delivered).hexdigest()
    same = stored is delivered or stored == delivered
    return PackedImage(
        data=stored,
        image_format=kind,
        width_px=pixels.shape[1],
        height_px=pixels.shape[0],
        channels=1 if pixels.ndim == 2 else pixels.shape[2],
        bit_depth=bit_depth,
        significant_bits=content.significant_bits(pixels, bit_depth),
        footer_hash=content.footer_hash(pixels),
        delivered_sha256=delivered_sha256,
        image_sha256=delivered_sha256 if same else hashlib.sha256(stored).hexdigest(),
        pixel_hash=xxhash.xxh3_128_hexdigest(shape + pixels.tobytes()),
    )
