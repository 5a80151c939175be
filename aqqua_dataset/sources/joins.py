"""Further tables joined to the images' rows: stations, casts, sheets of samples (see ``registry.models.Join``).

The columns that are needed are kept as one Parquet file of text per join, one row per key; each part of rows
is then joined in DuckDB, so that neither side has to fit in memory.
"""

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from aqqua_dataset import privacy
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Join
from aqqua_dataset.sources import Report, tables, text
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.warehouse import Warehouse


def join_path(folder: str, join: Join) -> str:
    """Warehouse path of a join's table."""
    return f"{folder}/join-{join.id}.parquet"


def columns_of(join: Join, joins: Sequence[Join]) -> list[str]:
    """Columns of the joined table that anything uses, keys first."""
    later = [c.removeprefix(f"{join.id}.") for j in joins for c in j.to if c.startswith(f"{join.id}.")]
    return list(dict.fromkeys([*join.key, *(c.column for c in join.mapping.values()), *later]))


def write_join(
    warehouse: Warehouse, folder: str, delivery: Delivery, join: Join, joins: Sequence[Join], report: Report
) -> None:
    """Writes the rows of a join's tables, one per key; keys with contradicting rows are left out and reported."""
    columns = columns_of(join, joins)
    schema = pa.schema([(name, pa.string()) for name in columns])
    batches = (
        pa.RecordBatch.from_pandas(rows, schema, preserve_index=False)
        for rows in _rows(delivery, join, columns, report)
    )
    keys = ", ".join(_quoted(k) for k in join.key)
    values = ", ".join(f"any_value({_quoted(c)}) as {_quoted(c)}" for c in columns[len(set(join.key)) :])
    whole = ", ".join(f"{_quoted(c)} := {_quoted(c)}" for c in columns)
    with warehouse.connect() as connection:
        connection.register("read", pa.RecordBatchReader.from_batches(schema, batches))
        connection.execute("create temp table delivered as select * from read")
        grouped = f"""select {keys}{", " + values if values else ""},
                             count(distinct struct_pack({whole})) as different
                      from delivered where {" and ".join(f"{_quoted(k)} is not null" for k in join.key)}
                      group by {keys}"""
        _report_contradictions(connection, grouped, join, report)
        names = ", ".join(_quoted(c) for c in columns)
        query = f"select {names} from ({grouped}) where different = 1 order by {keys}"
        warehouse.write_parquet(join_path(folder, join), connection.sql(query).to_arrow_reader(), schema)


def write_nothing(warehouse: Warehouse, folder: str, join: Join, joins: Sequence[Join]) -> None:
    """Writes a join's table without rows, where its location isn't there (yet)."""
    schema = pa.schema([(name, pa.string()) for name in columns_of(join, joins)])
    warehouse.write_parquet(join_path(folder, join), schema.empty_table(), schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _report_contradictions(connection: duckdb.DuckDBPyConnection, grouped: str, join: Join, report: Report) -> None:
    first = ", ".join(f"min({_quoted(k)})" for k in join.key)
    counted = connection.sql(f"select count(*), {first} from ({grouped}) where different > 1").fetchall()[0]
    if counted[0]:
        message = "rows of the joined tables contradict each other; images with this key get none of them"
        key, value = f"source.joins.{join.id}", ", ".join(str(v) for v in counted[1:])
        report(Finding("join_key_repeated", "warning", message, key=key, value=value, count=counted[0]))


def _rows(delivery: Delivery, join: Join, columns: list[str], report: Report) -> Iterator[pd.DataFrame]:
    """The wanted columns of every table of the join, without e-mail addresses."""
    found = False
    for file in delivery.files():
        if not tables.is_table(file.path) or not fnmatch.fnmatchcase(file.path, join.tables):
            continue
        found = True
        try:
            yield from _table_rows(delivery, file.path, join, columns, report)
        except OSError as error:
            report(Finding("table_unreadable", "error", f"the table can't be read: {error}"[:300], file=file.path))
    if not found:
        message = f"no table ({', '.join(tables.ENDINGS)}) fits the pattern {join.tables!r}"
        report(Finding("table_missing", "error", message, key=f"source.joins.{join.id}"))


def _table_rows(
    delivery: Delivery, path: str, join: Join, columns: list[str], report: Report
) -> Iterator[pd.DataFrame]:
    with contextlib.ExitStack() as opened:
        header, chunks = tables.open_table(delivery, path, columns, opened, join.sheet)
        names = text.unique_names([c.strip() for c in header], path, report)
        if missing := ", ".join(c for c in columns if c not in names):
            message = f"column(s) of the join {join.id} not in the table: {missing}; it has: {', '.join(names)[:500]}"
            report(Finding("mapped_column_missing", "error", message, file=path, line=1, value=missing))
            return
        for chunk in chunks(names):
            rows = chunk.rows[columns].apply(lambda column: column.astype("str").str.strip())
            yield _without_personal(rows.replace("", pd.NA).astype("str"), join, path, report)


def _without_personal(rows: pd.DataFrame, join: Join, path: str, report: Report) -> pd.DataFrame:
    """The rows without personal text; not those whose key holds some, for without it keys may be mistaken."""
    keys = list(dict.fromkeys(join.key))
    before = rows[keys].copy()
    clean = privacy.Blotter().frame(rows)
    personal = (before.fillna("") != clean[keys].fillna("")).any(axis=1)
    if personal.any():
        message = "the key of a joined row holds an address, number or folder of a person; give it another id"
        report(Finding("join_key_personal", "warning", message, file=path, key=f"source.joins.{join.id}",
                       count=int(personal.sum())))  # fmt: skip
    return clean[~personal]


def joined(
    warehouse: Warehouse, folder: str, rows: pd.DataFrame, joins: Sequence[Join]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows with the columns ``<id>.<column>`` of every join, and how many rows found no partner, by join."""
    without = {}
    for join in joins:
        columns = [c for c in columns_of(join, joins) if c not in join.key]
        partners = _partners(warehouse, folder, rows, join, columns)
        without[join.id] = len(rows) - int(partners["there"].sum())
        rows = pd.concat([rows, partners[columns].add_prefix(f"{join.id}.")], axis=1)
    return rows, without


def _partners(warehouse: Warehouse, folder: str, rows: pd.DataFrame, join: Join, columns: list[str]) -> pd.DataFrame:
    """For each row: the wanted columns of its partner (null without one), and whether it has one."""
    if any(c not in rows for c in join.to):
        empty = {c: pd.Series(pd.NA, rows.index, dtype="str") for c in columns}
        return pd.DataFrame(empty, index=rows.index).assign(there=False)
    keys = pd.DataFrame({f"k{i}": rows[c].str.strip() for i, c in enumerate(join.to)}).assign(place=range(len(rows)))
    on = " and ".join(f"wanted.k{i} = partners.{_quoted(k)}" for i, k in enumerate(join.key))
    chosen = "".join(f", partners.{_quoted(c)}" for c in columns)
    with warehouse.connect() as connection:
        connection.register("wanted", keys)
        found = connection.sql(
            f"select place, true as there{chosen} from wanted join read_parquet($file) as partners on {on}",
            params={"file": warehouse.url(join_path(folder, join))},
        ).df()
    found = found.set_index("place").reindex(range(len(rows))).set_axis(rows.index)
    return found[columns].astype("str").assign(there=found["there"].notna())
