"""Exact duplicates and variants: images that need not be published because another one stands for them.

Exact: delivered bytes or decoded pixels are equal, in any contribution. Equal bytes decode to equal pixels, so
groups are formed by the pixel hash and each copy is then called equal in bytes or only in pixels. Variant: a
delivery holds an object both as taken and changed for display; the raw image of lowest rank stands for the
processed ones, as long as it is usable. DuckDB does the grouping out of core. Which copy stays is the first raw
one by contribution and image id: it doesn't depend on the order in which contributions arrived.
"""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from aqqua_dataset import schema
from aqqua_dataset.images.pack import index_path
from aqqua_dataset.pipeline import Collection, core_path, manifest, quality_path

TABLE = "dedup/duplicates.parquet"


class Tables(NamedTuple):
    """URLs of the parts of ``core`` and ``quality`` and of the shard indexes of some contributions."""

    core: list[str]
    quality: list[str]
    shards: list[str]


def usable_images(collection: Collection, contributions: Sequence[str]) -> Tables:
    """The tables of the contributions that have all three."""
    found = Tables([], [], [])
    for contribution in contributions:
        core = manifest(collection.warehouse, contribution, "core")
        quality = manifest(collection.warehouse, contribution, "quality")
        images = manifest(collection.warehouse, contribution, "images")
        if core is None or quality is None or images is None:
            continue
        url = collection.warehouse.url
        found.core.extend(url(core_path(core["folder"], part)) for part in range(len(core["parts"])))
        found.quality.extend(url(quality_path(quality["folder"], part)) for part in range(len(quality["parts"])))
        found.shards.extend(url(index_path(images["folder"], shard)) for shard in range(len(images["parts"])))
    return found


def create_images_view(connection: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Makes ``usable``: one row per image that has core metadata and a place in a shard."""
    if not all(tables):
        connection.execute(
            "create temp table usable as select '' as image_id, '' as contribution_id, '' as instrument_id,"
            " '' as source_object_id, 0 as source_image_rank, '' as image_variant, '' as label_verbatim,"
            " '' as label_status, 1 as qc_level, false as unit_unconfirmed, '' as delivered_sha256,"
            " '' as pixel_hash limit 0"
        )
        return
    # A view can't hold parameters, and paths come from ids that are checked slugs.
    connection.execute(
        f"""create temp view usable as
        select image_id, contribution_id, instrument_id, source_object_id, source_image_rank, image_variant,
               label_verbatim, label_status, quality.qc_level,
               list_contains(quality.qc_flags, 'PIXEL_UNIT_INFERRED') as unit_unconfirmed, delivered_sha256, pixel_hash
        from read_parquet({tables.core!r}) as core join read_parquet({tables.quality!r}) as quality using (image_id)
             join read_parquet({tables.shards!r}) as shards using (image_id)"""
    )


def find_duplicates(collection: Collection) -> int:
    """Writes the ``duplicates`` table over all contributions that still have a permission; returns its rows."""
    live = [c.id for c in collection.registry.contributions.values() if not c.revoked]
    with collection.warehouse.connect() as connection:
        create_images_view(connection, usable_images(collection, sorted(live)))
        rows = connection.sql(
            """
            with raw as (
                select contribution_id, source_object_id,
                       arg_min(image_id, (source_image_rank, image_id)) as kept_image_id
                from usable where image_variant = 'raw' group by all
            ), variants as (
                select usable.*, kept_image_id
                from usable join raw using (contribution_id, source_object_id) where image_variant = 'processed'
            ), others as (
                select * from usable anti join variants using (image_id)
            ), repeated as (
                select * from others semi join (
                    select pixel_hash from others group by pixel_hash having count(*) > 1) using (pixel_hash)
            ), placed as (
                select *, row_number() over first_one as place,
                       first_value(image_id) over first_one as kept_image_id,
                       first_value(contribution_id) over first_one as kept_contribution_id,
                       first_value(delivered_sha256) over first_one as kept_sha256
                from repeated
                window first_one as (
                    partition by pixel_hash order by image_variant is not distinct from 'processed', contribution_id,
                    image_id)
            ), exact as (
                select image_id, contribution_id, kept_image_id, kept_contribution_id,
                       case when delivered_sha256 = kept_sha256 then 'bytes' else 'pixels' end as duplicate_kind,
                       label_verbatim, label_status
                from placed where place > 1
            ), all_of_them as (
                select * from exact
                union all
                -- where the raw image is itself a copy, the variant is published as what the copy is published as
                select variants.image_id, variants.contribution_id,
                       coalesce(exact.kept_image_id, variants.kept_image_id),
                       coalesce(exact.kept_contribution_id, variants.contribution_id), 'variant',
                       variants.label_verbatim, variants.label_status
                from variants left join exact on exact.image_id = variants.kept_image_id
            )
            select * from all_of_them order by image_id
            """
        ).to_arrow_reader()
        return collection.warehouse.write_parquet(TABLE, rows, schema.arrow("duplicates"))
