"""Bytes to pixels, the header judged before anything is decoded; hostile bytes give a reason, not a crash.

Usual PNG (grey or colour of 8 bit) and JPEG go to the fastest decoders measured, everything else to Pillow, which stays
the reference (docs/images.md). At most ``MAX_PIXELS`` pixels, one frame, formats from an allow-list. Colour TIFF with
16 bit per channel, which Pillow would shorten to 8 without a word, is decoded by tifffile.
"""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import NamedTuple, cast

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import simplejpeg
import tifffile
from PIL import Image, UnidentifiedImageError

from aqqua_dataset.images import container

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

cv2.setNumThreads(1)  # a worker is one core


@functools.cache
def library_versions() -> str:
    """Versions of what decodes, encodes and scales: another one may give other bytes or fingerprints."""
    names = ("imagecodecs", "simplejpeg", "opencv-python-headless", "pillow", "tifffile", "xxhash")
    return " ".join(f"{name} {metadata.version(name)}" for name in names)


class BadImage(Exception):
    """An image that can't be used; ``reason`` is one of vocabularies/reasons.csv."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """``detail`` is what was found, for the contributor."""
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class Decoded(NamedTuple):
    """Pixels as they look, bits per channel of the file, and what is stored of it.

    ``grey`` are the pixels as grey where channels alone don't tell how (CMYK).
    """

    pixels: Pixels
    bit_depth: int
    stored: bytes
    kind: str
    grey: npt.NDArray[np.uint8] | None = None


def anything(width: int, height: int) -> None:
    """Judges no size."""


def decode(delivered: bytes, judge: Callable[[int, int], None] = anything) -> Decoded:
    """Decodes an image file.

    Args:
        delivered: the file.
        judge: gets width and height before anything is decoded, and raises BadImage where they won't do.

    Raises:
        BadImage: the image can't be used.
    """
    try:
        if delivered.startswith(container.PNG_SIGNATURE):
            return _png(container.scan_png(delivered), judge)
        if delivered.startswith(b"\xff\xd8\xff"):
            return _jpeg(delivered, container.scan_jpeg(delivered), judge)
    except container.Damaged as error:
        _judge_header(delivered, error, judge)
        raise BadImage("image_unreadable", str(error)) from None
    return _by_pillow(delivered, judge)


def decode_by_reference(delivered: bytes) -> Decoded:
    """The same by Pillow alone, without the walk through the container: what ``decode`` is tested against."""
    return _by_pillow(delivered, anything, delivered)


def _png(header: container.Header, judge: Callable[[int, int], None]) -> Decoded:
    _judge_size(header.width, header.height, judge)
    if header.frames > 1:
        raise BadImage("image_multiframe", f"{header.frames} pictures")
    if header.plain:
        with contextlib.suppress(imagecodecs.PngError):  # Pillow decides what is damaged
            pixels = imagecodecs.png_decode(header.stored)
            return Decoded(grey_if_equal(pixels), 8, header.stored, "png")
    return _by_pillow(header.stored, judge)._replace(stored=header.stored)


def _jpeg(delivered: bytes, header: container.Header, judge: Callable[[int, int], None]) -> Decoded:
    if not header.plain:
        return _by_pillow(delivered, judge, header.stored)
    _judge_size(header.width, header.height, judge)
    colour = "GRAY" if header.channels == 1 else "RGB"
    try:
        seen = simplejpeg.decode_jpeg_header(header.stored)
        if seen[:2] != (header.height, header.width) or seen[2] not in ("Gray", "YCbCr", "RGB"):
            return _by_pillow(delivered, judge, header.stored)
        pixels = simplejpeg.decode_jpeg(header.stored, colorspace=colour)
    except ValueError as error:
        if "extraneous" in str(error):  # bytes too many between segments harm no pixel
            return _by_pillow(delivered, judge, header.stored)
        raise BadImage("image_unreadable", str(error)[:200]) from None
    return Decoded(pixels[..., 0] if header.channels == 1 else grey_if_equal(pixels), 8, header.stored, "jpeg")


def _judge_header(delivered: bytes, error: container.Damaged, judge: Callable[[int, int], None]) -> None:
    """The better reason for a damaged file whose header alone rules it out."""
    if delivered.startswith(container.PNG_SIGNATURE) and delivered[12:16] == b"IHDR":
        _judge_size(int.from_bytes(delivered[16:20]), int.from_bytes(delivered[20:24]), judge)
    _judge_size(error.width, error.height, judge)


def _judge_size(width: int, height: int, judge: Callable[[int, int], None]) -> None:
    if width * height > MAX_PIXELS:
        raise BadImage("image_too_large", f"{width} x {height} pixels")
    judge(width, height)


def _by_pillow(delivered: bytes, judge: Callable[[int, int], None], stripped: bytes | None = None) -> Decoded:
    """Decodes with the reference; ``stripped`` are a JPEG's bytes without personal metadata."""
    image = _opened(delivered)
    judge(image.width, image.height)
    if _is_deep_colour(image):
        deep = _deep_colour(delivered)
        return Decoded(grey_if_equal(deep), 16, container.encode_png_array(deep), "png")
    with _damage_as_bad_image():
        image.load()
    pixels = _looks(image)
    grey = np.asarray(image.convert("L")) if image.mode == "CMYK" else None
    bits = _BIT_DEPTH[image.mode]
    if image.format == "PNG":
        return Decoded(pixels, bits, delivered, "png", grey)
    if image.format == "JPEG" and stripped is not None:
        return Decoded(pixels, bits, stripped, "jpeg", grey)
    return Decoded(pixels, bits, container.encode_png(image), "png", grey)


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
            if delivered.startswith((container.PNG_SIGNATURE, b"\xff\xd8\xff")):
                raise BadImage("image_unreadable", "no picture behind the signature") from None
            raise BadImage("image_format_unsupported", delivered[:8].hex(" ")) from None
        _judge_size(image.width, image.height, anything)
        if getattr(image, "n_frames", 1) > 1:
            raise BadImage("image_multiframe", f"{getattr(image, 'n_frames', 1)} pictures")
        bits = _deepest(image)
        if image.mode not in _BIT_DEPTH or (bits > 8 >= _BIT_DEPTH[image.mode] and not _is_deep_colour(image)):
            raise BadImage("image_bit_depth_unsupported", f"mode {image.mode}, {bits} bit per channel")
    return image


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


def grey_if_equal(pixels: Pixels) -> Pixels:
    """Colour with three equal channels as grey."""
    if pixels.ndim == 3 and pixels.shape[2] == 3 and _is_grey(pixels):
        pixels = pixels[..., 0]
    return cast("Pixels", np.ascontiguousarray(pixels))


def _is_grey(pixels: Pixels) -> bool:
    """Whether red, green and blue are equal; a row from the middle tells of most colour images that they aren't."""
    row = pixels[pixels.shape[0] // 2]
    if not (row[:, :1] == row[:, 1:3]).all():
        return False
    first = cv2.extractChannel(pixels, 0)
    return all(np.array_equal(first, cv2.extractChannel(pixels, c)) for c in (1, 2))


def _looks(image: Image.Image) -> Pixels:
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
        opaque = pixels.shape[2] == 3 or (pixels[..., 3] == 255).all()
        if opaque:
            pixels = pixels[..., 0] if _is_grey(pixels) else pixels[..., :3]
    return np.ascontiguousarray(pixels)
