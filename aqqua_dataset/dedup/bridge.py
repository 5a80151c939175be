"""Candidates by id: images that came by two roads under one id, or under two ids that a bridge joins.

Without a file: an IFCB bin with the number of the region, EcoTaxa's own number of an object, and the object id within
one data set mean the same image wherever they stand. ``bridge.csv`` in the registry joins further ids: of EcoTaxa
before and after its renumbering, of a published copy and its original. Equal ids only propose: a pair counts once
its pixels were compared, and one whose pixels differ is reported.
"""

import hashlib
import json
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.compute import SerialExecutor, map_chunks
from aqqua_dataset.dedup import fingerprints
from aqqua_dataset.dedup.exact import usable_images
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.bridges import BRIDGE, bridge_rows
from aqqua_dataset.warehouse import Warehouse

TABLE = "dedup/id_candidates.parquet"

_MANIFEST = "dedup/id_candidates.json"
_PLAN = "dedup/ids"
_FOLDER = "dedup/ids"

VERSION = 1
BUCKET_ROWS = 16_000_000

#: An id that more images than this have is none (a counter, a placeholder); it is reported and proposes nothing.
MOST_PER_ID = 50

_KEYS = pa.schema([("key", pa.uint64()), ("other_key", pa.uint64()), ("bridge", pa.string())])

#: Schemes whose ids name the same thing everywhere, and those that name one image rather than all of an object.
_EVERYWHERE = "('ifcb_roi', 'ecotaxa_object', 'project_object')"
_OF_AN_IMAGE = "('ifcb_roi', 'image_file')"


@dataclass(frozen=True)
class IdTask:
    """One range of ids to look through."""

    warehouse: Warehouse
    bucket: int


