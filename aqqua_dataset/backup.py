"""A backup of what nobody could make again, and its restoring into empty places.

``<out>/<time>/`` holds the registry without its private part, Dagster's database, the warehouse's and the deliveries'
small files, and ``not-copied.tsv``, which names everything that is too large: shards and tables of the warehouse, with
sizes and, where known, checksums. They are kept safe by the storage itself, or made again from the deliveries.
``<private>/<time>/`` holds the private part, apart, so that it can be kept shorter, read by fewer, and erased alone.
``backup.json`` is written last and makes a set count.
"""

import csv
import datetime as dt
import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from aqqua_dataset import __version__, postgres
from aqqua_dataset.checksums import listed_files
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.transfer.versions import FETCHED
from aqqua_dataset.warehouse import Warehouse

SET = "backup.json"
NOT_COPIED = "not-copied.tsv"
REGISTRY, PRIVATE, DATABASE = "registry.tar", "private", "database.dump"
WAREHOUSE, DELIVERIES = "warehouse", "deliveries"

#: Size and SHA-256 of the files of a set, by name.
Known = dict[str, dict[str, Any]]

#: Files of the warehouse up to this many bytes are copied: manifests, reports, the ledger, documents of releases.
SMALL = 4 << 20

STAMP = "%Y-%m-%dT%H%M%SZ"
#: Copied whatever their size: nobody could make the days of the past again.
ALWAYS = ("ledger/", "progress/")

_WITHOUT = (".git", PRIVATE)
_PIECE = 1 << 20


class BackupRefused(Refused):
    """A backup can't be made, or can't be restored where it should."""

    what = "the backup"


@dataclass(frozen=True)
class Backup:
    """One set that was made.

    Attributes:
        stamp: its name, the moment it was begun (UTC).
        files: files copied.
        size: their bytes.
        left: files of the warehouse that are only listed.
        removed: stamps of older sets that were removed.
        findings: what isn't in it, and why.
    """

    stamp: str
    files: int
    size: int
    left: int
    removed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def make(config: Config, out: str, private: str | None, now: dt.datetime, keep: dt.timedelta) -> Backup:
    """Makes one set, then removes those that are older than ``keep``.

    Args:
        config: where the collection lives; the database is the one that libpq's variables name.
        out: folder or URL of all sets.
        private: the same for the private part; it may not lie in ``out``.
        now: the moment.
        keep: how long sets stay; an erased address is gone from all of them after that.

    Raises:
        BackupRefused: there is a private part and no place for it.
        DatabaseRefused: the database can't be read.
    """
    stamp = now.astimezone(dt.UTC).strftime(STAMP)
    places = _places(config, out, private)
    known: Known = {}
    findings: list[Finding] = []
    target = Warehouse(f"{out.rstrip('/')}/{stamp}")
    _pack(target, REGISTRY, config.registry, _WITHOUT, known)
    if postgres.is_named():
        digest = hashlib.sha256()
        with target.create(DATABASE, digest) as stream:
            postgres.dump(stream)
        known[DATABASE] = {"bytes": target.size(DATABASE), "sha256": digest.hexdigest()}
    else:
        message = "PGDATABASE isn't set, so Dagster's runs aren't in this backup; see docs/deployment.md"
        findings.append(Finding("backup_no_database", "warning", message))
    warehouse = Warehouse(config.warehouse, config.storage.warehouse)
    left = _copy_small(warehouse, target, known, findings)
    _copy_logs(config, target, known)
    _seal(target, stamp, known)
    if private is not None and (config.registry / PRIVATE).is_dir():
        apart = Warehouse(f"{private.rstrip('/')}/{stamp}")
        held: Known = {}
        _pack(apart, f"{PRIVATE}.tar", config.registry / PRIVATE, (), held)
        _seal(apart, stamp, held)
    removed = sorted({old for place in places for old in _forget(place, stamp, now - keep)})
    return Backup(stamp, len(known), sum(int(f["bytes"]) for f in known.values()), left, removed, findings)


def _places(config: Config, out: str, private: str | None) -> list[str]:
    """Where sets go, once it is clear that none lies inside another place; raises BackupRefused."""
    if private is None and (config.registry / PRIVATE).is_dir():
        message = "the registry has a private part: say with --private where its backup goes, apart from the rest"
        raise BackupRefused([Finding("backup_private_place", "error", message, file=str(config.registry / PRIVATE))])
    if private is not None and (_holds(out, private) or _holds(private, out)):
        message = "the private part may not lie inside the other backup, or the other way round"
        raise BackupRefused([Finding("backup_private_place", "error", message, value=private)])
    places = [out] if private is None else [out, private]
    for source in (str(config.registry), config.deliveries, config.warehouse):
        for place in places:
            if _holds(source, place):
                message = f"a backup may not lie inside what it backs up ({source}): each would hold those before it"
                raise BackupRefused([Finding("backup_place", "error", message, value=place)])
    return places


