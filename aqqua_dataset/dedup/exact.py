"""Copies: images that need not be published because another one stands for them, and which one that is.

Pictures are equal when their delivered bytes, their decoded pixels or their normalised pictures are (``sql``); they
are linked by a confirmed id, as the processed form of a raw image, or by a person's word (``links``). Groups are
formed over buckets of fingerprints, each a task of its own; the result doesn't depend on the number of buckets or
workers, nor on the order in which contributions arrived. Which copy stays is decided by what is known of the copies
(``groups.BEST_FIRST``); it is decided again when an owner withdraws.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.compute import SerialExecutor, map_chunks
from aqqua_dataset.dedup import fingerprints, groups, links
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.decisions import DECISIONS
from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.stage_tables import table_paths

TABLE = "dedup/duplicates.parquet"
UNIT_LINKS = "dedup/unit_links.parquet"
#: Pairs that were compared pixel by pixel; written by the stage that compares.
PAIRS = "dedup/pairs.parquet"

_MANIFEST = "dedup/duplicates.json"
_PLAN = "dedup/plan"

#: Raise it when groups or decisions change for unchanged inputs.
VERSION = 1

#: Fingerprints of one bucket: some 1.5 GB in memory.
BUCKET_ROWS = 16_000_000

_UNIT_LINKS = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])


class Tables(NamedTuple):
    """URLs of the parts of ``core`` and ``quality`` and of the shard indexes of some contributions."""

    core: list[str]
    quality: list[str]
    shards: list[str]


def usable_images(collection: Collection, contributions: Sequence[str]) -> Tables:
    """The tables of the contributions that have all three."""
    found = Tables([], [], [])
    for contribution in contributions:
        paths = [table_paths(collection.warehouse, contribution, kind) for kind in ("core", "quality", "shards")]
        if all(paths):
            for urls, of_this in zip(found, paths, strict=True):
                urls.extend(map(collection.warehouse.url, of_this))
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


def find_duplicates(
    collection: Collection, executor: Executor | None = None, workers: int = 1, buckets: int | None = None
) -> int:
    """Writes the ``duplicates`` table over all contributions that still have a permission; returns its rows.

    Nothing is done when neither the contributions, their terms, the compared pairs nor people's decisions changed.

    Args:
        collection: registry and warehouse.
        executor, workers: where fingerprints and buckets are worked on; in this process when left out.
        buckets: in how many ranges of keys to look, a power of two; chosen from the collection's size when left out.
    """
    warehouse, executor = collection.warehouse, executor or SerialExecutor()
    made = fingerprints.refresh(collection, usable_images, executor, workers)
    terms = {c.id: _terms(collection.registry, c) for c in collection.registry.contributions.values()}
    decisions = collection.registry.duplicate_decisions
    compared = warehouse.sha256(PAIRS) if warehouse.exists(PAIRS) else ""
    told = [VERSION, made, sorted(terms.items()), [d.model_dump_json() for d in decisions], compared]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    before = warehouse.read_json(_MANIFEST)
    if before is not None and before["key"] == key:
        return int(before["rows"])
    total = sum(sum(m["images"]) for m in made)
    count = buckets or fingerprints.power_of_two(total, BUCKET_ROWS)
    _write_plan(collection, made, terms, count)
    tasks = [groups.BucketTask(warehouse, _PLAN, bucket) for bucket in range(count)]
    warehouse.remove(groups.FOLDER)
    for _ in map_chunks(groups.group_bucket, tasks, executor, workers):
        continue
    rows, findings = _decide(collection, count)
    warehouse.write_json(_MANIFEST, {"key": key, "rows": rows, "findings": [asdict(f) for f in findings]})
    return rows


def duplicate_findings(collection: Collection) -> list[Finding]:
    """What the last search remarked: ids that don't agree with pixels, decisions that can't be followed."""
    made: dict[str, Any] = collection.warehouse.read_json(_MANIFEST) or {"findings": []}
    return [Finding(**f) for f in made["findings"]]


def shared_counts(collection: Collection) -> pa.Table:
    """Copies by contribution, contribution of the image that stays, and kind; the largest counts first."""
    with collection.warehouse.connect() as connection:
        return connection.sql(
            """select contribution_id, kept_contribution_id, duplicate_kind, count(*) as images
               from read_parquet($table) group by all order by images desc, 1, 2, 3""",
            params={"table": collection.warehouse.url(TABLE)},
        ).to_arrow_table()


def _terms(registry: Registry, contribution: Contribution) -> int:
    """How long a contribution's terms hold its images back: days since 1970, or all time without a permission."""
    if item_licence(registry, contribution) is None:
        return 1 << 30
    return 0 if contribution.not_before is None else (contribution.not_before - dt.date(1970, 1, 1)).days


