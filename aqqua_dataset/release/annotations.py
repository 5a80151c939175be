"""What the owners of copies say: their labels and facts, kept beside the copy that is published.

One file per contribution that delivered copies. Labels are given as they are; time, position, depth and scale only
where they differ from those of the published image, so that whoever chooses sees what there is to choose from.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from aqqua_dataset import privacy, schema
from aqqua_dataset.dedup import exact
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.stage_tables import table_paths
from aqqua_dataset.warehouse import Warehouse

#: Columns that say one thing together: they are null where all of them are equal to those of the published image.
_TOGETHER = (
    ("event_id",),
    ("datetime_utc", "datetime_precision", "timezone_source"),
    ("latitude", "longitude", "coordinate_source"),
    ("depth_min_m", "depth_max_m", "depth_m", "depth_kind"),
    ("pixel_size_um", "pixel_size_unit_source"),
)

#: Columns of the group that decide whether it differs; the others say where its values come from.
_VALUES = {
    "event_id", "datetime_utc", "latitude", "longitude", "depth_min_m", "depth_max_m", "depth_m", "pixel_size_um",
}  # fmt: skip


@dataclass(frozen=True)
class AnnotationTask:
    """One contribution whose copies are spoken for by others (or by its own images)."""

    warehouse: Warehouse
    release: str
    contribution: str
    own: tuple[str, ...]  # warehouse paths of its core parts
    kept: tuple[str, ...]  # folders of core parts of those who hold the published images, with their numbers of parts
    version: str
    withheld: str  # warehouse path: images that aren't published


def annotation_tasks(
    collection: Collection, release: str, version: str, published: list[str], left_out: str
) -> list[AnnotationTask]:
    """The tasks of a release: one per contribution that has copies of what ``published`` contributions publish."""
    warehouse = collection.warehouse
    with warehouse.connect() as connection:
        pairs = connection.sql(
            """select distinct contribution_id, kept_contribution_id from read_parquet($table)
               where kept_contribution_id in (select unnest($published::varchar[])) order by all""",
            params={"table": warehouse.url(exact.TABLE), "published": published},
        ).fetchall()
    kept: dict[str, list[str]] = {}
    for contribution, other in pairs:
        kept.setdefault(contribution, []).extend(table_paths(warehouse, other, "core"))
    return [
        AnnotationTask(
            warehouse, release, name, tuple(table_paths(warehouse, name, "core")), tuple(parts), version, left_out
        )
        for name, parts in kept.items()
    ]  # fmt: skip


def write_annotations(task: AnnotationTask) -> tuple[str, ...]:
    """Writes the annotations of one contribution; returns what is personal in them: there must be nothing."""
    target = schema.arrow("annotations")
    marked = target.with_metadata((target.metadata or {}) | {b"release": task.version.encode()})
    path = f"{task.release}/annotations/contribution={task.contribution}.parquet"
    leaks: set[str] = set()
    with task.warehouse.connect() as connection:
        reader = connection.sql(
            _statement(),
            params={
                "duplicates": task.warehouse.url(exact.TABLE), "contribution": task.contribution,
                "own": [task.warehouse.url(p) for p in task.own], "kept": [task.warehouse.url(p) for p in task.kept],
                "withheld": task.warehouse.url(task.withheld),
            },
        ).to_arrow_reader()  # fmt: skip
        rows = task.warehouse.write_parquet(path, _searched(reader, target, leaks), marked)
    if not rows:
        task.warehouse.remove(path)
    return tuple(sorted(leaks))


def _searched(reader: pa.RecordBatchReader, target: pa.Schema, leaks: set[str]) -> Iterator[pa.RecordBatch]:
    """The batches as they come; what is personal in them is added to ``leaks``."""
    for batch in reader:
        leaks.update(privacy.table_leaks(pa.Table.from_batches([batch])))
        yield batch.select(target.names)


def _statement() -> str:
    plain = [c for c in schema.tables()["annotations"].columns if c.startswith(("label_", "taxon_", "aphia"))]
    facts = [
        f"case when {' or '.join(f'own.{c} is distinct from kept.{c}' for c in group if c in _VALUES)}"
        f" then own.{column} end as {column}"
        for group in _TOGETHER
        for column in group
    ]
    return f"""
        with copies as (
            select * from read_parquet($duplicates)
            where contribution_id = $contribution
                  and kept_image_id not in (select image_id from read_parquet($withheld))
                  -- the processed form of one's own raw image has that image's label
                  and not (duplicate_kind = 'variant' and kept_contribution_id = contribution_id)
        )
        select copies.kept_image_id as image_id, copies.image_id as copy_image_id, copies.contribution_id,
               duplicate_kind, {", ".join(f"own.{c}" for c in plain)}, {", ".join(facts)}
        from copies join read_parquet($own) as own on own.image_id = copies.image_id
             join read_parquet($kept) as kept on kept.image_id = copies.kept_image_id
        order by image_id, copy_image_id"""
