"""Shards: plain ustar archives written as a stream, with the byte range of every image.

One member per image, named ``<image_id>.<ending>``; headers hold nothing that differs from run to run
(time 0, owner 0, mode 0444), so equal images give equal bytes. Layout: IEEE 1003.1, ustar.
"""

import hashlib
from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.images.fingerprint import near_hashes
from aqqua_dataset.images.inspect import PackedImage

_BLOCK = 512
_END = bytes(_BLOCK)
_ENDINGS = {"png": "png", "jpeg": "jpg"}
_MAX_MEMBER = 8**11 - 1
_BATCH = 512
_TAKEN = [f for f in PackedImage._fields if f not in ("data", "thumbnail")]


class ShardDamaged(OSError):
    """A shard isn't what this software writes: the bytes at some place are no member, or end too early."""


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
        return self.add_file(member_name(image_id, image_format), data)

    def add_file(self, name: str, data: bytes) -> int:
        """Appends a file of any name, as ``add`` does."""
        header = _header(name, len(data))
        self._stream.write(b"".join((header, data, bytes(-len(data) % _BLOCK))))
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


def shard_size(offset: int, length: int) -> int:
    """Size in bytes of a shard whose last image lies at ``offset``; of an empty one for 0 and 0."""
    return offset + length + (-length % _BLOCK) + 2 * _BLOCK


def packed_offsets(lengths: pa.ChunkedArray) -> pa.Array:
    """Offsets of the first bytes of images of these lengths, one after the other from the beginning of a shard."""
    sizes = lengths.to_numpy().astype(np.int64)
    members = _BLOCK + sizes + (-sizes % _BLOCK)
    return pa.array(np.cumsum(members) - members + _BLOCK, pa.int64())


def member_problem(
    stream: IO[bytes], *, offset: int, length: int, image_id: str, image_format: str, image_sha256: str,
    digest: "hashlib._Hash | None",
) -> str:  # fmt: skip
    """What is wrong with an image at its place in a shard, or an empty text.

    Args:
        stream: the shard, seekable.
        offset, length, image_id, image_format, image_sha256: what the index says.
        digest: None to look at the header alone; else the image is read and its SHA-256 compared, and this is told
            every byte of header, image and padding.

    Raises:
        OSError: the shard can't be read.
    """
    if offset < _BLOCK:
        return f"offset {offset} leaves no room for a header"
    stream.seek(offset - _BLOCK)
    header = stream.read(_BLOCK)
    name = member_name(image_id, image_format)
    if len(header) < _BLOCK:
        return f"expected {name} at byte {offset}, found the end of the file"
    if header != _header(name, length):
        found = header[:100].rstrip(b"\0").decode("ascii", "replace")
        size = header[124:135].decode("ascii", "replace")
        return f"expected a header of {name} ({length:o} octal bytes) at byte {offset}, found {found!r} ({size})"
    if digest is not None:
        data = stream.read(length + (-length % _BLOCK))
        digest.update(header + data)
        if (found := hashlib.sha256(data[:length]).hexdigest()) != image_sha256 or any(data[length:]):
            return f"expected SHA-256 {image_sha256} at byte {offset}, found {found}"
    return ""


def members(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Image id and bytes of every image of a shard, in one sequential read.

    Raises:
        ShardDamaged: the stream isn't a shard as ``ShardWriter`` writes them.
    """
    while (header := stream.read(_BLOCK)) != _END:
        name, size = header[:100].rstrip(b"\0"), header[124:135]
        if header[257:263] != b"ustar\0" or not size.isdigit():
            raise ShardDamaged(f"expected a header, found {header[:20]!r}")
        length = int(size, 8)
        data = stream.read(length + (-length % _BLOCK))
        if len(data) < length:
            raise ShardDamaged(f"{name.decode('ascii', 'replace')}: expected {length} bytes, found {len(data)}")
        yield name.decode("ascii").rsplit(".", 1)[0], data[:length]


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
