"""The one pass over a part's images: read, verify, fingerprint, store; one part gives one shard.

A part's index is written last and is its commit: a killed run starts again at the first part without
one and ends with the same bytes.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.harmonise.rows import to_arrow
from aqqua_dataset.images.inspect import (
    BadImage,
    PackedImage,
    Pixels,
    decode_sheet,
    inspect_crop,
    inspect_file,
    inspect_raw,
)
from aqqua_dataset.images.shards import ShardIndex, ShardWriter
from aqqua_dataset.sources.rows import load_rows
from aqqua_dataset.transfer.delivery import DamagedArchive, Delivery
from aqqua_dataset.warehouse import Warehouse

_PLACE = ["aqqua_offset", "aqqua_length", "aqqua_x", "aqqua_y", "aqqua_width", "aqqua_height"]
_COLUMNS = [
    "aqqua_table", "aqqua_line", "aqqua_object_id", "aqqua_image_file", "aqqua_path",
    *_PLACE, "aqqua_reason",
]  # fmt: skip


@dataclass(frozen=True)
class PackTask:
    """One part to pack; small enough to travel to any worker."""

    warehouse: str
    storage_options: dict[str, Any] = field(hash=False)
    delivery: str
    contribution: str
    rows_folder: str
    folder: str
    part: int
    delivery_options: dict[str, Any] = field(default_factory=dict, hash=False)


def index_path(folder: str, part: int) -> str:
    """Warehouse path of a part's shard index."""
    return f"{folder}/shard-{part:05d}.parquet"


def shard_path(folder: str, part: int) -> str:
    """Warehouse path of a part's shard."""
    return f"{folder}/shard-{part:05d}.tar"


def rejected_path(folder: str, part: int) -> str:
    """Warehouse path of the images of a part that can't be used."""
    return f"{folder}/rejected-{part:05d}.parquet"


def pack_part(task: PackTask) -> int:
    """Packs one part unless that was done before; returns the images stored.

    Raises:
        OSError: the warehouse or the delivery as a whole can't be reached.
    """
    warehouse = Warehouse(task.warehouse, task.storage_options)
    if warehouse.exists(index_path(task.folder, task.part)):
        return int(warehouse.read_parquet(index_path(task.folder, task.part), ["offset"]).num_rows)
    rows = load_rows(warehouse, task.rows_folder, task.part, _COLUMNS)
    rows = rows[rows["aqqua_reject"].isna()]
    index = ShardIndex(shard_path(task.folder, task.part))
    rejected: list[dict[str, object]] = []
    with Delivery(task.delivery, task.delivery_options) as delivery, warehouse.create(index.shard) as stream:
        writer = ShardWriter(stream)
        for image_id, outcome in _inspected(delivery, rows):
            if isinstance(outcome, BadImage):
                rejected.append({"image_id": image_id, "reason": outcome.reason, "value": outcome.detail})
            else:
                offset = writer.add(image_id, outcome.image_format, outcome.data)
                index.add(image_id, outcome, offset)
        writer.finish()
    warehouse.write_parquet(
        rejected_path(task.folder, task.part),
        _rejected(task, rows, rejected),
        schema.arrow("quarantine"),
    )
    table = index.table()
    warehouse.write_parquet(index_path(task.folder, task.part), table, schema.arrow("shard_index"))
    return int(table.num_rows)


def _inspected(delivery: Delivery, rows: pd.DataFrame) -> Iterator[tuple[str, PackedImage | BadImage]]:
    """Each image in the order of the rows, or why it can't be used; decoding is the cost, not the loop."""
    sheets = Sheets(delivery)
    columns = [_values(rows[c]) for c in ("aqqua_image_id", "aqqua_path", *_PLACE)]
    for image_id, path, *place in zip(*columns, strict=True):
        try:
            if path is None:
                raise BadImage("image_missing", "path leads out of the delivery")
            outcome: PackedImage | BadImage = _inspect(delivery, sheets, path, *place)
        except FileNotFoundError:
            outcome = BadImage("image_missing", "no such file")
        except IsADirectoryError:
            outcome = BadImage("image_missing", "a folder, not a file")
        except DamagedArchive as error:  # any other OSError is the store's, and fails the task
            outcome = BadImage("image_unreadable", str(error)[:200])
        except BadImage as bad:
            outcome = bad
        yield image_id, outcome


def _values(column: "pd.Series[Any]") -> list[Any]:
    """Text or whole numbers of a column, None where there is nothing."""
    return [None if pd.isna(v) else v if isinstance(v, str) else int(v) for v in column.to_list()]


class Sheets:
    """Decoded pictures that hold many images; the last one is kept, since its images stand together."""

    def __init__(self, delivery: Delivery) -> None:
        """``delivery`` is where the pictures lie."""
        self._delivery = delivery
        self._path = ""
        self._found: Pixels | BadImage = BadImage("image_missing")

    def get(self, path: str) -> Pixels:
        """The pixels of a picture.

        Raises:
            BadImage: the picture can't be used.
            OSError: it can't be read.
        """
        if path != self._path:
            try:
                self._found = decode_sheet(self._delivery.read(path))
            except BadImage as bad:
                self._found = bad
            self._path = path
        if isinstance(self._found, BadImage):
            raise self._found
        return self._found


def _inspect(
    delivery: Delivery, sheets: Sheets, path: str, offset: int | None, length: int | None, x: int | None,
    y: int | None, width: int | None, height: int | None,
) -> PackedImage:  # fmt: skip
    """The image a row's locator points at (see ``sources.LOCATOR``)."""
    if offset is not None and length is not None:
        return inspect_file(_from_base64(delivery.read_range(path, offset, length), length))
    width, height = width or 0, height or 0
    if offset is not None:
        return inspect_raw(delivery.read_range(path, offset, width * height), width, height)
    if x is not None and y is not None:
        return inspect_crop(sheets.get(path), x, y, width, height)
    return inspect_file(delivery.read(path))


def _from_base64(text: bytes, length: int) -> bytes:
    if len(text) < length:
        raise BadImage("image_truncated", f"{len(text)} of {length} bytes of base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadImage("image_unreadable", f"no base64 text ({error})") from None


def _rejected(task: PackTask, rows: pd.DataFrame, rejected: list[dict[str, object]]) -> pa.Table:
    """Quarantine rows of the images that can't be used."""
    found = pd.DataFrame(rejected, columns=["image_id", "reason", "value"]).merge(
        rows, left_on="image_id", right_on="aqqua_image_id"
    )
    reasons = schema.vocabulary("reasons.csv").set_index("reason")["expected"]
    return to_arrow(
        pd.DataFrame(
            {
                "image_id": found["image_id"],
                "contribution_id": task.contribution,
                "stage": "image",
                "reason": found["reason"],
                "source_table": found["aqqua_table"],
                "source_line": found["aqqua_line"],
                "source_object_id": found["aqqua_object_id"],
                "source_image_file": found["aqqua_image_file"],
                "column": "image_file",
                "value": found["value"],
                "expected": found["reason"].map(reasons),
            }
        ),
        "quarantine",
    )
