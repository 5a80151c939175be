"""PNG and JPEG containers: headers read and checksums proved without a decoder, personal metadata cut out.

PNG keeps the chunks that decide how its pixels look (PNG specification, third edition, 11.2-11.3);
text, time and EXIF chunks and everything unknown go. JPEG (ITU-T T.81, B.1) keeps JFIF, ICC profile and
Adobe markers; comments, EXIF, XMP and other application data go. A colour profile that names a person goes, and
so do bytes after the end. Decoders get these bytes only, so that nothing hidden in metadata reaches them.
"""

import io
import re
import struct
import zlib
from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image

from aqqua_dataset import privacy

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP bKGD hIST pHYs".split()  # what decides how it looks
)
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Deflate can't pack more (a match of 258 bytes in two bits, RFC 1951).
_DEFLATE_MOST = 1032

EOI, SOS, _DNL, _COM = 0xD9, 0xDA, 0xDC, 0xFE
_APP = range(0xE0, 0xF0)
_SOF = frozenset([*range(0xC0, 0xD0)]) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_SOF = (0xC0, 0xC1, 0xC2)
APP_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_PROFILE_MOST = 1 << 20  # profiles of cameras and scanners have some kilobytes
#: Tables, frames and scans (ITU-T T.81, table B.1): what else has a length says nothing about the picture.
PICTURE = frozenset([*range(0xC0, 0xD0), *range(0xDA, 0xE0)]) - {0xC8, _DNL}
WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD8)])
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
#: Encoders write about ten scans; each costs a walk over the whole picture, however few bytes it has.
_MOST_SCANS = 100
#: Huffman coding spends at least one bit on a block of 8 x 8 pixels: 512 pixels per byte.
_HUFFMAN_MOST = 512


class Damaged(Exception):
    """The container is broken; the message says where, ``width`` and ``height`` what its header claims."""

    def __init__(self, message: str, width: int = 0, height: int = 0) -> None:
        """Width and height are 0 where the header wasn't reached."""
        super().__init__(message)
        self.width, self.height = width, height


class Header(NamedTuple):
    """What a container says of its picture, and the bytes that are kept of it.

    ``plain`` is whether the picture is of the kind that the fast decoder was proved to decode as Pillow does.
    """

    width: int
    height: int
    channels: int
    frames: int
    plain: bool
    stored: bytes


