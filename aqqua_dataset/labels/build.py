"""Builds a taxonomy snapshot from dumps: EcoTaxa's taxonomy export, and WoRMS as a Darwin Core archive.

A snapshot is a folder with ``taxa.parquet`` (names with AphiaID), ``ecotaxa.parquet`` (classes by id) and
``snapshot.json`` (date and sources, written last). DuckDB streams the dumps; WoRMS has more than a million names.
"""

import datetime as dt
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb

from aqqua_dataset import schema
from aqqua_dataset.labels.taxonomy import SNAPSHOT

#: Column of a snapshot -> names it has in EcoTaxoServer's browsetaxotsvexport and in tables derived from it.
_ECOTAXA = {
    "ecotaxa_id": ("id", "ecotaxa_id"), "name": ("name",), "type": ("taxotype", "type"),
    "status": ("taxostatus", "status"), "parent_id": ("parent_id",), "rename_to": ("rename_to",),
    "aphia_id": ("aphia_id",), "rank": ("rank",),
}  # fmt: skip
_WORMS = (
    "taxonID", "scientificName", "acceptedNameUsageID", "parentNameUsageID", "taxonRank", "taxonomicStatus",
)  # fmt: skip
#: Ranks that a Darwin Core archive spells out, for names whose parents are missing.
_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


