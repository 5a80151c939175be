"""Reads one published image back: one look-up in the release's tables, one range read in its shard."""

from dataclasses import dataclass
from typing import Any

from aqqua_dataset.warehouse import Warehouse


@dataclass(frozen=True)
class StoredImage:
    """An image as published: its bytes and its row of the ``images`` table."""

    data: bytes
    row: dict[str, Any]


def read_image(warehouse: Warehouse, release: str, image_id: str) -> StoredImage:
    """The image of an id from a release.

    Args:
        warehouse: where the release lies.
        release: folder of the release.
        image_id: UUID of the image.

    Raises:
        KeyError: the release holds no such image; the message says what stands in its place, if anything.
    """
    tables = [warehouse.url(p) for p in warehouse.find(f"{release}/metadata")]
    with warehouse.connect() as connection:
        found = _look_up(connection, tables, image_id)
        if not found:
            raise KeyError(_why_not(connection, warehouse, release, image_id))
    row = found[0]
    return StoredImage(warehouse.read_range(f"{release}/{row['shard']}", row["offset"], row["length"]), row)


def _look_up(connection: Any, tables: list[str], image_id: str) -> list[dict[str, Any]]:
    if not tables:
        return []
    query = "from read_parquet($tables, hive_partitioning=false) where image_id = $image_id"
    found: list[dict[str, Any]] = (
        connection.sql(query, params={"tables": tables, "image_id": image_id}).to_arrow_table().to_pylist()
    )
    return found


def _why_not(connection: Any, warehouse: Warehouse, release: str, image_id: str) -> str:
    duplicates = f"{release}/duplicates.parquet"
    if warehouse.exists(duplicates):
        for row in _look_up(connection, [warehouse.url(duplicates)], image_id):
            return f"{image_id} is published as {row['kept_image_id']} (equal {row['duplicate_kind']})"
    return f"no image {image_id} in {release}"


def listed_files(text: str) -> dict[str, str]:
    """Path -> SHA-256 of every file of a release, from its list of checksums."""
    lines = (line.partition("  ") for line in text.splitlines() if not line.startswith("#"))
    return {path: digest for digest, _, path in lines}
