"""VPR, PI-10, LOKI and the Scripps cameras: names of files, telemetry and tags become rows; broken ones findings."""

import contextlib
import csv
import datetime as dt
import importlib
import io
import re
import shutil
import string
from pathlib import Path

import pandas as pd
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin
from reading import formats_that_fit, read, rules
from writers import loki as loki_writer
from writers import pi10 as pi10_writer
from writers import spc as spc_writer
from writers import vpr as vpr_writer
from writers.pictures import picture, pixels

from aqqua_dataset.sources.entries import column_name
from aqqua_dataset.sources.loki import DAT, LOG, TMD, parse_dat, parse_lines
from aqqua_dataset.sources.pi10 import read_tags
from aqqua_dataset.sources.spc import parse_names, parse_settings
from aqqua_dataset.sources.vpr import CTD, cut_line, parse_ctd

DAY_NOTE = "vpr_day_from_zero"


@pytest.mark.parametrize("name", ["vpr", "pi10", "loki", "spc"])
def test_a_written_delivery_is_recognised_and_read_whole(tmp_path: Path, name: str) -> None:
    importlib.import_module(f"writers.{name}").write(tmp_path, 7)
    assert [f.format for f in formats_that_fit(tmp_path)] == [name]
    rows, found = read(tmp_path, name)
    assert rules(found) == ([DAY_NOTE] if name == "vpr" else [])
    images = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.suffix in (".png", ".tif"))
    assert rows["aqqua_path"].tolist() == images
    assert rows["aqqua_image_file"].tolist() == [Path(i).name for i in images]
    assert rows["aqqua_object_id"].is_unique
    assert rows["aqqua_reason"].isna().all()
    assert rows["aqqua_offset"].isna().all()
    again, _ = read(tmp_path, name)
    pd.testing.assert_frame_equal(rows, again)


VALUES = (
    "ctd_pressure", "class_name", "settings_pixel_size", "metadata_acq_celltype", "captured", "tmd_pressure",
    "tmd_longitude", "log_latitude", "log_ship",
)  # fmt: skip


