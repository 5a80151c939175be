"""The tables of one contribution as DuckDB views: nothing is held in memory but what a query returns.

``base`` has the rows the report speaks of: those of the usable images; where there are none, the harmonised rows
whose image is missing; where there are none of these either, the first rows as far as they could be read.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.harmonise.rows import interpreted, to_arrow
from aqqua_dataset.harmonise.supplement import supplement
from aqqua_dataset.pipeline import Collection, manifest
from aqqua_dataset.progress.ledger import quarantine_parts
from aqqua_dataset.sources.rows import load_rows
from aqqua_dataset.stage_tables import TABLES, table_paths

#: What a refused value leaves empty, by the first words of the reason.
_REFUSED = {
    "instrument_": ["instrument_id"],
    "pixel_size_": ["pixel_size_um"],
    "time_": ["datetime_utc"],
    "dmy_": ["datetime_utc"],
    "position_": ["latitude", "longitude"],
    "depth_": ["depth_min_m", "depth_max_m", "depth_m", "altitude_m"],
}


@dataclass(frozen=True)
class Views:
    """An open session with the views ``base``, ``flags``, ``usable``, ``shards``, ``rows`` and ``quarantine``.

    Attributes:
        usable: number of usable images.
        partial: ``base`` holds no usable image.
    """

    connection: duckdb.DuckDBPyConnection
    usable: int
    partial: bool


@contextlib.contextmanager
def open_views(collection: Collection, contribution_id: str) -> Iterator[Views]:
    """The views of one contribution; those of stages that haven't run are empty."""
    warehouse = collection.warehouse
    paths = {kind: table_paths(warehouse, contribution_id, kind) for kind in TABLES}
    with warehouse.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        _view(connection, "core", [warehouse.url(p) for p in paths["core"]], schema.arrow("core"))
        _view(connection, "shards", [warehouse.url(p) for p in paths["shards"]], schema.arrow("shard_index"))
        rejected = [warehouse.url(p) for p in quarantine_parts(collection, contribution_id)]
        _view(connection, "quarantine", rejected, schema.arrow("quarantine"))
        _rows_view(connection, [warehouse.url(p) for p in paths["rows"]], [warehouse.url(p) for p in paths["ids"]])
        # Nearly all rows are usable, so the few that aren't make the smaller tables to join with.
        connection.execute(
            "create temp table without_image as select image_id from core anti join shards using (image_id)"
        )
        connection.execute(
            "create temp table without_row as select image_id from shards anti join core using (image_id)"
        )
        connection.execute("create temp view usable as from core anti join without_image using (image_id)")
        usable = _count(connection, "usable")
        if usable:
            connection.execute("create temp view base as from usable")
        elif _count(connection, "core") or not paths["core"]:
            connection.execute("create temp view base as from core")
        else:
            connection.register("base", first_rows(collection, contribution_id))
        create_flags_view(connection, [warehouse.url(p) for p in paths["quality"]])
        yield Views(connection, usable, usable == 0)


def create_flags_view(connection: duckdb.DuckDBPyConnection, quality: Sequence[str]) -> None:
    """Makes ``flags``: ``image_id``, ``qc_flags`` and ``qc_level`` of every image of ``base``. The one place to ask.

    They are the final ones where the contribution was judged as a whole, else those of the rows alone.
    """
    final = f"read_parquet({list(quality)!r}) semi join base using (image_id)" if quality else "base"
    connection.execute(f"create temp view flags as select image_id, qc_flags, qc_level from {final}")


def first_rows(collection: Collection, contribution_id: str) -> pa.Table:
    """The first part of a contribution's rows as ``core``, with what was refused left empty.

    Rows in quarantine have no harmonised columns anywhere; a report still has to say what was understood of them.
    """
    warehouse, contribution = collection.warehouse, collection.registry.contributions[contribution_id]
    rows, core = (manifest(warehouse, contribution_id, stage) for stage in ("rows", "core"))
    if rows is None or core is None or not rows["parts"] or contribution.source is None:
        return schema.arrow("core").empty_table()
    source = contribution.source.model_copy(update={"format": rows["format"]})
    read, _ = supplement(warehouse, core["folder"], load_rows(warehouse, rows["folder"], 0), source)
    settings = collection.registry.settings
    work = interpreted(read, contribution.model_copy(update={"source": source}), settings)
    for reject in work.rejects:
        for words, columns in _REFUSED.items():
            for column in columns if reject.reason.startswith(words) else ():
                work.columns[column] = work.columns[column].mask(reject.mask)
    return to_arrow(pd.DataFrame(work.columns), "core")


def _view(connection: duckdb.DuckDBPyConnection, name: str, urls: Sequence[str], empty: pa.Schema) -> None:
    if urls:
        # A view can't hold parameters, and paths come from ids that are checked slugs.
        connection.execute(f"create temp view {name} as from read_parquet({list(urls)!r})")
    else:
        connection.register(name, empty.empty_table())


def _rows_view(connection: duckdb.DuckDBPyConnection, parts: Sequence[str], ids: Sequence[str]) -> None:
    """Where each image's row stands: ``image_id``, ``source_table``, ``source_line``, ``source_object_id``."""
    if not parts:
        connection.execute(
            "create temp table rows as select '' as image_id, '' as source_table, 0 as source_line,"
            " '' as source_object_id limit 0"
        )
        return
    connection.execute(
        f"""create temp view rows as
        select image_id, aqqua_table as source_table, aqqua_line as source_line, aqqua_object_id as source_object_id
        from read_parquet({list(parts)!r}, union_by_name=true) as delivered
        join read_parquet({list(ids)!r}) as ids on ids.part = aqqua_part and ids.row = aqqua_row"""
    )


def places(connection: duckdb.DuckDBPyConnection, image_ids: Sequence[str]) -> dict[str, tuple[str, int | None, str]]:
    """Table, line and object id of a few images, as far as their rows are known."""
    found = connection.sql(
        """select image_id, coalesce(source_table, ''), source_line, coalesce(source_object_id, '') from rows
        where list_contains($ids, image_id)""",
        params={"ids": list(image_ids)},
    ).fetchall()
    return {image_id: (table, line, object_id) for image_id, table, line, object_id in found}


def _count(connection: duckdb.DuckDBPyConnection, view: str) -> int:
    return int(connection.sql(f"select count(*) from {view}").fetchall()[0][0])
