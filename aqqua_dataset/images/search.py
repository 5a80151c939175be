"""The search for personal data in stored images: what they hold beside their picture."""

import hashlib
import io
from collections.abc import Iterator
from typing import IO, cast

from aqqua_dataset import privacy
from aqqua_dataset.images import container
from aqqua_dataset.images.shards import members


def image_leaks(data: bytes) -> Iterator[str]:
    """Parts of a PNG or JPEG that aren't its picture, and personal text in those that are.

    Whatever such a part holds is a leak: nobody has looked at it.
    """
    walk = _png if data.startswith(container.PNG_SIGNATURE) else _jpeg
    for name, content, belongs in walk(data):
        if not belongs:
            yield f"image metadata: {name}"
        elif content:
            yield from (f"{name}: {leak}" for leak in privacy.stream_leaks(io.BytesIO(content)))


def shard_leaks(stream: IO[bytes]) -> Iterator[str]:
    """The same for every image of a shard, in one sequential read, as ``image id: leak``."""
    for image_id, data in members(stream):
        yield from (f"{image_id}: {leak}" for leak in image_leaks(data))


def hashed_and_searched(stream: IO[bytes]) -> tuple[str, tuple[str, ...]]:
    """SHA-256 of a shard and what ``shard_leaks`` finds, by reading it once."""
    told = _Told(stream)
    found = tuple(shard_leaks(cast("IO[bytes]", told)))
    while told.read(1 << 20):
        pass
    return told.digest.hexdigest(), found


class _Told:
    """A stream that tells a digest every byte that is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        return data


_Part = tuple[str, bytes, bool]


def _png(data: bytes) -> Iterator[_Part]:
    """Name, text to be searched, and whether it belongs to the picture, of each chunk and of what follows them."""
    position = len(container.PNG_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        profile = container.unpacked_profile(data[position + 8 : end - 4]) if kind == b"iCCP" else b""
        yield kind.decode("latin-1"), profile, kind in container.PNG_KEPT
        position = end
        if kind == b"IEND":
            break
    if position < len(data):
        yield "bytes after the end", b"", False


def _jpeg(data: bytes) -> Iterator[_Part]:
    """The same for the segments of a JPEG; a file that is none has no part that belongs to a picture."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in container.WITHOUT_LENGTH:
            position += 2
            continue
        if marker == container.EOI:
            break
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        content = data[position + 4 : end]
        is_app = marker in container.APP_KEPT
        belongs = (is_app and container.is_kept(marker, content)) or marker in container.PICTURE
        yield f"FF{marker:02X}", content if is_app else b"", belongs
        position = container.scan_end(data, end) if marker == container.SOS else end
    if data[position:] != b"\xff\xd9":
        yield "bytes outside the picture", b"", False
