"""Counts and densities for maps of the global distribution, from the contributions that permit them and no others."""

import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.dedup import exact
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.release.gate import ReleaseRequest, withheld_reason
from aqqua_dataset.stage_tables import table_paths

TABLE = "derived/distribution.parquet"
PERMISSION = "global-distribution"

_ROWS = """
    with taken as (
        select core.* exclude (taxon_name), coalesce(taxon_name, '') as taxon_name,
               image_id in (select image_id from standing) as counts
        from read_parquet($core) as core semi join usable using (image_id)
    ), complete as (
        select contribution_id, event_id,
               max(image_count_declared) is not null
               and count(distinct source_object_id) >= max(image_count_declared) as sampling_unit_complete
        from taken group by all
    )
    select contribution_id, event_id, any_value(instrument_id order by image_id) as instrument_id,
           min(datetime_utc) as datetime_utc, avg(latitude) as latitude, avg(longitude) as longitude,
           min(depth_min_m) as depth_min_m, max(depth_max_m) as depth_max_m,
           nullif(taxon_name, '') as taxon_name, any_value(aphia_id) as aphia_id, label_status, count(*) as images,
           max(imaged_volume_l) as imaged_volume_l, max(sampled_volume_l) as sampled_volume_l,
           min(subsample_fraction) as subsample_fraction, max(dilution_factor) as dilution_factor,
           max(volume_represented_l) as volume_represented_l, max(image_count_declared) as image_count_declared,
           sampling_unit_complete,
           case when sampling_unit_complete then count(*) / max(volume_represented_l) end as density_per_l
    from taken join complete using (contribution_id, event_id)
    where counts and event_id is not null
    group by contribution_id, event_id, taxon_name, label_status, sampling_unit_complete
    order by contribution_id, event_id, taxon_name, label_status
"""


def write_distribution(collection: Collection, request: ReleaseRequest) -> int:
    """Writes the ``distribution`` table; returns its rows.

    Images without an event have no volume and aren't counted; of equal images only the one that stands for the others
    is. An event is complete where the delivery says how many images it has and as many can be used.
    """
    ids = [
        c.id for c in collection.registry.contributions.values()
        if PERMISSION in {p.id for p in c.permissions} and withheld_reason(collection.registry, c, request) is None
    ]  # fmt: skip
    parts = [path for contribution in sorted(ids) for path in table_paths(collection.warehouse, contribution, "core")]
    target = schema.arrow("distribution")
    if not parts:
        return collection.warehouse.write_parquet(TABLE, pa.Table.from_pylist([], target), target)
    with collection.warehouse.connect() as connection:
        exact.create_images_view(connection, exact.usable_images(collection, sorted(ids)))
        connection.execute("create temp view standing as select image_id from usable")
        if collection.warehouse.exists(exact.TABLE):
            url = collection.warehouse.url(exact.TABLE)
            connection.execute(
                f"""create or replace temp view standing as
                    select image_id from usable anti join read_parquet({url!r}) using (image_id)"""
            )
        urls = [collection.warehouse.url(p) for p in parts]
        rows = connection.sql(_ROWS, params={"core": urls}).to_arrow_reader()
        return collection.warehouse.write_parquet(TABLE, rows, target)
