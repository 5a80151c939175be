"""A delivery as one tree of files: a folder, an archive, a remote folder, with archives inside archives opened.

Paths inside a delivery use ``/``; ``a.zip!/b/c.png`` is the member ``b/c.png`` of ``a.zip``. Bytes are read when
asked for and nothing is written, except that compressed tars and archives inside archives go to temporary files.
"""

import contextlib
import functools
import hashlib
import os
import posixpath
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from fsspec.implementations.local import LocalFileSystem

from aqqua_dataset.storage import open_store
from aqqua_dataset.transfer.archives import Archive, DamagedArchive, is_archive, open_archive, spooled

__all__ = ["DamagedArchive", "DeliveredFile", "Delivery", "broken_archives", "is_junk", "join_inside"]

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


def join_inside(folder: str, name: str) -> str | None:
    r"""Path of a file as a table names it (``\\`` counts as ``/``), relative to a folder of the delivery.

    Returns:
        The path, or None where it would lie outside the delivery or outside the archive the folder is in.
    """
    outer, bang, inner = folder.rpartition("!/")
    path = posixpath.normpath(posixpath.join(inner, name.replace("\\", "/")))
    if path in (".", "..") or path.startswith(("../", "/")):
        return None
    return f"{outer}{bang}{path}"


class Delivery:
    """Read access to one delivery. Safe to open again in another process from the same location."""

    def __init__(self, location: str, storage_options: dict[str, Any] | None = None) -> None:
        """Opens a folder, an archive or an fsspec URL of one, with options for fsspec (see ``storage``).

        Raises:
            FileNotFoundError: nothing lies at ``location``.
        """
        self._fs, self._base = open_store(location, storage_options or {})
        if not self._fs.exists(self._base):
            raise FileNotFoundError(f"no delivery at {location}")
        self._single = bool(self._fs.isfile(self._base))
        self._local = isinstance(self._fs, LocalFileSystem)
        self._archives: dict[str, Archive] = {}
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
        self._archives.clear()

    def files(self) -> Iterator[DeliveredFile]:
        """All files in a stable order, those inside archives included, junk left out."""
        for entry in self._outer():
            yield entry
            if is_archive(entry.path):
                yield from self._members(entry.path, entry.stamp)

    def fingerprint(self, until: float | None = None) -> str:
        """SHA-256 over path, size and stamp of every file on disk: it changes when the delivery does.

        Raises:
            TimeoutError: not done at ``until`` (``time.monotonic``).
        """
        digest = hashlib.sha256()
        for entry in self._outer():
            if until is not None and time.monotonic() > until:
                raise TimeoutError
            digest.update(f"{entry.path}\0{entry.size}\0{entry.stamp}\n".encode())
        return digest.hexdigest()

    def open(self, path: str) -> IO[bytes]:
        """Opens a file for reading.

        Raises:
            FileNotFoundError: no such file.
            OSError: the file or the archive around it can't be read.
        """
        outer, bang, inner = path.rpartition("!/")
        if not bang:
            return cast("IO[bytes]", self._fs.open(self._full(path), "rb"))
        return self._archive(outer).open(inner)

    def read(self, path: str) -> bytes:
        """All bytes of a file; raises like ``open``, and OSError for a damaged member of an archive."""
        if self._local and "!/" not in path:
            with open(self._full(path), "rb", buffering=0) as file:  # noqa: PTH123 - fsspec costs as much as hashing does
                return file.read()
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
            found = (n[len(prefix) :] for n in self._archive(outer).sizes if n.startswith(prefix))
            exact = {n: f"{outer}!/{prefix}{n}" for n in found if "/" not in n}
            return {n.casefold(): path for n, path in exact.items()} | exact
        full = self._full(folder)
        if not self._fs.isdir(full):
            return {}
        names = sorted(p.rsplit("/", 1)[-1] for p in self._fs.ls(full, detail=False))
        exact = {n: f"{folder}/{n}" if folder else n for n in names}
        return {n.casefold(): path for n, path in exact.items()} | exact

    def find(self, path: str, endings: Sequence[str] = ()) -> str | None:
        """The file at a path, or with its name in another case of letters, or with one of the endings added."""
        if self._local and not self._single and "!/" not in path and os.path.isfile(self._full(path)):  # noqa: PTH113
            return path  # the usual case, for which no folder has to be listed
        split = path.rfind("/") + 1
        folder, name = path[:split], path[split:]
        try:
            there = self.names(folder if folder.endswith("!/") else folder.rstrip("/"))
        except OSError:
            return None  # an archive that isn't there or is damaged, which is reported elsewhere
        wanted = (name, name.casefold(), *(name.casefold() + e for e in endings))
        return next((there[n] for n in wanted if n in there), None)

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        outer, bang, inner = path.rpartition("!/")
        if bang:
            return inner in self._archive(outer).sizes
        return bool(self._fs.isfile(self._full(path)))

    def stamp(self, path: str) -> str:
        """Size and stamp of the file on disk that holds ``path``: changes when it does; "" when there is none."""
        outer = path.partition("!/")[0]
        if self._local:
            try:
                state = os.stat(self._full(outer))  # noqa: PTH116 - fsspec's info takes ten times as long
            except OSError:
                return ""
            return f"{state.st_size} {state.st_mtime_ns}"
        info = self._listed(outer.rpartition("/")[0]).get(self._full(outer))
        return "" if info is None else f"{info['size']} {_stamp(info)}"

    @functools.lru_cache(maxsize=4)  # noqa: B019 - bounded, and one listing instead of a request for each file
    def _listed(self, folder: str) -> dict[str, dict[str, Any]]:
        base = self._base if self._single else self._full(folder)
        try:
            return {str(info["name"]): info for info in self._fs.ls(base, detail=True)}
        except FileNotFoundError:
            return {}

    def _full(self, path: str) -> str:
        if self._single:
            return str(self._base)
        return f"{self._base}/{path}" if path else str(self._base)

    def _outer(self) -> Iterator[DeliveredFile]:
        if self._single:
            info = self._fs.info(self._base)
            yield DeliveredFile(str(self._base).rsplit("/", 1)[-1], int(info["size"]), _stamp(info))
        elif self._local:
            yield from self._local_files("")
        else:
            found = self._fs.find(self._base, detail=True)
            for full in sorted(found):
                path = full[len(self._base) + 1 :]
                if not is_junk(path):
                    yield DeliveredFile(path, int(found[full]["size"]), _stamp(found[full]))

    def _local_files(self, folder: str, above: tuple[str, ...] = ()) -> Iterator[DeliveredFile]:
        """Files below a folder on disk; only the names of one folder at a time are held, whatever their number.

        Links are followed unless they lead back to a folder above (``above`` holds their real paths).
        """
        here = os.path.realpath(self._full(folder))
        if here in above:
            return
        for name in sorted(os.listdir(here)):  # noqa: PTH208 - a Path for each of millions of files is too slow
            path = f"{folder}/{name}" if folder else name
            full = f"{here}/{name}"
            if is_junk(path):
                continue
            if os.path.isdir(full):  # noqa: PTH112
                yield from self._local_files(path, (*above, here))
            elif os.path.isfile(full):  # noqa: PTH113
                state = os.stat(full)  # noqa: PTH116
                yield DeliveredFile(path, state.st_size, str(state.st_mtime))

    def _members(self, path: str, stamp: str) -> Iterator[DeliveredFile]:
        try:
            sizes = self._archive(path).sizes
        except OSError:
            return  # reported once by ``broken_archives``
        for name, size in sizes.items():
            member = f"{path}!/{name}"
            if is_junk(member):
                continue
            yield DeliveredFile(member, size, stamp)
            if is_archive(name):
                yield from self._members(member, stamp)

    def _archive(self, path: str) -> Archive:
        if not is_archive(path):
            raise FileNotFoundError(f"{path} is no archive")
        if path not in self._archives:
            with contextlib.ExitStack() as opened:
                stream = opened.enter_context(self.open(path))
                if "!/" in path:
                    stream = spooled(stream, opened)
                stamp = f"{self._base}\0{path}\0{self._stamp(path)}"
                self._archives[path] = open_archive(path, stream, stamp, opened)
                self._opened.push(opened.pop_all())
        return self._archives[path]

    def _stamp(self, path: str) -> str:
        """What changes when the file on disk that holds ``path`` does."""
        return _stamp(self._fs.info(self._full(path.partition("!/")[0])))


def _stamp(info: dict[str, Any]) -> str:
    return str(info.get("ETag") or info.get("mtime") or info.get("LastModified") or "")


def broken_archives(delivery: Delivery) -> list[tuple[str, str]]:
    """Path and reason of every archive of the delivery that can't be opened."""
    broken = []
    for entry in delivery.files():
        if is_archive(entry.path):
            try:
                delivery.names(f"{entry.path}!/")
            except OSError as error:
                broken.append((entry.path, str(error)))
    return broken
