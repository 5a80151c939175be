"""Candidates for near duplicates: pairs of images whose fingerprints differ in few bits. They propose, pixels decide.

Each contribution is prepared once (``prepare``): its fingerprints are written in the order of each partition's
prefix, so that any slice of the collection is a range of each file, and its own near duplicates are looked for, only
within an event and within ``NEAR_SECONDS``. The search across contributions (``search``) then takes slice by slice,
each a task of its own that reads 48 bytes per image and no image. A later search compares what is new with everything
and leaves the rest as it was.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.compute import map_chunks
from aqqua_dataset.dedup import hamming
from aqqua_dataset.dedup.hamming import PARTITIONS, SLICES, Rows, Words
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection, manifest
from aqqua_dataset.stage_tables import table_paths
from aqqua_dataset.warehouse import Warehouse

FOLDER = "dedup/near"
CANDIDATES = f"{FOLDER}/candidates.parquet"
_STATE = f"{FOLDER}/search.json"

#: Raise it when candidates change for unchanged images.
VERSION = 1

#: Bits of 256 up to which a pair is proposed; distinct real vignettes differ in 126 ± 9 (docs/duplicates.md).
DISTANCE = 40

#: Consecutive frames show an animal again within seconds; a minute allows for clocks that tell no seconds.
NEAR_SECONDS = 60

#: Of an image's candidates this many nearest ones are looked at.
MOST_PARTNERS = 50

GROUP_ROWS = 1 << 21
SLICE_ROWS = 1 << 22
_RECORD = 6  # words: four of the fingerprint, two of the image id
_HEAD = (SLICES + 1) * 8
_SCHEMA = "candidates"


@dataclass(frozen=True)
class PrepareTask:
    """One contribution to prepare."""

    warehouse: Warehouse
    contribution: str
    core: tuple[str, ...]
    index: tuple[str, ...]
    folder: str
    distance: int


class Prepared(NamedTuple):
    """Rows of each group of a prepared contribution, and what was left out of its own search."""

    groups: tuple[int, ...]
    common: int
    crowded: int


@dataclass(frozen=True)
class SliceTask:
    """Some neighbouring slices of a partition; ``sources`` is the file that lists the prepared contributions."""

    warehouse: Warehouse
    sources: str
    partition: int
    first: int
    last: int
    folder: str
    distance: int


class Searched(NamedTuple):
    """Rows that were left out of a slice's search, and those compared with their nearest only."""

    common: int
    crowded: int


def keys(collection: Collection) -> dict[str, str]:
    """The contributions that can be compared, each with a key that changes when its images or events do."""
    found = {}
    for contribution in sorted(c.id for c in collection.registry.contributions.values() if not c.revoked):
        core, images = (manifest(collection.warehouse, contribution, stage) for stage in ("core", "images"))
        if core is not None and images is not None and core["parts"] and images["parts"]:
            told = json.dumps([VERSION, core["key"], images["key"]])
            found[contribution] = hashlib.sha256(told.encode()).hexdigest()[:16]
    return found


def search(collection: Collection, executor: Executor, workers: int, distance: int = DISTANCE) -> dict[str, int]:
    """Writes ``CANDIDATES`` over all contributions that still have a permission; what is unchanged costs nothing.

    Returns counts of images, candidates and what was left out (``findings`` says it in words).

    Args:
        collection: the collection.
        executor: runs contributions and slices as tasks.
        workers: how many at once.
        distance: bits of 256 up to which a pair is proposed; another one than before starts anew.
    """
    warehouse = collection.warehouse
    now = {name: f"{key}-{distance}" for name, key in keys(collection).items()}
    before = warehouse.read_json(_STATE) or {"keys": {}, "numbers": {}}
    if before["keys"] == now and warehouse.exists(CANDIDATES):
        return dict(before["numbers"])
    prepared = _prepare_all(collection, now, executor, workers, distance)
    fresh = {name for name, key in now.items() if before["keys"].get(name) != key}
    told = json.dumps([before["keys"], now], sort_keys=True)
    folder = f"{FOLDER}/search-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    sources = [
        {"contribution": name, "folder": _folder(name, now[name]), "groups": list(made.groups), "fresh": name in fresh}
        for name, made in prepared.items()
    ]
    warehouse.write_json(f"{folder}/sources.json", sources)
    rows = sum(sum(made.groups) for made in prepared.values())
    tasks = _tasks(warehouse, folder, rows, distance) if fresh and rows and len(now) > 1 else []
    common = crowded = 0
    for task, searched in map_chunks(search_slice, tasks, executor, workers):
        common += searched.common if task.partition == 0 else 0  # the same images in every partition
        crowded += searched.crowded
    numbers = {
        "images": rows,
        "common_images": common + sum(made.common for made in prepared.values()),
        "crowded_comparisons": crowded + sum(made.crowded for made in prepared.values()),
        **_write(collection, folder, tasks, now, fresh),
    }
    warehouse.write_json(_STATE, {"keys": now, "numbers": numbers})
    warehouse.remove(folder)
    for name, key in before["keys"].items():
        if now.get(name) != key:
            warehouse.remove(_folder(name, key))
    return numbers