def write_candidates(
    collection: Collection, executor: Executor | None = None, workers: int = 1, buckets: int | None = None
) -> int:
    """Writes the table ``id_candidates``; returns its rows. Nothing is done when neither data nor bridge changed.

    Args:
        collection: registry and warehouse; the bridge lies in the registry's folder.
        executor, workers: where ranges of ids are looked through; in this process when left out.
        buckets: how many ranges, a power of two; chosen from the collection's size when left out.
    """
    warehouse, executor = collection.warehouse, executor or SerialExecutor()
    made = fingerprints.refresh(collection, usable_images, executor, workers)
    file = collection.config.registry / BRIDGE
    told = [VERSION, made, hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    before = warehouse.read_json(_MANIFEST)
    if before is not None and before["key"] == key:
        return int(before["rows"])
    findings: list[Finding] = []
    count = buckets or fingerprints.power_of_two(sum(sum(m["ids"]) for m in made), BUCKET_ROWS)
    warehouse.remove(_FOLDER)
    warehouse.write_json(f"{_PLAN}/plan.json", {"contributions": made, "buckets": count})
    _write_keys(collection, findings)
    crowded = sum(n for _, n in map_chunks(look_up, [IdTask(warehouse, b) for b in range(count)], executor, workers))
    if crowded:
        message = f"ids that more than {MOST_PER_ID} images share, in several contributions; they were not used"
        findings.append(Finding("id_not_unique", "note", message, count=crowded))
    with warehouse.connect() as connection:
        found = connection.sql(
            _JOINED,
            params={
                "pairs": [warehouse.url(f"{_FOLDER}/pairs-{b:05d}.parquet") for b in range(count)],
                "named": [warehouse.url(f"{_FOLDER}/named-{b:05d}.parquet") for b in range(count)],
                "keys": warehouse.url(f"{_PLAN}/keys.parquet"),
                "most": MOST_PER_ID,
            },
        ).to_arrow_reader()
        rows = warehouse.write_parquet(TABLE, found, schema.arrow("id_candidates"))
    warehouse.write_json(_MANIFEST, {"key": key, "rows": rows, "findings": [asdict(f) for f in findings]})
    return rows


def candidate_findings(collection: Collection) -> list[Finding]:
    """What was wrong with the bridge file, and which ids were no use."""
    made: dict[str, Any] = collection.warehouse.read_json(_MANIFEST) or {"findings": []}
    return [Finding(**f) for f in made["findings"]]


def look_up(task: IdTask) -> int:
    """Pairs of one range of ids, and the images that a bridge names; returns the ids that too many images have."""
    plan = task.warehouse.read_json(f"{_PLAN}/plan.json")
    files = [
        task.warehouse.url(path)
        for made in plan["contributions"]
        for path in fingerprints.files_between(made, "ids", task.bucket, plan["buckets"])
    ]
    low, high = fingerprints.key_range(task.bucket, plan["buckets"])
    target, named = schema.arrow("id_candidates"), schema.arrow("source_ids")
    with task.warehouse.connect() as connection:
        if files:
            connection.execute(
                f"create temp view ids as from read_parquet({files!r}) where source_key between {low} and {high}"
            )
        else:
            connection.register("ids", named.empty_table())
        connection.execute(
            f"""create temp table shared as
                select source_key, count(*) <= {MOST_PER_ID} as useful from ids where source_scheme in {_EVERYWHERE}
                group by source_key having min(contribution_id) <> max(contribution_id)"""
        )
        pairs = connection.sql(_PAIRS).to_arrow_reader()
        task.warehouse.write_parquet(f"{_FOLDER}/pairs-{task.bucket:05d}.parquet", pairs, target)
        keys = task.warehouse.url(f"{_PLAN}/keys.parquet")
        rows = connection.sql(
            f"""select * from ids where source_key in (
                    select key from read_parquet({keys!r}) union select other_key from read_parquet({keys!r}))"""
        ).to_arrow_reader()
        task.warehouse.write_parquet(f"{_FOLDER}/named-{task.bucket:05d}.parquet", rows, named)
        [(crowded,)] = connection.sql("select count(*) from shared where not useful").fetchall()
        return int(crowded)


# Pictures that are equal anyway need no comparison; images of other ranks are other images of an object.
_PAIRS = f"""
    with useful as (select * from ids semi join (select source_key from shared where useful) using (source_key))
    select one.image_id, other.image_id as other_image_id, one.contribution_id,
           other.contribution_id as other_contribution_id, one.source_scheme as bridge
    from useful as one join useful as other
         on one.source_key = other.source_key and one.source_scheme = other.source_scheme
    where one.image_id < other.image_id and one.contribution_id <> other.contribution_id
          and one.key_low <> other.key_low
          and (one.source_image_rank = other.source_image_rank or one.source_scheme in {_OF_AN_IMAGE})
"""

_JOINED = f"""
    with named as (
        select * from read_parquet($named)
    ), few as (
        select source_key from named group by source_key having count(*) <= $most
    ), bridged as (
        select one.*, other.image_id as with_id, other.contribution_id as with_contribution, bridge
        from read_parquet($keys) as keys
             join named as one on one.source_key = keys.key and one.source_key in (from few)
             join named as other on other.source_key = keys.other_key and other.source_key in (from few)
        where one.contribution_id <> other.contribution_id and one.key_low <> other.key_low
              and (one.source_image_rank = other.source_image_rank
                   or one.source_scheme in {_OF_AN_IMAGE} or other.source_scheme in {_OF_AN_IMAGE})
    ), pairs as (
        from read_parquet($pairs)
        union all
        select least(image_id, with_id), greatest(image_id, with_id),
               case when image_id < with_id then contribution_id else with_contribution end,
               case when image_id < with_id then with_contribution else contribution_id end, bridge
        from bridged
    )
    select image_id, other_image_id, any_value(contribution_id) as contribution_id,
           any_value(other_contribution_id) as other_contribution_id, min(bridge) as bridge
    from pairs group by image_id, other_image_id order by image_id, other_image_id
"""


def _write_keys(collection: Collection, findings: list[Finding]) -> None:
    """Writes the rows of the bridge file as pairs of keys."""

    def keys() -> Any:
        with duckdb.connect() as connection:
            for rows in bridge_rows(collection.config.registry, findings.append):
                connection.register("rows", rows)
                yield from connection.sql(_HASHED).to_arrow_reader()

    collection.warehouse.write_parquet(f"{_PLAN}/keys.parquet", keys(), _KEYS)


_HASHED = r"""
    with cleaned as (
        select scheme, other_scheme,
               case scheme when 'ifcb_roi' then regexp_replace(trim(id), '_0*(\d+)$', '_\1') else trim(id) end as id,
               case other_scheme when 'ifcb_roi' then regexp_replace(trim(other_id), '_0*(\d+)$', '_\1')
                    else trim(other_id) end as other_id
        from rows
    )
    select md5_number_lower(scheme || ' ' || id) as key, md5_number_lower(other_scheme || ' ' || other_id) as other_key,
           scheme || '=' || other_scheme as bridge from cleaned
"""
