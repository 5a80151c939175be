"""Zip files written from front to back, with equal bytes for equal content."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast


class _Forward:
    """A stream that can't go back: zipfile then writes sizes behind a member, on disks and object stores alike."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        return self._stream.write(data)

    def flush(self) -> None:
        """Nothing to do before the stream is closed."""


@contextmanager
def new_zip(stream: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """A zip file to add members to."""
    with zipfile.ZipFile(cast("IO[bytes]", _Forward(stream)), "w") as archive:
        yield archive


def member(name: str, compression: int) -> zipfile.ZipInfo:
    """A member without a time or owner of its own."""
    info = zipfile.ZipInfo(name)  # its time is the first that zip files know, 1980-01-01
    info.compress_type, info.external_attr, info.create_system = compression, 0o644 << 16, 3
    return info


def add_file(archive: zipfile.ZipFile, name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """Adds a whole file."""
    archive.writestr(member(name, compression), data)