_LEFT_OUT = {
    "common_images": f"images share their fingerprint with more than {hamming.MOST_EQUAL} others, as blank ones do: "
    "they were compared by exact means only",
    "crowded_comparisons": f"comparisons were cut to the {hamming.WINDOW} nearest of very many images that look alike: "
    "some near duplicates among them may be missing",
    "cut_candidates": f"candidates were left out for images with more than {MOST_PARTNERS}: the nearest were kept",
}


def findings(collection: Collection) -> list[Finding]:
    """What the last search left out, if anything."""
    numbers = (collection.warehouse.read_json(_STATE) or {"numbers": {}})["numbers"]
    return [
        Finding(f"near_{name}", "note", f"{numbers[name]:,} {text}", count=numbers[name])
        for name, text in _LEFT_OUT.items()
        if numbers.get(name)
    ]


def _folder(contribution: str, key: str) -> str:
    return f"{FOLDER}/{contribution}-{key}"


def _prepare_all(
    collection: Collection, now: dict[str, str], executor: Executor, workers: int, distance: int
) -> dict[str, Prepared]:
    """Prepares what isn't yet; a contribution's ``done.json`` is its commit."""
    tasks, made = [], {}
    for name, key in now.items():
        done = collection.warehouse.read_json(f"{_folder(name, key)}/done.json")
        if done is not None:
            made[name] = Prepared(tuple(done["groups"]), done["common"], done["crowded"])
        else:
            core, index = (tuple(table_paths(collection.warehouse, name, kind)) for kind in ("core", "shards"))
            tasks.append(PrepareTask(collection.warehouse, name, core, index, _folder(name, key), distance))
    for task, result in map_chunks(prepare, tasks, executor, workers):
        made[task.contribution] = result
    return {name: made[name] for name in now}


def prepare(task: PrepareTask) -> Prepared:
    """Sorts a contribution's fingerprints for the search and finds the pairs of near ones within its events."""
    groups: list[int] = []
    common = crowded = 0
    for number, rows in enumerate(_event_rows(task)):
        hashes = _words(rows["near_hash"], 32)
        ids = _words(rows["image_id"], 16)
        _write_partitions(task, number, np.column_stack([hashes, ids]))
        events = _codes(rows["event_id"])
        dull = hamming.common(hashes, events)
        kept = np.flatnonzero(~dull)
        pairs, full = _within(hashes[kept], events[kept], rows["moment"].to_numpy(zero_copy_only=False)[kept], task)
        table = _pairs_table(ids[kept], [task.contribution], np.zeros(len(kept), np.int32), pairs)
        task.warehouse.write_parquet(_within_path(task.folder, number), table, schema.arrow(_SCHEMA))
        groups.append(len(rows))
        common, crowded = common + int(dull.sum()), crowded + full
    made = Prepared(tuple(groups), common, crowded)
    task.warehouse.write_json(f"{task.folder}/done.json", {**made._asdict(), "groups": groups})
    return made


def _within_path(folder: str, group: int) -> str:
    return f"{folder}/within-{group:05d}.parquet"


def _partition_path(folder: str, group: int, partition: int) -> str:
    return f"{folder}/hashes-{group:05d}-{partition}.bin"


