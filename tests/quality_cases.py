"""For every threshold of a quality test: a value just on the good and one just on the bad side of it, as literals.

``seen`` says whether the flag is raised for a value. The thresholds themselves are never read here, so that a changed
threshold makes a case fail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from builders import contribution
from test_harmonise import interpret

from aqqua_dataset import schema
from aqqua_dataset.quality.stage import Parts, write_quality
from aqqua_dataset.registry.models import Column, Contribution, Source
from aqqua_dataset.warehouse import Warehouse

CORE: dict[str, Any] = {
    "contribution_id": "c1", "source_system": "ecotaxa", "source_image_file": "o.png", "source_image_rank": 0,
    "event_id": "e1", "instrument_id": "zooscan", "instrument_family": "zooscan",
    "deployment_type": "net_sample_bench", "pixel_size_um": 10.6, "pixel_size_verbatim": "0.0106",
    "pixel_size_column": "c", "pixel_size_unit_source": "declared_column", "pixel_size_rule": "mm*1000",
    "pixel_rescale_factor": 1.0, "datetime_utc": pd.Timestamp("2019-06-14T13:30:15Z"), "datetime_precision": "s",
    "datetime_verbatim": "v", "timezone_source": "utc_declared", "latitude": 56.5, "longitude": 11.5,
    "latitude_verbatim": "56.5", "longitude_verbatim": "11.5", "coordinate_format": "dd",
    "coordinate_source": "object", "water_type": "marine", "depth_min_m": 0.0, "depth_max_m": 10.0, "depth_m": 5.0,
    "depth_kind": "bin", "altitude_m": -5.0, "label_status": "unclassified", "label_method": "unknown",
    "taxon_match": "none", "qc_flags": [], "qc_level": 1,
}  # fmt: skip
SHARD: dict[str, Any] = {
    "image_format": "png", "width_px": 100, "height_px": 80, "channels": 1, "bit_depth": 8, "significant_bits": 8,
    "delivered_sha256": "0" * 64, "image_sha256": "0" * 64, "pixel_hash": "0" * 32, "shard": "s.tar", "offset": 0,
    "length": 1,
}  # fmt: skip


def table(name: str, rows: list[dict[str, Any]], defaults: dict[str, Any]) -> pa.Table:
    """Rows with defaults as a table of the schema; columns that neither names are null."""
    full = [
        dict.fromkeys(schema.arrow(name).names)
        | defaults
        | {"image_id": f"00000000-0000-5000-8000-{i:012d}", "source_object_id": f"o{i}"}
        | row
        for i, row in enumerate(rows)
    ]
    target = schema.arrow(name)
    return pa.Table.from_pylist([{k: row[k] for k in target.names} for row in full], target)


def judge(
    folder: Path, core: list[dict[str, Any]], shards: list[dict[str, Any]] | None = None,
    giver: Contribution | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The quality table's rows for core rows and their stored images."""
    warehouse = Warehouse(str(folder))
    stored = shards if shards is not None else [{} for _ in core]
    for name, rows, defaults in (("core", core, CORE), ("shard_index", stored, SHARD)):
        warehouse.write_parquet(f"{name}.parquet", table(name, rows, defaults), schema.arrow(name))
    parts = Parts(["core.parquet"], ["shard_index.parquet"], ["quality.parquet"])
    write_quality(warehouse, giver or contribution("c1", "x"), parts)
    rows: list[dict[str, Any]] = warehouse.read_parquet("quality.parquet").to_pylist()
    return rows


@dataclass(frozen=True)
class Case:
    """One threshold: values on both sides, and whether a value raises the flag."""

    threshold: str
    flag: str
    good: float
    bad: float
    seen: Callable[[Path, float], bool]


def _set(
    threshold: str, flag: str, good: float, bad: float,
    make: Callable[[float], tuple[list[dict[str, Any]], list[dict[str, Any]]]],
) -> Case:  # fmt: skip
    """A case of a rule over a whole contribution: whether any of its images gets the flag."""

    def seen(folder: Path, value: float) -> bool:
        return any(flag in row["qc_flags"] for row in judge(folder, *make(value)))

    return Case(threshold, flag, good, bad, seen)


