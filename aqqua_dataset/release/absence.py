"""Proves that nothing of a contribution is in a release: every file is read and compared with what is known of it.

Looked for are its image ids, the SHA-256 of its images (as delivered and as stored) and its delivered ids. A picture or
an id that another contribution delivered as well is no trace of this one: it is there by that owner's permission.
"""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass

import duckdb
import pyarrow as pa

from aqqua_dataset.compute import map_chunks
from aqqua_dataset.dedup.exact import usable_images
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.images.pack import index_path
from aqqua_dataset.images.shards import members
from aqqua_dataset.pipeline import Collection, core_path, manifest
from aqqua_dataset.release.judging import gate_folder
from aqqua_dataset.sources.rows import ids_path
from aqqua_dataset.warehouse import Warehouse

_TRACES = pa.schema([("kind", pa.string()), ("value", pa.string()), ("shared", pa.bool_())])
_SHA = ("image_sha256", "delivered_sha256")
_DELIVERED = ("source_object_id", "source_image_file")
#: A delivered id such as 17 stands in many tables and says nothing; one like haul3_17 does.
_TELLING = "length(value) >= 6 and regexp_matches(value, '[A-Za-z]')"
#: Files of one task.
_BATCH = 50
_WORDS = re.compile(r"[^\s\"'<>(){}\[\],;:|=/\\]+")
#: Image ids and SHA-256 within longer words, such as file names.
_IDS = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{64}"
_CELLS = re.compile(r"[^\r\n,;\t|\"<>]+")


class AbsenceUnknown(Refused):
    """Nothing is known of the contribution's images, so that nothing can be looked for."""

    what = "the proof"


@dataclass(frozen=True)
class Sighting:
    """A trace in a file: its kind, one example, how many, and in which column of a table."""

    file: str
    column: str
    kind: str
    example: str
    count: int


@dataclass(frozen=True)
class Absence:
    """What was looked for and found.

    Attributes:
        release, contribution: where, and of what.
        files: files that were read.
        looked_for: number of traces by kind.
        shared: number of those that others delivered too, by kind; they were not looked for.
        found: where traces are; nothing is left of the contribution when empty.
    """

    release: str
    contribution: str
    files: int
    looked_for: dict[str, int]
    shared: dict[str, int]
    found: tuple[Sighting, ...]


@dataclass(frozen=True)
class _Scan:
    warehouse: Warehouse
    traces: str
    paths: tuple[str, ...]


def proof_of_absence(
    collection: Collection, release: str, contribution: str, executor: Executor, workers: int
) -> Absence:  # fmt: skip
    """Reads every file of a release for traces of a contribution; writes the report beside the gate's pages.

    Args:
        collection: registry and warehouse; an earlier release that holds the contribution tells of its images too.
        release: folder of the release.
        contribution: whose images should not be in it.
        executor, workers: where the files are read.

    Raises:
        AbsenceUnknown: nothing is known of its images, or there is no such release.
    """
    warehouse, traces = collection.warehouse, f"releases/.plan/traces-{contribution}.parquet"
    files = warehouse.find(release)
    if not files:
        raise AbsenceUnknown([Finding("release_missing", "error", "expected a release in this folder", file=release)])
    _write_traces(collection, release, contribution, traces)
    with warehouse.connect() as connection:
        counted = connection.sql(
            "select kind, shared, count(*) from read_parquet($traces) group by all order by all",
            params={"traces": warehouse.url(traces)},
        ).fetchall()
    if not counted:
        message = "nothing is known of its images: neither its data nor a release that holds it are in the warehouse"
        raise AbsenceUnknown([Finding("absence_unknown", "error", message, contribution)])
    scans = (_Scan(warehouse, traces, tuple(batch)) for batch in _batches(files))
    found = [sighting for _, sightings in map_chunks(_scan, scans, executor, workers) for sighting in sightings]
    proof = Absence(
        release, contribution, len(files), {k: n for k, shared, n in counted if not shared},
        {k: n for k, shared, n in counted if shared}, tuple(sorted(found, key=lambda s: (s.file, s.column, s.kind))),
    )  # fmt: skip
    base = f"{gate_folder(release)}/absence-{contribution}"
    warehouse.write_json(f"{base}.json", asdict(proof))
    warehouse.write_bytes(f"{base}.md", absence_markdown(proof).encode())
    return proof


def absence_markdown(proof: Absence) -> str:
    """The report as people read it."""
    lines = [f"# {proof.contribution} in {proof.release}", ""]
    lines += [f"{len(proof.found)} traces found." if proof.found else "Nothing of it is there.", ""]
    lines += [f"{proof.files:,} files were read, all of the release. Looked for:", ""]
    lines += [f"- {kind}: {count:,}" for kind, count in proof.looked_for.items()]
    lines += [f"- {kind} that others delivered too, not looked for: {n:,}" for kind, n in proof.shared.items()]
    lines += ["", *(f"- {s.file} {s.column}: {s.kind} {s.example} ({s.count:,} times)" for s in proof.found)]
    return "\n".join(lines).rstrip() + "\n"