def _event_rows(task: PrepareTask) -> Iterator[pa.RecordBatch]:
    """Groups of images in the order of events and times, sorted out of core."""
    core, index = ([task.warehouse.url(path) for path in side] for side in (task.core, task.index))
    with task.warehouse.connect() as connection:
        ordered = connection.sql(
            f"""select image_id, near_hash, coalesce(event_id, '') as event_id,
                   epoch_ms(datetime_utc) as moment
            from read_parquet({core!r}) as core join read_parquet({index!r}) as shards using (image_id)
            order by event_id, moment, image_id"""
        ).to_arrow_reader(GROUP_ROWS)
        waiting: list[pa.RecordBatch] = []
        for batch in ordered:
            waiting.append(batch)
            if sum(len(b) for b in waiting) >= GROUP_ROWS:
                yield pa.concat_batches(waiting)
                waiting = []
        if waiting:
            yield pa.concat_batches(waiting)


def _within(
    hashes: Words, events: Words, moments: Rows, task: PrepareTask
) -> tuple[tuple[Rows, Rows, npt.NDArray[np.int32]], int]:
    """Near pairs of one event, not further apart in time than ``NEAR_SECONDS``, of all partitions."""
    found = [hamming.neighbours(hashes, task.distance, p, salt=events) for p in range(PARTITIONS)]
    left, right, distance = (np.concatenate([f[side] for f in found]) for side in range(3))
    _, first = np.unique((left << 32) | right, return_index=True)
    left, right, distance = left[first], right[first], distance[first]
    near = np.abs(moments[left] - moments[right]) <= NEAR_SECONDS * 1000
    return (left[near], right[near], distance[near]), sum(f.crowded for f in found)


def _write_partitions(task: PrepareTask, group: int, records: Words) -> None:
    """One file per partition: where each slice begins, then the records, slice after slice."""
    for partition in range(PARTITIONS):
        slices = hamming.prefixes(records, partition)
        order = np.argsort(slices, kind="stable")
        starts = np.searchsorted(slices[order], np.arange(SLICES + 1)).astype("<u8")
        with task.warehouse.create(_partition_path(task.folder, group, partition)) as stream:
            stream.write(starts.tobytes())
            stream.write(records[order].astype("<u8").tobytes())


def _tasks(warehouse: Warehouse, folder: str, rows: int, distance: int) -> list[SliceTask]:
    """As many tasks as keep each at about ``SLICE_ROWS`` rows; the pairs found don't depend on their number."""
    each = SLICES
    while each > 1 and rows * each // SLICES > SLICE_ROWS:
        each //= 2
    return [
        SliceTask(warehouse, f"{folder}/sources.json", partition, first, first + each, folder, distance)
        for partition in range(PARTITIONS)
        for first in range(0, SLICES, each)
    ]


def search_slice(task: SliceTask) -> Searched:
    """Writes the near pairs of different contributions of some slices; a slice done before isn't done again."""
    path = _slice_path(task)
    if (done := task.warehouse.read_json(f"{path}.json")) is not None:
        return Searched(**done)
    sources = task.warehouse.read_json(task.sources)
    pieces, owners = [], []
    for number, source in enumerate(sources):
        for group in range(len(source["groups"])):
            piece = _read_slices(task, _partition_path(source["folder"], group, task.partition))
            pieces.append(piece)
            owners.append(np.full(len(piece), number, np.int32))
    records, owner = np.concatenate(pieces), np.concatenate(owners)
    dull = hamming.common(records)
    records, owner = records[~dull], owner[~dull]
    fresh = np.array([source["fresh"] for source in sources])[owner]
    found = hamming.neighbours(records, task.distance, task.partition, owner=owner, fresh=fresh)
    names = [source["contribution"] for source in sources]
    table = _pairs_table(records[:, 4:], names, owner, found[:3])
    task.warehouse.write_parquet(path, table, schema.arrow(_SCHEMA))
    searched = Searched(int(dull.sum()), found.crowded)
    task.warehouse.write_json(f"{path}.json", searched._asdict())
    return searched


def _slice_path(task: SliceTask) -> str:
    return f"{task.folder}/pairs-{task.partition}-{task.first:03d}.parquet"


def _read_slices(task: SliceTask, path: str) -> Words:
    """The records of the task's slices in one file."""
    starts = np.frombuffer(task.warehouse.read_range(path, 0, _HEAD), "<u8")
    first, last = int(starts[task.first]), int(starts[task.last])
    data = task.warehouse.read_range(path, _HEAD + 8 * _RECORD * first, 8 * _RECORD * (last - first)) if last else b""
    return np.frombuffer(data, "<u8").astype(np.uint64, copy=False).reshape(-1, _RECORD)


