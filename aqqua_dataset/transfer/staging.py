"""Files on their way: parts that grow byte by byte and survive a kill, and a journal of those that are whole.

It lies on a local disk: beside the versions where the deliveries are local, else among temporary files. A part is
named after the file's place, size and stamp at its source, so what belongs to another state of the file is never
added to.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aqqua_dataset import space
from aqqua_dataset.findings import Finding
from aqqua_dataset.transfer.remote import BLOCK, RemoteFile
from aqqua_dataset.transfer.versions import Fetched, Record

#: Share of the free space that is left to others.
_MARGIN = 0.05


class Busy(Exception):
    """Another run fetches this contribution now."""


@dataclass
class Staging:
    """Where one contribution's files are on their way.

    Attributes:
        folder: its folder.
        version: the version they are for.
        done: records of files that are in the version already, by path.
    """

    folder: Path
    version: str
    done: dict[str, Record]

    def __post_init__(self) -> None:
        """Makes the lock of the journal."""
        self._lock = threading.Lock()

    def part(self, file: RemoteFile) -> Path:
        """Where a file's bytes gather."""
        told = f"{file.link}\0{file.name}\0{file.size}\0{file.stamp}"
        return self.folder / f"{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.part"

    def note(self, record: Record) -> None:
        """Remembers a file that is whole, so that a killed run doesn't fetch it again."""
        with self._lock, space.needed(), (self.folder / "journal.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(record.line())
        self.done[record.path] = record

    def clear(self) -> None:
        """Removes everything that was on its way."""
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def open_staging(fetched: Fetched, version: str) -> Iterator[Staging]:
    """The staging folder of a contribution, for this run alone, with what an interrupted run left there.

    Args:
        fetched: the contribution's versions.
        version: name for a new version; an interrupted one is continued under its own.

    Raises:
        Busy: another run is at it.
    """
    folder = _place(fetched)
    with space.needed():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        begun, done = _resumed(folder / "journal.jsonl")
        if not begun or begun == fetched.version:  # a kill between the commit and the clearing up
            done = {}
            with space.needed():
                (folder / "journal.jsonl").write_text(json.dumps({"version": version}) + "\n", encoding="utf-8")
        yield Staging(folder, begun if begun and begun != fetched.version else version, done)
    finally:
        os.close(handle)


def _place(fetched: Fetched) -> Path:
    if fetched.store.is_local:
        return Path(fetched.store.url(f"{fetched.folder}/.part"))
    name = hashlib.sha256(fetched.store.url(fetched.folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"aqqua-fetch-{os.getuid()}", name)


def _resumed(journal: Path) -> tuple[str, dict[str, Record]]:
    """Version and finished files of an interrupted run; a last line that was cut by the kill doesn't count."""
    if not journal.exists():
        return "", {}
    raw = journal.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if whole != raw:
        os.truncate(journal, len(whole))
    lines = [json.loads(line) for line in whole.decode().split("\n") if line]
    return (lines[0]["version"], {r["path"]: Record(**r) for r in lines[1:]}) if lines else ("", {})


def room_for(bytes_to_come: int, folder: Path) -> None:
    """Raises ``space.NoSpace`` unless a disk has room for so many bytes, with a margin."""
    free = shutil.disk_usage(folder).free
    usable = int(free * (1 - _MARGIN))
    if bytes_to_come > usable:
        message = (
            f"{_gb(bytes_to_come)} are to come and {_gb(usable)} can be used where {folder} lies "
            f"({_MARGIN:.0%} are left free): {_gb(bytes_to_come - usable)} are missing; make room and start again"
        )
        raise space.NoSpace([Finding("no_space", "error", message)])


def _gb(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.3f} MB"


def digests_of(part: Path, length: int, algorithms: set[str]) -> "dict[str, hashlib._Hash]":
    """Hashes of the first bytes of a part, to be continued with those that follow."""
    found = {name: hashlib.new(name, usedforsecurity=False) for name in sorted(algorithms)}
    if length:
        with part.open("rb") as stream:
            while length and (block := stream.read(min(length, BLOCK))):
                length -= len(block)
                for digest in found.values():
                    digest.update(block)
    return found


def put(fetched: Fetched, part: Path, path: str) -> None:
    """Puts a whole part into its place in the deliveries: renamed on a local disk, uploaded elsewhere."""
    with space.needed():
        if fetched.store.is_local:
            target = Path(fetched.store.url(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            part.replace(target)
            return
        with part.open("rb") as stream, fetched.store.create(path) as out:
            shutil.copyfileobj(stream, out, BLOCK)
        part.unlink()