def _write_traces(collection: Collection, release: str, contribution: str, target: str) -> None:
    """Writes what tells of the contribution's images: kind, value, and whether others delivered it as well."""
    warehouse = collection.warehouse
    others = [c.id for c in collection.registry.contributions.values() if c.id != contribution and not c.revoked]
    theirs = usable_images(collection, others)
    with warehouse.connect() as connection:
        connection.execute("create temp table traces (kind varchar, value varchar)")
        connection.execute("create temp table elsewhere (value varchar)")
        for kind, columns, tables in _known(warehouse, release, contribution):
            for column in columns:
                _insert(connection, f"select {kind!r}, {column}::varchar from read_parquet({tables!r})", "traces")
        for columns, tables in ((_SHA, theirs.shards), (_DELIVERED, theirs.core)):
            for column in columns if tables else ():
                _insert(connection, f"select {column}::varchar from read_parquet({tables!r})", "elsewhere")
        told = connection.sql(
            f"""select distinct kind, value, value in (select value from elsewhere where value is not null) as shared
                from traces where value <> '' and (kind <> 'delivered id' or {_TELLING}) order by all"""
        )
        warehouse.write_parquet(target, told.to_arrow_reader(), _TRACES)


def _insert(connection: duckdb.DuckDBPyConnection, query: str, table: str) -> None:
    connection.execute(f"insert into {table} {query}")


def _known(warehouse: Warehouse, release: str, contribution: str) -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Kind of trace, columns that hold it, and URLs of tables: the contribution's own, and those of other releases."""
    rows, core, images = (manifest(warehouse, contribution, s) for s in ("rows", "core", "images"))
    if rows:
        yield "image id", ("image_id",), [warehouse.url(ids_path(rows["folder"], n)) for n in range(len(rows["parts"]))]
    if images and images["parts"]:
        tables = [warehouse.url(index_path(images["folder"], n)) for n in range(len(images["parts"]))]
        yield "SHA-256", _SHA, tables
    if core and core["parts"]:
        tables = [warehouse.url(core_path(core["folder"], n)) for n in range(len(core["parts"]))]
        yield "delivered id", _DELIVERED, tables
    inside = f"/metadata/contribution={contribution}/"
    for view in ("internal", "public"):
        for name in warehouse.names(f"releases/{view}"):
            folder = f"releases/{view}/{name}"
            if not name.startswith("v") or folder == release:
                continue
            tables = [warehouse.url(p) for p in warehouse.find(f"{folder}{inside}".rstrip("/"))]
            if tables:
                yield "image id", ("image_id",), tables
                yield "SHA-256", _SHA, tables
                yield "delivered id", _DELIVERED, tables


def _batches(files: list[str]) -> Iterator[list[str]]:
    """Files of one task: an archive alone, else some that lie together and are of one kind."""
    waiting: list[str] = []
    for path in files:
        apart = path.endswith(".tar") or len(waiting) == _BATCH
        if waiting and (apart or path.endswith(".parquet") != waiting[0].endswith(".parquet")):
            yield waiting
            waiting = []
        waiting.append(path)
        if path.endswith(".tar"):
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _scan(task: _Scan) -> list[Sighting]:
    """The traces in the files of one task."""
    with task.warehouse.connect() as connection:
        connection.execute(
            "create temp table traces as select kind, value from read_parquet($traces) where not shared",
            {"traces": task.warehouse.url(task.traces)},
        )
        if task.paths[0].endswith(".parquet"):
            found = _in_tables(connection, task)
        else:
            look = _of_archive if task.paths[0].endswith(".tar") else _of_text
            values = [(path, value) for path in task.paths for value in look(task.warehouse, path)]
            files, words = zip(*values, strict=True)
            connection.register("words", pa.table({"file": files, "place": [""] * len(files), "value": words}))
            found = "words"
        rows = connection.sql(
            f"""select file, place, kind, min(value), count(*) from ({found}) join traces using (value)
                group by all order by all"""
        ).fetchall()
    return [Sighting(*row) for row in rows]


def _in_tables(connection: duckdb.DuckDBPyConnection, task: _Scan) -> str:
    """Query of all texts in tables: file, column, value; lists and records are taken apart. Each file is read once."""
    names = {task.warehouse.url(path): path for path in task.paths}
    tables = f"read_parquet({list(names)!r}, union_by_name = true, filename = 'aqqua_file')"
    connection.register("names", pa.table({"aqqua_file": list(names), "file": list(names.values())}))
    texts = []
    for name, kind, *_ in connection.sql(f"describe select * exclude (aqqua_file) from {tables}").fetchall():
        column, place = '"' + name.replace('"', '""') + '"', "'" + name.replace("'", "''") + "'"
        if kind == "VARCHAR":
            texts.append(f"[{{place: {place}, value: {column}}}]")
        elif kind == "VARCHAR[]":
            texts.append(f"list_transform({column}, lambda x: {{place: {place}, value: x}})")
        elif kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
            words = f"regexp_extract_all({column}::varchar, '[^\\s,:{{}}\\[\\]''\"=]+')"
            texts.append(f"list_transform({words}, lambda x: {{place: {place}, value: x}})")
    if not texts:
        return "select '' as file, '' as place, '' as value limit 0"
    return f"""
        select file, place, unnest(list_distinct(list_prepend(value, regexp_extract_all(value, '{_IDS}')))) as value
        from (select aqqua_file, unnest(flatten([{", ".join(texts)}]), recursive := true) from {tables})
             join names using (aqqua_file)"""


def _of_archive(warehouse: Warehouse, path: str) -> list[str]:
    """Ids of the images of a shard, and the SHA-256 of their bytes."""
    with warehouse.open(path) as stream:
        return [v for name, data in members(stream) for v in (name, hashlib.sha256(data).hexdigest())]


def _of_text(warehouse: Warehouse, path: str) -> list[str]:
    """Words of a text, and its cells, which may hold blanks; and the SHA-256 of the file, should it be an image."""
    with warehouse.open(path) as stream:
        data = stream.read()
    text = data.decode("utf-8", "replace")
    words = {*_WORDS.findall(text), *re.findall(_IDS, text), *(cell.strip() for cell in _CELLS.findall(text))}
    return [*sorted(words), hashlib.sha256(data).hexdigest()]
