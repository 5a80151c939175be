"""Fingerprints for exact duplicates: one small row per usable image, written once per contribution.

A contribution's rows lie in files cut by the first bits of their key, so that a task over one range of keys opens only
the files it needs, and none of the contribution's other tables. They are made again when the contribution's own stages
change, and are removed when it withdraws. Ids that other roads know an image by lie beside them, cut the same way
by the hash of the id (see ``bridge``).
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.compute import map_chunks
from aqqua_dataset.dedup import sql
from aqqua_dataset.pipeline import Collection, Stage, manifest
from aqqua_dataset.warehouse import Warehouse

FOLDER = "dedup/fingerprints"

#: Raise it when the rows change for unchanged inputs: all contributions are then fingerprinted again.
VERSION = 1

#: Rows of one file of a large contribution; a smaller one has one file of each kind.
FILE_ROWS = 2_000_000

_STAGES: tuple[Stage, ...] = ("core", "quality", "images")
_KINDS = {"images": ("fingerprints", "key_high"), "ids": ("source_ids", "source_key")}


#: Tells the URLs of the tables that usable images stand in: core parts, quality parts, shard indexes.
TablesOf = Callable[[Collection, Sequence[str]], tuple[list[str], list[str], list[str]]]


@dataclass(frozen=True)
class FingerprintTask:
    """One contribution to fingerprint, with the URLs of its tables."""

    warehouse: Warehouse
    contribution: str
    key: str
    tables: tuple[list[str], list[str], list[str]]
    file_rows: int = FILE_ROWS


def refresh(collection: Collection, tables_of: TablesOf, executor: Executor, workers: int) -> list[dict[str, Any]]:
    """Brings the fingerprints of all living contributions up to date; costs what has changed.

    Args:
        collection: registry and warehouse.
        tables_of: tells where a contribution's tables lie (``exact.usable_images``).
        executor, workers: where contributions are fingerprinted, each by one task.

    Returns:
        The manifests of all contributions that have usable images, by id: ``contribution``, ``key``, ``folder``, and
        the rows of each file of ``images`` and of ``ids``.
    """
    warehouse = collection.warehouse
    found: dict[str, dict[str, Any]] = {}
    tasks = []
    for contribution in sorted(c.id for c in collection.registry.contributions.values() if not c.revoked):
        key = _key(warehouse, contribution)
        if key is None:
            continue
        made = warehouse.read_json(_manifest_path(contribution))
        if made is not None and made["key"] == key:
            found[contribution] = made
        else:
            tasks.append(FingerprintTask(warehouse, contribution, key, tables_of(collection, [contribution])))
    for task, made in map_chunks(fingerprint, tasks, executor, workers):
        found[task.contribution] = made
    for gone in set(warehouse.names(FOLDER)) - set(found):
        warehouse.remove(f"{FOLDER}/{gone}")
    return [found[name] for name in sorted(found)]


def present(collection: Collection) -> list[dict[str, Any]]:
    """The manifests as the last ``refresh`` left them, by contribution id."""
    warehouse = collection.warehouse
    found = [warehouse.read_json(_manifest_path(name)) for name in warehouse.names(FOLDER)]
    return [made for made in found if made is not None]


def fingerprint(task: FingerprintTask) -> dict[str, Any]:
    """Writes the fingerprints of one contribution; returns its manifest, which is written last."""
    warehouse, folder = task.warehouse, f"{FOLDER}/{task.contribution}/{task.key}"
    warehouse.remove(folder)
    made: dict[str, Any] = {"contribution": task.contribution, "key": task.key, "folder": folder}
    with warehouse.connect() as connection:
        if all(task.tables):
            connection.execute(sql.usable_with_context(*task.tables))
            connection.execute(f"create temp table images as {sql.FINGERPRINTS}")
            connection.execute(f"create temp table ids as {sql.SOURCE_IDS}")
        for kind in _KINDS:
            made[kind] = _write_files(warehouse, connection, folder, kind, task.file_rows) if all(task.tables) else [0]
    before = warehouse.read_json(_manifest_path(task.contribution))
    warehouse.write_json(_manifest_path(task.contribution), made)
    if before is not None and before["folder"] != folder:
        warehouse.remove(before["folder"])
    return made


def files_between(made: dict[str, Any], kind: str, bucket: int, buckets: int) -> list[str]:
    """Paths of a contribution's files that may hold keys of one bucket of ``buckets`` (a power of two)."""
    rows = made[kind]
    first, last = (
        bucket * len(rows) // buckets,
        max(bucket * len(rows) // buckets + 1, (bucket + 1) * len(rows) // buckets),
    )
    return [file_path(made["folder"], kind, n) for n in range(first, last) if rows[n]]


def file_path(folder: str, kind: str, number: int) -> str:
    """Warehouse path of one file of fingerprints (``images``) or of ids (``ids``)."""
    return f"{folder}/{kind}-{number:05d}.parquet"


def key_range(bucket: int, buckets: int) -> tuple[int, int]:
    """First and last value of the upper 64 bits of the keys in a bucket."""
    width = (1 << 64) // buckets
    return bucket * width, (bucket + 1) * width - 1


def power_of_two(rows: int, most: int) -> int:
    """The smallest power of two that cuts ``rows`` into pieces of about ``most``."""
    return 1 << max(0, (max(rows, 1) - 1) // most).bit_length()


def _write_files(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, folder: str, kind: str, file_rows: int
) -> list[int]:
    """Writes a session's table ``images`` or ``ids`` into files by the first bits of its key; returns their rows."""
    table, key = _KINDS[kind]
    target = schema.arrow(table)
    [(rows,)] = connection.sql(f"select count(*) from {kind}").fetchall()
    files = power_of_two(rows, file_rows)
    counts = [0] * files
    order = ", ".join(schema.tables()[table].key)
    reader = connection.sql(f"select {', '.join(target.names)} from {kind} order by {key}, {order}").to_arrow_reader()
    for number, pieces in itertools.groupby(_cut(reader, key, files), key=lambda piece: piece[0]):
        batches = (batch for _, batch in pieces)
        counts[number] = warehouse.write_parquet(file_path(folder, kind, number), batches, target)
    return counts


def _cut(reader: pa.RecordBatchReader, key: str, files: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cuts a stream that is sorted by ``key`` where a new file begins."""
    shift = 64 - files.bit_length() + 1
    for batch in reader:
        keys = batch.column(key).to_numpy(zero_copy_only=False)
        numbers = keys >> np.uint64(shift) if files > 1 else np.zeros(len(keys), np.uint64)
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, end in itertools.pairwise(starts):
            if end > start:
                yield int(numbers[start]), batch.slice(start, end - start)


def _key(warehouse: Warehouse, contribution: str) -> str | None:
    """Short hash of what a contribution's fingerprints depend on; None where a stage hasn't run."""
    stages = [manifest(warehouse, contribution, stage) for stage in _STAGES]
    keys = [stage["key"] for stage in stages if stage is not None]
    if len(keys) < len(stages):
        return None
    return hashlib.sha256(json.dumps([VERSION, *keys]).encode()).hexdigest()[:16]


def _manifest_path(contribution: str) -> str:
    return f"{FOLDER}/{contribution}/fingerprints.json"
