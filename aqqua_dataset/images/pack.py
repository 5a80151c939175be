"""The one pass over a shard's images: read, verify, fingerprint, store; some consecutive parts of rows give one shard.

A shard's index is written last and is its commit: a killed run starts again at the first shard without
one and ends with the same bytes. Rows are loaded part by part, so memory doesn't grow with their number.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

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
from aqqua_dataset.images.search import hashed_and_searched
from aqqua_dataset.images.shards import ShardIndex, ShardWriter
from aqqua_dataset.sources.rows import load_rows
from aqqua_dataset.transfer.delivery import DamagedArchive, Delivery
from aqqua_dataset.warehouse import Warehouse

_PLACE = ["aqqua_offset", "aqqua_length", "aqqua_x", "aqqua_y", "aqqua_width", "aqqua_height"]
_COLUMNS = [
    "aqqua_table", "aqqua_line", "aqqua_object_id", "aqqua_image_file", "aqqua_path",
    *_PLACE, "aqqua_reason",
]  # fmt: skip


#: 100,000 images, some 1.1 GB: large enough for a store, small enough to pack again when one image has changed.
PARTS_PER_SHARD = 5

#: A worker process that needs longer for one image is ended: hundreds of times what the largest permitted image needs.
IMAGE_SECONDS = 60.0


@dataclass(frozen=True)
class PackTask:
    """One shard to pack; small enough to travel to any worker.

    Attributes:
        shard: its number.
        parts: numbers of the parts of rows whose images it holds, in this order.
        previous: folder of the images packed before, from which unchanged shards are taken over; "" if none.
        version: versions of the stage and its libraries; a shard packed by others is never taken over.
        crashing: images that end the process that decodes them, by id, with what happened.
    """

    warehouse: str
    storage_options: dict[str, Any] = field(hash=False)
    delivery: str
    contribution: str
    rows_folder: str
    folder: str
    shard: int
    parts: range
    previous: str = ""
    version: str = ""
    crashing: tuple[tuple[str, str], ...] = ()
    delivery_options: dict[str, Any] = field(default_factory=dict, hash=False)


def shard_parts(parts: int, parts_per_shard: int) -> list[range]:
    """Numbers of the parts of rows that each shard holds, for a contribution of ``parts`` parts."""
    return [range(first, min(first + parts_per_shard, parts)) for first in range(0, parts, parts_per_shard)]


def index_path(folder: str, shard: int) -> str:
    """Warehouse path of a shard's index."""
    return f"{folder}/shard-{shard:05d}.parquet"


def shard_path(folder: str, shard: int) -> str:
    """Warehouse path of a shard."""
    return f"{folder}/shard-{shard:05d}.tar"


def rejected_path(folder: str, shard: int) -> str:
    """Warehouse path of the images of a shard's rows that can't be used."""
    return f"{folder}/rejected-{shard:05d}.parquet"


def digest_path(folder: str, shard: int) -> str:
    """Warehouse path of a shard's SHA-256, in the form that ``sha256sum -c`` reads."""
    return f"{shard_path(folder, shard)}.sha256"


def content_path(folder: str, content: str) -> str:
    """Warehouse path of the note that says which shard of a folder holds this content."""
    return f"{folder}/content/{content}.json"


def stored_digest(warehouse: Warehouse, folder: str, shard: int) -> str | None:
    """SHA-256 of a shard as it was when a release first took it over, or None before that."""
    if not warehouse.exists(path := digest_path(folder, shard)):
        return None
    with warehouse.open(path) as stream:
        return stream.read().decode("ascii", "replace").partition(" ")[0]


def searched_digest(warehouse: Warehouse, folder: str, shard: int) -> tuple[str, tuple[str, ...]]:
    """SHA-256 of a shard, and what its images hold of personal data.

    Made once, in one read, and kept beside a shard that holds none: packing has no time for it, and no release reads
    the shard again.
    """
    if digest := stored_digest(warehouse, folder, shard):
        return digest, ()
    with warehouse.open(shard_path(folder, shard)) as stream:
        digest, leaks = hashed_and_searched(stream)
    if not leaks:
        _keep_digest(warehouse, folder, shard, digest)
    return digest, leaks


def _keep_digest(warehouse: Warehouse, folder: str, shard: int, digest: str) -> None:
    name = shard_path(folder, shard).rpartition("/")[2]
    warehouse.write_bytes(digest_path(folder, shard), f"{digest}  {name}\n".encode())


def load_task_rows(task: PackTask) -> Iterator[pd.DataFrame]:
    """The rows whose images are to be packed, in their order, part by part."""
    warehouse = Warehouse(task.warehouse, task.storage_options)
    for part in task.parts:
        rows = load_rows(warehouse, task.rows_folder, part, _COLUMNS)
        yield rows[rows["aqqua_reject"].isna()]


