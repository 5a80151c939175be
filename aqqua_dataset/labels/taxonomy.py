"""A dated snapshot of taxonomy: names with their AphiaIDs, and EcoTaxa's classes by id. Nothing is asked online.

A snapshot is a folder (see ``build``) or, by default, the small one among the vocabularies. It is searched with
DuckDB, so that the full WoRMS costs no memory; what was found once is remembered.
"""

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from aqqua_dataset import schema

SNAPSHOT = "snapshot.json"


@dataclass(frozen=True)
class Taxon:
    """One name of the snapshot.

    Attributes:
        aphia_id: WoRMS AphiaID of this very name.
        accepted_id: AphiaID of the accepted name; the same where the name is accepted.
        rank: in lower case, "" where the snapshot doesn't say.
        lineage: names from the root to this one; empty where unknown.
        is_marine: whether it lives in sea or brackish water, None where the snapshot doesn't say.
        is_extinct: whether only fossils are known, None where the snapshot doesn't say.
    """

    aphia_id: int
    name: str
    rank: str
    accepted_id: int
    lineage: tuple[str, ...]
    is_marine: bool | None
    is_extinct: bool | None


@dataclass(frozen=True)
class EcoTaxon:
    """One class of EcoTaxa: ``type`` P is a taxon, M a morphotype; ``status`` D is deprecated."""

    id: str
    name: str
    type: str
    status: str
    parent_id: str
    rename_to: str
    aphia_id: int | None
    rank: str
    lineage: tuple[str, ...]