def scan_png(data: bytes) -> Header:
    """Walks the chunks of a PNG and proves the checksum of every one that is kept.

    Raises:
        Damaged: no header, a chunk cut short, a wrong checksum, or too few bytes for so many pixels.
    """
    kept, kinds = [PNG_SIGNATURE], []
    position, packed, frames = len(PNG_SIGNATURE), 0, 1
    view = memoryview(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if kind == b"iCCP" and names_a_person(unpacked_profile(data[position + 8 : end - 4])):
            pass
        elif kind in PNG_KEPT:
            if end > len(data):
                raise Damaged(f"chunk {kind.decode()} is cut short")
            if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
                raise Damaged(f"wrong checksum of chunk {kind.decode()}")
            kept.append(data[position:end])
            kinds.append(kind)
            packed += length if kind == b"IDAT" else 0
        elif kind == b"acTL" and length == 8 and end <= len(data):
            frames = max(frames, int.from_bytes(view[position + 8 : position + 12]))
        position = end
        if kind == b"IEND":
            break
    else:
        kept.append(_PNG_END)  # decoders accept its absence, a stored file should not
    if kinds[:1] != [b"IHDR"] or len(kept[1]) != 25:
        raise Damaged("no PNG header")
    width, height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", kept[1], 8)
    row = (width * depth * _PNG_CHANNELS.get(colour, 1) + 7) // 8
    if not packed or packed * _DEFLATE_MOST < height * row:
        raise Damaged(f"{packed} bytes can't hold {width} x {height} pixels", width, height)
    plain = (depth, interlace) == (8, 0) and colour in (0, 2) and b"tRNS" not in kinds and kinds.count(b"IHDR") == 1
    whole = len(data) == sum(map(len, kept))
    channels = _PNG_CHANNELS.get(colour, 1)
    return Header(width, height, channels, frames, plain, data if whole else b"".join(kept))


def scan_jpeg(data: bytes) -> Header:
    """Walks the segments of a JPEG.

    Raises:
        Damaged: no end, more scans than any encoder writes, or too few bytes for so many pixels.
    """
    kept, frame_headers, scans, frames, ended = [data[:2]], [], 0, 1, False
    position = 2
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            position += 1  # fill between segments
            continue
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker == EOI:
            ended = True
            break
        elif marker in WITHOUT_LENGTH:
            kept.append(data[position : position + 2])
            position += 2
        else:
            length = int.from_bytes(data[position + 2 : position + 4])
            end = position + 2 + length
            if marker in _SOF:
                frame_headers.append((marker, data[position + 4 : end]))
            if marker == 0xE2 and data[position + 4 : position + 8] == b"MPF\0":
                frames = 2  # at least it says so; Pillow counts them
            if is_kept(marker, data[position + 4 : position + 16]) and not (
                marker in APP_KEPT and names_a_person(data[position + 4 : end])
            ):
                kept.append(data[position:end])
            position = end
            if marker == SOS:
                scans += 1
                end = scan_end(data, position)
                kept.append(data[position:end])
                position = end
    if scans > _MOST_SCANS:
        raise Damaged(f"{scans} scans")
    header = _jpeg_header(data, frame_headers, frames, b"".join([*kept, b"\xff\xd9"]))
    if not ended:
        raise Damaged("the picture is cut short", header.width, header.height)
    return header


def _jpeg_header(data: bytes, frame_headers: list[tuple[int, bytes]], frames: int, stored: bytes) -> Header:
    stored = data if stored == data else stored
    if len(frame_headers) != 1 or len(frame_headers[0][1]) < 6:
        return Header(0, 0, 0, frames, False, stored)
    marker, content = frame_headers[0]
    precision, height, width, channels = struct.unpack_from(">BHHB", content)
    if marker in _HUFFMAN_SOF and len(stored) * _HUFFMAN_MOST < width * height:
        raise Damaged(f"{len(stored)} bytes can't hold {width} x {height} pixels", width, height)
    plain = marker in _HUFFMAN_SOF and precision == 8 and channels in (1, 3) and frames == 1
    return Header(width, height, channels, frames, plain, stored)


def is_kept(marker: int, head: bytes) -> bool:
    """Whether a JPEG segment that begins with these bytes belongs to the picture."""
    if marker in _APP:
        return marker in APP_KEPT and head.startswith(APP_KEPT[marker])
    return marker not in (_COM, _DNL)  # decoders refuse what is no marker of a picture: they have to see it


def unpacked_profile(content: bytes) -> bytes:
    """Name and content of a PNG's colour profile (chunk iCCP: name, 0, method, deflated profile)."""
    name, _, packed = content.partition(b"\0")
    try:
        return name + b"\0" + zlib.decompressobj().decompress(packed[1:], _PROFILE_MOST)
    except zlib.error:
        return content


def names_a_person(content: bytes) -> bool:
    """Whether there is anything personal in a part of a file that isn't pixels."""
    return any(privacy.stream_leaks(io.BytesIO(content)))


def scan_end(data: bytes, position: int) -> int:
    """First byte after coded data: an FF that is followed by neither 0, FF nor a restart."""
    found = _SCAN_END.search(data, position)
    return found.start() if found else len(data)


def encode_png_array(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Grey or colour pixels as a lossless PNG of 8 or 16 bit.

    Paeth filter and run lengths: on real regions five times as fast as Pillow's level 6, and no larger
    (docs/images.md).
    """
    return bytes(
        imagecodecs.png_encode(
            np.ascontiguousarray(pixels), level=1, strategy=imagecodecs.PNG.STRATEGY.RLE,
            filter=imagecodecs.PNG.FILTER.PAETH,
        )
    )  # fmt: skip


def encode_png(image: Image.Image) -> bytes:
    """The image as a lossless PNG at its bit depth, without any metadata."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return encode_png_array(np.asarray(image))
    stream = io.BytesIO()
    mode = {"CMYK": "RGB", "I": "I;16", "PA": "RGBA"}.get(image.mode, image.mode)
    converted = image if mode == image.mode else image.convert(mode)
    converted.info = {k: v for k, v in image.info.items() if k == "transparency"}
    converted.save(stream, "PNG", compress_level=6)
    return stream.getvalue()
