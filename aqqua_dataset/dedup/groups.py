"""One bucket of fingerprints: which pictures in it are equal, and which copy of them would stay.

A bucket is a range of keys; it doesn't know the others. Images that a link names (the same id, a processed form,
a person's word) are passed on with their facts, since a link may lead into another bucket (see ``links``).
"""

from dataclasses import dataclass

import pyarrow as pa

from aqqua_dataset.dedup.fingerprints import files_between, key_range
from aqqua_dataset.warehouse import Warehouse

FOLDER = "dedup/groups"

MEMBERS = pa.schema(
    [
        ("image_id", pa.string()), ("contribution_id", pa.string()), ("key_high", pa.uint64()),
        ("key_low", pa.uint64()), ("pixel_head", pa.uint64()), ("bytes_head", pa.uint64()), ("terms", pa.int32()),
        ("standing", pa.int32()), ("unit_key", pa.uint64()), ("variant_of", pa.string()), ("copies", pa.bool_()),
        ("place", pa.int64()), ("kept_image_id", pa.string()), ("kept_contribution_id", pa.string()),
        ("kept_unit_key", pa.uint64()), ("duplicate_kind", pa.string()),
    ]
)  # fmt: skip

#: The order in which copies stand: terms that let more be published, then how good the copy is (see ``sql``), then ids.
BEST_FIRST = "terms, standing, contribution_id, image_id"

#: Why a copy is a copy of the one that stays, where both have the same key.
EQUAL_KIND = """case when pixel_head <> first_value(pixel_head) over best then 'normalised'
    when bytes_head = first_value(bytes_head) over best then 'bytes' else 'pixels' end"""


@dataclass(frozen=True)
class BucketTask:
    """One range of keys to look through; ``plan`` is the warehouse path of what all tasks of a run share."""

    warehouse: Warehouse
    plan: str
    bucket: int


def group_path(bucket: int) -> str:
    """Warehouse path of what a bucket gave: images with copies, and images that links name."""
    return f"{FOLDER}/bucket-{bucket:05d}.parquet"


def group_bucket(task: BucketTask) -> int:
    """Groups one bucket and writes its table; returns the rows written."""
    plan = task.warehouse.read_json(f"{task.plan}.json")
    files = [
        task.warehouse.url(path)
        for made in plan["contributions"]
        for path in files_between(made, "images", task.bucket, plan["buckets"])
    ]
    if not files:
        return task.warehouse.write_parquet(group_path(task.bucket), MEMBERS.empty_table(), MEMBERS)
    low, high = key_range(task.bucket, plan["buckets"])
    with task.warehouse.connect() as connection:
        # A view can't hold parameters; the paths come from ids that are checked slugs.
        connection.execute(
            f"create temp view prints as from read_parquet({files!r}) where key_high between {low} and {high}"
        )
        named, terms = (task.warehouse.url(f"{task.plan}-{name}.parquet") for name in ("named", "terms"))
        rows = connection.sql(_group(named, terms)).to_arrow_reader()
        return task.warehouse.write_parquet(group_path(task.bucket), rows, MEMBERS)


def _group(named: str, terms: str) -> str:
    # The keys are counted first, without the other columns: most pictures have no copy.
    return f"""
        with repeated as (
            select key_high, key_low, true as copies from prints group by all having count(*) > 1
        ), members as (
            select prints.*, coalesce(copies, false) as copies, terms.terms
            from prints left join repeated using (key_high, key_low)
                 left join read_parquet({named!r}) as named on named.image_id = prints.image_id
                 join read_parquet({terms!r}) as terms using (contribution_id)
            where copies or variant_of is not null or stands_for_variants or named.image_id is not null
        )
        select {", ".join(MEMBERS.names[:11])}, row_number() over best as place,
               first_value(image_id) over best as kept_image_id,
               first_value(contribution_id) over best as kept_contribution_id,
               first_value(unit_key) over best as kept_unit_key, {EQUAL_KIND} as duplicate_kind
        from members window best as (partition by key_high, key_low order by {BEST_FIRST})
        order by key_high, key_low, place"""
