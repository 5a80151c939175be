"""The statements that make fingerprints from a contribution's tables: what is compared, and how good a copy is."""

from collections.abc import Sequence

#: Text of the unit that an image was taken in: event, else acquisition, else day and place. The unit's key is the
#: lower half of its MD5, which is the same in every version of DuckDB, unlike ``hash``.
UNIT_KEY = """md5_number_lower(concat_ws('/', contribution_id, coalesce(
    'event ' || event_id, 'acquisition ' || parent_event_id,
    concat_ws(' ', 'day', strftime(datetime_utc at time zone 'UTC', '%Y-%m-%d'), latitude, longitude))))"""

#: How good a copy is, lower is better, from the most important bits down: 1 bit unit of the pixel size unconfirmed (its
#: image is withheld); 7 bits rawness: processed for display or rescaled, bits that carry information (16 first),
#: exchange format instead of the instrument's own, lossy; 5 bits metadata: quality level, then how many of
#: position, time zone, time of day and event weren't delivered; 3 bits label status.
_STANDING = """(
    unit_unconfirmed::int * 32768
    + (image_variant is not distinct from 'processed' or pixel_rescale_factor <> 1)::int * 16384
    + (16 - significant_bits)::int * 1024
    + (source_system in ('ecotaxa', 'table'))::int * 512 + (image_format = 'jpeg')::int * 256
    + (qc_level - 1)::int * 64
    + ((coordinate_source <> 'object')::int + (timezone_source = 'assumed_utc')::int
       + (datetime_precision not in ('ms', 's', 'minute'))::int + (event_id is null)::int) * 8
    + list_position(['validated', 'predicted', 'dubious', 'discarded', 'unknown', 'unclassified'], label_status) - 1
)::int"""

#: What is equal for equal pictures: the hash of the normalised picture, or of the pixels where too little is left.
_KEY = "coalesce(normal_hash, pixel_hash)"

FINGERPRINTS = f"""
    with raw as (
        select source_object_id, arg_min(image_id, (source_image_rank, image_id)) as raw_id
        from usable where image_variant = 'raw' group by all
    ), whole as (
        select usable.*, raw_id from usable left join raw using (source_object_id)
    )
    select image_id, contribution_id,
           ('0x' || substr({_KEY}, 1, 16))::ubigint as key_high, ('0x' || substr({_KEY}, 17, 16))::ubigint as key_low,
           ('0x' || substr(pixel_hash, 1, 16))::ubigint as pixel_head,
           ('0x' || substr(delivered_sha256, 1, 16))::ubigint as bytes_head,
           {_STANDING} as standing, {UNIT_KEY} as unit_key,
           case when image_variant = 'processed' then raw_id end as variant_of,
           image_id is not distinct from raw_id as stands_for_variants
    from whole
"""

_BIN = r"(D\d{8}T\d{6}_IFCB\d+|IFCB\d+_\d{4}_\d{3}_\d{6})_0*(\d+)"

#: Ids an image is known by on other roads, as (scheme, id); see ``bridge`` for what each of them joins. EcoTaxa's own
#: numbers stand in the file names of its DOI exports: images/<category>__<id>/<number>_<rank>.<ending>.
SOURCE_IDS = rf"""
    with named as (
        select image_id, contribution_id, {_KEY} as picture, source_dataset_id, source_object_id, source_image_rank,
               regexp_extract(source_image_file, '([^/\\]*?)(\.[A-Za-z]+)?$', 1) as stem,
               regexp_extract(source_image_file, '__\d+/(\d+)_\d+\.\w+$', 1) as ecotaxa_number,
               regexp_extract(concat_ws(' ', source_image_file, source_object_id), '{_BIN}', 1) as bin,
               regexp_extract(concat_ws(' ', source_image_file, source_object_id), '{_BIN}', 2) as roi
        from usable
    ), listed as (
        select *, unnest([
            {{'scheme': 'ifcb_roi', 'id': case when bin <> '' then bin || '_' || roi end}},
            {{'scheme': 'ecotaxa_object', 'id': nullif(ecotaxa_number, '')}},
            {{'scheme': 'project_object', 'id': source_dataset_id || '/' || source_object_id}},
            {{'scheme': 'object_id', 'id': source_object_id}},
            {{'scheme': 'image_file', 'id': nullif(stem, '')}}
        ], recursive := true) from named
    )
    select image_id, contribution_id, scheme as source_scheme, md5_number_lower(scheme || ' ' || id) as source_key,
           source_image_rank, ('0x' || substr(picture, 17, 16))::ubigint as key_low
    from listed where id is not null
"""


def usable_with_context(core: Sequence[str], quality: Sequence[str], index: Sequence[str]) -> str:
    """A view ``usable`` of what fingerprints are made from; a view can't hold parameters, and paths come from slugs."""
    # Shards packed before there was a normalised picture have no column for its hash.
    return f"""create temp view usable as
        select core.* exclude (qc_flags, qc_level), quality.qc_level,
               list_contains(quality.qc_flags, 'PIXEL_UNIT_INFERRED') as unit_unconfirmed,
               delivered_sha256, pixel_hash, normal_hash, significant_bits, image_format
        from read_parquet({list(core)!r}) as core join read_parquet({list(quality)!r}) as quality using (image_id)
             join (select null::varchar as normal_hash where false
                   union all by name from read_parquet({list(index)!r}, union_by_name = true)) as shards
             using (image_id)"""
