"""The search for personal data in a built release, file by file, as whoever downloads it could make."""

import io
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from aqqua_dataset import privacy
from aqqua_dataset.compute import map_chunks
from aqqua_dataset.images.search import shard_leaks
from aqqua_dataset.warehouse import Warehouse

# Hashes of any file, and our own words with examples in them.
_NOT_SEARCHED = ("manifest-sha256.txt", "data-dictionary.md")
_SEARCHED_WHEN_WRITTEN = (".parquet", ".tar")


@dataclass(frozen=True)
class SearchTask:
    """One file to search; ``form_ids`` are ids of permission forms."""

    warehouse: Warehouse
    path: str
    form_ids: frozenset[str] = frozenset()


def release_leaks(
    warehouse: Warehouse, folder: str, form_ids: frozenset[str], executor: Executor, workers: int, deep: bool = True
) -> Iterator[tuple[str, str]]:
    """File and finding of everything personal in a release, sorted by file.

    Args:
        warehouse: where the release lies.
        folder: its folder.
        form_ids: ids of the permission forms; no document may hold one, no table one that is called so.
        executor, workers: where the files are searched.
        deep: also tables and images, which were searched when they were written: reads all of the release.
    """
    paths = [p for p in warehouse.find(folder) if deep or not p.endswith(_SEARCHED_WHEN_WRITTEN)]
    tasks = (SearchTask(warehouse, path, form_ids) for path in paths)
    found = {task.path: leaks for task, leaks in map_chunks(file_leaks, tasks, executor, workers)}
    for path in sorted(found):
        yield from ((path, leak) for leak in found[path])


def file_leaks(task: SearchTask) -> tuple[str, ...]:
    """Everything personal in one file, and in its name."""
    return tuple(dict.fromkeys(_leaks(task.warehouse, task.path, task.form_ids)))


def _leaks(warehouse: Warehouse, path: str, form_ids: frozenset[str]) -> Iterator[str]:
    yield from (f"name of the file: {leak}" for leak in privacy.stream_leaks(io.BytesIO(path.encode())))
    if path.endswith(".parquet"):
        yield from privacy.parquet_leaks(warehouse, path, privacy.kinds(form_ids))
        return
    with warehouse.open(path) as stream:
        if path.endswith(".tar"):
            yield from shard_leaks(stream)
        elif not path.endswith(_NOT_SEARCHED):
            yield from privacy.stream_leaks(stream, privacy.kinds(form_ids, called=False))
