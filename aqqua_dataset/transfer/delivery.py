"""A delivery as one tree of files: a folder, a zip, a remote folder, with zips inside zips opened.

Paths inside a delivery use ``/``; ``a.zip!/b/c.png`` is the member ``b/c.png`` of ``a.zip``. Nothing
is unpacked to disk and nothing is written; bytes are read when asked for.
"""

import contextlib
import functools
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import fsspec

_SPOOL_BYTES = 64 << 20
_JUNK_PARTS = ("__MACOSX", ".git", ".ipynb_checkpoints")
_JUNK_PREFIXES = ("._", ".~lock.", "~$", ".DS_Store", "Thumbs.db", "desktop.ini")


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
            return self._zip(outer).open(inner)
        except KeyError:
            raise FileNotFoundError(path) from None
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise OSError(f"{path}: {error}") from error

    def read(self, path: str) -> bytes:
        """All bytes of a file; raises like ``open``, and OSError for a damaged zip member."""
        with self.open(path) as stream:
            try:
                return stream.read()
            except (zipfile.BadZipFile, EOFError) as error:
                raise OSError(f"{path}: {error}") from error

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
        """Files directly in a folder by casefolded name: names written with another case are found."""
        outer, bang, inner = folder.rpartition("!/")
        if bang:
            prefix = f"{inner}/" if inner else ""
            found = [n for n in self._zip(outer).namelist() if n.startswith(prefix)]
            inside = [n for n in found if "/" not in n[len(prefix) :] and n != prefix]
            return {n[len(prefix) :].casefold(): f"{outer}!/{n}" for n in sorted(inside)}
        full = self._full(folder)
        if not self._fs.isdir(full):
            return {}
        paths = sorted(p.rsplit("/", 1)[-1] for p in self._fs.ls(full, detail=False))
        return {n.casefold(): f"{folder}/{n}" if folder else n for n in paths}

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
            stream: IO[bytes] = self.open(path)
            if "!/" in path:
                # A deflated zip inside a zip can't be sought cheaply: keep it in memory or a temporary file.
                spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - lives with the archive
                while piece := stream.read(1 << 20):
                    spool.write(piece)
                stream.close()
                spool.seek(0)
                stream = cast("IO[bytes]", spool)
            self._opened.enter_context(stream)
            try:
                self._zips[path] = self._opened.enter_context(zipfile.ZipFile(stream))
            except zipfile.BadZipFile as error:
                raise OSError(f"{path}: not a readable zip ({error})") from error
        return self._zips[path]


def broken_zips(delivery: Delivery) -> list[tuple[str, str]]:
    """Path and reason of every zip of the delivery that can't be opened."""
    broken = []
    for entry in delivery.files():
        if entry.path.lower().endswith(".zip"):
            try:
                delivery.names(f"{entry.path}!/")
            except OSError as error:
                broken.append((entry.path, str(error)))
    return broken
