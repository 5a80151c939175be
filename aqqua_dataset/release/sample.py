"""A small archive of images of every contribution, to look at and to try loaders with.

Of each contribution it holds the first images of its first table by id. Ids are hashes: that is as good as drawing
lots, and the same every time.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import pyarrow.parquet as pq

from aqqua_dataset.compute import map_chunks
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.warehouse import Warehouse

#: Bytes of images in the archive, at most; images of one contribution; images to choose them from.
MOST_BYTES = 100_000_000
MOST_IMAGES = 10
_LOOKED_AT = 100

_COLUMNS = ("image_id", "image_format", "shard", "offset", "length", "image_sha256")


@dataclass(frozen=True)
class SampleTask:
    """A contribution's first table, and the bytes that its images may take."""

    warehouse: Warehouse
    folder: str
    table: str
    most: int


def sample_archive(facts: ReleaseFacts) -> str:
    """Path of the archive inside the release; a rehearsal's name says that it is one."""
    return "sample/images.rehearsal.tar" if facts.rehearsal else "sample/images.tar"


def write_sample_images(
    warehouse: Warehouse, folder: str, facts: ReleaseFacts, executor: Executor, workers: int, most: int = MOST_BYTES
) -> dict[str, str]:
    """Writes the archive of a release whose shards and tables are there; returns its path and SHA-256.

    Raises:
        OSError: an image of a shard isn't the one its row describes.
    """
    tasks = list(_tasks(warehouse, folder, most))
    found = {task.table: images for task, images in map_chunks(read_images, tasks, executor, workers)}
    path, digest = sample_archive(facts), hashlib.sha256()
    with warehouse.create(f"{folder}/{path}", digest) as stream:
        writer = ShardWriter(stream)
        for table in sorted(found):
            for image_id, image_format, data in found[table]:
                writer.add(image_id, image_format, data)
        writer.finish()
    return {path: digest.hexdigest()}


def read_images(task: SampleTask) -> list[tuple[str, str, bytes]]:
    """Id, format and bytes of the chosen images of a contribution; raises OSError for damaged ones."""
    with task.warehouse.open(f"{task.folder}/{task.table}") as stream:
        rows = pq.ParquetFile(stream).read_row_group(0, list(_COLUMNS)).slice(0, _LOOKED_AT)
    found: list[tuple[str, str, bytes]] = []
    left = task.most
    for image_id, image_format, shard, offset, length, digest in zip(
        *(rows[c].to_pylist() for c in _COLUMNS), strict=True
    ):
        if length > left or len(found) == MOST_IMAGES:
            continue
        data = task.warehouse.read_range(f"{task.folder}/{shard}", offset, length)
        if hashlib.sha256(data).hexdigest() != digest:
            raise OSError(f"{image_id}: expected SHA-256 {digest} in {shard}")
        found.append((image_id, image_format, data))
        left -= length
    return found


def _tasks(warehouse: Warehouse, folder: str, most: int) -> Iterator[SampleTask]:
    """One for each contribution; every one may take the same number of bytes."""
    first: dict[str, str] = {}
    for path in warehouse.find(f"{folder}/metadata"):
        table = path.removeprefix(f"{folder}/")
        first.setdefault(table.split("/")[1], table)
    for table in first.values():
        yield SampleTask(warehouse, folder, table, most // len(first))
