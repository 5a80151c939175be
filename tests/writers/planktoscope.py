"""Writes a PlanktoScope delivery: an EcoTaxa export of two acquisitions, and the metadata.json of each.

No public export with images exists: columns and keys are those of the device's software.
"""

import json
from pathlib import Path
from typing import Any

from writers.pictures import picture

COLUMNS = (
    "img_file_name", "img_rank", "object_id", "object_lat", "object_lon", "object_date", "object_time",
    "object_depth_min", "object_depth_max", "object_area", "acq_id", "acq_instrument", "acq_nb_frame",
    "acq_imaged_volume", "acq_local_datetime", "acq_camera_iso", "sample_id", "sample_sampling_gear",
    "sample_total_volume", "process_id", "process_pixel",
)  # fmt: skip
_NUMERIC = {"img_rank", "object_lat", "object_lon", "object_depth_min", "object_depth_max", "object_area"}
ROW = {
    "img_rank": "0", "object_lat": "54.5", "object_lon": "11.5", "object_date": "20230626", "object_time": "182500",
    "object_depth_min": "5", "object_depth_max": "9", "object_area": "120", "acq_instrument": "PlanktoScope v2.6",
    "acq_nb_frame": "750", "acq_imaged_volume": "2.9320", "acq_local_datetime": "2023-06-26T11:15:00",
    "acq_camera_iso": "100", "sample_id": "s1", "sample_sampling_gear": "net_hsn", "sample_total_volume": "10",
    "process_id": "1", "process_pixel": "0.75",
}  # fmt: skip


def table(rows: list[dict[str, str]]) -> str:
    """An EcoTaxa table with a types row; cells that a row doesn't name are those of ``ROW``."""
    lines = ["\t".join(COLUMNS), "\t".join("[f]" if c in _NUMERIC else "[t]" for c in COLUMNS)]
    lines += ["\t".join((ROW | row)[c] for c in COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def metadata(acquisition: str, **changes: Any) -> str:
    """A metadata.json of an acquisition."""
    entries: dict[str, Any] = {
        "acq_id": acquisition, "acq_instrument": "PlanktoScope v2.6", "acq_celltype": 300, "acq_volume": "37.50",
        "sample_operator": "A. Person", "process_pixel": 0.75, "object_lat": "54.5",
        "process_1st_operation": {"type": "adjust_gamma", "parameters": "{0.5}"},
    }  # fmt: skip
    return json.dumps(entries | changes)


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, one image each."""
    export = folder / "export"
    export.mkdir(parents=True)
    rows = []
    for number in range(objects):
        (export / f"{number}.png").write_bytes(picture(number))
        rows.append({"img_file_name": f"{number}.png", "object_id": f"o{number}", "acq_id": f"acq_{number % 2}"})
    (export / "ecotaxa_export.tsv").write_text(table(rows), encoding="utf-8")
    for number in range(2):
        (folder / "img" / f"acq_{number}").mkdir(parents=True)
        (folder / "img" / f"acq_{number}" / "metadata.json").write_text(metadata(f"acq_{number}", acq_celltype=number))
