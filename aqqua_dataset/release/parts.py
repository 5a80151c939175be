"""One part of a release: a shard and the tables of its images.

A shard that may be published whole is taken over untouched; one that holds a duplicate, a rejected or
a withheld image is written again by copying byte ranges, unless an earlier release has just the same images of it: then
that one's is taken over, after each of its bytes was compared. On a local disk taking over is a hard link. Nothing is
decoded. Every file is hashed here, by the worker that writes it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from aqqua_dataset import privacy, schema
from aqqua_dataset.dedup.splits import TABLE as TABLE_OF_SPLITS
from aqqua_dataset.dedup.sql import UNIT_KEY
from aqqua_dataset.images.pack import index_path, searched_digest, shard_path
from aqqua_dataset.images.search import image_leaks
from aqqua_dataset.images.shards import ShardWriter, member_problem, packed_offsets
from aqqua_dataset.pipeline import core_path, quality_path
from aqqua_dataset.sources.rows import ids_path, part_path
from aqqua_dataset.warehouse import ROW_GROUP_ROWS, Warehouse

_PLACED = ("image_id", "image_format", "offset", "length")


@dataclass(frozen=True)
class ReleasePartTask:
    """One shard to release; small enough to travel to any worker."""

    warehouse: Warehouse
    release: str
    contribution: str
    shard: int
    parts: range  # of rows, core and quality
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
    earlier: tuple[str, ...] = ()  # sealed releases whose shards may be taken over
    form_id: str | None = None

    @property
    def archive(self) -> str:
        """Path of the shard inside the release."""
        ending = ".rehearsal.tar" if self.rehearsal else ".tar"
        return f"images/contribution={self.contribution}/shard-{self.shard:05d}{ending}"

    def table(self, kind: str) -> str:
        """Path of a table of this shard's images inside the release."""
        return f"{kind}/contribution={self.contribution}/part-{self.shard:05d}.parquet"


@dataclass(frozen=True)
class ReleasedPart:
    """What was written.

    Attributes:
        images: images in the shard.
        shard_bytes: its size.
        untouched: whether it was taken over as it was packed, or as an earlier release has it.
        digests: path inside the release -> SHA-256, of every file written.
        leaks: personal data found in its tables and images; there must be none.
    """

    images: int
    shard_bytes: int
    untouched: bool
    digests: dict[str, str]
    leaks: tuple[str, ...]


def release_part(task: ReleasePartTask) -> ReleasedPart:
    """Writes one part of a release; a part without a published image writes nothing."""
    index = task.warehouse.read_parquet(index_path(task.images_folder, task.shard))
    cores = [task.warehouse.read_parquet(core_path(task.core_folder, p), ["image_id"]) for p in task.parts]
    of_this = [("contribution_id", "=", task.contribution)]
    left_out = task.warehouse.read_parquet(task.left_out, filters=of_this)
    in_core = pc.is_in(index["image_id"], pa.concat_tables(cores)["image_id"])
    chosen = index.filter(pc.and_(in_core, pc.invert(pc.is_in(index["image_id"], left_out["image_id"]))))
    if chosen.num_rows == 0:
        return ReleasedPart(0, 0, True, {}, ())
    untouched = bool(chosen.num_rows == index.num_rows)
    digests: dict[str, str] = {}
    leaks: list[str] = []
    if untouched:
        task.warehouse.copy(shard_path(task.images_folder, task.shard), f"{task.release}/{task.archive}")
        digests[task.archive], found = searched_digest(task.warehouse, task.images_folder, task.shard)
        leaks.extend(found)
    else:
        placed = chosen.set_column(chosen.schema.get_field_index("offset"), "offset", packed_offsets(chosen["length"]))
        earlier = _taken_over(task, placed)
        untouched = earlier is not None
        digests[task.archive] = earlier or _copy_ranges(task, chosen, leaks)
        chosen = placed
    for kind, write in (("metadata", _write_images), ("verbatim", _write_verbatim)):
        digests[task.table(kind)] = write(task, chosen, leaks)
    size = task.warehouse.size(f"{task.release}/{task.archive}")
    return ReleasedPart(chosen.num_rows, size, untouched, digests, tuple(leaks))


def _taken_over(task: ReleasePartTask, placed: pa.Table) -> str | None:
    """Takes over the shard of an earlier release, which was searched, if it has just these images at these places.

    Returns its SHA-256.
    """
    warehouse = task.warehouse
    wanted = placed.select([*_PLACED, "image_sha256"])
    for release in task.earlier:
        table = f"{release}/{task.table('metadata')}"
        if not warehouse.exists(table):
            continue
        had = warehouse.read_parquet(table, [*wanted.column_names, "shard"]).sort_by("offset")
        if not had.select(wanted.column_names).cast(wanted.schema).equals(wanted):
            continue
        archive = f"{release}/{had['shard'][0].as_py()}"
        digest = hashlib.sha256()
        with warehouse.open(archive) as stream:
            if any(member_problem(stream, digest=digest, **row) for row in wanted.to_pylist()):
                continue
            digest.update(stream.read())
        warehouse.copy(archive, f"{task.release}/{task.archive}")
        return digest.hexdigest()
    return None


