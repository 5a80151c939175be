"""How much of what experts corrected by hand our tests see: 411 acquisitions of the TOTS cruise, old and new values.

Each field is looked at by itself, in rows whose other cells are good, so that every alarm belongs to the field. An
alarm is a row that is refused or carries a flag. Real values only; the table in docs/quality.md shows the same counts.
"""

import datetime as dt
import json
from pathlib import Path

import pytest
from reading import harmonised, read
from test_time_depth_rules import flagged
from writers import planktoscope as writer

from aqqua_dataset.registry.models import Declared, Quantity

GOOD = {
    "object_date": "2023-06-26", "object_time": "18:25:00", "object_lat": "71.3947", "object_lon": "-163.914",
    "object_depth_min": "9", "object_depth_max": "9", "acq_local_datetime": "2023-06-26T11:15:00",
    "sample_sampling_gear": "single_location", "sample_id": "147", "acq_id": "SKQ-ToTS_S035_tots-ps-acq-100",
}  # fmt: skip
FORM = Declared(time_zone="UTC", pixel_size=Quantity(value=0.75, unit="um"))
FIELDS = {
    "date": ("object_date",),
    "time of day": ("object_time",),
    "position": ("object_lat", "object_lon"),
    "depth": ("object_depth_min", "object_depth_max"),
    "time of imaging": ("acq_local_datetime",),
    "gear": ("sample_sampling_gear",),
    "sample id": ("sample_id",),
    "acquisition id": ("acq_id",),
}


def lines(real_data: Path, name: str) -> list[dict[str, object]]:
    text = (real_data / "planktoscope/tots" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def told(real_data: Path, which: str) -> list[dict[str, str]]:
    """The values of each acquisition: before the correction, after it, or all corrected records."""
    if which == "corrected":
        return [{k: str(v) for k, v in record.items() if k in GOOD} for record in lines(real_data, "corrections")]
    sides = []
    for change in lines(real_data, "changes"):
        both = {k: v for k, v in change.items() if k in GOOD and isinstance(v, dict)}
        sides.append({k: v["new_value"] if which == "new" else v["old_values"][0] for k, v in both.items()})
    return sides


def alarms(folder: Path, records: list[dict[str, str]], field: str) -> tuple[int, int]:
    """Values of a field that raise an alarm, and how many there are."""
    names = FIELDS[field]
    values = [{n: r[n] for n in names} for r in records if all(r.get(n) for n in names)]
    rows = [GOOD | v | {"img_file_name": f"{n}.png", "object_id": f"o{n}"} for n, v in enumerate(values)]
    (folder / "ecotaxa_export.tsv").write_text(writer.table(rows), encoding="utf-8")
    made = harmonised(read(folder, "planktoscope")[0], "planktoscope", declared=FORM)
    plain = sum(1 for row in made.core.to_pylist() if not row["qc_flags"])
    assert made.core.num_rows + len(set(made.quarantine["image_id"].to_pylist())) == len(values)
    return len(values) - plain, len(values)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("field", "old", "new", "corrected"),
    [
        ("date", (134, 392), (0, 157), (0, 173)),  # the clock's default days; other wrong dates look right
        ("time of day", (0, 411), (0, 176), (0, 173)),  # seen only with a default day beside it
        ("position", (411, 411), (0, 290), (0, 289)),
        ("depth", (404, 404), (0, 157), (5, 158)),  # five samples are of the surface
        ("time of imaging", (93, 411), (0, 410), (0, 412)),
        ("gear", (411, 411), (0, 411), (0, 416)),
        ("sample id", (0, 411), (0, 411), (0, 416)),
        ("acquisition id", (0, 25), (0, 25), (2, 416)),  # two still hold a spreadsheet's day count
    ],
)
def test_alarms_on_old_new_and_corrected_values(
    real_data: Path, tmp_path: Path, field: str, old: tuple[int, int], new: tuple[int, int], corrected: tuple[int, int]
) -> None:
    found = [alarms(tmp_path, told(real_data, which), field) for which in ("old", "new", "corrected")]
    assert found == [old, new, corrected]


@pytest.mark.realdata
@pytest.mark.parametrize("which", ["old", "new"])
def test_imaging_on_board_is_not_taken_for_sampling(real_data: Path, which: str) -> None:
    moments = [
        {
            "datetime_utc": dt.datetime.fromisoformat(f"{r['object_date']}T{r['object_time']}+00:00"),
            "processing_datetime_utc": dt.datetime.fromisoformat(f"{r['acq_local_datetime']}+00:00"),
        }
        for r in told(real_data, which)
        if r.get("object_date") and r.get("object_time") and r.get("acq_local_datetime")
    ]
    assert len(moments) == {"old": 392, "new": 156}[which]
    assert flagged("TIME_IS_PROCESSING_TIME", moments) == []
