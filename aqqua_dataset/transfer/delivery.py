"""A delivery as one tree of files: a folder, a zip, a remote folder, with zips inside zips opened.

Paths inside a delivery use ``/``; ``a.zip!/b/c.png`` is the member ``b/c.png`` of ``a.zip``. Nothing
is unpacked to disk and nothing is written; bytes are read when asked for.
"""

import contextlib
import functools
import hashlib
import io
import lzma
import posixpath
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

import fsspec

_SPOOL_BYTES = 64 << 20
_BUFFER_BYTES = 64 << 10
# What zipfile runs into in a damaged or unsupported archive.
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError,
    NotImplementedError,
)  # fmt: skip
_JUNK_PARTS = ("__MACOSX", ".git", ".ipynb_checkpoints")
_JUNK_PREFIXES = ("._", ".~lock.", "~$", ".DS_Store", "Thumbs.db", "desktop.ini")


class DamagedArchive(OSError):
    """A zip of the delivery, or a file in it, is damaged: the contributor's matter, not the store's."""


@dataclass(frozen=True)
class DeliveredFile:
    """One file of a delivery: path inside it, size in bytes, and a stamp that changes with it."""

    path: str
    size: int
    stamp: str


def is_junk(path: str) -> bool:
    """Whether a file was left behind by an operating system or an office program."""
    parts = path.replace("!/", "/").split("/")
    return any(p in _JUNK_PARTS for p in parts[:-1]) or parts[-1].startswith(_JUNK_PREFIXES)


def join_inside(folder: str, name: str) -> str | None:
    r"""Path of a file as a table names it (``\\`` counts as ``/``), relative to a folder of the delivery.

    Returns:
        The path, or None where it would lie outside the delivery or outside the zip the folder is in.
    """
    outer, bang, inner = folder.rpartition("!/")
    path = posixpath.normpath(posixpath.join(inner, name.replace("\\", "/")))
    if path in (".", "..") or path.startswith(("../", "/")):
        return None
    return f"{outer}{bang}{path}"


class _Member(io.RawIOBase):
    """A file in a zip whose damage shows as OSError, as with any other file."""

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._stream, self._path = stream, path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._stream.read(len(buffer))
        except _ZIP_ERRORS as error:
            raise DamagedArchive(f"{self._path}: {error}") from error
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except _ZIP_ERRORS as error:
            raise DamagedArchive(f"{self._path}: {error}") from error

    def close(self) -> None:
        self._stream.close()
        super().close()


