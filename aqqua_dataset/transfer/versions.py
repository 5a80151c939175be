"""Where fetched deliveries lie: one folder per version, a log beside it, and a pointer to the present version.

    <deliveries>/fetched/<location>/current.json           which version is read
    <deliveries>/fetched/<location>/2026-11-21/…           the files, never changed again
    <deliveries>/fetched/<location>/2026-11-21.jsonl       one line per file: size, hashes, when, from where
    <deliveries>/fetched/<location>/quarantine/…           files whose checksum was wrong

A version counts only once the pointer names it, so nothing half-fetched is ever read.
"""

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from aqqua_dataset.warehouse import Warehouse

#: Folder of everything that was fetched, inside the deliveries.
FETCHED = "fetched"

How = Literal["fetched", "same", "renamed", "quarantined"]


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a version's log.

    Attributes:
        path: where the file lies in the version.
        size: bytes.
        hashes: hexadecimal digests by algorithm, computed from what arrived; ``sha256`` always.
        stamp: what the source said that changes with the file.
        origin: link without secrets, and path there.
        link: hash of the whole link, by which it is known again.
        fetched: when the bytes arrived (UTC).
        how: ``fetched`` in this version, ``same`` as before, ``renamed``: same content under another name before.
        was: the path before, for ``renamed``; what was expected, for ``quarantined``.
    """

    path: str
    size: int
    hashes: dict[str, str]
    stamp: str
    origin: str
    link: str
    fetched: str
    how: How
    was: str = ""

    def line(self) -> str:
        """The record as a line of JSON; equal records give equal bytes."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Fetched:
    """The fetched deliveries of one contribution.

    Attributes:
        store: the deliveries.
        folder: where this one's versions lie.
        version: the present one; "" before the first.
        records: its log by path, quarantined files included.
    """

    store: Warehouse
    folder: str
    version: str = ""
    records: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def open(cls, store: Warehouse, location: str) -> "Fetched":
        """What lies there now."""
        folder = f"{FETCHED}/{location}"
        store.watch(f"{folder}/current.json")
        version = _current(store, location)
        if not version:
            return cls(store, folder)
        with store.open(f"{folder}/{version}.jsonl") as stream:
            records = (Record(**json.loads(line)) for line in stream)
            return cls(store, folder, version, {r.path: r for r in records})

    def new_version(self, today: dt.date) -> str:
        """Name of a version that isn't there yet: the day, with a number from the second on."""
        names = set(self.store.names(self.folder))  # folders, too: another machine may be at one
        number = 1
        while {name := str(today) + (f"-{number}" if number > 1 else ""), f"{name}.jsonl"} & names:
            number += 1
        return name

    def commit(self, version: str, records: Iterable[Record]) -> None:
        """Writes the log and makes the version the present one; raises CommitConflict."""
        kept = list(records)
        self.write_log(version, kept)
        whole = [r for r in kept if r.how != "quarantined"]
        told: dict[str, Any] = {"version": version, "files": len(whole), "bytes": sum(r.size for r in whole)}
        self.store.commit_json(f"{self.folder}/current.json", told)

    def write_log(self, version: str, records: Iterable[Record]) -> None:
        """Writes a version's log, sorted by path."""
        with self.store.create(f"{self.folder}/{version}.jsonl") as stream:
            for record in sorted(records, key=lambda r: r.path):
                stream.write(record.line().encode())


def _current(store: Warehouse, location: str) -> str:
    found = store.read_json(f"{FETCHED}/{location}/current.json")
    return str(found["version"]) if found else ""


def read_from(deliveries: str, location: str, options: dict[str, Any]) -> str:
    """Where a delivery is read from, relative to the deliveries: its present fetched version, else ``location``."""
    version = _current(Warehouse(deliveries, options), location)
    return f"{FETCHED}/{location}/{version}" if version else location
