"""PlanktoScope exports: metadata.json joined by acquisition, defaults flagged, real corrections recognised."""

import csv
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from builders import contribution, settings
from hypothesis import given
from hypothesis import strategies as st
from reading import formats_that_fit, read, rules
from writers import planktoscope as writer
from writers.pictures import picture

from aqqua_dataset.harmonise.rows import Harmonised, harmonise
from aqqua_dataset.sources.planktoscope import day_of, parse_metadata


def deliver(folder: Path, *rows: dict[str, str], name: str = "ecotaxa_export.tsv") -> None:
    """A table of these rows, each with its own image and acquisition ``a`` unless it says another."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [{"img_file_name": f"{n}.png", "object_id": f"o{n}", "acq_id": "a"} | row for n, row in enumerate(rows)]
    (folder / name).write_text(writer.table(made), encoding="utf-8")
    for row in made:
        (folder / row["img_file_name"]).write_bytes(picture(0))


def harmonised(rows: pd.DataFrame) -> Harmonised:
    named = pd.DataFrame(
        {
            "aqqua_image_id": pd.array([f"00000000-0000-5000-8000-{n:012}" for n in range(len(rows))], dtype="str"),
            "aqqua_image_rank": pd.array([0] * len(rows), dtype="Int32"),
            "aqqua_images": pd.array([1] * len(rows), dtype="Int32"),
            "aqqua_reject": pd.array([np.nan] * len(rows), dtype="str"),
        }
    )
    return harmonise(pd.concat([named, rows], axis=1), contribution("c1", "x", format="planktoscope"), settings())


def test_what_the_writer_wrote_is_read(tmp_path: Path) -> None:
    writer.write(tmp_path, 6)
    rows, found = read(tmp_path, "planktoscope")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"o{n}" for n in range(6)]
    assert rows["aqqua_path"].tolist() == [f"export/{n}.png" for n in range(6)]
    assert rows["aqqua_line"].tolist() == [3, 4, 5, 6, 7, 8]
    assert set(rows["aqqua_table"]) == {"export/ecotaxa_export.tsv"}
    assert set(rows["aqqua_flags"]) == {""}
    assert set(rows["instrument_name"]) == {"PlanktoScope"}
    assert rows["metadata_acq_celltype"].tolist() == ["0", "1"] * 3
    assert set(rows["metadata_acq_volume"]) == {"37.50"}
    assert set(rows["metadata_process_1st_operation_type"]) == {"adjust_gamma"}
    assert {c: rows[c].iloc[0] for c in writer.ROW} == writer.ROW


def test_it_becomes_usable_rows(tmp_path: Path) -> None:
    writer.write(tmp_path, 2)
    result = harmonised(read(tmp_path, "planktoscope")[0])
    assert len(result.quarantine) == 0
    row = result.core.to_pylist()[0]
    assert (row["instrument_id"], row["instrument_verbatim"]) == ("planktoscope", "PlanktoScope")
    assert (row["pixel_size_um"], row["pixel_size_unit_source"]) == (0.75, "rule_instrument")
    assert row["imaged_volume_l"] == pytest.approx(0.002932)
    assert row["sampled_volume_l"] == 10.0


@pytest.mark.parametrize("name", ["Ecotaxa_export_1.zip", "ecotaxa_export.zip"])
def test_zips_are_recognised_and_read(tmp_path: Path, name: str) -> None:
    writer.write(tmp_path / "made", 2)
    (tmp_path / "out").mkdir()
    with ZipFile(tmp_path / "out" / name, "w") as made:
        for file in sorted((tmp_path / "made" / "export").iterdir()):
            made.write(file, file.name)
    (tmp_path / "out" / "metadata.json").write_text(writer.metadata("acq_1"))
    assert [f.format for f in formats_that_fit(tmp_path / "out")] == ["planktoscope"]
    rows, _ = read(tmp_path / "out", "planktoscope")
    assert rows["aqqua_path"].tolist() == [f"{name}!/0.png", f"{name}!/1.png"]
    assert rows["metadata_acq_id"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ({}, set()),
        ({"process_pixel": "1.0"}, {"PIXEL_PLACEHOLDER"}),
        ({"process_pixel": "1"}, {"PIXEL_PLACEHOLDER"}),
        ({"process_pixel": "1.01"}, set()),
        ({"process_pixel": "NaN"}, set()),
        ({"object_depth_min": "0", "object_depth_max": "0"}, {"DEPTH_DEFAULT"}),
        ({"object_depth_min": "0", "object_depth_max": "1.0"}, {"DEPTH_DEFAULT"}),
        ({"object_depth_min": "1", "object_depth_max": "1"}, set()),
        ({"object_depth_min": "", "object_depth_max": "0"}, set()),
        ({"sample_sampling_gear": "Test"}, {"GEAR_DEFAULT"}),
        ({"sample_sampling_gear": "net"}, {"GEAR_DEFAULT"}),
        ({"object_date": "20190214"}, {"CLOCK_DEFAULT"}),
        ({"object_date": "2019-02-16"}, {"CLOCK_DEFAULT"}),
        ({"object_date": "20190218"}, set()),
        ({"acq_local_datetime": "2019-02-14T10:15:19"}, {"CLOCK_DEFAULT"}),
        ({"acq_local_datetime": "1550139319"}, {"CLOCK_DEFAULT"}),  # 2019-02-14T10:15:19Z
        ({"acq_local_datetime": "1625217823"}, set()),  # 2021-07-02
    ],
)
def test_the_devices_defaults_are_flagged_and_stay_as_delivered(
    tmp_path: Path, row: dict[str, str], flags: set[str]
) -> None:
    deliver(tmp_path, row)
    rows, _ = read(tmp_path, "planktoscope")
    assert set(rows["aqqua_flags"].iloc[0].split()) == flags
    assert {name: rows[name].iloc[0] for name in row if row[name]} == {k: v for k, v in row.items() if v}


def test_a_pixel_size_of_one_is_never_taken_silently(tmp_path: Path) -> None:
    deliver(tmp_path, {"process_pixel": "1.0"})
    (tmp_path / "metadata.json").write_text(writer.metadata("a"))
    [row] = harmonised(read(tmp_path, "planktoscope")[0]).core.to_pylist()
    assert "PIXEL_PLACEHOLDER" in row["qc_flags"]
    assert row["pixel_size_verbatim"] == "1.0"


def test_the_calibrated_pixel_size_comes_first_and_a_conflict_is_flagged(tmp_path: Path) -> None:
    deliver(tmp_path, {"process_pixel": "0.73"})
    (tmp_path / "metadata.json").write_text(writer.metadata("a", process_pixel_size=0.53))
    [row] = harmonised(read(tmp_path, "planktoscope")[0]).core.to_pylist()
    assert (row["pixel_size_um"], row["pixel_size_column"]) == (0.53, "metadata_process_pixel_size")
    assert "SCALE_CONFLICT" in row["qc_flags"]


def test_metadata_is_joined_by_acquisition_else_by_folder(tmp_path: Path) -> None:
    deliver(tmp_path / "x" / "y", {"acq_id": "a"}, {"acq_id": "b"}, {"acq_id": ""})
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "metadata.json").write_text('{"acq_id": "b", "k": "far"}')
    (tmp_path / "x" / "metadata.json").write_text('{"k": "above"}')
    (tmp_path / "metadata.json").write_text('{"k": "top"}')
    rows, found = read(tmp_path, "planktoscope")
    assert rows["metadata_k"].tolist() == ["above", "far", "above"]
    assert found == []


def test_a_row_never_takes_another_acquisitions_metadata(tmp_path: Path) -> None:
    deliver(tmp_path, {"acq_id": "a"}, {"acq_id": ""})
    (tmp_path / "metadata.json").write_text('{"acq_id": "b", "k": "1"}')
    rows, _ = read(tmp_path, "planktoscope")
    assert rows["metadata_k"].isna().tolist() == [True, False]


def test_metadata_that_contradict_each_other_are_not_used(tmp_path: Path) -> None:
    deliver(tmp_path, {})
    for name, k in (("m1", 1), ("m2", 2), ("m3", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.json").write_text(json.dumps({"acq_id": "a", "k": k}))
    rows, found = read(tmp_path, "planktoscope")
    assert "metadata_k" not in rows
    assert [(f.rule, f.value, f.count) for f in found] == [("planktoscope_metadata_contradicts", "a", 1)]


@pytest.mark.parametrize("bad", ["", "{", "[1]", '"x"', "\0\0", "[" * 100_000, '{"a": ' * 50_000])
def test_unreadable_metadata_is_a_finding_and_the_rows_are_read(tmp_path: Path, bad: str) -> None:
    deliver(tmp_path, {}, {})
    (tmp_path / "metadata.json").write_text(bad)
    rows, found = read(tmp_path, "planktoscope")
    assert len(rows) == 2
    assert rules(found) == ["planktoscope_metadata_unreadable"]


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("object_id\timg_file_name\tacq_instrument", "o\ti.png\tPlanktoScope v2.6", "planktoscope"),
        ("OBJECT_ID\timg_file_name\tAcq_Instrument", "o\ti.png\tPlanktonscope", "planktoscope"),
        ("object_id\timg_file_name\tacq_instrument", "o\ti.png\tUVP6", "ecotaxa"),
        ("object_id\timg_file_name\tprocess_pixel", "o\ti.png\t1", "ecotaxa"),
        ("object_id\tacq_nb_frame\tprocess_pixel\tacq_camera_iso\tacq_local_datetime", "o\t1\t1\t1\t1", "planktoscope"),
    ],
)
def test_it_is_told_from_other_ecotaxa_tables(tmp_path: Path, header: str, cells: str, expected: str) -> None:
    (tmp_path / "ecotaxa_x.tsv").write_text(f"{header}\n{cells}\n")
    assert [f.format for f in formats_that_fit(tmp_path)] == [expected]


def test_metadata_alone_tells_it_beside_an_ecotaxa_table_only(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text(writer.metadata("a"))
    assert formats_that_fit(tmp_path) == []
    (tmp_path / "ecotaxa_x.tsv").write_text("object_id\timg_file_name\no\ti.png\n")
    assert [f.format for f in formats_that_fit(tmp_path)] == ["planktoscope"]
    (tmp_path / "metadata.json").write_text('{"title": "another program\'s"}')
    assert [f.format for f in formats_that_fit(tmp_path)] == ["ecotaxa"]


_PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,5}(_[a-z0-9]{1,4})?", fullmatch=True), _PLAIN | st.integers(), max_size=5)
)
def test_metadata_come_back_as_written(entries: dict[str, Any]) -> None:
    assert parse_metadata(json.dumps(entries).encode()) == {k: str(v) for k, v in entries.items()}


@given(st.binary(max_size=60) | st.text('{}[]":,a1\\ud8', max_size=60).map(str.encode))
def test_no_metadata_bytes_are_a_traceback(data: bytes) -> None:
    found = parse_metadata(data)
    assert found is None or all(isinstance(v, str) and v.encode() for v in found.values())


@given(st.text(max_size=25) | st.from_regex(r"\d{1,12}(\.\d+)?", fullmatch=True))
def test_no_text_of_a_day_is_a_traceback(value: str) -> None:
    day_of(value)


@given(st.dates(min_value=dt.date(1000, 1, 1)))
def test_days_come_back_as_written(day: dt.date) -> None:
    for told in (f"{day:%Y-%m-%d}T10:00:00", f"{day:%Y%m%d}", day.isoformat()):
        assert day_of(told) == day.isoformat()


CELLS = {
    "object_date", "object_time", "object_lat", "object_lon", "object_depth_min", "object_depth_max",
    "acq_local_datetime", "sample_sampling_gear",
}  # fmt: skip


def changes(real_data: Path) -> list[dict[str, Any]]:
    lines = (real_data / "planktoscope/tots/changes.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def side(change: dict[str, Any], new: bool) -> dict[str, str]:
    """The cells of one acquisition before or after its correction; what was not corrected is empty."""
    return {
        name: (change[name]["new_value"] if new else change[name]["old_values"][0]) if name in change else ""
        for name in CELLS
    }


@pytest.mark.realdata
@pytest.mark.parametrize("new", [False, True], ids=["old", "new"])
def test_real_corrections_defaults_before_and_none_after(real_data: Path, tmp_path: Path, new: bool) -> None:
    told = [side(c, new) for c in changes(real_data)]
    assert len(told) == 411
    deliver(tmp_path, *({"object_time": "", **row} for row in told))
    rows, _ = read(tmp_path, "planktoscope")
    flags = Counter(word for text in rows["aqqua_flags"] for word in text.split())
    reasons = Counter(harmonised(rows).quarantine["reason"].to_pylist())
    clock = ("2019-02-14", "2019-02-15", "2019-02-16", "2019-02-17")
    days = [(r["object_date"][:10], r["acq_local_datetime"][:10]) for r in told]
    if new:
        assert flags == {}
        assert {r: reasons[r] for r in ("position_placeholder", "time_default")} == {
            "position_placeholder": 0, "time_default": 0,
        }  # fmt: skip
        assert reasons["position_missing"] == sum(r["object_lat"] == "" for r in told) == 121
    else:
        # Every old position is the default. Of the 392 old dates 258 are of 2023: wrong, but no default of the device.
        assert reasons["position_placeholder"] == len(told)
        assert reasons["time_default"] == sum(d in clock for d, _ in days) == 134
        assert flags["CLOCK_DEFAULT"] == sum(d in clock or a in clock for d, a in days)
        assert flags["DEPTH_DEFAULT"] == sum(r["object_depth_max"] == "0" for r in told) == 404
        assert flags["GEAR_DEFAULT"] == len(told)


@pytest.mark.realdata
def test_the_log_sheets_of_tots_are_no_export(real_data: Path) -> None:
    folder = real_data / "planktoscope"
    sheets = sorted(folder.rglob("*.tsv"))
    assert len(sheets) == 3
    for sheet in sheets:
        with sheet.open(encoding="utf-8", newline="") as stream:
            assert "object_id" not in next(csv.reader(stream, delimiter="\t"))
    assert "planktoscope" not in [f.format for f in formats_that_fit(folder)]
    rows, found = read(folder, "planktoscope")
    assert (len(rows), found) == (0, [])