def build_snapshot(target: Path, date: dt.date, ecotaxa: Path, worms: Path | None = None) -> dict[str, int]:
    """Writes a snapshot; returns how many taxa and classes it holds.

    Args:
        target: folder to make; must not hold a snapshot yet, since a dated one never changes.
        date: day the dumps were taken.
        ecotaxa: TSV of EcoTaxoServer's browsetaxotsvexport.
        worms: ``taxon.txt`` of the WoRMS Darwin Core archive; ``speciesprofile.txt`` beside it says what is marine.

    Raises:
        ValueError: a dump can't be read or lacks a column, or the folder is taken.
    """
    if (target / SNAPSHOT).exists():
        raise ValueError(f"{target} holds a snapshot already; give the new one a folder of its own")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute(f"set temp_directory = '{spill}'")
        try:
            _load_ecotaxa(connection, ecotaxa)
            _load_worms(connection, worms)
            _join(connection)
        except duckdb.Error as error:
            raise ValueError(f"the dump can't be read: {str(error).splitlines()[0]}") from error
        counts = {name: _write(connection, name, target / f"{name}.parquet") for name in ("taxa", "ecotaxa")}
    sources = [f"EcoTaxa taxonomy export {ecotaxa.name}", *([f"WoRMS dump {worms.name}"] if worms else [])]
    about = {"date": date.isoformat(), "sources": [*sources, "names of the bundled snapshot that these lack"], **counts}
    (target / SNAPSHOT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return counts


def _tsv(connection: duckdb.DuckDBPyConnection, view: str, path: Path) -> list[str]:
    """A tab-separated dump as a view of text columns; returns their names."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    quoted = str(path).replace("'", "''")
    reader = f"read_csv('{quoted}', delim='\t', quote='', escape='', header=true, all_varchar=true, null_padding=true)"
    connection.execute(f"create view {view} as select * from {reader}")
    return [row[0] for row in connection.execute(f"describe {view}").fetchall()]


def _load_ecotaxa(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    names = _tsv(connection, "ecotaxa_dump", path)
    found = {column: next((n for n in given if n in names), "") for column, given in _ECOTAXA.items()}
    _all_there(path, {column: bool(name) for column, name in found.items()})
    columns = ", ".join(f"nullif(trim(\"{name}\"), '') as {column}" for column, name in found.items())
    connection.execute(f"create table classes as select {columns} from ecotaxa_dump")
    connection.execute(
        f"create table ecotaxa as select c.*, lineage from classes c left join ({_lineage('classes', 'ecotaxa_id')}) l"
        " on l.id = c.ecotaxa_id"
    )


def _load_worms(connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    connection.execute(
        "create table names (aphia_id bigint, name varchar, rank varchar, accepted_id bigint, parent_id bigint,"
        " fallback varchar, is_marine boolean, is_extinct boolean)"
    )
    if path is None:
        return
    columns = _tsv(connection, "worms_dump", path)
    _all_there(path, {name: name in columns for name in _WORMS})
    ranks = ", ".join(f'"{rank}"' if rank in columns else "null" for rank in _RANKS)
    connection.execute(
        f"""insert into names
        select {_number("taxonID")}, trim(scientificName), lower(taxonRank),
            -- An unaccepted name without an accepted one stands for no taxon.
            coalesce({_number("acceptedNameUsageID")},
                     case when lower(taxonomicStatus) = 'unaccepted' then -1 else {_number("taxonID")} end),
            {_number("parentNameUsageID")}, concat_ws('>', {ranks}), null, null
        from worms_dump where {_number("taxonID")} is not null"""
    )
    profile = path.with_name("speciesprofile.txt")
    if profile.exists():
        known = _tsv(connection, "profile", profile)
        _all_there(profile, {name: name in known for name in ("taxonID", "isMarine")})
        brackish = _truth("isBrackish") if "isBrackish" in known else "null"
        extinct = _truth("isExtinct") if "isExtinct" in known else "null"
        connection.execute(
            f"""update names set is_marine = p.marine, is_extinct = p.extinct
            from (select {_number("taxonID")} as id, {_truth("isMarine")} or coalesce({brackish}, false) as marine,
                  {extinct} as extinct from profile) p where p.id = names.aphia_id"""
        )


def _join(connection: duckdb.DuckDBPyConnection) -> None:
    """WoRMS first, then what only EcoTaxa has, then what only the bundled snapshot has: an id or a name once."""
    bundled = str(schema.folder() / "vocabularies" / "taxa.csv").replace("'", "''")
    connection.execute(
        f"""create table taxa as
        select aphia_id, name, rank, nullif(accepted_id, aphia_id) as accepted_id,
            coalesce(lineage, concat_ws('>', nullif(fallback, ''), name)) as lineage,
            is_marine, is_extinct, 'WoRMS' as source
        from names left join ({_lineage("names", "aphia_id")}) l on l.id = names.aphia_id"""
    )
    connection.execute(
        """insert into taxa
        select distinct on (aphia_id) cast(aphia_id as bigint), name, lower(rank), null, lineage, null, null, 'EcoTaxa'
        from ecotaxa where type = 'P' and status <> 'D' and try_cast(aphia_id as bigint) is not null
            and cast(aphia_id as bigint) not in (select aphia_id from taxa)
            and lower(name) not in (select lower(name) from taxa)
        order by aphia_id, cast(ecotaxa_id as bigint)"""
    )
    connection.execute(
        f"""insert into taxa
        select cast(aphia_id as bigint), name, rank, cast(accepted_id as bigint), lineage, null, null, source
        from read_csv('{bundled}', all_varchar=true)
        where cast(aphia_id as bigint) not in (select aphia_id from taxa)
            and lower(name) not in (select lower(name) from taxa)"""
    )


def _lineage(table: str, key: str) -> str:
    """Names from the root to each row, by its parents; rows in a circle of parents have none."""
    return f"""with recursive line as (
        select {key} as id, name as lineage from {table}
        where parent_id is null or parent_id = {key} or parent_id not in (select {key} from {table})
        union all
        select t.{key}, line.lineage || '>' || t.name from {table} t join line on t.parent_id = line.id
        where t.{key} <> line.id
    ) select id, any_value(lineage) as lineage from line group by id"""


def _number(column: str) -> str:
    """The number at the end of a WoRMS identifier such as ``urn:lsid:marinespecies.org:taxname:1080``."""
    return f"try_cast(regexp_extract({column}, '([0-9]+)$', 1) as bigint)"


def _truth(column: str) -> str:
    return (
        f"(case when lower({column}) in ('1', 'true') then true when lower({column}) in ('0', 'false') then false end)"
    )


def _all_there(path: Path, there: Mapping[str, bool]) -> None:
    missing = [name for name, found in there.items() if not found]
    if missing:
        raise ValueError(f"{path}: missing column(s) {', '.join(missing)}")


def _write(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> int:
    quoted = str(path).replace("'", "''")
    order = "lower(name), aphia_id" if table == "taxa" else "cast(ecotaxa_id as bigint)"
    connection.execute(
        f"copy (select * from {table} order by {order}) to '{quoted}' (format parquet, compression zstd)"
    )
    counted = connection.execute(f"select count(*) from {table}").fetchone()
    return int(counted[0]) if counted else 0