class Taxonomy:
    """Finds taxa by exact name, AphiaID or EcoTaxa id in one snapshot."""

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the snapshot in a folder, or the bundled one.

        Raises:
            ValueError: the folder holds no snapshot.
        """
        about = read_about(folder)
        self._tables = _tables(folder)
        self.date: str = about["date"]
        self.sources: tuple[str, ...] = tuple(about["sources"])
        self._names: dict[str, tuple[Taxon, ...]] = {}
        self._ids: dict[int, Taxon | None] = {}
        self._classes: dict[str, EcoTaxon | None] = {}
        self._renamed: dict[str, tuple[EcoTaxon, ...]] = {}
        self._synonyms: dict[str, str] = {}
        self._same: dict[str, str] = {}
        table = schema.vocabulary("taxon_synonyms.csv")
        for name, accepted, kind in table[["name", "accepted_name", "kind"]].to_numpy():
            (self._same if kind == "same_group" else self._synonyms)[normal(name)] = accepted

    def prepare(self, names: Iterable[str], ecotaxa_ids: Iterable[str]) -> None:
        """Looks many names and ids up at once, so that each later question is answered from memory."""
        wanted = {normal(n) for n in names if n}
        wanted |= {normal(s) for n in wanted if (s := self.synonym(n))}
        self._fetch_names(wanted)
        self._fetch_classes({i for i in ecotaxa_ids if i})
        accepted = {t.accepted_id for n in wanted for t in self._names[n]}
        self._fetch_ids(accepted | {c.aphia_id for c in self._classes.values() if c and c.aphia_id})

    def named(self, name: str) -> tuple[Taxon, ...]:
        """All taxa of exactly this name, letter case and spaces aside; several are homonyms."""
        key = normal(name)
        self._fetch_names({key})
        return self._names[key]

    def by_id(self, aphia_id: int) -> Taxon | None:
        """The taxon with this AphiaID."""
        self._fetch_ids({aphia_id})
        return self._ids[aphia_id]

    def accepted(self, taxon: Taxon) -> Taxon | None:
        """The accepted taxon of a name; None where the snapshot doesn't hold it."""
        return taxon if taxon.accepted_id == taxon.aphia_id else self.by_id(taxon.accepted_id)

    def synonym(self, name: str) -> str | None:
        """The accepted name that the table of synonyms gives for exactly this name, or for its genus."""
        key = normal(name)
        if key in self._synonyms:
            return self._synonyms[key]
        genus, _, epithet = key.partition(" ")
        if epithet and genus in self._synonyms:
            return f"{self._synonyms[genus]} {epithet}"
        return None

    def same_group(self, name: str) -> str:
        """The name, in lower case, by which a group is known among the ancestors of others."""
        key = normal(name)
        return normal(self._same.get(key, self._synonyms.get(key, key)))

    def ecotaxa(self, identity: str) -> EcoTaxon | None:
        """EcoTaxa's class of this id, as the snapshot has it."""
        self._fetch_classes({identity})
        return self._classes[identity]

    def renamed(self, name: str) -> tuple[EcoTaxon, ...]:
        """The classes that EcoTaxa advises instead of its own classes of this name."""
        key = normal(name)
        if key not in self._renamed:
            rows = self._rows(
                "select * from ecotaxa where lower(trim(name)) in (select unnest(?)) and type = 'P'", [key]
            )
            old = [_class(r) for r in rows]
            self._fetch_classes({c.id for c in old})
            targets = {t.id: t for c in old if c.rename_to and (t := self.target(c)).id != c.id}
            self._renamed[key] = tuple(targets.values())
        return self._renamed[key]

    def target(self, found: EcoTaxon) -> EcoTaxon:
        """The class that a renamed class stands for now; itself where it wasn't renamed."""
        seen = {found.id}
        while found.rename_to and found.rename_to not in seen:
            following = self.ecotaxa(found.rename_to)
            if following is None:
                break
            seen.add(following.id)
            found = following
        return found

    def taxon_above(self, found: EcoTaxon) -> EcoTaxon | None:
        """The nearest class above that is a taxon with an AphiaID; None below the root only."""
        seen: set[str] = set()
        current: EcoTaxon | None = found
        while current is not None and current.id not in seen:
            seen.add(current.id)
            current = self.ecotaxa(current.parent_id) if current.parent_id else None
            accepted = self.target(current) if current else None
            if accepted is not None and accepted.type == "P" and accepted.aphia_id and accepted.aphia_id > 1:
                return accepted
        return None

    def _fetch_names(self, keys: set[str]) -> None:
        missing = sorted(keys - self._names.keys())
        if not missing:
            return
        found: dict[str, list[Taxon]] = {key: [] for key in missing}
        for row in self._rows("select * from taxa where lower(name) in (select unnest(?))", missing):
            found[normal(row["name"])].append(_taxon(row))
        self._names |= {key: tuple(taxa) for key, taxa in found.items()}

    def _fetch_ids(self, ids: set[int]) -> None:
        missing = sorted(ids - self._ids.keys())
        if missing:
            query = "select * from taxa where cast(aphia_id as bigint) in (select unnest(?)) order by name"
            self._ids |= dict.fromkeys(missing)
            self._ids |= {taxon.aphia_id: taxon for taxon in map(_taxon, self._rows(query, missing))}

    def _fetch_classes(self, ids: set[str]) -> None:
        """Fetches classes with all classes above them and those they were renamed to."""
        missing = sorted(ids - self._classes.keys())
        if missing:
            self._classes |= dict.fromkeys(missing)
            self._classes |= {c.id: c for c in map(_class, self._rows(_WITH_THOSE_ABOVE, missing))}

    def _rows(self, query: str, values: list[Any]) -> list[dict[str, Any]]:
        # Opened for each question: a connection that lives until the process ends makes DuckDB complain.
        with duckdb.connect(config={"threads": 1}) as connection:
            for name, held in self._tables.items():
                if isinstance(held, pa.Table):
                    connection.register(name, held)
                else:
                    quoted = str(held).replace("'", "''")
                    connection.execute(f"create view {name} as select * from read_parquet('{quoted}')")
            cursor = connection.execute(query, [values])
            names = [d[0] for d in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


_WITH_THOSE_ABOVE = """with recursive classes as (select cast(ecotaxa_id as varchar) as key, * from ecotaxa),
up as (
    select * from classes where key in (select unnest(?))
    union
    select c.* from classes c join up on c.key in (cast(up.parent_id as varchar), cast(up.rename_to as varchar))
) select * from up"""


def normal(name: str) -> str:
    """How names are compared: letter case and spaces don't count, everything else does."""
    return " ".join(name.split()).lower()


def _stored(folder: Path | None) -> list[Path]:
    """The files of a snapshot's tables; none for the bundled one."""
    return [] if folder is None else [folder / "taxa.parquet", folder / "ecotaxa.parquet"]


def _tables(folder: Path | None) -> dict[str, Path | pa.Table]:
    """The tables of a snapshot: the bundled ones are small and held in memory, others stay where they are."""
    if folder is not None:
        return {path.stem: path for path in _stored(folder)}
    bundled = {"taxa": "taxa.csv", "ecotaxa": "ecotaxa_taxonomy_2026-01.csv"}
    return {name: pa.Table.from_pandas(schema.vocabulary(file)) for name, file in bundled.items()}


def _taxon(row: dict[str, Any]) -> Taxon:
    number = int(row["aphia_id"])
    accepted = int(row["accepted_id"]) if row["accepted_id"] else number
    lineage = tuple(row["lineage"].split(">")) if row["lineage"] else ()
    rank = row["rank"] or ""
    return Taxon(number, row["name"], rank, accepted, lineage, _truth(row["is_marine"]), _truth(row["is_extinct"]))


def _class(row: dict[str, Any]) -> EcoTaxon:
    def text(name: str) -> str:
        return str(row[name] if row[name] is not None else "").strip()

    aphia_id = int(row["aphia_id"]) if row["aphia_id"] else None
    lineage = tuple(text("lineage").split(">"))
    return EcoTaxon(
        text("ecotaxa_id"), text("name"), text("type"), text("status"), text("parent_id"), text("rename_to"),
        aphia_id, text("rank").lower(), lineage,
    )  # fmt: skip


def _truth(value: bool | str | None) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def read_about(folder: Path | None) -> dict[str, Any]:
    """Date and sources of a snapshot.

    Raises:
        ValueError: the folder holds no whole snapshot.
    """
    place = folder or schema.folder() / "vocabularies"
    try:
        about: dict[str, Any] = json.loads((place / SNAPSHOT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"no taxonomy snapshot in {place}: {SNAPSHOT} is missing or unreadable") from error
    missing = [path.name for path in _stored(folder) if not path.is_file()]
    if missing or not {"date", "sources"} <= about.keys():
        raise ValueError(f"the taxonomy snapshot in {place} isn't whole: {', '.join(missing) or SNAPSHOT}")
    return about


@functools.cache
def taxonomy(folder: str | None) -> Taxonomy:
    """The snapshot of a folder, opened once per process."""
    return Taxonomy(Path(folder) if folder else None)


@functools.cache
def fingerprint(folder: str | None) -> str:
    """SHA-256 of a snapshot's files: what was matched with another one is stale."""
    if folder is None:
        return schema.fingerprint()
    digest = hashlib.sha256()
    for path in [Path(folder) / SNAPSHOT, *_stored(Path(folder))]:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