def pack_shard(task: PackTask, look: "Look | None" = None) -> int:
    """Packs one shard unless that was done before; returns the images stored.

    Args:
        task: the shard.
        look: how an image is found and inspected; ``look_at`` unless a test gives another one.

    Raises:
        OSError: the warehouse or the delivery as a whole can't be reached.
    """
    warehouse = Warehouse(task.warehouse, task.storage_options)
    if warehouse.exists(index_path(task.folder, task.shard)):
        return int(warehouse.read_parquet(index_path(task.folder, task.shard), ["offset"]).num_rows)
    with Delivery(task.delivery, task.delivery_options) as delivery:
        content = _content(task, delivery)
        stored = _take_over(warehouse, task, content)
        if stored is None:
            stored = _pack(warehouse, task, delivery, look or look_at)
        warehouse.write_json(content_path(task.folder, content), task.shard)
    warehouse.write_parquet(index_path(task.folder, task.shard), stored, schema.arrow("shard_index"))
    return int(stored.num_rows)


def _content(task: PackTask, delivery: Delivery) -> str:
    """SHA-256 of all that a shard's files depend on: code, rows, and size and time of the delivered files."""
    digest = hashlib.sha256(f"{task.version} {task.contribution}\n{dict(task.crashing)}\n".encode())
    for rows in load_task_rows(task):
        for column in [*_COLUMNS, "aqqua_image_id"]:
            digest.update(rows[column].to_csv(header=False, index=False).encode())
        for path in rows["aqqua_path"].dropna().unique():
            digest.update(f"{delivery.stamp(path)}\n".encode())
    return digest.hexdigest()


def _take_over(warehouse: Warehouse, task: PackTask, content: str) -> pa.Table | None:
    """Copies a shard of the previous folder with the same content and returns its index, or None if there is none."""
    before = warehouse.read_json(content_path(task.previous, content)) if task.previous else None
    if before is None or not warehouse.exists(index_path(task.previous, before)):
        return None
    index = warehouse.read_parquet(index_path(task.previous, before))
    warehouse.copy(shard_path(task.previous, before), shard_path(task.folder, task.shard))
    warehouse.copy(rejected_path(task.previous, before), rejected_path(task.folder, task.shard))
    if digest := stored_digest(warehouse, task.previous, before):
        _keep_digest(warehouse, task.folder, task.shard, digest)
    shard = pa.array([shard_path(task.folder, task.shard)] * index.num_rows, pa.string())
    table = index.set_column(index.schema.get_field_index("shard"), "shard", shard)
    return table.cast(schema.arrow("shard_index"))


def _pack(warehouse: Warehouse, task: PackTask, delivery: Delivery, look: "Look") -> pa.Table:
    """Writes a shard and the quarantine of its rows; returns the index, which is still to be written."""
    index, sheets = ShardIndex(shard_path(task.folder, task.shard)), Sheets(delivery)
    quarantine: list[pa.Table] = []
    warehouse.remove(digest_path(task.folder, task.shard))  # of a damaged shard that is packed again
    with warehouse.create(index.shard) as stream:
        writer = ShardWriter(stream)
        for rows in load_task_rows(task):
            rejected: list[dict[str, object]] = []
            for image_id, outcome in _inspected(delivery, sheets, rows, look, dict(task.crashing)):
                if isinstance(outcome, BadImage):
                    rejected.append({"image_id": image_id, "reason": outcome.reason, "value": outcome.detail})
                else:
                    offset = writer.add(image_id, outcome.image_format, outcome.data)
                    index.add(image_id, outcome, offset)
            quarantine.append(_rejected(task, rows, rejected))
        writer.finish()
    target = schema.arrow("quarantine")
    warehouse.write_parquet(rejected_path(task.folder, task.shard), pa.concat_tables(quarantine), target)
    return index.table()


def locators(rows: pd.DataFrame) -> "Iterator[tuple[str, Locator]]":
    """Id and locator of each image in the order of the rows."""
    columns = [_values(rows[c]) for c in ("aqqua_image_id", "aqqua_path", *_PLACE)]
    for image_id, *place in zip(*columns, strict=True):
        yield image_id, Locator(*place)


def _values(column: "pd.Series[Any]") -> list[Any]:
    """Text or whole numbers of a column, None where there is nothing."""
    return cast("list[Any]", column.to_numpy(dtype=object, na_value=None).tolist())


def _inspected(
    delivery: Delivery, sheets: "Sheets", rows: pd.DataFrame, look: "Look", crashing: dict[str, str]
) -> Iterator[tuple[str, PackedImage | BadImage]]:
    """Each image in the order of the rows, or why it can't be used; decoding is the cost, not the loop."""
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
