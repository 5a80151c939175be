"""The one pass over a part's images: read, verify, fingerprint, store; one part gives one shard.

A part's index is written last and is its commit: a killed run starts again at the first part without
one and ends with the same bytes.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.compute import limit_time
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


#: A worker process that needs longer for one image is ended: hundreds of times what the largest permitted image needs.
IMAGE_SECONDS = 60.0


@dataclass(frozen=True)
class PackTask:
    """One part to pack; small enough to travel to any worker.

    Attributes:
        previous: folder of the images packed before, from which unchanged parts are taken over; "" if none.
        version: versions of the stage and its libraries; a part packed by others is never taken over.
        crashing: images that end the process that decodes them, by id, with what happened.
    """

    warehouse: str
    storage_options: dict[str, Any] = field(hash=False)
    delivery: str
    contribution: str
    rows_folder: str
    folder: str
    part: int
    previous: str = ""
    version: str = ""
    crashing: tuple[tuple[str, str], ...] = ()
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


def content_path(folder: str, content: str) -> str:
    """Warehouse path of the note that says which part of a folder holds this content."""
    return f"{folder}/content/{content}.json"


def load_task_rows(task: PackTask) -> pd.DataFrame:
    """The rows whose images are to be packed, in their order."""
    rows = load_rows(Warehouse(task.warehouse, task.storage_options), task.rows_folder, task.part, _COLUMNS)
    return rows[rows["aqqua_reject"].isna()]


def pack_part(task: PackTask, look: "Look | None" = None) -> int:
    """Packs one part unless that was done before; returns the images stored.

    Args:
        task: the part.
        look: how an image is found and inspected; ``look_at`` unless a test gives another one.

    Raises:
        OSError: the warehouse or the delivery as a whole can't be reached.
    """
    warehouse = Warehouse(task.warehouse, task.storage_options)
    if warehouse.exists(index_path(task.folder, task.part)):
        return int(warehouse.read_parquet(index_path(task.folder, task.part), ["offset"]).num_rows)
    rows = load_task_rows(task)
    with Delivery(task.delivery, task.delivery_options) as delivery:
        content = _content(task, delivery, rows)
        stored = _take_over(warehouse, task, content)
        if stored is None:
            stored = _pack(warehouse, task, delivery, rows, look or look_at)
        warehouse.write_json(content_path(task.folder, content), task.part)
    warehouse.write_parquet(index_path(task.folder, task.part), stored, schema.arrow("shard_index"))
    return int(stored.num_rows)


def _content(task: PackTask, delivery: Delivery, rows: pd.DataFrame) -> str:
    """SHA-256 of all that a part's files depend on: code, rows, and size and time of the delivered files."""
    digest = hashlib.sha256(f"{task.version} {task.contribution}\n{dict(task.crashing)}\n".encode())
    for column in [*_COLUMNS, "aqqua_image_id"]:
        digest.update(rows[column].to_csv(header=False, index=False).encode())
    for path in rows["aqqua_path"].dropna().unique():
        digest.update(f"{delivery.stamp(path)}\n".encode())
    return digest.hexdigest()


def _take_over(warehouse: Warehouse, task: PackTask, content: str) -> pa.Table | None:
    """Copies a part of the previous folder with the same content and returns its index, or None if there is none."""
    before = warehouse.read_json(content_path(task.previous, content)) if task.previous else None
    if before is None or not warehouse.exists(index_path(task.previous, before)):
        return None
    index = warehouse.read_parquet(index_path(task.previous, before))
    warehouse.copy(shard_path(task.previous, before), shard_path(task.folder, task.part))
    warehouse.copy(rejected_path(task.previous, before), rejected_path(task.folder, task.part))
    shard = pa.array([shard_path(task.folder, task.part)] * index.num_rows, pa.string())
    table = index.set_column(index.schema.get_field_index("shard"), "shard", shard)
    return table.cast(schema.arrow("shard_index"))


