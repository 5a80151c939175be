"""Zip and tar archives read in place: names and sizes of their files, and one file at a time as a stream."""

import bz2
import contextlib
import gzip
import io
import lzma
import posixpath
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

_ZIPS = (".zip", ".zid")  # .zid is ZooImage's name for its zips
_TARS: Mapping[str, Any] = {
    ".tar": None,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tbz2": bz2.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
}
ENDINGS = (*_ZIPS, *_TARS)
_SPOOL_BYTES = 64 << 20
_BUFFER_BYTES = 64 << 10
_EXPANDED_KEPT = 4
# What the libraries run into in a damaged or unsupported archive.
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    ValueError, RuntimeError, NotImplementedError,
)  # fmt: skip


class DamagedArchive(OSError):
    """An archive of the delivery, or a file in it, is damaged: the contributor's matter, not the store's."""


@contextlib.contextmanager
def _damage(path: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DamagedArchive(f"{path}: {error}") from error


def is_archive(path: str) -> bool:
    """Whether a file's name says that it is an archive which is opened as a folder."""
    return path.lower().endswith(ENDINGS)


class _Member(io.RawIOBase):
    """A file in an archive whose damage shows as OSError, as with any other file."""

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._stream, self._path = stream, path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        with _damage(self._path):
            piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _damage(self._path):
            return self._stream.seek(offset, whence)

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass(frozen=True)
class Archive:
    """An opened archive.

    Attributes:
        path: where it lies in the delivery.
        sizes: bytes of each file by its name inside, sorted by name; folders and links are left out.
    """

    path: str
    sizes: Mapping[str, int]
    _names: Mapping[str, Any]
    _opened: zipfile.ZipFile | tarfile.TarFile

    def open(self, name: str) -> IO[bytes]:
        """A file of the archive as a stream that can be sought.

        Raises:
            FileNotFoundError: no such file in it.
            DamagedArchive: the archive is damaged there.
        """
        path = f"{self.path}!/{name}"
        if name not in self._names:
            raise FileNotFoundError(path)
        with _damage(path):
            if isinstance(self._opened, zipfile.ZipFile):
                stream = self._opened.open(self._names[name])
            else:
                stream = cast("IO[bytes]", self._opened.extractfile(self._names[name]))
        return cast("IO[bytes]", io.BufferedReader(_Member(stream, path), _BUFFER_BYTES))


def open_archive(path: str, stream: IO[bytes], stamp: str, opened: contextlib.ExitStack) -> Archive:
    """Opens the archive in a stream.

    Args:
        path: where it lies in the delivery.
        stream: its bytes; must be open as long as the archive is used.
        stamp: tells this archive and its version from all others.
        opened: closes what was opened here.

    Raises:
        DamagedArchive: it is no readable archive.
    """
    with _damage(f"{path}: not a readable archive"):
        if path.lower().endswith(_ZIPS):
            packed = opened.enter_context(zipfile.ZipFile(stream))
            zipped = {_inside(i.filename): i for i in packed.infolist() if not i.is_dir()}
            return Archive(path, {n: zipped[n].file_size for n in sorted(zipped)}, zipped, packed)
        decompress = next(how for ending, how in _TARS.items() if path.lower().endswith(ending))
        plain = stream if decompress is None else opened.enter_context(_expanded(stream, stamp, decompress))
        tar = opened.enter_context(tarfile.open(fileobj=plain, mode="r:"))  # noqa: SIM115 - closed by the stack
        tarred = {_inside(i.name): i for i in tar.getmembers() if i.isreg()}
        return Archive(path, {n: tarred[n].size for n in sorted(tarred)}, tarred, tar)


def spooled(stream: IO[bytes], opened: contextlib.ExitStack) -> IO[bytes]:
    """A copy of an archive inside an archive, in memory or a temporary file: it can't be sought cheaply there."""
    spool = opened.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_BYTES))  # noqa: SIM115 - as above
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.seek(0)
    return cast("IO[bytes]", spool)


def _inside(name: str) -> str:
    """A member's name without ``./`` in front."""
    return posixpath.normpath(name) if name.startswith("./") else name


_plain_tars: dict[str, IO[bytes]] = {}


def _expanded(stream: IO[bytes], stamp: str, decompress: Any) -> IO[bytes]:
    """A compressed tar as a plain one in a temporary file, kept for the next task of this process.

    Compressed tars can't be sought; without this each part of a delivery would expand them again.
    """
    if stamp not in _plain_tars:
        while len(_plain_tars) >= _EXPANDED_KEPT:
            _plain_tars.pop(next(iter(_plain_tars))).close()
        plain = tempfile.NamedTemporaryFile(suffix=".tar")  # noqa: SIM115 - deleted when it is no longer kept
        with decompress(stream, "rb") as source:
            shutil.copyfileobj(source, plain, 1 << 20)
        plain.flush()
        _plain_tars[stamp] = cast("IO[bytes]", plain)
    return open(_plain_tars[stamp].name, "rb")  # noqa: PTH123 - a position of its own