@pytest.mark.parametrize("name", ["vpr", "pi10", "loki", "spc", "planktoscope"])
def test_a_delivery_cut_off_anywhere_is_read_without_inventing_anything(tmp_path: Path, name: str) -> None:
    importlib.import_module(f"writers.{name}").write(tmp_path, 3)
    whole, _ = read(tmp_path, name)
    cells = {column: set(whole[column].dropna()) for column in whole.columns[whole.dtypes == "str"]}
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".png"):
        data = path.read_bytes()
        for cut in range(0, len(data), max(1, len(data) // 12)):
            path.write_bytes(data[:cut])
            rows, _ = read(tmp_path, name)
            used = rows[rows["aqqua_reason"].isna()]
            assert set(used["aqqua_object_id"]) <= set(whole["aqqua_object_id"]), (path.name, cut)
            for column in VALUES:
                if column in used and column in cells:
                    assert set(used[column].dropna()) <= cells[column], (path.name, cut, column)
        path.write_bytes(data)


# --- VPR ---


def vpr_hour(folder: Path, hour: str, ms: list[int], ctd: str | None, above: str = "IML2018051/rois/vpr0/d286") -> None:
    (folder / above / hour).mkdir(parents=True)
    for value in ms:
        (folder / above / hour / f"roi.{value:08}00.tif").write_bytes(b"II*\0")
    if ctd is not None:
        (folder / above / f"{hour}ctd.dat").write_text(ctd)


def ctd_line(ms: int, pressure: float = 5.0) -> str:
    return f"ctd{ms:08}:3.0,7.4,{pressure},29.4,695,109,700,43,0\n"


def test_vpr_regions_take_the_ctd_line_of_their_millisecond(tmp_path: Path) -> None:
    vpr_writer.write(tmp_path, 3)
    rows, _ = read(tmp_path, "vpr")
    assert rows["ms"].tolist() == [f"{vpr_writer.milliseconds(n):08}" for n in range(3)]
    assert rows["ctd_pressure"].tolist() == ["0.406000", "1.406000", "2.406000"]
    assert set(rows["aqqua_flags"]) == {""}
    assert rows[["tow", "day", "hour", "cruise", "instrument_name"]].iloc[0].tolist() == [
        "vpr1", "286", "10", "IML2018051", "VPR",
    ]  # fmt: skip
    assert set(rows["time_utc"].str[:10]) == {"2018-10-14"}


def test_vpr_the_nearest_line_within_half_a_second_is_flagged(tmp_path: Path) -> None:
    vpr_hour(tmp_path, "h22", [5_000_000, 5_000_501, 5_001_501], ctd_line(5_000_000, 1.5) + ctd_line(5_001_000, 2.5))
    rows, _ = read(tmp_path, "vpr")
    assert rows["ctd_pressure"].astype("object").where(rows["ctd_pressure"].notna(), None).tolist() == [
        "1.5", "2.5", None,
    ]  # fmt: skip
    assert rows["aqqua_flags"].tolist() == ["", "CTD_NEAREST", ""]


@pytest.mark.parametrize(
    ("hour", "ms", "expected"),
    [
        ("h22", 5_295_301, "2018-10-15T01:28:15.301Z"),  # UTC-3: the next day in UTC
        ("h03", 22_464_000, "2018-10-14T06:14:24.000Z"),  # the same day
        ("h02", 82_800_000, "2018-10-13T23:00:00.000Z"),  # UTC+3: the day before
        ("h23", 86_399_999, "2018-10-14T23:59:59.999Z"),
        ("h00", 0, "2018-10-14T00:00:00.000Z"),
        ("h00", 86_400_000, None),  # no time of day
    ],
)
def test_vpr_the_utc_day_is_the_one_beside_the_local_hour(
    tmp_path: Path, hour: str, ms: int, expected: str | None
) -> None:
    vpr_hour(tmp_path, hour, [ms], ctd_line(ms))
    rows, _ = read(tmp_path, "vpr")
    assert rows["time_utc"].astype("object").where(rows["time_utc"].notna(), None).tolist() == [expected]


def test_vpr_without_a_year_there_is_no_time_unless_the_form_reads_it_from_the_path(tmp_path: Path) -> None:
    vpr_hour(tmp_path, "h22", [5_295_301], ctd_line(5_295_301), above="cruise_2018/rois/vpr0/d286")
    rows, _ = read(tmp_path, "vpr")
    assert rows["time_utc"].isna().all()
    rows, _ = read(tmp_path, "vpr", names=r"cruise_(?P<year>\d{4})")
    assert rows["time_utc"].tolist() == ["2018-10-15T01:28:15.301Z"]


def test_vpr_missing_and_damaged_ctd_files_are_findings_and_the_next_hour_is_read(tmp_path: Path) -> None:
    vpr_hour(tmp_path, "h20", [1], None)
    vpr_hour(tmp_path, "h21", [1], ctd_line(1) + "rubbish\n\nctd5:1,2,3\n" + ctd_line(2)[:-9])
    vpr_hour(tmp_path, "h22", [1], ctd_line(1, 9.0))
    (tmp_path / "roi.0000000100.tif").write_bytes(b"II*\0")
    rows, found = read(tmp_path, "vpr")
    assert rows["hour"].tolist() == ["20", "21", "22"]
    assert rows["ctd_pressure"].isna().tolist() == [True, False, False]
    assert [(f.rule, f.line, f.count) for f in found] == [
        (DAY_NOTE, None, 1),
        ("vpr_ctd_missing", None, 1),
        ("vpr_ctd_cut_off", None, 1),
        ("vpr_ctd_line_unreadable", 2, 2),
        ("vpr_folder_unknown", None, 1),
    ]


def test_vpr_regions_outside_of_day_folders_are_no_vpr_delivery(tmp_path: Path) -> None:
    (tmp_path / "roi.0000000100.tif").write_bytes(b"II*\0")
    assert [f.format for f in formats_that_fit(tmp_path)] == ["table"]


_CELL = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: f"{v:.6f}")
_CTD_LINES = st.dictionaries(
    st.integers(0, 99_999_999), st.lists(_CELL, min_size=len(CTD), max_size=len(CTD)), max_size=8
)


@given(_CTD_LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_ctd_lines_come_back_as_written(lines: dict[int, list[str]], end: str) -> None:
    text = "".join(f"ctd{ms:08}:{','.join(cells)}{end}" for ms, cells in lines.items())
    found, bad = parse_ctd(text)
    assert len(bad) == 0
    assert found["ms"].tolist() == sorted(lines)
    assert found[list(CTD)].to_numpy().tolist() == [lines[ms] for ms in sorted(lines)]


@given(st.text("ctd0123456789:,.-nai \n\r\x0b\x85", max_size=120) | st.text(max_size=60))
def test_no_text_of_a_ctd_is_a_traceback_and_no_line_is_invented(text: str) -> None:
    found, bad = parse_ctd(text)
    ended = [line for line in re.split(r"\r\n|\r|\n", text)[:-1] if line.strip()]
    assert len(found) + len(bad) <= len(ended)
    assert {f"{ms}" for ms in found["ms"]} <= {str(int(m)) for m in re.findall(r"ctd([0-9]+):", text)}
    assert cut_line(text) == re.split(r"\r\n|\r|\n", text)[-1].strip()


# --- PI-10 ---


def test_pi10_tags_become_columns(tmp_path: Path) -> None:
    pi10_writer.write(tmp_path / "zooplankton" / "copepod", 2)
    rows, _ = read(tmp_path, "pi10")
    row = rows.iloc[1]
    expected = {
        "unit": "pia1", "bin": "pia1.2023-08-03.0830", "number": "00000001", "captured": "2023-08-03T08:30:01",
        "software_version": "6.0", "resolution_px_per_mm": "100", "gps_latitude": "54.5", "gps_longitude": "-7.26",
        "instrument_name": "PI-10", "folder": "zooplankton/copepod",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert "class_name" not in rows  # folders mean nothing until the contribution says so


@pytest.mark.parametrize(
    ("spoil", "kept"),
    [(lambda d: d[:6], set()), (lambda d: b"", set()), (lambda d: b"\0" * len(d), set()), (lambda d: d[:-1], None)],
    ids=["head", "empty", "zeros", "pixels"],
)
def test_pi10_damaged_images_keep_their_rows(tmp_path: Path, spoil: object, kept: set[str] | None) -> None:
    assert callable(spoil)
    pi10_writer.write(tmp_path, 2)
    path = tmp_path / "pia1.2023-08-03.0830+N00000000.tif"
    whole, _ = read(tmp_path, "pi10")
    path.write_bytes(spoil(path.read_bytes()))
    rows, found = read(tmp_path, "pi10")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == whole["aqqua_object_id"].tolist()
    assert rows.iloc[1].equals(whole.iloc[1])
    assert rows["bin"].notna().all()
    if kept is not None:
        assert rows.loc[0, ["captured", "resolution_px_per_mm", "gps_latitude"]].isna().all()


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("pia1.2023-08-03.0830+N00008616.tif", True),
        ("Pia1.2016-09-23.1010+N00146994_hc.tif", True),
        ("pia7.2023-08-03.0830+N00008616.TIFF", True),
        ("pia1.2023-08-03.0830.tif", False),
        ("pi1.2023-08-03.0830+N00008616.tif", False),
    ],
)
def test_pi10_names(tmp_path: Path, name: str, fits: bool) -> None:
    (tmp_path / name).write_bytes(b"")
    assert [f.format for f in formats_that_fit(tmp_path)] == (["pi10"] if fits else ["table"])
    assert len(read(tmp_path, "pi10")[0]) == fits


def tagged(**tags: object) -> TiffImagePlugin.TiffImageFile:
    made = TiffImagePlugin.ImageFileDirectory_v2()
    for number, value in tags.items():
        made[int(number.removeprefix("t"))] = value
    stream = io.BytesIO()
    Image.fromarray(pixels(0)).save(stream, "TIFF", tiffinfo=made)
    image = Image.open(io.BytesIO(stream.getvalue()))
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    return image


@given(
    st.datetimes(dt.datetime(1000, 1, 1)),  # noqa: DTZ001 - the ship's clock has no zone
    st.sampled_from([2, 3]), st.integers(1, 5_000),
    st.tuples(st.integers(0, 89), st.integers(0, 59), st.integers(0, 59)), st.booleans(),
)  # fmt: skip
def test_pi10_tags_come_back_as_written(
    when: dt.datetime, unit: int, resolution: int, place: tuple[int, int, int], south: bool
) -> None:
    gps = {1: "S" if south else "N", 2: place, 3: "W" if south else "E", 4: place}
    found = read_tags(tagged(t306=f"{when:%Y:%m:%d %H:%M:%S}", t282=float(resolution), t296=unit, t34853=gps))
    assert found["captured"] == when.replace(microsecond=0).isoformat()
    assert float(found["resolution_px_per_mm"] or "nan") == pytest.approx(
        resolution / (25.4 if unit == 2 else 10), rel=1e-5
    )
    degrees = (place[0] + place[1] / 60 + place[2] / 3600) * (-1 if south else 1)
    for axis in ("latitude", "longitude"):
        assert float(found[f"gps_{axis}"] or "nan") == pytest.approx(degrees, abs=1e-5)


@given(st.text(string.printable, max_size=25), st.floats(allow_nan=True, width=32), st.integers(0, 9))
def test_pi10_no_tag_is_a_traceback(when: str, resolution: float, unit: int) -> None:
    image = tagged(t306="x", t296=3)
    image.tag_v2[306], image.tag_v2[282], image.tag_v2[296] = when or "x", resolution, unit
    found = read_tags(image)
    assert found["resolution_px_per_mm"] is None or float(found["resolution_px_per_mm"]) == float(
        found["resolution_px_per_mm"]
    )
    assert found["captured"] is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", found["captured"])


# --- LOKI ---


def test_loki_pictures_take_the_last_record_before_them_and_the_hauls_log(tmp_path: Path) -> None:
    loki_writer.write(tmp_path, 250)
    rows, found = read(tmp_path, "loki")
    assert found == []
    assert rows["tmd_pressure"].tolist() == ["1000,5"] * 100 + ["1001,5"] * 100 + ["1002,5"] * 50
    assert rows["tmd_picture_number"].tolist() == ["0"] * 100 + ["100"] * 100 + ["200"] * 50
    assert rows["frame"].tolist() == [f"{n:06}" for n in range(250)]
    row = rows.iloc[101]
    expected = {
        "time_utc": "2020-01-08T08:07:39.100Z", "haul": "PS122_haul1", "log_cruise": "PS122", "log_ship": "Polarstern",
        "log_latitude": "86,25", "tmd_latitude": "86,25", "tmd_longitude": "114,51", "tmd_77": "8,8", "roi_x": "0702",
        "instrument_name": "LOKI",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_loki_telemetry_older_than_a_minute_or_of_another_haul_is_not_taken(tmp_path: Path) -> None:
    loki_writer.write(tmp_path, 1)
    other = tmp_path / "haul2" / "Pictures"
    other.mkdir(parents=True)
    (other / "20200108 080730  000  000001 0702 1167.png").write_bytes(picture(0))
    first = tmp_path / loki_writer.HAUL / "Pictures"
    (first / "20200108 080830  000  000001 0702 1167.png").write_bytes(picture(0))
    rows, found = read(tmp_path, "loki")
    assert rows["haul"].tolist() == ["PS122_haul1", "PS122_haul1", "haul2"]
    assert rows["tmd_pressure"].isna().tolist() == [False, True, True]
    assert [(f.rule, f.file) for f in found] == [("loki_telemetry_missing", "haul2/")]


def test_loki_broken_files_are_findings_and_the_rest_is_read(tmp_path: Path) -> None:
    loki_writer.write(tmp_path, 2)
    haul = tmp_path / loki_writer.HAUL
    (haul / "Telemetrie" / "20200108 080731.tmd").write_bytes(b"\0rubbish")
    (haul / "Telemetrie" / "20201399 080731.tmd").write_text("10;5,5\n")
    (haul / "Log" / "LOKI_20200108.log").write_bytes(b"")
    (tmp_path / "20200108 080729  000  000000 0702 1167.png").write_bytes(picture(0))
    rows, found = read(tmp_path, "loki")
    assert len(rows) == 2
    assert rows["tmd_pressure"].notna().all()
    assert rows["log_ship"].isna().all()
    assert [(f.rule, f.count) for f in found] == [
        ("loki_haul_unknown", 1), ("loki_file_cut_off", 1), ("loki_telemetry_unreadable", 2),
    ]  # fmt: skip


def test_loki_a_dat_record_is_read_as_a_tmd_one_is(tmp_path: Path) -> None:
    loki_writer.write(tmp_path, 1)
    [record] = (tmp_path / loki_writer.HAUL / "Telemetrie").iterdir()
    cells = [str(i) for i in range(1, 31)]
    record.with_suffix(".dat").write_text("\t".join(cells) + "\n" + "\t".join("0" * 30) + "\n")
    record.unlink()
    rows, found = read(tmp_path, "loki")
    assert found == []
    assert {name: rows[f"tmd_{name}"].iloc[0] for name in DAT.values()} == {n: str(i) for i, n in DAT.items()}


def test_loki_the_names_of_the_real_haul_are_understood(tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "20200108 080729  764  000001 0702 1167.png").write_bytes(picture(0))
    rows, _ = read(tmp_path, "loki")
    assert rows["time_utc"].tolist() == ["2020-01-08T08:07:29.764Z"]
    assert rows[["frame", "roi_x", "roi_y"]].iloc[0].tolist() == ["000001", "0702", "1167"]


_VALUE = st.text(string.ascii_letters + string.digits + ",.-_ ", min_size=1, max_size=12).filter(str.strip)


@pytest.mark.parametrize("names", [TMD, LOG], ids=["tmd", "log"])
@given(entries=st.dictionaries(st.integers(0, 999), _VALUE, max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_loki_lines_come_back_as_written(names: dict[int, str], entries: dict[int, str], end: str) -> None:
    found = parse_lines("".join(f"{i};{v}{end}" for i, v in entries.items()), names)
    assert found == {names.get(i, str(i)): v.strip() for i, v in entries.items()}


@given(st.text(max_size=80) | st.text("0123456789;,\t\n\r²٣", max_size=80))
def test_loki_no_text_is_a_traceback_and_no_entry_is_invented(text: str) -> None:
    for names in (TMD, LOG):
        found = parse_lines(text, names)
        assert all(v and v == v.strip() and f";{v}" in re.sub(r";\s+", ";", text) for v in found.values())
    assert set(parse_dat(text)) <= set(DAT.values())


@given(st.lists(st.text(string.digits + ",.-", max_size=6), max_size=40))
def test_loki_cells_of_a_dat_come_back_as_written(cells: list[str]) -> None:
    found = parse_dat("\t".join(cells) + "\nsecond\tline\n")
    assert found == {DAT[i]: cell for i, cell in enumerate(cells, start=1) if i in DAT and cell}


# --- SPC, DSPC, Planktivore ---

VEHICLE = "LRAH13_20240430T123018.838913Z_PTVR02HM_283109_3_1202_264_0_272_164_0"


def test_spc_settings_and_labels_are_joined(tmp_path: Path) -> None:
    spc_writer.write(tmp_path, 4)
    rows, found = read(tmp_path, "spc")
    assert found == []
    assert set(rows["settings_pixel_size"]) == {"0.62"}
    assert set(rows["settings_bayer_pattern"]) == {"BG"}
    assert rows["class_name"].isna().tolist() == [False, True, False, True]
    assert rows["aqqua_variant"].isna().all()
    assert rows[["camera", "magnification", "instrument_name", "roi"]].iloc[0].tolist() == [
        "high_mag_cam", "high_mag", "Planktivore", "002",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "camera", "magnification", "model", "time"),
    [
        (f"{VEHICLE}.jpg", "PTVR02HM", "HM", "Planktivore", "2024-04-30T12:30:18.838913Z"),
        (f"{VEHICLE}_rawcolor.png", "PTVR02HM", "HM", "Planktivore", "2024-04-30T12:30:18.838913Z"),
        ("low_mag_cam-1713221040057971-92665779216-379-021-1178-1882-36-36_rawcolor.png",
         "low_mag_cam", "low_mag", "Planktivore", "2024-04-15T22:44:00.057971Z"),
        ("SPC2-1500000000000000-1-2.tif", "SPC2", None, "SPC", "2017-07-14T02:40:00.000000Z"),
        ("spc2-1500000000000000-1-2.tif", "spc2", None, "SPC", "2017-07-14T02:40:00.000000Z"),
        ("SPCP2-1500000000000000-1-2.tif", "SPCP2", None, "SPCP", "2017-07-14T02:40:00.000000Z"),
        ("SPC2-1400000000-1-2.tif", "SPC2", None, "SPC", "2014-05-13T16:53:20.000000Z"),
        ("PCAM-99999-1-2.tif", "PCAM", None, None, None),  # the recording software's mistake
        ("SPC2-100000-1-2.tif", "SPC2", None, "SPC", "1970-01-02T03:46:40.000000Z"),
        ("SPC2-1498093399999999-1.tif", "SPC2", None, "SPC", None),  # neither seconds nor yet microseconds
        ("SPC2-1498093400000000-1.tif", "SPC2", None, "SPC", "2017-06-22T01:03:20.000000Z"),
        ("SPC2-999999999999999999999-1.tif", "SPC2", None, "SPC", None),
        ("SPC-BIG-1500000000000000-1.tif", "SPC-BIG", None, None, "2017-07-14T02:40:00.000000Z"),
        ("SPC-0.5x-1500000000000000-1.tif", "SPC-0.5x", "0.5x", "DSPC", "2017-07-14T02:40:00.000000Z"),
        ("DSPC-5x-1500000000000000-1.tif", "DSPC-5x", "5x", "DSPC", "2017-07-14T02:40:00.000000Z"),
    ],
)  # fmt: skip
def test_spc_names(
    tmp_path: Path, name: str, camera: str, magnification: str | None, model: str | None, time: str | None
) -> None:
    (tmp_path / name).write_bytes(b"")
    assert [f.format for f in formats_that_fit(tmp_path)] == ["spc"]
    row = read(tmp_path, "spc")[0].iloc[0]
    cells = row[["camera", "magnification", "instrument_name", "time_utc"]]
    assert [None if pd.isna(c) else c for c in cells] == [camera, magnification, model, time]


def test_spc_both_forms_of_a_region_are_one_object_and_masks_are_left_out(tmp_path: Path) -> None:
    stem = spc_writer.name(0).removesuffix("_rawcolor.png")
    alone = spc_writer.name(1)
    for name in (f"{stem}.jpeg", f"{stem}_rawcolor.png", f"{stem}_binary.png", alone, "thumbnail.png"):
        (tmp_path / name).write_bytes(picture(0))
    rows, found = read(tmp_path, "spc")
    told = rows[["aqqua_image_file", "aqqua_object_id", "aqqua_variant", "aqqua_rank"]].astype("object")
    assert told.where(told.notna(), None).to_numpy().tolist() == [
        [f"{stem}.jpeg", stem, "processed", 1],
        [f"{stem}_rawcolor.png", stem, "raw", 0],
        [alone, alone.removesuffix("_rawcolor.png"), None, None],
    ]
    assert [(f.rule, f.severity, f.count, f.file) for f in found] == [
        ("spc_mask", "note", 1, f"{stem}_binary.png"),
        ("spc_not_a_region", "note", 1, "thumbnail.png"),
    ]


def test_spc_settings_are_the_nearest_above_and_broken_ones_are_named(tmp_path: Path) -> None:
    for place in ("a/b", "c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "SPC2-1500000000000000-1.tif").write_bytes(b"")
    (tmp_path / "settings.xml").write_text("<root><PixelSize>7.38</PixelSize></root>")
    (tmp_path / "c" / "settings.xml").write_text("<root><PixelSize>")
    rows, found = read(tmp_path, "spc")
    assert rows["settings_pixel_size"].isna().tolist() == [False, True]
    assert rows["settings_pixel_size"].iloc[0] == "7.38"
    assert [(f.rule, f.file) for f in found] == [("spc_settings_unreadable", "c/settings.xml")]


def test_spc_contradicting_and_unreadable_labels_are_findings(tmp_path: Path) -> None:
    spc_writer.write(tmp_path, 2)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "labels.csv").write_text(
        f"image_path,label\n{spc_writer.name(0)},Copepod\n{spc_writer.name(1)},A\n"
    )
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "labels.csv").write_text("something,else\n1,2\n")
    rows, found = read(tmp_path, "spc")
    assert rows["class_name"].isna().tolist() == [True, False]
    assert [(f.rule, f.count) for f in found] == [("mapped_column_missing", 1), ("label_contradicts", 1)]


@pytest.mark.parametrize(
    ("last", "kept", "said"),
    [("{},Cop\n", True, []), ("{},Cop", False, ["table_cut_off"]), ("{},Cop,0", True, []), ("{},Cop,", True, [])],
)
def test_spc_a_label_the_table_may_be_cut_off_in_is_not_taken(
    tmp_path: Path, last: str, kept: bool, said: list[str]
) -> None:
    name = spc_writer.name(0)
    (tmp_path / name).write_bytes(picture(0))
    (tmp_path / "labels.csv").write_text("image_path,label,x\n" + last.format(name))
    rows, found = read(tmp_path, "spc")
    assert rows["class_name"].notna().tolist() == [kept]
    assert rules(found) == said


def test_loki_a_value_a_file_ends_in_is_left_out_and_named(tmp_path: Path) -> None:
    loki_writer.write(tmp_path, 1)
    [record] = (tmp_path / loki_writer.HAUL / "Telemetrie").iterdir()
    record.write_text("5;114,5\n10;100")
    rows, found = read(tmp_path, "loki")
    assert rows["tmd_longitude"].tolist() == ["114,5"]
    assert rows["tmd_pressure"].isna().all()
    assert [(f.rule, f.count) for f in found] == [("loki_file_cut_off", 1)]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"<a", b'<?xml version="1.0" encoding="klingon"?><root/>', b"<!DOCTYPE a><root/>",
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><root><k>&b;</k></root>'.encode("utf-16"),
        b"<root>&b;</root>",
    ],
)  # fmt: skip
def test_spc_settings_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_settings(data)


