"""Where a pull is prepared before it counts: a folder of the warehouse that a stopped pull goes on from.

What the server sent may name persons, so it stays here, is filtered on its way out, and is removed at the end.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aqqua_dataset.warehouse import Warehouse

_STATE = "state.json"


class Staging:
    """The folder of one project's pull, with a note of how far it came."""

    def __init__(self, warehouse: Warehouse, project: int) -> None:
        """Takes up what an earlier pull left."""
        self.warehouse, self._folder = warehouse, f"ecotaxa/{project}"
        self.state: dict[str, Any] = warehouse.read_json(self.path(_STATE)) or {}

    def path(self, name: str) -> str:
        """Path of a file in the warehouse."""
        return f"{self._folder}/{name}"

    def note(self, **changes: Any) -> None:
        """Notes how far the pull came."""
        self.state |= changes
        self.warehouse.write_json(self.path(_STATE), self.state)

    def has(self, name: str) -> bool:
        """Whether a file is there, whole."""
        return self.warehouse.exists(self.path(name))

    def parts(self) -> list[str]:
        """Names of the parts of the delivery that are ready, in order."""
        return [n for n in self.warehouse.names(self._folder) if n.startswith("ecotaxa_") and n.endswith(".zip")]

    def clear(self) -> None:
        """Removes everything."""
        self.warehouse.remove(self._folder)
        self.state = {}


class Pieces(io.RawIOBase):
    """Files that follow each other as one stream that can be sought."""

    def __init__(self, warehouse: Warehouse, paths: list[str]) -> None:
        """Opens nothing yet; every file but the last must be as long as the first."""
        self._warehouse, self._paths = warehouse, paths
        self._each = warehouse.size(paths[0])
        self._size = self._each * (len(paths) - 1) + warehouse.size(paths[-1])
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place and returns it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        """The place."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Reads up to the end of one of the files."""
        if self._place >= self._size or not len(buffer):
            return 0
        number, offset = divmod(self._place, self._each)
        data = self._warehouse.read_range(self._paths[number], offset, min(len(buffer), self._each - offset))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


@contextmanager
def open_zip(warehouse: Warehouse, paths: list[str]) -> Iterator[zipfile.ZipFile]:
    """A zip file that lies in one or several pieces; raises zipfile.BadZipFile."""
    with io.BufferedReader(Pieces(warehouse, paths), 1 << 20) as stream, zipfile.ZipFile(stream) as archive:
        yield archive


def carry(source: Warehouse, path: str, target: Warehouse, to: str) -> str:
    """Copies a file from one store to another; returns its SHA-256."""
    digest = hashlib.sha256()
    with source.open(path) as stream, target.create(to, digest) as written:
        while piece := stream.read(1 << 20):
            written.write(piece)
    return digest.hexdigest()
