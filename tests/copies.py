"""Contributions that exist only as tables: core, quality and shard index, as many images as a test likes, no pixels."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from builders import GIVEN

from aqqua_dataset import schema
from aqqua_dataset.dedup.exact import TABLE
from aqqua_dataset.images.pack import index_path, rejected_path
from aqqua_dataset.pipeline import Collection, core_path, quality_path
from aqqua_dataset.registry.decisions import DuplicateDecision

NOON = dt.datetime(2020, 6, 1, 12, tzinfo=dt.UTC)
_DEFAULTS: dict[str, Any] = {
    "string": "x", "bool": False, "int8": 1, "int32": 1, "int64": 1, "float64": 1.0, "list<string>": [],
    "timestamp[ms, UTC]": NOON,
}  # fmt: skip
_GOOD = {
    "source_system": "uvp", "source_image_rank": 0, "coordinate_source": "object", "timezone_source": "utc_declared",
    "datetime_precision": "s", "label_status": "validated", "label_method": "human", "label_kind": "taxon",
    "pixel_rescale_factor": 1.0, "event_id": "haul", "significant_bits": 8, "image_format": "png",
}  # fmt: skip


def image_id(name: str) -> str:
    """A stable id for a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def digest(text: str, length: int) -> str:
    """Hexadecimal digits that stand for a content."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Copy:
    """One image of a contribution.

    Attributes:
        name: decides its id.
        picture: what its pixels show; equal for equal pixels.
        normal: what is left when normalised; None where that is too little.
        delivered: which bytes of the picture were delivered.
        values: other columns of core, quality or the shard index.
    """

    name: str
    picture: str
    normal: str | None = None
    delivered: int = 0
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """The image's id."""
        return image_id(self.name)

    def row(self, contribution: str) -> dict[str, Any]:
        """All that the three tables hold of it."""
        own = {
            "image_id": self.id, "contribution_id": contribution, "source_object_id": self.name,
            "source_image_file": f"{self.name}.png", "pixel_hash": digest(self.picture, 32),
            "normal_hash": None if self.normal is None else digest(self.normal, 32),
            "delivered_sha256": digest(f"{self.picture} {self.delivered}", 64),
        }  # fmt: skip
        return _GOOD | own | dict(self.values)


def put(made: Collection, contribution: str, images: Sequence[Copy], parts: int = 1) -> None:
    """Stores a contribution's tables, as its stages would have done."""
    rows = [image.row(contribution) for image in images]
    key = digest(repr(rows), 16)
    for stage, path, table in (
        ("core", core_path, "core"), ("quality", quality_path, "quality"), ("images", index_path, "shard_index"),
    ):  # fmt: skip
        folder = f"contributions/{contribution}/{stage}-{key}"
        cut = [rows[start::parts] for start in range(parts)]
        for part, some in enumerate(cut):
            made.warehouse.write_parquet(path(folder, part), (found := _table(table, some)), found.schema)
            if stage != "quality":
                none = schema.arrow("quarantine")
                made.warehouse.write_parquet(rejected_path(folder, part), none.empty_table(), none)
        numbers = {"rows": len(rows)}
        manifest: dict[str, Any] = {
            "key": key,
            "folder": folder,
            "parts": [len(c) for c in cut],
            "numbers": numbers,
            "findings": [],
        }
        manifest["parts_per_shard"] = 1
        made.warehouse.write_json(f"contributions/{contribution}/{stage}.json", manifest)
    made.warehouse.write_json(f"contributions/{contribution}/rows.json", manifest)


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    spec = schema.tables()[name]
    types = {column: schema.fields()[column].arrow_type for column in spec.columns}
    empty = {c: _DEFAULTS[schema.fields()[c].type] if c in spec.required else None for c in spec.columns}
    filled = [empty | {c: v for c, v in row.items() if c in types} for row in rows]
    return pa.Table.from_pylist(filled, pa.schema(list(types.items())))


def decide(one: str, other: str, decision: str) -> DuplicateDecision:
    first, second = sorted((one, other))
    values = {"image_id": first, "other_image_id": second, "decision": decision, "by": "owner-one", "date": GIVEN}
    return DuplicateDecision.model_validate(values | {"why": "looked at both"})


def rows_of(made: Collection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made.warehouse.read_parquet(TABLE).to_pylist()
    return found
