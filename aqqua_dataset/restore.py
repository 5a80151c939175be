"""Puts a backup back: everything is compared with its checksum first, and only empty places are written to."""

import csv
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from aqqua_dataset import postgres
from aqqua_dataset.backup import (
    DATABASE,
    DELIVERIES,
    NOT_COPIED,
    PRIVATE,
    REGISTRY,
    SET,
    WAREHOUSE,
    BackupRefused,
    Known,
)
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding
from aqqua_dataset.warehouse import Warehouse

_PIECE = 1 << 20
_TABLES = "select count(*) from pg_catalog.pg_tables where schemaname = 'public'"
_MOST_NAMED = 20


def restore(config: Config, place: str, private: str | None) -> list[Finding]:
    """Restores one set.

    Args:
        config: the empty places; the database is the one that libpq's variables name.
        place: folder or URL of the set.
        private: the same of its private part, or None to go without.

    Returns:
        A warning for each file that must come from elsewhere: it was listed, not copied, and isn't there.

    Raises:
        BackupRefused: the set is damaged, or a place isn't empty; nothing was written.
        DatabaseRefused: the database can't be reached or written.
    """
    sets = [(Warehouse(place), REGISTRY)]
    if private is not None:
        sets.append((Warehouse(private), f"{PRIVATE}.tar"))
    found = [f for store, expected in sets for f in _damage(store, expected)]
    if not found:
        found = _occupied(config, sets[0][0], DATABASE in _files(sets[0][0]))
    if found:
        raise BackupRefused(found)
    store, files = sets[0][0], _files(sets[0][0])
    # First, as one transaction: if it fails nothing else has been written.
    if DATABASE in files:
        with store.open(DATABASE) as dump:
            postgres.load(dump)
    _unpack(store, REGISTRY, config.registry)
    if private is not None:
        _unpack(sets[1][0], f"{PRIVATE}.tar", config.registry / PRIVATE)
        (config.registry / PRIVATE).chmod(0o700)
    warehouse = Warehouse(config.warehouse, config.storage.warehouse)
    deliveries = Warehouse(config.deliveries, config.storage.deliveries)
    for name in files:
        for kind, target in ((WAREHOUSE, warehouse), (DELIVERIES, deliveries)):
            if name.startswith(f"{kind}/"):
                _copy_back(store, name, target, name.removeprefix(f"{kind}/"))
    return _missing(store, warehouse)


def _files(store: Warehouse) -> Known:
    told = store.read_json(SET)
    return dict(told["files"]) if told else {}


def _damage(store: Warehouse, expected: str) -> Iterator[Finding]:
    """What is wrong with a set: each of its files is read and compared with its checksum."""
    files = _files(store)
    if expected not in files:
        message = f"expected the folder of one set, with {SET} and {expected} in it; a set without it wasn't finished"
        yield Finding("backup_incomplete", "error", message, file=store.root)
    for name, told in files.items():
        if not store.exists(name):
            yield Finding("backup_damaged", "error", "this file of the backup is missing", file=store.url(name))
        elif (digest := store.sha256(name)) != told["sha256"]:
            message = f"expected SHA-256 {told['sha256']}, found {digest}"
            yield Finding("backup_damaged", "error", message, file=store.url(name))


def _occupied(config: Config, store: Warehouse, database: bool) -> list[Finding]:
    """Why a place can't be restored to."""
    found = []
    if config.registry.is_dir() and any(config.registry.iterdir()):
        message = "the registry's folder isn't empty; restore into a new one and compare"
        found.append(Finding("restore_occupied", "error", message, file=str(config.registry)))
    warehouse = Warehouse(config.warehouse, config.storage.warehouse)
    here, files = warehouse.sizes(""), _files(store)
    # Shards may lie there already, safe from elsewhere; what the backup holds may not, unless it is the same.
    differing = [
        path
        for path in sorted(here)
        if (told := files.get(f"{WAREHOUSE}/{path}"))
        and (here[path] != told["bytes"] or warehouse.sha256(path) != told["sha256"])
    ]
    for path in differing[:_MOST_NAMED]:
        message = f"the warehouse holds another file of this name ({len(differing)} in all)"
        found.append(Finding("restore_occupied", "error", message, file=warehouse.url(path)))
    if database:
        found += _occupied_database()
    return found


def _occupied_database() -> list[Finding]:
    if not postgres.is_named():
        message = "this set holds a database: name an empty one with PGDATABASE, PGHOST, PGUSER and PGPASSFILE"
        return [Finding("restore_no_database", "error", message)]
    if (tables := postgres.tables()) == 0:
        return []
    return [
        Finding("restore_occupied", "error", "the database isn't empty; create a new one", value=f"{tables} tables")
    ]


def _unpack(store: Warehouse, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with store.open(name) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        archive.extractall(folder, filter="data")


def _copy_back(store: Warehouse, name: str, target: Warehouse, path: str) -> None:
    with store.open(name) as content, target.create(path) as stream:
        shutil.copyfileobj(content, stream, _PIECE)


def _missing(store: Warehouse, warehouse: Warehouse) -> list[Finding]:
    """Large files that were only listed and aren't in the warehouse, or have another size."""
    here = warehouse.sizes("")
    with store.open(NOT_COPIED) as stream:
        rows = list(csv.DictReader(io.StringIO(stream.read().decode()), delimiter="\t"))
    lacking = [r for r in rows if here.get(r["path"]) != int(r["bytes"])]
    message = "must come back from the storage's own copies, or be made again with aqqua run"
    found = [
        Finding("restore_missing", "warning", f"{message}; expected {r['bytes']} bytes", file=r["path"])
        for r in lacking[:_MOST_NAMED]
    ]
    if len(lacking) > _MOST_NAMED:
        rest = len(lacking) - _MOST_NAMED
        found.append(Finding("restore_missing", "warning", f"{rest:,} more files {message}; {NOT_COPIED} lists them"))
    return found
