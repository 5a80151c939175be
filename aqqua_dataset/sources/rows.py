"""Keeps a delivery's rows as they came: verbatim parts in the warehouse, and an id for every image.

Each part holds ``ROWS_PER_PART`` rows: the locator columns (``sources.LOCATOR``) and every delivered
column as text, personal columns dropped and personal text blotted out. Ids are given once all
rows are known, because ranks and repeated rows show only then; DuckDB does that out of core.
"""

import uuid
from collections.abc import Iterator, Sequence
from itertools import islice

import pandas as pd
import pyarrow as pa

from aqqua_dataset import privacy
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import IMAGE_ENDINGS, LOCATOR, Report, reader
from aqqua_dataset.transfer.delivery import Delivery, broken_archives
from aqqua_dataset.warehouse import Warehouse

ROWS_PER_PART = 20_000

#: Namespace of all image ids (RFC 9562 name-based UUIDs); it must never change.
IMAGE_NAMESPACE = uuid.UUID("5b0f1c9e-3f0a-5d0e-9a53-0c1a7d3e6b21")

_ARROW = {"str": pa.string(), "Int32": pa.int32(), "Int64": pa.int64()}
#: What every row is given once all are known, by its column in the parts of ids: the name it has among the rows.
GIVEN = {
    "image_id": "aqqua_image_id", "rank": "aqqua_image_rank", "images": "aqqua_images", "reason": "aqqua_reject",
}  # fmt: skip
_IDS = pa.schema(
    [
        pa.field("part", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("images", pa.int32(), nullable=False),
        pa.field("reason", pa.string()),
    ]
)


def part_path(folder: str, part: int) -> str:
    """Warehouse path of one part of verbatim rows."""
    return f"{folder}/rows-{part:05d}.parquet"


def ids_path(folder: str, part: int) -> str:
    """Warehouse path of the ids of one part, in the order of its rows."""
    return f"{folder}/ids-{part:05d}.parquet"


def write_rows(
    warehouse: Warehouse,
    folder: str,
    delivery: Delivery,
    source: Source,
    contribution: str,
    report: Report,
    form_id: str | None = None,
) -> list[int]:
    """Reads a delivery into parts and gives every image its id; returns the rows of each part.

    ``form_id`` is that of the permission, which is taken out where it is named.
    """
    report_broken_archives(delivery, report)
    counts: list[int] = []
    blotter = privacy.Blotter([form_id] if form_id else [])
    for part, rows in enumerate(_parts(reader(source.format).read(delivery, source, report))):
        clean = blotter.frame(blotter.without_persons(rows, keep=LOCATOR), keep=["aqqua_path"])
        clean.insert(0, "aqqua_row", range(len(clean)))
        clean.insert(0, "aqqua_part", part)
        schema = pa.schema(
            [(c, pa.int32()) for c in ("aqqua_part", "aqqua_row")]
            + [(c, _ARROW.get(LOCATOR.get(c, "str"))) for c in clean.columns[2:]]
        )
        warehouse.write_parquet(
            part_path(folder, part),
            pa.Table.from_pandas(clean, schema, preserve_index=False),
            schema,
        )
        counts.append(len(clean))
    if blotter.dropped:
        message = "columns that name persons were left out"
        report(Finding("personal_columns_dropped", "note", message, value=", ".join(sorted(blotter.dropped))))
    if counts:
        _write_ids(warehouse, folder, counts, contribution)
        _report_orphans(warehouse, folder, len(counts), delivery, report)
    return counts


def report_broken_archives(delivery: Delivery, report: Report) -> None:
    """Reports the archives that can't be opened; the rest of the delivery is read all the same."""
    for path, why in broken_archives(delivery):
        report(Finding("archive_unreadable", "error", f"the archive can't be opened ({why})", file=path))


def _report_orphans(warehouse: Warehouse, folder: str, parts: int, delivery: Delivery, report: Report) -> None:
    """Reports image files that no row speaks of: pictures without metadata can't be used."""
    images = (f.path for f in delivery.files() if f.path.lower().endswith(IMAGE_ENDINGS))
    with warehouse.connect() as connection:
        connection.register("delivered", _paths_as_table(images))
        files = [warehouse.url(part_path(folder, p)) for p in range(parts)]
        counted = connection.sql(
            """select count(*), min(path) from delivered
               anti join (select aqqua_path as path from read_parquet($files, union_by_name=true)) using (path)""",
            params={"files": files},
        ).fetchall()
    count, first = counted[0]
    if count:
        message = "image files that no row speaks of: without metadata they can't be used"
        report(Finding("image_without_row", "warning", message, file=privacy.blot(first), count=count))


def _paths_as_table(paths: Iterator[str]) -> pa.RecordBatchReader:
    schema = pa.schema([("path", pa.string())])
    batches = (pa.record_batch([group], schema) for group in iter(lambda: list(islice(paths, ROWS_PER_PART)), []))
    return pa.RecordBatchReader.from_batches(schema, batches)


def count_images(warehouse: Warehouse, folder: str, parts: int, delivery: Delivery) -> tuple[int, int]:
    """Distinct objects in the rows, and rows whose image file isn't in the delivery."""
    if parts == 0:
        return 0, 0
    files = [warehouse.url(part_path(folder, p)) for p in range(parts)]
    with warehouse.connect() as connection:
        connection.register("delivered", _paths_as_table(f.path for f in delivery.files()))
        found = connection.sql(
            """select count(distinct aqqua_object_id), count(*) filter (delivered.path is null)
               from read_parquet($files, union_by_name=true) as rows
               left join delivered on delivered.path = rows.aqqua_path""",
            params={"files": files},
        ).fetchall()[0]
    return int(found[0]), int(found[1])


def _parts(chunks: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Regroups a reader's chunks into parts of ``ROWS_PER_PART`` rows, whatever their size was."""
    waiting: list[pd.DataFrame] = []
    rows = 0
    for chunk in chunks:
        waiting.append(chunk)
        rows += len(chunk)
        while rows >= ROWS_PER_PART:
            joined = pd.concat(waiting, ignore_index=True)
            yield joined.iloc[:ROWS_PER_PART].reindex(columns=_order(joined))
            waiting, rows = [joined.iloc[ROWS_PER_PART:]], rows - ROWS_PER_PART
    if rows:
        joined = pd.concat(waiting, ignore_index=True)
        yield joined.reindex(columns=_order(joined))


def _order(rows: pd.DataFrame) -> list[str]:
    return [*LOCATOR, *(c for c in rows.columns if c not in LOCATOR)]


def _write_ids(warehouse: Warehouse, folder: str, counts: Sequence[int], contribution: str) -> None:
    """Resolves ranks over all parts, finds repeated rows and writes the ids, cut as the parts of rows are.

    An id is the version 5 UUID (RFC 9562, 5.5) of contribution, object id and rank. A row that
    repeats object and file, or has no object id, gets the id of its place in its table instead.
    """
    files = [warehouse.url(part_path(folder, p)) for p in range(len(counts))]
    name = "$contribution || chr(31) || coalesce({object}, '') || chr(31) || {rank}"
    query = f"""
        with delivered as (
            select aqqua_part as part, aqqua_row as row, aqqua_object_id as object, aqqua_rank as given,
                   aqqua_image_file as file, aqqua_table || ':' || aqqua_line as place,
                   aqqua_object_id is not null and row_number() over (
                       partition by aqqua_object_id, aqqua_image_file order by part, row) > 1 as again
            from read_parquet($files, union_by_name=true)
        ), ranked as (
            select *, object is null or again as apart, coalesce(given, 0) as wanted,
                   row_number() over (partition by object, coalesce(given, 0), again order by part, row) as turn,
                   max(coalesce(given, 0)) over (partition by object) as highest
            from delivered
        ), resolved as (
            select *, case when apart or turn = 1 then wanted else highest + row_number() over (
                       partition by object, apart or turn = 1 order by part, row) end as rank
            from ranked
        ), named as (
            select *, case when apart then {name.format(object="place", rank="'row'")}
                      else {name.format(object="object", rank="rank::varchar")} end as name,
                   count(*) over (partition by object, apart) as images
            from resolved
        ), hashed as (
            select *, sha1($namespace::blob || encode(name)) as hash from named
        )
        select part, row,
               concat_ws('-', substr(hash, 1, 8), substr(hash, 9, 4), '5' || substr(hash, 14, 3),
                   translate(substr(hash, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab')
                   || substr(hash, 18, 3), substr(hash, 21, 12)) as image_id,
               rank::integer as rank, images::integer as images,
               case when object is not null and again then 'duplicate_row' end as reason
        from hashed order by part, row
    """
    with warehouse.connect() as connection:
        values = {"files": files, "contribution": contribution, "namespace": IMAGE_NAMESPACE.bytes}
        named = connection.sql(query, params=values).to_arrow_reader()
        for part, ids in enumerate(_cut(named, counts)):
            warehouse.write_parquet(ids_path(folder, part), ids, _IDS)


def _cut(batches: pa.RecordBatchReader, counts: Sequence[int]) -> Iterator[pa.Table]:
    """Regroups a stream into tables of ``counts`` rows each."""
    waiting, part = batches.schema.empty_table(), 0
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while part < len(counts) and waiting.num_rows >= counts[part]:
            yield waiting.slice(0, counts[part])
            waiting, part = waiting.slice(counts[part]), part + 1


def load_rows(warehouse: Warehouse, folder: str, part: int, columns: list[str] | None = None) -> pd.DataFrame:
    """One part of verbatim rows with the columns of ``GIVEN``: id, resolved rank, images of the object, reject reason.

    Args:
        warehouse: where the parts lie.
        folder: folder of the contribution's rows.
        part: number of the part.
        columns: only these columns of the part; all when None.
    """
    rows = warehouse.read_parquet(part_path(folder, part), columns).to_pandas(types_mapper=_pandas_type)
    ids = warehouse.read_parquet(ids_path(folder, part))
    named = ids.drop_columns(["part", "row"]).to_pandas(types_mapper=_pandas_type)
    named = named.rename(columns=GIVEN)
    if "aqqua_reason" in rows:
        named["aqqua_reject"] = rows["aqqua_reason"].fillna(named["aqqua_reject"])
    return pd.concat([named, rows], axis=1)


def _pandas_type(kind: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
    if pa.types.is_string(kind):
        return pd.StringDtype(na_value=float("nan"))
    return {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get(kind)