@given(st.dictionaries(st.from_regex(r"[A-Z][a-z]{1,6}([A-Z][a-z]{1,4})?", fullmatch=True), _VALUE, max_size=6))
def test_spc_settings_come_back_as_written(entries: dict[str, str]) -> None:
    assume(len({column_name(key) for key in entries}) == len(entries))
    text = "".join(f"<{key}>{value}</{key}>" for key, value in entries.items())
    assert parse_settings(f"<root>{text}</root>".encode()) == {column_name(k): v.strip() for k, v in entries.items()}


@given(st.binary(max_size=60) | st.text("<>/!&;?xmlroot=\"' ", max_size=60).map(str.encode))
def test_spc_no_settings_bytes_are_a_traceback_but_the_named_one(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_settings(data), dict)


@given(
    st.sampled_from(["high_mag_cam", "cam2"]), st.integers(1_498_093_400_000_000, 4_000_000_000_000_000),
    st.lists(st.integers(0, 9_999), min_size=7, max_size=7),
)  # fmt: skip
def test_spc_names_come_back_as_written(camera: str, epoch: int, numbers: list[int]) -> None:
    row = parse_names(pd.Series([f"{camera}-{epoch}-{'-'.join(map(str, numbers))}_rawcolor.png"], dtype="str")).iloc[0]
    fields = ["tick", "frame", "roi", "roi_x", "roi_y", "roi_width", "roi_height"]
    assert row[["camera", *fields]].tolist() == [camera, *map(str, numbers)]
    when = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=epoch)
    assert row["time_utc"] == f"{when:%Y-%m-%dT%H:%M:%S.%f}Z"