def _copy_ranges(task: ReleasePartTask, chosen: pa.Table, leaks: list[str]) -> str:
    """Writes a shard with only the chosen images; returns its SHA-256."""
    columns = (chosen[c].to_pylist() for c in _PLACED)
    digest = hashlib.sha256()
    with (
        task.warehouse.open(shard_path(task.images_folder, task.shard)) as old,
        task.warehouse.create(f"{task.release}/{task.archive}", digest) as new,
    ):
        writer = ShardWriter(new)
        for image_id, image_format, offset, length in zip(*columns, strict=True):
            old.seek(offset)
            data = old.read(length)
            leaks.extend(f"{image_id}: {leak}" for leak in image_leaks(data))
            writer.add(image_id, image_format, data)
        writer.finish()
    return digest.hexdigest()


def _write_images(task: ReleasePartTask, chosen: pa.Table, leaks: list[str]) -> str:
    """Writes the ``images`` table, sorted by image id so that readers can skip row groups; returns its SHA-256."""
    url = task.warehouse.url
    target = schema.arrow("images")
    of_this = [("contribution_id", "=", task.contribution)]
    shared = task.warehouse.read_parquet(task.shared, filters=of_this)
    splits = task.warehouse.read_parquet(TABLE_OF_SPLITS, ["unit_key", "split"], of_this)
    with task.warehouse.connect() as connection:
        connection.register("chosen", chosen)
        connection.register("shared", shared)
        connection.register("splits", splits)
        joined = connection.sql(
            f"""
            select core.* exclude (qc_flags, qc_level, unit_key), quality.* exclude (image_id),
                   chosen.* exclude (image_id, shard), $shard as shard, $license as license,
                   $available_from::date as available_from,
                   list_sort(list_distinct(list_append(coalesce(credited, []), core.contribution_id)))
                       as credited_contributions, split
            from (select *, {UNIT_KEY} as unit_key from read_parquet($core)) as core
                 join read_parquet($quality) as quality using (image_id) join chosen using (image_id)
                 join splits using (unit_key) left join (select image_id, credited from shared) using (image_id)
            order by image_id
            """,
            params={
                "core": [url(core_path(task.core_folder, p)) for p in task.parts],
                "quality": [url(quality_path(task.quality_folder, p)) for p in task.parts],
                "shard": task.archive,
                "license": task.license,
                "available_from": task.available_from,
            },
        ).to_arrow_reader(ROW_GROUP_ROWS)
        return _write(task, "metadata", (batch.select(target.names) for batch in joined), target, leaks)


def _write_verbatim(task: ReleasePartTask, chosen: pa.Table, leaks: list[str]) -> str:
    """Writes the delivered columns of the published images as text, sorted by image id; returns the SHA-256."""
    parts = [_verbatim(task, part, chosen["image_id"]) for part in task.parts]
    table = pa.concat_tables(parts, promote_options="default")
    order = pc.sort_indices(table["image_id"])
    batches = (
        batch
        for start in range(0, table.num_rows, ROW_GROUP_ROWS)
        for batch in table.take(order.slice(start, ROW_GROUP_ROWS)).to_batches()
    )
    return _write(task, "verbatim", batches, table.schema, leaks)


def _verbatim(task: ReleasePartTask, part: int, chosen: pa.ChunkedArray) -> pa.Table:
    """The chosen images of one part of rows, in the order of the rows."""
    rows = task.warehouse.read_parquet(part_path(task.rows_folder, part))
    table = {
        "image_id": task.warehouse.read_parquet(ids_path(task.rows_folder, part), ["image_id"])["image_id"],
        "source_table": rows["aqqua_table"],
        "source_line": rows["aqqua_line"],
    }
    delivered = [c for c in rows.column_names if not c.startswith("aqqua_")]
    names = [*table, *(f"delivered_{c}" if c in table else c for c in delivered)]
    found = pa.Table.from_arrays([*table.values(), *(rows[c] for c in delivered)], names)
    return found.filter(pc.is_in(found["image_id"], chosen))


def _write(
    task: ReleasePartTask, kind: str, batches: Iterator[pa.RecordBatch], target: pa.Schema, leaks: list[str]
) -> str:
    """Writes a table of the release, adding what is personal in it to ``leaks``; returns its SHA-256."""

    def searched() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            leaks.extend(privacy.table_leaks(pa.Table.from_batches([batch]), kinds))
            yield batch

    kinds = privacy.kinds([task.form_id] if task.form_id else [])
    digest = hashlib.sha256()
    marked = target.with_metadata((target.metadata or {}) | {b"release": task.version.encode()})
    task.warehouse.write_parquet(f"{task.release}/{task.table(kind)}", searched(), marked, digest)
    return digest.hexdigest()