def _write(
    collection: Collection, folder: str, tasks: list[SliceTask], now: dict[str, str], fresh: set[str]
) -> dict[str, int]:
    """Joins what was found with what stays from before, each pair once, and cuts images with very many partners."""
    warehouse = collection.warehouse
    within = [p for name, key in now.items() for p in warehouse.find(_folder(name, key)) if "/within-" in p]
    found = [warehouse.url(p) for p in (*within, *(_slice_path(t) for t in tasks))]
    with warehouse.connect() as connection:
        connection.register("none_yet", schema.arrow(_SCHEMA).empty_table())
        connection.execute(
            "create temp table found as from none_yet" + (f" union from read_parquet({found!r})" if found else "")
        )
        if warehouse.exists(CANDIDATES):
            connection.execute(
                f"""insert into found from read_parquet({warehouse.url(CANDIDATES)!r})
                where contribution_id != other_contribution_id
                  and list_contains($kept, contribution_id) and list_contains($kept, other_contribution_id)""",
                {"kept": sorted(set(now) - fresh)},
            )
        total = connection.sql("select count(*) from found").fetchall()[0][0]
        rows = connection.sql(
            f"""with twice as (
                select image_id as one, other_image_id as other, hamming_distance from found
                union all select other_image_id, image_id, hamming_distance from found
            ), nearest as (
                select one, other from twice
                qualify row_number() over (partition by one order by hamming_distance, other) <= {MOST_PARTNERS}
            )
            select * from found where (image_id, other_image_id) in (
                select (least(one, other), greatest(one, other)) from nearest)
            order by image_id, other_image_id"""
        ).to_arrow_reader()
        written = warehouse.write_parquet(CANDIDATES, rows, schema.arrow(_SCHEMA))
    return {"candidates": written, "cut_candidates": total - written}


def _pairs_table(
    ids: Words, contributions: list[str], owner: npt.NDArray[np.int32],
    pairs: tuple[Rows, Rows, npt.NDArray[np.int32]],
) -> pa.Table:  # fmt: skip
    """Pairs of rows as a table, the smaller image id first."""
    left, right, distance = pairs
    swapped = (ids[left, 0] > ids[right, 0]) | ((ids[left, 0] == ids[right, 0]) & (ids[left, 1] > ids[right, 1]))
    left, right = np.where(swapped, right, left), np.where(swapped, left, right)
    names = np.array(contributions, dtype=object)
    columns = {
        "image_id": _texts(ids[left]),
        "other_image_id": _texts(ids[right]),
        "contribution_id": pa.array(names[owner[left]], pa.string()),
        "other_contribution_id": pa.array(names[owner[right]], pa.string()),
        "hamming_distance": pa.array(distance, pa.int32()),
    }
    target = schema.arrow(_SCHEMA)
    return pa.Table.from_arrays([columns[f.name] for f in target], schema=target)


def _words(column: pa.Array, size: int) -> Words:
    """Hexadecimal text of ``size`` bytes, with or without the hyphens of a UUID, as big-endian words."""
    width = 2 * size + (4 if size == 16 else 0)
    fixed = column.cast(pa.binary()).cast(pa.binary(width))
    text = np.frombuffer(fixed.buffers()[1], np.uint8)[fixed.offset * width :][: len(fixed) * width]
    digits = text[text != ord("-")].tobytes().decode()
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, size // 8)


def _texts(ids: Words) -> pa.Array:
    """UUIDs in their usual spelling."""
    raw = np.frombuffer(ids.astype(">u8").tobytes(), np.uint8)
    digits = np.frombuffer(raw.tobytes().hex().encode(), np.uint8).reshape(-1, 32)
    text = np.insert(digits, [8, 12, 16, 20], ord("-"), axis=1)
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), len(ids), [None, pa.py_buffer(text.tobytes())])
    return fixed.cast(pa.binary()).cast(pa.string())


def _codes(events: pa.Array) -> Words:
    return cast("Words", events.dictionary_encode().indices.to_numpy().astype(np.uint64))