@settings(max_examples=50)
@given(
    st.lists(st.text(max_size=40) | st.from_regex(r"(SPC2|cam)-\d{1,25}(-\d+){0,7}\.tif", fullmatch=True), max_size=4)
)
def test_spc_no_names_are_a_traceback(names: list[str]) -> None:
    rows = parse_names(pd.Series(names, dtype="str"))
    assert len(rows) == len(names)


# --- real files ---


@pytest.mark.realdata
def test_real_vpr_regions_join_their_ctd(real_data: Path) -> None:
    folder = real_data / "vpr"
    rows, found = read(folder, "vpr")
    images = sorted(folder.rglob("*.tif"))
    assert len(rows) == len(images) == 120
    assert rules(found) == [DAY_NOTE]
    assert set(rows["aqqua_flags"]) == {""}
    [ctd] = folder.rglob("*ctd.dat")
    lines = ctd.read_bytes().split(b"\n")[:-1]
    assert len(lines) == 22_913
    told = dict(line.decode().removeprefix("ctd").split(":") for line in lines)
    expected = [told[image.name[4:12]].split(",") for image in images]
    assert rows[[f"ctd_{name}" for name in CTD]].to_numpy().tolist() == expected
    # 22 h local, 1.47 to 2.00 h UTC: three hours behind, and the next day in UTC.
    assert set(rows["hour"]) == {"22"}
    hours = [int(ms) / 3_600_000 for ms in told]
    assert (round(min(hours), 2), round(max(hours), 2)) == (1.47, 2.0)
    assert set(rows["time_utc"].str[:10]) == {"2018-10-15"}


