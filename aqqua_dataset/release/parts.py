"""One part of a release: a shard and the tables of its images.

A shard that may be published whole is taken over untouched; one that holds a duplicate, a rejected or
a withheld image is written again by copying byte ranges. Nothing is decoded.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from aqqua_dataset import privacy, schema
from aqqua_dataset.dedup.splits import TABLE as TABLE_OF_SPLITS
from aqqua_dataset.dedup.sql import UNIT_KEY
from aqqua_dataset.images.pack import index_path, shard_path
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.pipeline import core_path, quality_path
from aqqua_dataset.sources.rows import load_rows
from aqqua_dataset.warehouse import Warehouse


@dataclass(frozen=True)
class ReleasePartTask:
    """One part to release; small enough to travel to any worker."""

    warehouse: Warehouse
    release: str
    contribution: str
    part: int
    rows_folder: str
    core_folder: str
    images_folder: str
    quality_folder: str
    license: str
    available_from: str  # ISO date
    left_out: str  # warehouse path: images that are duplicates or withheld
    shared: str  # warehouse path: further contributions to credit, by image
    version: str
    rehearsal: bool

    @property
    def shard(self) -> str:
        """Path of the shard inside the release."""
        ending = ".rehearsal.tar" if self.rehearsal else ".tar"
        return f"images/contribution={self.contribution}/shard-{self.part:05d}{ending}"

    def table(self, kind: str) -> str:
        """Path of a table of this part inside the release."""
        return f"{kind}/contribution={self.contribution}/part-{self.part:05d}.parquet"


@dataclass(frozen=True)
class ReleasedPart:
    """What was written.

    Attributes:
        images: images in the part.
        shard_bytes: size of its shard.
        untouched: whether the shard was taken over as it is.
        leaks: e-mail addresses found in its tables; there must be none.
    """

    images: int
    shard_bytes: int
    untouched: bool
    leaks: tuple[str, ...]


def release_part(task: ReleasePartTask) -> ReleasedPart:
    """Writes one part of a release; a part without a published image writes nothing."""
    index = task.warehouse.read_parquet(index_path(task.images_folder, task.part))
    core = task.warehouse.read_parquet(core_path(task.core_folder, task.part))
    of_this = [("contribution_id", "=", task.contribution)]
    left_out = task.warehouse.read_parquet(task.left_out, filters=of_this)
    in_core = pc.is_in(index["image_id"], core["image_id"])
    chosen = index.filter(pc.and_(in_core, pc.invert(pc.is_in(index["image_id"], left_out["image_id"]))))
    if chosen.num_rows == 0:
        return ReleasedPart(0, 0, True, ())
    untouched = bool(chosen.num_rows == index.num_rows)
    if untouched:
        task.warehouse.copy(shard_path(task.images_folder, task.part), f"{task.release}/{task.shard}")
    else:
        place = chosen.schema.get_field_index("offset")
        chosen = chosen.set_column(place, "offset", _copy_ranges(task, chosen))
    shared = task.warehouse.read_parquet(task.shared, filters=of_this)
    images = _images_table(task, chosen, core, shared)
    verbatim = _verbatim_table(task, chosen)
    for kind, table in (("metadata", images), ("verbatim", verbatim)):
        marked = table.replace_schema_metadata((table.schema.metadata or {}) | {b"release": task.version.encode()})
        task.warehouse.write_parquet(f"{task.release}/{task.table(kind)}", marked, marked.schema)
    size = task.warehouse.size(f"{task.release}/{task.shard}")
    return ReleasedPart(
        chosen.num_rows,
        size,
        untouched,
        (*privacy.table_leaks(images), *privacy.table_leaks(verbatim)),
    )


def _copy_ranges(task: ReleasePartTask, chosen: pa.Table) -> pa.Array:
    """Writes a shard with only the chosen images and returns their new offsets."""
    columns = (chosen[c].to_pylist() for c in ("image_id", "image_format", "offset", "length"))
    offsets = []
    with (
        task.warehouse.open(shard_path(task.images_folder, task.part)) as old,
        task.warehouse.create(f"{task.release}/{task.shard}") as new,
    ):
        writer = ShardWriter(new)
        for image_id, image_format, offset, length in zip(*columns, strict=True):
            old.seek(offset)
            offsets.append(writer.add(image_id, image_format, old.read(length)))
        writer.finish()
    return pa.array(offsets, pa.int64())


def _images_table(task: ReleasePartTask, chosen: pa.Table, core: pa.Table, shared: pa.Table) -> pa.Table:
    """The ``images`` table of the part, sorted by image id so that readers can skip row groups."""
    quality = task.warehouse.read_parquet(quality_path(task.quality_folder, task.part))
    of_this = [("contribution_id", "=", task.contribution)]
    splits = task.warehouse.read_parquet(TABLE_OF_SPLITS, ["unit_key", "split"], of_this)
    with task.warehouse.connect() as connection:
        for name, table in (
            ("core", core), ("quality", quality), ("chosen", chosen), ("shared", shared), ("splits", splits),
        ):  # fmt: skip
            connection.register(name, table)
        joined = connection.sql(
            f"""
            select core.* exclude (qc_flags, qc_level, unit_key), quality.* exclude (image_id),
                   chosen.* exclude (image_id, shard), $shard as shard, $license as license,
                   $available_from::date as available_from,
                   list_sort(list_distinct(list_append(coalesce(credited, []), core.contribution_id)))
                       as credited_contributions, split
            from (select *, {UNIT_KEY} as unit_key from core) as core
                 join quality using (image_id) join chosen using (image_id) join splits using (unit_key)
                 left join (select image_id, credited from shared) using (image_id)
            order by image_id
            """,
            params={
                "shard": task.shard,
                "license": task.license,
                "available_from": task.available_from,
            },
        ).to_arrow_table()
    target = schema.arrow("images")
    return joined.select(target.names).cast(target)


def _verbatim_table(task: ReleasePartTask, chosen: pa.Table) -> pa.Table:
    """The delivered columns of the published images as text, sorted by image id."""
    rows = load_rows(task.warehouse, task.rows_folder, task.part)
    rows = rows[rows["aqqua_image_id"].isin(chosen["image_id"].to_pylist()) & rows["aqqua_reject"].isna()]
    table = {
        "image_id": rows["aqqua_image_id"],
        "source_table": rows["aqqua_table"],
        "source_line": rows["aqqua_line"],
    }
    delivered = [c for c in rows.columns if not c.startswith("aqqua_")]
    columns = [pa.array(v, from_pandas=True) for v in table.values()]
    columns += [pa.array(rows[c], pa.string(), from_pandas=True) for c in delivered]
    names = [*table, *(f"delivered_{c}" if c in table else c for c in delivered)]
    return pa.Table.from_arrays(columns, names).sort_by("image_id")