def _holds(outer: str, inner: str) -> bool:
    """Whether a folder or URL is another, or lies inside it."""
    one, other = ((p if "://" in p else str(Path(p).resolve())).rstrip("/") + "/" for p in (outer, inner))
    return other.startswith(one)


def _pack(target: Warehouse, name: str, folder: Path, without: Sequence[str], known: Known) -> None:
    """Packs a folder into a tar that depends on names and contents alone."""
    digest = hashlib.sha256()
    with target.create(name, digest) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if inside.parts[0] in without or not path.is_file() or path.is_symlink():
                continue
            member = tarfile.TarInfo(inside.as_posix())
            member.size, member.mode = path.stat().st_size, 0o600
            with path.open("rb") as content:
                archive.addfile(member, content)
    known[name] = {"bytes": target.size(name), "sha256": digest.hexdigest()}


def _copy_small(warehouse: Warehouse, target: Warehouse, known: Known, findings: list[Finding]) -> int:
    """Copies the warehouse's small files and lists the others; returns how many."""
    sizes = warehouse.sizes("")
    large = [p for p in sorted(sizes) if (sizes[p] > SMALL or p.endswith(".tar")) and not p.startswith(ALWAYS)]
    for path in sorted(set(sizes) - set(large)):
        _copy(warehouse, path, target, f"{WAREHOUSE}/{path}", known)
    checksums = _checksums(warehouse, sizes, findings)
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(["path", "bytes", "sha256"])
    writer.writerows([path, sizes[path], checksums.get(path, "")] for path in large)
    _write(target, NOT_COPIED, text.getvalue().encode(), known)
    return len(large)


def _checksums(warehouse: Warehouse, paths: Iterable[str], findings: list[Finding]) -> dict[str, str]:
    """SHA-256 of files, as far as a sealed release or a note beside a shard says it."""
    found: dict[str, str] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name == "RELEASED.json":
            try:
                found |= {f"{folder}/{inside}": told for inside, told in listed_files(warehouse, f"{folder}/").items()}
            except (FileNotFoundError, ValueError) as error:
                message = "this release's list of checksums is damaged; aqqua warehouse check says more"
                findings.append(Finding("backup_release", "warning", message, file=folder, value=str(error)))
        elif name.endswith(".tar.sha256"):
            with warehouse.open(path) as stream:
                found[path.removesuffix(".sha256")] = stream.read().decode("ascii", "replace").partition(" ")[0]
    return found


def _copy_logs(config: Config, target: Warehouse, known: Known) -> None:
    """Copies what says where deliveries came from: the logs of fetched versions and of EcoTaxa's pulls."""
    deliveries = Warehouse(config.deliveries, config.storage.deliveries)
    registry, _ = load_registry(config.registry)
    for contribution in registry.contributions.values() if registry is not None else ():
        if contribution.source is None or "://" in (location := contribution.source.location):
            continue
        fetched = [f"{FETCHED}/{location}/{name}" for name in deliveries.names(f"{FETCHED}/{location}")]
        pulls = [f"{location}.pulls/{pull}" for pull in deliveries.names(f"{location}.pulls")]
        logs = [p for p in fetched if p.endswith((".jsonl", ".json"))]
        logs += [f"{pull}/{name}" for pull in pulls for name in deliveries.names(pull) if name.endswith(".json")]
        for path in sorted(logs):
            _copy(deliveries, path, target, f"{DELIVERIES}/{path}", known)


def _copy(source: Warehouse, path: str, target: Warehouse, name: str, known: Known) -> None:
    digest = hashlib.sha256()
    try:
        with source.open(path) as content, target.create(name, digest) as stream:
            shutil.copyfileobj(content, stream, _PIECE)
    except FileNotFoundError:
        return  # a run replaced it since it was listed: what stands there now is in the next backup
    known[name] = {"bytes": target.size(name), "sha256": digest.hexdigest()}


def _write(target: Warehouse, name: str, data: bytes, known: Known) -> None:
    target.write_bytes(name, data)
    known[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _seal(target: Warehouse, stamp: str, known: Known) -> None:
    versions = {"aqqua-dataset": __version__, "dagster": metadata.version("dagster")}
    target.write_json(SET, {"made": stamp, "versions": versions, "files": known})


def _forget(place: str, newest: str, limit: dt.datetime) -> list[str]:
    """Removes the sets of a place that are older than the limit, never the newest; returns their stamps."""
    store = Warehouse(place)
    oldest_kept = limit.astimezone(dt.UTC).strftime(STAMP)
    old = [name for name in store.names("") if _is_stamp(name) and name < oldest_kept and name != newest]
    for name in old:
        store.remove(name)
    return old


def _is_stamp(name: str) -> bool:
    try:
        dt.datetime.strptime(name, STAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return False
    return True