@pytest.mark.realdata
def test_real_pi10_images_give_their_tags(real_data: Path) -> None:
    folder = real_data / "plankton_imager"
    rows, found = read(folder, "pi10")
    images = sorted(folder.rglob("*.tif"))
    assert (len(rows), found) == (len(images), []) == (9, [])
    for row, image in zip(rows.itertuples(), images, strict=True):
        with tifffile.TiffFile(image) as opened:
            tags = {tag.code: tag.value for tag in opened.pages[0].tags}
        assert row.captured == tags[306].replace(":", "-", 2).replace(" ", "T")
        assert (tags[282], tags[296]) == ((1000, 1), 3)
        assert row.resolution_px_per_mm == "100"
        assert row.bin == image.name.partition("+")[0]
        assert (row.gps_latitude, row.gps_longitude) == ("0", "0")  # the harmoniser refuses them
        assert row.aqqua_path == str(image.relative_to(folder))
    spot = rows.set_index("number").loc["00008616"]
    assert spot["captured"] == "2023-08-03T08:38:37"


@pytest.mark.realdata
def test_real_planktivore_regions_have_their_labels_and_the_isiis_frame_is_none(real_data: Path) -> None:
    folder = real_data / "planktivore"
    rows, found = read(folder, "spc")
    with (folder / "mbari_aidata/planktivore/labels.csv").open(newline="") as stream:
        labels = {Path(line["image_path"]).name: line for line in csv.DictReader(stream)}
    assert len(rows) == len(labels) == 3
    for row in rows.itertuples():
        line = labels[row.aqqua_image_file]
        assert row.class_name == line["label"]
        assert (row.roi_width, row.roi_height) == (line["image_width"], line["image_height"])
        with Image.open(folder / row.aqqua_path) as image:
            assert image.size == (int(row.roi_width), int(row.roi_height))
    assert rows["time_utc"].str[:19].tolist() == ["2024-04-30T12:30:18", "2024-04-30T13:54:36", "2024-05-09T02:43:29"]
    assert [(f.rule, f.count) for f in found] == [("spc_not_a_region", 1)]
    assert "CFE_ISIIS" in found[0].file


@pytest.mark.realdata
def test_the_real_settings_are_read_and_a_raw_region_named_so_takes_them(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "spc" / "spcconvert"
    text = (folder / "settings.xml").read_text()
    told = re.findall(r"<(\w+)>([^<\s]+)</\1>", text)
    assert parse_settings(text.encode()) == {column_name(k): v for k, v in told}
    assert len(told) == 10
    rows, found = read(folder, "spc")  # the test image of SPCConvert isn't named as a camera names it
    assert (len(rows), rules(found)) == (0, ["spc_not_a_region"])
    (tmp_path / "tests").mkdir()
    shutil.copy(folder / "settings.xml", tmp_path)
    shutil.copy(folder / "tests/input/case_1_blob.tif", tmp_path / "tests" / "SPCP2-1498093400000001-1-1.tif")
    rows, _ = read(tmp_path, "spc")
    assert rows[["settings_pixel_size", "settings_bayer_pattern"]].iloc[0].tolist() == ["0.62", "BG"]
