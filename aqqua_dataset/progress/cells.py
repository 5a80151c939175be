"""Where images were taken: counted for each contribution in cells of one degree, and kept until its stages change.

DuckDB counts a million rows at a time, so a contribution of a billion images needs no more memory than a small one,
and its batches are shared among the workers. What is kept holds positions: it never leaves the warehouse as it is
(``places`` decides what may be shown), and goes when the owner withdraws.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from aqqua_dataset.compute import map_chunks
from aqqua_dataset.pipeline import Collection, Stage, manifest
from aqqua_dataset.stage_tables import table_paths
from aqqua_dataset.warehouse import Warehouse

FOLDER = "progress/cells"

#: Raise it when the counts change for unchanged inputs: all contributions are then counted again.
VERSION = 1

#: Shards of one task: a million images.
SHARDS_PER_TASK = 10

_STAGES: tuple[Stage, ...] = ("core", "quality", "images")
#: Flags of a position that isn't believed: its images are counted, and not drawn.
ON_LAND = ("ON_LAND", "ON_LAND_FAR")
DOUBTFUL = ("COORD_ZERO_AXIS", "COORD_SWAPPED", "COORD_SIGN_SUSPECT")

#: Instrument id, why its images are left out or "", west and south edge in degrees (None where left out).
_Place = tuple[str, str, int | None, int | None]


@dataclass(frozen=True)
class CellCounts:
    """Usable images of a contribution by place.

    Attributes:
        cells: instrument id, west and south edge of a cell of one degree, images.
        on_land: images left out because they lie on land.
        doubtful: images left out because of another doubt (both 0, swapped, wrong sign).
    """

    contribution: str
    cells: tuple[tuple[str, int, int, int], ...]
    on_land: int
    doubtful: int


@dataclass(frozen=True)
class CellTask:
    """Some shards of a contribution with their parts of core and quality, as URLs."""

    warehouse: Warehouse
    contribution: str
    core: list[str]
    quality: list[str]
    shards: list[str]


# 180 E and the pole belong to the last cell.
_COUNT = f"""
    with images as (
        select instrument_id, longitude, latitude,
               case when list_has_any(quality.qc_flags, {list(ON_LAND)!r}) then 'land'
                    when list_has_any(quality.qc_flags, {list(DOUBTFUL)!r}) then 'doubtful' else '' end as out
        from read_parquet($core) as core join read_parquet($quality) as quality using (image_id)
             join read_parquet($shards) as shards using (image_id))
    select instrument_id, out, case when out = '' then least(floor(longitude), 179)::int end as west,
           case when out = '' then least(floor(latitude), 89)::int end as south, count(*)
    from images group by all"""


def count_task(task: CellTask) -> list[tuple[str, str, int | None, int | None, int]]:
    """Counts one task: instrument id, why left out or "", west, south, images."""
    with task.warehouse.connect() as connection:
        urls = {"core": task.core, "quality": task.quality, "shards": task.shards}
        return connection.sql(_COUNT, params=urls).fetchall()


def refresh(collection: Collection, executor: Executor, workers: int) -> dict[str, CellCounts]:
    """The counts of all contributions that have usable images and aren't withdrawn; costs what has changed."""
    warehouse = collection.warehouse
    found: dict[str, CellCounts] = {}
    keys: dict[str, str] = {}
    living = [c.id for c in collection.registry.contributions.values() if not c.revoked]
    for contribution in sorted(living):
        key = _key(warehouse, contribution)
        if key is None:
            continue
        kept = warehouse.read_json(_path(contribution))
        if kept is not None and kept["key"] == key:
            found[contribution] = _from_json(contribution, kept)
        else:
            keys[contribution] = key
    for name, counts in _count(warehouse, sorted(keys), executor, workers):
        warehouse.write_json(_path(name), {"key": keys[name], **_as_json(counts)})
        found[name] = counts
    wanted = {_path(name) for name in found}
    for gone in set(warehouse.find(FOLDER)) - wanted:
        warehouse.remove(gone)
    return dict(sorted(found.items()))


def _count(
    warehouse: Warehouse, contributions: list[str], executor: Executor, workers: int
) -> Iterator[tuple[str, CellCounts]]:
    sums: dict[str, Counter[_Place]] = defaultdict(Counter)
    waiting: Counter[str] = Counter()
    tasks = [task for name in contributions for task in _tasks(warehouse, name)]
    waiting.update(task.contribution for task in tasks)
    for task, rows in map_chunks(count_task, tasks, executor, workers):
        for instrument, out, west, south, images in rows:
            sums[task.contribution][instrument, out, west, south] += images
        waiting[task.contribution] -= 1
        if not waiting[task.contribution]:
            yield task.contribution, _counts(task.contribution, sums.pop(task.contribution, Counter()))


def _tasks(warehouse: Warehouse, contribution: str) -> Iterator[CellTask]:
    """One task for every few shards; those of a contribution without any usable image don't exist."""
    images = manifest(warehouse, contribution, "images")
    core, quality, shards = (
        [warehouse.url(p) for p in table_paths(warehouse, contribution, kind)] for kind in ("core", "quality", "shards")
    )
    per_shard = 1 if images is None else int(images["parts_per_shard"])
    for first in range(0, len(shards), SHARDS_PER_TASK):
        parts = slice(first * per_shard, (first + SHARDS_PER_TASK) * per_shard)
        some = shards[first : first + SHARDS_PER_TASK]
        yield CellTask(warehouse, contribution, core[parts], quality[parts], some)


def _counts(contribution: str, sums: Counter[_Place]) -> CellCounts:
    cells = sorted((i, w, s, n) for (i, out, w, s), n in sums.items() if not out and w is not None and s is not None)
    land, doubtful = (sum(n for (_, out, _, _), n in sums.items() if out == why) for why in ("land", "doubtful"))
    return CellCounts(contribution, tuple(cells), land, doubtful)


def _key(warehouse: Warehouse, contribution: str) -> str | None:
    """Hash of what the counts depend on; None where a stage hasn't run."""
    made = [manifest(warehouse, contribution, stage) for stage in _STAGES]
    keys = [m["key"] for m in made if m is not None]
    if len(keys) < len(_STAGES) or not all(m["parts"] for m in made if m is not None):
        return None
    return hashlib.sha256(json.dumps([VERSION, keys]).encode()).hexdigest()[:16]


def _path(contribution: str) -> str:
    return f"{FOLDER}/{contribution}.json"


def _as_json(counts: CellCounts) -> dict[str, Any]:
    return {"cells": counts.cells, "on_land": counts.on_land, "doubtful": counts.doubtful}


def _from_json(contribution: str, kept: dict[str, Any]) -> CellCounts:
    cells = tuple((i, w, s, n) for i, w, s, n in kept["cells"])
    return CellCounts(contribution, cells, kept["on_land"], kept["doubtful"])
