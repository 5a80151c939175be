"""Shards: plain ustar archives written as a stream, with the byte range of every image.

One member per image, named ``<image_id>.<ending>``; headers hold nothing that differs from run to run
(time 0, owner 0, mode 0444), so equal images give equal bytes. Layout: IEEE 1003.1, ustar.
"""

import hashlib
from collections.abc import Iterator
from typing import IO

_BLOCK = 512
_END = bytes(_BLOCK)
_ENDINGS = {"png": "png", "jpeg": "jpg"}
_MAX_MEMBER = 8**11 - 1


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


def member_name(image_id: str, image_format: str) -> str:
    """Name of an image inside a shard."""
    return f"{image_id}.{_ENDINGS[image_format]}"


def shard_size(offset: int, length: int) -> int:
    """Size in bytes of a shard whose last image lies at ``offset``; of an empty one for 0 and 0."""
    return offset + length + (-length % _BLOCK) + 2 * _BLOCK


def member_problem(
    stream: IO[bytes], *, offset: int, length: int, image_id: str, image_format: str, image_sha256: str, deep: bool
) -> str:
    """What is wrong with an image at its place in a shard, or an empty text.

    Args:
        stream: the shard, seekable.
        offset, length, image_id, image_format, image_sha256: what the index says.
        deep: whether to read the image and compare its SHA-256, not only its header.

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
    if deep:
        data = stream.read(length + (-length % _BLOCK))
        if (digest := hashlib.sha256(data[:length]).hexdigest()) != image_sha256 or any(data[length:]):
            return f"expected SHA-256 {image_sha256} at byte {offset}, found {digest}"
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


def _header(name: str, size: int) -> bytes:
    if size > _MAX_MEMBER:
        raise ValueError(f"{name}: {size} bytes do not fit a ustar member")
    fields = [
        name.encode("ascii").ljust(100, b"\0"),
        b"0000444\0",  # mode
        b"0000000\0" * 2,  # owner, group
        b"%011o\0" % size,
        b"00000000000\0",  # time
        b" " * 8,  # checksum, counted as blanks
        b"0",  # regular file
        b"\0" * 100,  # link
        b"ustar\00000",
        b"\0" * 64,  # owner and group names
        b"0000000\0" * 2,  # device
        b"\0" * 167,
    ]
    header = bytearray(b"".join(fields))
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
