"""Shards: plain ustar archives written as a stream, with the byte range of every image.

One member per image, named ``<image_id>.<ending>``; headers hold nothing that differs from run to run
(time 0, owner 0, mode 0444), so equal images give equal bytes. Layout: IEEE 1003.1, ustar.
"""

from typing import IO

import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.images.fingerprint import near_hashes
from aqqua_dataset.images.inspect import PackedImage

_BLOCK = 512
_ENDINGS = {"png": "png", "jpeg": "jpg"}
_MAX_MEMBER = 8**11 - 1
_BATCH = 512
_TAKEN = [f for f in PackedImage._fields if f not in ("data", "thumbnail")]


class ShardWriter:
    """Writes images one after the other to a binary stream."""

    def __init__(self, stream: IO[bytes]) -> None:
        """The stream stays the caller's, who closes it after ``finish``."""
        self._stream = stream
        self._position = 0

    def add(self, image_id: str, image_format: str, data: bytes) -> int:
        """Appends one image and returns the offset of its first byte.

        Raises:
            ValueError: the image is larger than a ustar member can be (8 GiB).
        """
        header = _header(member_name(image_id, image_format), len(data))
        self._stream.write(header)
        self._stream.write(data)
        self._stream.write(b"\0" * (-len(data) % _BLOCK))
        offset = self._position + _BLOCK
        self._position = offset + len(data) + (-len(data) % _BLOCK)
        return offset

    def finish(self) -> int:
        """Writes the end of the archive and returns its size in bytes."""
        self._stream.write(b"\0" * (2 * _BLOCK))
        return self._position + 2 * _BLOCK


class ShardIndex:
    """Rows of the table ``shard_index`` as images are added; they're kept as Arrow, not as Python objects."""

    def __init__(self, shard: str) -> None:
        """``shard`` is the archive's path in the warehouse."""
        self.shard = shard
        self._batches: list[pa.RecordBatch] = []
        self._rows: list[tuple[object, ...]] = []
        self._thumbnails: list[bytes] = []

    def add(self, image_id: str, image: PackedImage, offset: int) -> None:
        """Adds an image whose first byte stands at ``offset``."""
        self._rows.append((image_id, offset, len(image.data), self.shard, *image[2:]))
        self._thumbnails.append(image.thumbnail)
        if len(self._rows) == _BATCH:
            self._flush()

    def table(self) -> pa.Table:
        """All rows so far, in the order they were added."""
        self._flush()
        return pa.Table.from_batches(self._batches, schema.arrow("shard_index"))

    def _flush(self) -> None:
        if not self._rows:
            return
        names = ("image_id", "offset", "length", "shard", *_TAKEN)
        columns = dict(zip(names, zip(*self._rows, strict=True), strict=True))
        columns["near_hash"] = tuple(near_hashes(self._thumbnails))
        target = schema.arrow("shard_index")
        arrays = [pa.array(columns[f.name], f.type) for f in target]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=target))
        self._rows, self._thumbnails = [], []


def member_name(image_id: str, image_format: str) -> str:
    """Name of an image inside a shard."""
    return f"{image_id}.{_ENDINGS[image_format]}"


_HEAD = b"0000444\0" + b"0000000\0" * 2  # mode, owner, group
_TAIL = b"00000000000\0"  # time
_REST = b"0" + b"\0" * 100 + b"ustar\00000" + b"\0" * 64 + b"0000000\0" * 2 + b"\0" * 167  # kind, link, names, device
_SUM = sum(_HEAD) + sum(_TAIL) + sum(_REST) + 8 * ord(" ")  # the checksum itself counts as blanks


def _header(name: str, size: int) -> bytes:
    if size > _MAX_MEMBER:
        raise ValueError(f"{name}: {size} bytes do not fit a ustar member")
    title, length = name.encode("ascii"), b"%011o\0" % size
    total = b"%06o\0 " % (_SUM + sum(title) + sum(length))
    return b"".join([title.ljust(100, b"\0"), _HEAD, length, _TAIL, total, _REST])