def _write_plan(collection: Collection, made: list[dict[str, Any]], terms: dict[str, int], buckets: int) -> None:
    """Writes what all tasks share: files of fingerprints, terms, and images that links or people name."""
    warehouse = collection.warehouse
    warehouse.write_json(f"{_PLAN}.json", {"contributions": made, "buckets": buckets})
    table = pa.table(
        {"contribution_id": sorted(terms), "terms": pa.array([terms[t] for t in sorted(terms)], pa.int32())}
    )
    warehouse.write_parquet(f"{_PLAN}-terms.parquet", table, table.schema)
    decided = [i for d in collection.registry.duplicate_decisions for i in (d.image_id, d.other_image_id)]
    with warehouse.connect() as connection:
        _create_confirmed(connection, collection)
        connection.register("decided", pa.table({"image_id": pa.array(decided, pa.string())}))
        named = connection.sql(
            """select image_id from confirmed union select other_image_id from confirmed union from decided
               order by image_id"""
        ).to_arrow_reader()
        warehouse.write_parquet(f"{_PLAN}-named.parquet", named, pa.schema([("image_id", pa.string())]))


def _create_confirmed(connection: duckdb.DuckDBPyConnection, collection: Collection) -> None:
    """Makes ``confirmed``: pairs with one id whose pixels agree."""
    if not collection.warehouse.exists(PAIRS):
        connection.execute("create temp table confirmed (image_id varchar, other_image_id varchar)")
        return
    url = collection.warehouse.url(PAIRS)
    connection.execute(
        f"""create temp table confirmed as select image_id, other_image_id from read_parquet({url!r})
            where pair_kind = 'source_id' and verdict = 'same'"""
    )


def _decide(collection: Collection, buckets: int) -> tuple[int, list[Finding]]:
    """Writes duplicates and the links they make between units, from what the buckets gave."""
    warehouse = collection.warehouse
    members = [warehouse.url(groups.group_path(bucket)) for bucket in range(buckets)]
    with warehouse.connect() as connection:
        _create_confirmed(connection, collection)
        findings = links.resolve(connection, members, collection.registry.duplicate_decisions)
        target = schema.arrow("duplicates")
        copies = connection.sql(f"select {', '.join(target.names)} from decided order by image_id").to_arrow_reader()
        rows = warehouse.write_parquet(TABLE, copies, target)
        joined = connection.sql(
            """select distinct least(unit_key, kept_unit_key) as a, greatest(unit_key, kept_unit_key) as b
               from decided where unit_key <> kept_unit_key order by a, b"""
        ).to_arrow_reader()
        warehouse.write_parquet(UNIT_LINKS, joined, _UNIT_LINKS)
        unknown = connection.sql(
            """select id from (select image_id as id from decisions union select other_image_id from decisions)
               where id not in (select image_id from members) order by id"""
        ).fetchall()
        findings += [*_unknown(unknown), *_disagreements(connection, collection)]
    return rows, findings


def _unknown(ids: list[tuple[str]]) -> list[Finding]:
    if not ids:
        return []
    message = "a decision names images that no living contribution has (any more); it has no effect on them"
    return [Finding("duplicate_decision_unknown", "note", message, file=DECISIONS, value=ids[0][0], count=len(ids))]


def _disagreements(connection: duckdb.DuckDBPyConnection, collection: Collection) -> list[Finding]:
    """Images with one id in two contributions whose pixels differ, and that have no equal partner there."""
    if not collection.warehouse.exists(PAIRS):
        return []
    found = connection.sql(
        """with pairs as (
               select least(contribution_id, other_contribution_id) as one,
                      greatest(contribution_id, other_contribution_id) as other, *
               from read_parquet($pairs) where pair_kind = 'source_id'
           ), met as (
               select one, other, image_id from pairs where verdict = 'same'
               union select one, other, other_image_id from pairs where verdict = 'same'
           )
           select one, other, min(image_id || ' ' || other_image_id), count(*) from pairs
           where verdict = 'different' and decided_by = 'machine' and (one, other, image_id) not in (from met)
                 and (one, other, other_image_id) not in (from met)
           group by one, other order by one, other""",
        params={"pairs": collection.warehouse.url(PAIRS)},
    ).fetchall()
    message = (
        "images with the same id as images of {}, but with other pixels: both are kept; ask the owners whether ids "
        "were used twice or images replaced, or say in duplicates.csv that they are the same"
    )
    return [
        Finding("same_id_other_pixels", "warning", message.format(other), one, value=example, count=count)
        for one, other, example, count in found
    ]