class Delivery:
    """Read access to one delivery. Safe to open again in another process from the same location."""

    def __init__(self, location: str, storage_options: dict[str, Any] | None = None) -> None:
        """Opens a folder, a zip file or an fsspec URL of one.

        Raises:
            FileNotFoundError: nothing lies at ``location``.
        """
        self._fs, self._base = fsspec.core.url_to_fs(location, **(storage_options or {}))
        if not self._fs.exists(self._base):
            raise FileNotFoundError(f"no delivery at {location}")
        self._single = bool(self._fs.isfile(self._base))
        self._zips: dict[str, zipfile.ZipFile] = {}
        self._opened = contextlib.ExitStack()
        self._open_path = ""
        self._open_file: IO[bytes] | None = None

    def __enter__(self) -> "Delivery":
        """The delivery itself; closing it closes every archive."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes every archive and file that was opened."""
        if self._open_file is not None:
            self._open_file.close()
        self._opened.close()
        self._zips.clear()

    def files(self) -> Iterator[DeliveredFile]:
        """All files in a stable order, those inside zips included, junk left out."""
        for entry in self._outer():
            yield entry
            if entry.path.lower().endswith(".zip"):
                yield from self._members(entry.path, entry.stamp)

    def fingerprint(self) -> str:
        """SHA-256 over path, size and stamp of every file on disk: it changes when the delivery does."""
        digest = hashlib.sha256()
        for entry in self._outer():
            digest.update(f"{entry.path}\0{entry.size}\0{entry.stamp}\n".encode())
        return digest.hexdigest()

    def open(self, path: str) -> IO[bytes]:
        """Opens a file for reading.

        Raises:
            FileNotFoundError: no such file.
            OSError: the file or the zip around it can't be read.
        """
        outer, bang, inner = path.rpartition("!/")
        if not bang:
            return cast("IO[bytes]", self._fs.open(self._full(path), "rb"))
        try:
            member = _Member(self._zip(outer).open(inner), path)
        except KeyError:
            raise FileNotFoundError(path) from None
        except _ZIP_ERRORS as error:
            raise DamagedArchive(f"{path}: {error}") from error
        return cast("IO[bytes]", io.BufferedReader(member, _BUFFER_BYTES))

    def read(self, path: str) -> bytes:
        """All bytes of a file; raises like ``open``, and OSError for a damaged zip member."""
        with self.open(path) as stream:
            return stream.read()

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer at the end; the file stays open for the next call."""
        if path != self._open_path or self._open_file is None:
            if self._open_file is not None:
                self._open_file.close()
            self._open_file, self._open_path = self.open(path), path
        self._open_file.seek(offset)
        return self._open_file.read(length)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - bounded, and a delivery lives as long as its use
    def names(self, folder: str) -> dict[str, str]:
        """Files directly in a folder by name and by casefolded name; where those clash the name wins."""
        outer, bang, inner = folder.rpartition("!/")
        if bang:
            prefix = f"{inner}/" if inner else ""
            found = [n for n in self._zip(outer).namelist() if n.startswith(prefix)]
            inside = [n for n in found if "/" not in n[len(prefix) :] and n != prefix]
            exact = {n[len(prefix) :]: f"{outer}!/{n}" for n in sorted(inside)}
            return {n.casefold(): path for n, path in exact.items()} | exact
        full = self._full(folder)
        if not self._fs.isdir(full):
            return {}
        names = sorted(p.rsplit("/", 1)[-1] for p in self._fs.ls(full, detail=False))
        exact = {n: f"{folder}/{n}" if folder else n for n in names}
        return {n.casefold(): path for n, path in exact.items()} | exact

    def find(self, path: str, endings: Sequence[str] = ()) -> str | None:
        """The file at a path, or with its name in another case of letters, or with one of the endings added."""
        split = path.rfind("/") + 1
        folder, name = path[:split], path[split:]
        try:
            there = self.names(folder if folder.endswith("!/") else folder.rstrip("/"))
        except OSError:
            return None  # a zip that isn't there or is damaged, which the readers report
        wanted = (name, name.casefold(), *(name.casefold() + e for e in endings))
        return next((there[n] for n in wanted if n in there), None)

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        outer, bang, inner = path.rpartition("!/")
        if bang:
            return inner in self._zip(outer).NameToInfo
        return bool(self._fs.isfile(self._full(path)))

    def _full(self, path: str) -> str:
        if self._single:
            return str(self._base)
        return f"{self._base}/{path}" if path else str(self._base)

    def _outer(self) -> Iterator[DeliveredFile]:
        if self._single:
            info = self._fs.info(self._base)
            found = {str(self._base): info}
        else:
            found = self._fs.find(self._base, detail=True)
        for full in sorted(found):
            info = found[full]
            path = full.rsplit("/", 1)[-1] if self._single else full[len(self._base) + 1 :]
            stamp = str(info.get("ETag") or info.get("mtime") or info.get("LastModified") or "")
            if not is_junk(path):
                yield DeliveredFile(path, int(info["size"]), stamp)

    def _members(self, path: str, stamp: str) -> Iterator[DeliveredFile]:
        try:
            infos = sorted(self._zip(path).infolist(), key=lambda i: i.filename)
        except OSError:
            return  # the reader reports the damaged zip when it looks for tables
        for info in infos:
            member = f"{path}!/{info.filename}"
            if info.is_dir() or is_junk(member):
                continue
            yield DeliveredFile(member, info.file_size, stamp)
            if info.filename.lower().endswith(".zip"):
                yield from self._members(member, stamp)

    def _zip(self, path: str) -> zipfile.ZipFile:
        if path not in self._zips:
            with contextlib.ExitStack() as opened:
                stream = opened.enter_context(self.open(path))
                if "!/" in path:
                    # A deflated zip inside a zip can't be sought cheaply: keep it in memory or a temporary file.
                    spool = opened.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_BYTES))
                    shutil.copyfileobj(stream, spool, 1 << 20)
                    spool.seek(0)
                    stream = cast("IO[bytes]", spool)
                try:
                    self._zips[path] = opened.enter_context(zipfile.ZipFile(stream))
                except _ZIP_ERRORS as error:
                    raise DamagedArchive(f"{path}: not a readable zip ({error})") from error
                self._opened.push(opened.pop_all())
        return self._zips[path]


def broken_archives(delivery: Delivery) -> list[tuple[str, str]]:
    """Path and reason of every zip of the delivery that can't be opened."""
    broken = []
    for entry in delivery.files():
        if entry.path.lower().endswith(".zip"):
            try:
                delivery.names(f"{entry.path}!/")
            except OSError as error:
                broken.append((entry.path, str(error)))
    return broken
