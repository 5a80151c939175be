"""Decodes and verifies one image and takes its fingerprints; hostile bytes give a reason, not a crash.

The header is judged before anything is decoded: format from an allow-list, at most
``MAX_PIXELS`` pixels, one frame. Grey stored as colour or as a palette counts as grey in the pixel
hash, so that the same picture meets itself in every container.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash
from PIL import Image, UnidentifiedImageError

from aqqua_dataset.images import container

MAX_PIXELS = 100_000_000
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
    image = _decoded(delivered)
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
    stored = container.encode_png(Image.fromarray(pixels))
    return _packed(delivered, stored, "png", pixels, 8)


def _decoded(delivered: bytes) -> Image.Image:
    """The decoded image, or the reason why not."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of damage it tolerates; whether it could decode is what counts here.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(delivered), formats=_FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise BadImage("image_too_large", f"{image.width} x {image.height} pixels")
            if getattr(image, "n_frames", 1) > 1:
                raise BadImage("image_multiframe", f"{getattr(image, 'n_frames', 1)} pictures")
            _check_depth(image)
            image.load()
    except UnidentifiedImageError:
        raise BadImage("image_format_unsupported", delivered[:8].hex(" ")) from None
    except Image.DecompressionBombError as error:
        raise BadImage("image_too_large", str(error)) from None
    except BadImage:
        raise
    except Exception as error:  # on damaged bytes Pillow raises whatever its parsers run into
        raise BadImage("image_unreadable", f"{type(error).__name__}: {error}"[:200]) from None
    return image


def _check_depth(image: Image.Image) -> None:
    """Refuses what Pillow would shorten without a word, such as colour TIFF with 16 bit per channel."""
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE, (8,))
    deepest = max(bits) if isinstance(bits, tuple) else bits
    if image.mode not in _BIT_DEPTH or (deepest > 8 and _BIT_DEPTH[image.mode] <= 8):
        raise BadImage("image_bit_depth_unsupported", f"mode {image.mode}, {deepest} bit per channel")


def _pixels(image: Image.Image) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
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
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
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
        delivered_sha256=delivered_sha256,
        image_sha256=delivered_sha256 if same else hashlib.sha256(stored).hexdigest(),
        pixel_hash=xxhash.xxh3_128_hexdigest(shape + pixels.tobytes()),
    )
