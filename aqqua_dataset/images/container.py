"""PNG and JPEG containers: personal metadata cut out without re-encoding, and lossless PNG written.

PNG keeps the chunks that decide how its pixels look (PNG specification, third edition, 11.2-11.3);
text, time and EXIF chunks and everything unknown go. JPEG (ITU-T T.81, B.1) keeps JFIF, ICC profile and
Adobe markers; comments, EXIF, XMP and other application data go. Bytes after the end go as well.
"""

import io
import struct

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP bKGD hIST pHYs".split()  # what decides how it looks
)

_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP = range(0xE0, 0xF0)
_APP_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD8)])


def strip_png(data: bytes) -> bytes:
    """The PNG with only its picture chunks; the compressed pixels stay as they are."""
    kept = [_PNG_SIGNATURE]
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if kind in _PNG_KEPT:
            kept.append(data[position:end])
        if kind == b"IEND":
            break
        position = end
    else:
        kept.append(b"\0\0\0\0IEND\xaeB`\x82")  # a decoder accepts its absence, a stored file should not
    return b"".join(kept)


def strip_jpeg(data: bytes) -> bytes:
    """The JPEG without comments, EXIF, XMP and other application data; the coded pixels stay as they are."""
    kept = [data[:2]]
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            position += 1  # fill between segments
            continue
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker == _EOI:
            break
        elif marker in _WITHOUT_LENGTH:
            kept.append(data[position : position + 2])
            position += 2
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            end = position + 2 + length
            if _is_kept(marker, data[position + 4 : position + 16]):
                kept.append(data[position:end])
            position = end
            if marker == _SOS:
                end = _scan_end(data, position)
                kept.append(data[position:end])
                position = end
    return b"".join([*kept, b"\xff\xd9"])


def _is_kept(marker: int, head: bytes) -> bool:
    if marker in _APP:
        return marker in _APP_KEPT and head.startswith(_APP_KEPT[marker])
    return marker != _COM


def _scan_end(data: bytes, position: int) -> int:
    """End of the entropy-coded bytes: the next marker that is neither a stuffed FF nor a restart."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return len(data)
        following = data[position + 1]
        if following != 0 and following not in range(0xD0, 0xD8) and following != 0xFF:
            return position
        position += 1 if following == 0xFF else 2


def encode_png_array(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Grey or colour pixels as a lossless PNG of 8 or 16 bit; Pillow can't write colour with 16 bit."""
    if pixels.dtype == np.uint16 and pixels.ndim == 3:
        return bytes(imagecodecs.png_encode(pixels, level=6))
    return encode_png(Image.fromarray(pixels))


def encode_png(image: Image.Image) -> bytes:
    """The image as a lossless PNG at its bit depth, without any metadata."""
    stream = io.BytesIO()
    mode = {"CMYK": "RGB", "I": "I;16", "PA": "RGBA"}.get(image.mode, image.mode)
    converted = image if mode == image.mode else image.convert(mode)
    converted.info = {k: v for k, v in image.info.items() if k == "transparency"}
    converted.save(stream, "PNG", compress_level=6)
    return stream.getvalue()
