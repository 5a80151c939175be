"""Shards: plain ustar archives written as a stream, with the byte range of every image.

One member per image, named ``<image_id>.<ending>``; headers hold nothing that differs from run to run
(time 0, owner 0, mode 0444), so equal images give equal bytes. Layout: IEEE 1003.1, ustar.
"""

from typing import IO

_BLOCK = 512
_ENDINGS = {"png": "png", "jpeg": "jpg"}
_MAX_MEMBER = 8**11 - 1


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