def _measured(number: int, side: float, **more: Any) -> list[dict[str, Any]]:
    return [{"object_area_px2": side, **more}] * number


def _ratio(value: float, spread: float = 0.5, number: int = 21) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Boxes of images of 1000 px whose ratio has a median and a distance between its 10 % and 90 % quantiles."""
    steps = [value + spread * (i / (number - 1) - 0.5) / 0.8 for i in range(number)]
    return [{"object_width_px": 1000 / s} for s in steps], [{"width_px": 1000}] * number


def _equal(number: float, others: float, **same: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows = [dict(same)] * int(number) + [{"width_px": 50 + i} for i in range(int(others))]
    return [{}] * len(rows), rows


def _row(threshold: str, flag: str, good: float, bad: float, cells: Callable[[float], dict[str, str | None]],
         source: Source | None = None) -> Case:  # fmt: skip
    """A case of a single EcoTaxa row: whether it is kept with the flag, or rejected for it as a reason."""

    def seen(folder: Path, value: float) -> bool:
        result = interpret(source=source, **cells(value))
        raised = [f for row in result.core.to_pylist() for f in row["qc_flags"]]
        return flag in [*raised, *result.quarantine["reason"].to_pylist()]

    return Case(threshold, flag, good, bad, seen)


DPI = Source(format="ecotaxa", location="x", mapping={"pixel_size": Column(column="scan_resolution", unit="dpi")})
FRAME = {"width_px": 1000, "height_px": 1000}
FOOT = {"footer_hash": "0123456789abcdef"}
CASES = [
    _row("P07.conflict", "SCALE_CONFLICT", 0.010705, 0.010707,
         lambda v: {"acq_pixel_um": "10.6", "process_particle_pixel_size_mm": f"{v}"}),
    _row("P07.conflict_dpi", "SCALE_CONFLICT", 2515, 2518, lambda v: {"scan_resolution": f"{v}"}, DPI),
    _set("P06.relative", "PIXEL_MULTIPLE_IN_SET", 10.652, 10.654,
         lambda v: ([{"pixel_size_um": 10.6}, {"pixel_size_um": v}], [{}, {}])),
    _set("P09.images", "ESD_IMPLAUSIBLE", 19, 20, lambda v: (_measured(int(v), 1.0), [{}] * int(v))),
    _set("P11.low", "IMAGE_RESCALED", 0.81, 0.79, _ratio),
    _set("P11.high", "IMAGE_RESCALED", 2.99, 3.01, _ratio),
    _set("P11.constant", "IMAGE_RESCALED", 0.0303, 0.0297, lambda v: _ratio(1.5, v)),
    _set("P11.images", "IMAGE_RESCALED", 19, 20, lambda v: _ratio(1.5, 0.001, int(v))),
    _set("P12.images", "SCALE_BAR_BURNED_IN", 9, 10, lambda v: _equal(v, 0, **FOOT)),
    _set("P12.share", "SCALE_BAR_BURNED_IN", 89, 90, lambda v: _equal(v, 100 - v, **FOOT)),
    _set("P13.largest_mm", "PHYSICAL_SIZE_IMPLAUSIBLE", 2990, 3010,
         lambda v: ([{"pixel_size_um": 100.0}], [{"width_px": int(v)}])),
    _set("P13.smallest_um", "PHYSICAL_SIZE_IMPLAUSIBLE", 0.0101, 0.0099,
         lambda v: ([{"pixel_size_um": v}], [{"width_px": 100, "height_px": 1}])),
    _set("V06.images", "COUNT_UNCERTAINTY", 400, 399, lambda v: ([{}] * int(v), [])),
    _set("I04.images", "IMAGE_FULL_FRAME", 9, 10, lambda v: _equal(v, 0, **FRAME)),
    _set("I04.share", "IMAGE_FULL_FRAME", 89, 90, lambda v: _equal(v, 100 - v, **FRAME)),
    _set("I04.pixels", "IMAGE_FULL_FRAME", 299_999, 300_000,
         lambda v: _equal(10, 0, width_px=int(v), height_px=1)),
]  # fmt: skip