def _pack(warehouse: Warehouse, task: PackTask, delivery: Delivery, rows: pd.DataFrame, look: "Look") -> pa.Table:
    """Writes the shard and the quarantine of a part; returns the index, which is still to be written."""
    index = ShardIndex(shard_path(task.folder, task.part))
    rejected: list[dict[str, object]] = []
    with warehouse.create(index.shard) as stream:
        writer = ShardWriter(stream)
        for image_id, outcome in _inspected(delivery, rows, look, dict(task.crashing)):
            if isinstance(outcome, BadImage):
                rejected.append({"image_id": image_id, "reason": outcome.reason, "value": outcome.detail})
            else:
                offset = writer.add(image_id, outcome.image_format, outcome.data)
                index.add(image_id, outcome, offset)
        writer.finish()
    quarantine = _rejected(task, rows, rejected)
    warehouse.write_parquet(rejected_path(task.folder, task.part), quarantine, schema.arrow("quarantine"))
    return index.table()


def locators(rows: pd.DataFrame) -> "Iterator[tuple[str, Locator]]":
    """Id and locator of each image in the order of the rows."""
    columns = [_values(rows[c]) for c in ("aqqua_image_id", "aqqua_path", *_PLACE)]
    for image_id, *place in zip(*columns, strict=True):
        yield image_id, Locator(*place)


def _values(column: "pd.Series[Any]") -> list[Any]:
    """Text or whole numbers of a column, None where there is nothing."""
    return [None if pd.isna(v) else v if isinstance(v, str) else int(v) for v in column.to_list()]


def _inspected(
    delivery: Delivery, rows: pd.DataFrame, look: "Look", crashing: dict[str, str]
) -> Iterator[tuple[str, PackedImage | BadImage]]:
    """Each image in the order of the rows, or why it can't be used; decoding is the cost, not the loop."""
    sheets = Sheets(delivery)
    try:
        for image_id, locator in locators(rows):
            limit_time(IMAGE_SECONDS)
            if image_id in crashing:
                yield image_id, BadImage("image_decoder_crashed", crashing[image_id])
            else:
                yield image_id, outcome_of(look, delivery, sheets, locator)
    finally:
        limit_time(0)


def outcome_of(look: "Look", delivery: Delivery, sheets: "Sheets", locator: "Locator") -> PackedImage | BadImage:
    """One image, or why it can't be used; raises OSError where the store as a whole can't be read."""
    try:
        return look(delivery, sheets, locator)
    except FileNotFoundError:
        return BadImage("image_missing", "no such file")
    except IsADirectoryError:
        return BadImage("image_missing", "a folder, not a file")
    except DamagedArchive as error:  # any other OSError is the store's, and fails the task
        return BadImage("image_unreadable", str(error)[:200])
    except BadImage as bad:
        return bad


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


class Locator(NamedTuple):
    """Where an image lies in a delivery (see ``sources.LOCATOR``); without a path it would lie outside."""

    path: str | None
    offset: int | None
    length: int | None
    x: int | None
    y: int | None
    width: int | None
    height: int | None


Look = Callable[[Delivery, Sheets, Locator], PackedImage]


def look_at(delivery: Delivery, sheets: Sheets, at: Locator) -> PackedImage:
    """Reads and inspects the image a locator points at.

    Raises:
        BadImage: it can't be used.
        OSError: it can't be read.
    """
    if at.path is None:
        raise BadImage("image_missing", "path leads out of the delivery")
    if at.offset is not None and at.length is not None:
        return inspect_file(_from_base64(delivery.read_range(at.path, at.offset, at.length), at.length))
    width, height = at.width or 0, at.height or 0
    if at.offset is not None:
        return inspect_raw(delivery.read_range(at.path, at.offset, width * height), width, height)
    if at.x is not None and at.y is not None:
        return inspect_crop(sheets.get(at.path), at.x, at.y, width, height)
    return inspect_file(delivery.read(at.path))


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
