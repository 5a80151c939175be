"""The search for personal data in a built release, file by file, as whoever downloads it could make."""

import io
from collections.abc import Iterator

from aqqua_dataset import privacy
from aqqua_dataset.images.search import shard_leaks
from aqqua_dataset.warehouse import Warehouse

# Hashes of any file, and our own words with examples in them.
_NOT_SEARCHED = ("manifest-sha256.txt", "data-dictionary.md")


def release_leaks(
    warehouse: Warehouse, folder: str, form_ids: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """File and finding of everything personal in a release's documents, tables and images; reads all of it.

    Args:
        warehouse: where the release lies.
        folder: its folder.
        form_ids: ids of the permission forms; no document may hold one, no table one that is called so.
    """
    for path in warehouse.find(folder):
        yield from ((path, leak) for leak in file_leaks(warehouse, path, form_ids))


def file_leaks(warehouse: Warehouse, path: str, form_ids: frozenset[str] = frozenset()) -> Iterator[str]:
    """The same for one file, and its name."""
    yield from (f"name of the file: {leak}" for leak in privacy.stream_leaks(io.BytesIO(path.encode())))
    if path.endswith(".parquet"):
        yield from privacy.parquet_leaks(warehouse, path, privacy.kinds(form_ids))
        return
    with warehouse.open(path) as stream:
        if path.endswith(".tar"):
            yield from shard_leaks(stream)
        elif not path.endswith(_NOT_SEARCHED):
            yield from privacy.stream_leaks(stream, privacy.kinds(form_ids, called=False))
