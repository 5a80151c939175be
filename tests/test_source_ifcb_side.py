"""What lies beside IFCB bins: side tables, black lists, beads, the header's GPS and dialects, exported pictures."""

import csv
import datetime as dt
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reading import formats_that_fit, read, rules
from writers import ifcb as writer
from writers.pictures import picture, pixels

from aqqua_dataset.demo.ifcb import Line, write_ifcb_bin
from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import ifcb_header, ifcb_side
from aqqua_dataset.sources.entries import column_name
from aqqua_dataset.transfer.delivery import Delivery

BIN, SECOND = writer.stem(0), writer.stem(1)
DAY = BIN[:9]
SIDE = ["side_latitude", "side_longitude", "side_depth", "sample_type", "cruise"]


def write_bin(folder: Path, stem: str = BIN, hdr: Mapping[str, str] | None = None, regions: int = 1) -> None:
    lines = [Line(n + 1, 10, 10, pixels(n)) for n in range(regions)]
    write_ifcb_bin(folder, stem, lines, "old" if stem.startswith("IFCB") else "new", hdr)


def values(rows: pd.DataFrame, columns: list[str]) -> list[list[str | None]]:
    return rows[columns].astype("object").where(rows[columns].notna(), None).to_numpy().tolist()


def side_tables(folder: Path) -> tuple[ifcb_side.SideTables, list[Finding]]:
    found: list[Finding] = []
    with Delivery(str(folder)) as delivery:
        return ifcb_side.SideTables(delivery, found.append), found


def test_the_writers_delivery_is_an_ifcb_one_and_every_region_a_row(tmp_path: Path) -> None:
    writer.write(tmp_path, writer.PER_BIN + 2)
    assert [fit.format for fit in formats_that_fit(tmp_path)] == ["ifcb"]
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    assert rows["bin"].value_counts().to_dict() == {BIN: writer.PER_BIN, SECOND: 2}
    assert rows["aqqua_object_id"].is_unique
    assert set(rows["instrument_name"]) == {"IFCB"}
    assert values(rows.iloc[[0, -1]], SIDE) == [
        ["58.00", "11.00", "5", "underway", "SE-2023-0"],
        ["58.01", "11.01", "5", "underway", "SE-2023-0"],
    ]
    assert rows["aqqua_reason"].isna().all()


@pytest.mark.parametrize(
    ("name", "table", "expected"),
    [
        ("metadata.csv", f"filename,Latitude,Longitude,Depth,sample_type,Cruise,tag1\n{BIN},58.1,-11,3,cast,AR82,x\n",
         ["58.1", "-11", "3", "cast", "AR82"]),
        ("metadata.csv", f"filename;Latitude;Longitude\r\n{BIN}.adc;58.1;11\r\n", ["58.1", "11", None, None, None]),
        ("depth.csv", f"depth,sample\n13,{BIN}\n7,{SECOND}\n", [None, None, "13", None, None]),
        ("places.tsv", f"sample\tlatitude\tlongitude\tdepth\n{BIN}\t0\t-9999999\t\n", ["0", "-9999999"] + [None] * 3),
        ("places.txt", f"sample_id,bin,lat,lon\nS1,https://ifcb.example.org/ds/{BIN}.html,1,2\n",
         ["1", "2", None, None, None]),
        ("cruise.csv", f"sample,Cruise\n{DAY},AR82\n", [None] * 5),  # only black lists speak of whole days
        ("other.csv", f"sample,temperature\n{BIN},5\n", [None] * 5),
        ("ctd.csv", "sample,depth\nStation 1,5\n", [None] * 5),
        ("other.csv", f"bin,depth,depth\n{BIN},5,6\n", [None] * 5),
    ],
)  # fmt: skip
def test_side_tables_are_known_by_their_header(
    tmp_path: Path, name: str, table: str, expected: list[str | None]
) -> None:
    write_bin(tmp_path / "D2023" / DAY)
    (tmp_path / "side").mkdir()
    (tmp_path / "side" / name).write_bytes(table.encode())
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    assert values(rows, SIDE) == [expected]


def test_lines_that_contradict_each_other_join_nothing(tmp_path: Path) -> None:
    for stem in (BIN, SECOND):
        write_bin(tmp_path, stem)
    (tmp_path / "a.csv").write_text(f"depth,sample\n5,{BIN}\n5,{SECOND}\n5,{BIN}\n")
    (tmp_path / "b.csv").write_text(f"filename,Latitude,Depth\n{BIN},1,6\n{SECOND},2,5.0\n")
    rows, found = read(tmp_path, "ifcb")
    assert values(rows, SIDE[:3]) == [[None] * 3, ["2", None, "5.0"]]
    assert [(f.rule, f.severity, f.value, f.count) for f in found] == [("ifcb_side_contradicts", "warning", BIN, 1)]


BLACK = [
    (f"{BIN}\tBubbles", "Bubbles"),
    (f"{DAY}\tLab-test", "Lab-test"),
    (f"{DAY[:8]}\tBad", "Bad"),  # D2023050 stands for ten days
    (f"{DAY}T00\tBad", "Bad"),
    (f"{BIN}\t", "no reason told"),
    (f"{DAY}\tLab-test\n{BIN}\tBubbles\n{BIN}\tBad", "Bubbles"),  # the longest counts, then the first
    ("D20230502\tLab-test", None),
    ("IFCB5_2023\tBad", None),
]


@pytest.mark.parametrize(("lines", "reason"), BLACK)
def test_bins_on_a_black_list_go_on_with_its_reason(tmp_path: Path, lines: str, reason: str | None) -> None:
    write_bin(tmp_path, regions=2)
    (tmp_path / "depth.csv").write_text(f"depth,sample\n13,{BIN}\n")
    (tmp_path / "blacklist.tsv").write_text(f"sample\treason\n{lines}\n")
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    told = ["bin_blacklisted", "blacklist_reason", reason, reason] if reason else [None] * 4
    assert values(rows, ["aqqua_reason", "aqqua_column", "aqqua_value", "blacklist_reason"]) == [told] * 2
    assert rows["side_depth"].tolist() == ["13", "13"]


def test_the_line_a_table_ends_in_is_left_out(tmp_path: Path) -> None:
    for stem in (BIN, SECOND):
        write_bin(tmp_path, stem)
    (tmp_path / "metadata.csv").write_text(f"filename,Latitude,Longitude\n{SECOND},1,2\n{BIN},58.1")
    rows, found = read(tmp_path, "ifcb")
    assert values(rows, SIDE[:2]) == [[None, None], ["1", "2"]]
    assert [(f.rule, f.file, f.line) for f in found] == [("ifcb_side_line_cut", "metadata.csv", 3)]


def test_lines_that_name_no_bin_are_told(tmp_path: Path) -> None:
    write_bin(tmp_path)
    (tmp_path / "blacklist.tsv").write_text("sample\treason\nharbour of March\tBad\nD202\tBad\n\t\n")
    rows, found = read(tmp_path, "ifcb")
    assert rows["aqqua_reason"].isna().all()
    assert [(f.rule, f.file, f.value, f.count) for f in found] == [
        ("ifcb_side_line_unknown", "blacklist.tsv", "harbour of March", 2)
    ]


@pytest.mark.parametrize(
    ("sample_type", "hdr", "column"),
    [
        ("beads_test", {}, "sample_type"),
        ("Beads", {}, "sample_type"),
        ("", {"sampleType": "beads"}, "hdr_sample_type"),
        ("underway", {"runType": "BEADS\t"}, "hdr_run_type"),
        ("underway", {"runBeads": "True", "BeadsSampleVolume": "2.5"}, None),  # settings, not this sample
    ],
)
def test_beads_are_no_plankton(tmp_path: Path, sample_type: str, hdr: Mapping[str, str], column: str | None) -> None:
    write_bin(tmp_path, hdr=hdr)
    (tmp_path / "metadata.csv").write_text(f"filename,sample_type\n{BIN},{sample_type}\n")
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    told = ["calibration_beads", column] if column else [None, None]
    assert values(rows, ["aqqua_reason", "aqqua_column"]) == [told]


def test_a_damaged_side_table_is_a_finding_and_the_bins_are_read(tmp_path: Path) -> None:
    write_bin(tmp_path)
    table = "filename,Latitude\n" + "".join(f"{writer.stem(n)},{n}\n" for n in range(2000))
    stream = io.BytesIO()
    with ZipFile(stream, "w", 8) as made:
        made.writestr("side.csv", table)
    data = bytearray(stream.getvalue())
    data[2000:2200] = b"\xff" * 200
    (tmp_path / "side.zip").write_bytes(data)
    (tmp_path / "noise.csv").write_bytes(b"\xff\x00\xfe,\n\0\0")
    (tmp_path / "noise.xlsx").write_bytes(b"PK no workbook")
    rows, found = read(tmp_path, "ifcb")
    assert len(rows) == 1
    assert set(rules(found)) <= {"ifcb_side_unreadable"}


GPS = {"gpsLatitude": "58.1234", "gpsLongitude": "11.5", "ifcbTimeAtFix": "x"}
NEAR = [
    "May/01/2023 00:59:59", "Apr/30/2023 23:00:01.250 UTC", "May/1/2023 1:00:00 UTC", "2023-05-01T00:10:00Z",
    "2023-05-01 00:10:00",
]  # fmt: skip
FAR = ["Jul/17/2022 06:41:03 UTC", "May/01/2023 01:00:01", "2023-04-30T22:59:59Z", "yesterday"]


@pytest.mark.parametrize("fix", NEAR)
def test_a_fix_of_the_bins_hour_is_its_position(tmp_path: Path, fix: str) -> None:
    write_bin(tmp_path, hdr=GPS | {"gpsTimeFromFix": fix})
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    assert values(rows, ["gps_latitude", "gps_longitude", "gps_stale_fix"]) == [["58.1234", "11.5", None]]
    assert rows["hdr_gps_time_from_fix"].tolist() == [fix]


@pytest.mark.parametrize("fix", [*FAR, None])
def test_an_old_fix_is_no_position_and_one_finding_for_all_bins(tmp_path: Path, fix: str | None) -> None:
    times = {} if fix is None else {"gpsTimeFromFix": fix}
    write_bin(tmp_path, hdr=GPS | times)
    write_bin(tmp_path, SECOND, hdr=GPS | {"gpsTimeFromFix": "Jul/17/2022 06:41:03"}, regions=2)
    rows, found = read(tmp_path, "ifcb")
    assert rows[["gps_latitude", "gps_longitude"]].isna().all(axis=None)
    assert rows["gps_stale_fix"].tolist() == [fix or "no time of the fix"] + ["Jul/17/2022 06:41:03"] * 2
    assert rows["aqqua_flags"].tolist() == ["IFCB_GPS_STALE"] * 3
    assert [(f.rule, f.severity, f.file, f.count) for f in found] == [("ifcb_gps_stale", "warning", f"{BIN}.hdr", 2)]


def test_placeholders_of_a_fresh_fix_stay_as_they_are(tmp_path: Path) -> None:
    hdr = {"gpsLatitude": "0", "gpsLongitude": "-9999999", "gpsTimeFromFix": NEAR[0]}
    write_bin(tmp_path, hdr=hdr)
    assert values(read(tmp_path, "ifcb")[0], ["gps_latitude", "gps_longitude"]) == [["0", "-9999999"]]


@given(shift=st.integers(-7_200, 7_200), style=st.sampled_from(["%b/%d/%Y %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%SZ"]))
def test_the_fix_counts_within_an_hour_on_both_sides(shift: int, style: str) -> None:
    time = dt.datetime(2023, 5, 1, 0, 0, 30, tzinfo=dt.UTC)
    header = {
        "gps_latitude": "1",
        "gps_longitude": "2",
        "gps_time_from_fix": f"{time + dt.timedelta(0, shift):{style}}",
    }
    found = ifcb_side.gps(header, f"{time:%Y-%m-%dT%H:%M:%SZ}")
    assert ("gps_latitude" in found) == (abs(shift) <= 3600)


ALT = (
    "Imaging FlowCytobot Acquisition Software version 2.0; May 2010\r\nSample Date 6/8/2010 3:04:05\r\n"
    "run time = 1199.5 s   inhibit time = 12.25 s\r\n25.1 temperature,\t45.5 humidity\r\n"
)


def test_the_dialect_with_sample_date_lines(tmp_path: Path) -> None:
    found = ifcb_header.new_entries(ALT)
    expected = {"run_time": "1199.5", "inhibit_time": "12.25", "temperature": "25.1", "humidity": "45.5"}
    assert {name: found[name] for name in expected} == expected
    write_bin(tmp_path)
    (tmp_path / f"{BIN}.hdr").write_text(ALT, newline="")
    rows, _ = read(tmp_path, "ifcb")
    assert values(rows, ["hdr_run_time", "hdr_humidity"]) == [["1199.5", "45.5"]]


WORDS = st.text("abcdefgXYZ", min_size=1, max_size=12)


@given(entries=st.dictionaries(WORDS, st.text("abc 12.,:=-/", min_size=1).map(str.strip).filter(bool)))
def test_entries_come_back_as_they_were_written(entries: dict[str, str]) -> None:
    entries = {k: v for k, v in entries.items() if v.lstrip(":= ") == v}
    expected = {column_name(key): value for key, value in entries.items()}
    for separator in (": ", ":", " : "):
        text = "\t\r\n".join(f"{key}{separator}{value}" for key, value in entries.items())
        assert ifcb_header.new_entries(text) == expected


@given(numbers=st.lists(st.floats(-1e3, 1e6).map(str), min_size=6, max_size=6), blank=st.sampled_from(["", "\n\n"]))
def test_old_values_come_back_as_they_were_written(numbers: list[str], blank: str) -> None:
    text = '"A person"\n"Temp Humidity"\n' + ",".join(f'" {n}"' for n in numbers) + blank
    assert ifcb_header.old_entries(text) == dict(zip(ifcb_header.OLD, numbers, strict=True))


@given(text=st.text(max_size=300) | st.text(" =:as1.\n\t", max_size=300))
def test_any_text_is_no_traceback_and_no_more_entries_than_it_can_hold(text: str) -> None:
    assert len(ifcb_header.old_entries(text)) in (0, 6)
    found = ifcb_header.new_entries(text)
    assert len(found) <= text.count("\n") + text.count("\r") + 1 + text.count("=") + 2 * text.count("ty")
    assert all(name and value for name, value in found.items())


def test_long_lines_cost_no_more_than_short_ones() -> None:
    for piece in (" ", "a", "1", "a ", "=", "1 "):
        assert len(ifcb_header.new_entries(piece * 300_000 + "=" + piece * 300_000)) <= 1


def pictures(folder: Path, *numbers: int, stem: str = BIN) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"{stem}_{number:05d}.png").write_bytes(picture(number))


def test_exported_pictures_are_processed_forms_of_their_regions(tmp_path: Path) -> None:
    write_bin(tmp_path / "D2023" / DAY, regions=3)
    pictures(tmp_path / "png" / BIN, 1, 3, 9)  # there is no ninth region
    pictures(tmp_path / "png" / "copies", 3)
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"{BIN}_{n:05d}" for n in (1, 2, 3, 1, 3)]
    assert values(rows, ["aqqua_variant"]) == [["raw"], [None], ["raw"], ["processed"], ["processed"]]
    assert rows["aqqua_path"].tolist()[3:] == [f"png/{BIN}/{BIN}_{n:05d}.png" for n in (1, 3)]
    assert rows["aqqua_image_file"].tolist()[3:] == [f"{BIN}_{n:05d}.png" for n in (1, 3)]
    assert rows["aqqua_rank"].isna().tolist() == [False] * 3 + [True] * 2
    assert rows[["aqqua_offset", "aqqua_width", "aqqua_height"]].isna().all(axis=1).tolist() == [False] * 3 + [True] * 2
    assert rows["trigger"].tolist() == ["1", "2", "3", "1", "3"]


def test_pictures_stand_for_regions_without_a_roi_file(tmp_path: Path) -> None:
    write_bin(tmp_path, regions=3)
    (tmp_path / f"{BIN}.roi").unlink()
    pictures(tmp_path / "Mesodinium_rubrum", 3)
    pictures(tmp_path / "Ciliophora", 1)
    rows, found = read(tmp_path, "ifcb")
    assert rules(found) == ["ifcb_roi_file_missing"]
    assert rows["aqqua_object_id"].tolist() == [f"{BIN}_{n:05d}" for n in (1, 2, 3)]
    assert rows["aqqua_path"].tolist() == [
        f"Ciliophora/{BIN}_00001.png", f"{BIN}.roi", f"Mesodinium_rubrum/{BIN}_00003.png"
    ]  # fmt: skip
    assert rows["aqqua_variant"].isna().all()
    assert rows["aqqua_rank"].tolist() == [0, 0, 0]


def test_pictures_without_their_bin_are_no_rows(tmp_path: Path) -> None:
    write_bin(tmp_path)
    pictures(tmp_path / "png", 1, 2, stem=SECOND)
    assert read(tmp_path, "ifcb")[0]["bin"].tolist() == [BIN]


# In the copy at hand, text that is no pixels was put into the .roi behind its third region (17 bytes too many).
_FOREIGN_BYTES = 39_760


@pytest.mark.realdata
def test_real_pictures_are_stretched_forms_of_their_regions(real_data: Path) -> None:
    folder = real_data / "ifcb" / "classipyr"
    rows, _ = read(folder, "ifcb")
    assert rows["aqqua_variant"].tolist() == ["raw"] * 7 + ["processed"] * 7
    assert rows["aqqua_object_id"].tolist()[:7] == rows["aqqua_object_id"].tolist()[7:]
    raw, processed = rows.iloc[:7], rows.iloc[7:].set_index("aqqua_object_id")
    for row in raw.itertuples():
        size = int(row.aqqua_width) * int(row.aqqua_height)
        data = (folder / row.aqqua_path).read_bytes()[row.aqqua_offset : row.aqqua_offset + size]
        region = np.frombuffer(data, np.uint8).reshape(row.aqqua_height, row.aqqua_width)
        with Image.open(folder / processed.loc[row.aqqua_object_id, "aqqua_path"]) as opened:
            shown = np.asarray(opened)
        assert shown.shape == region.shape
        if row.aqqua_offset >= _FOREIGN_BYTES:
            continue
        assert not np.array_equal(shown, region)
        by_grey = pd.DataFrame({"raw": region.ravel(), "shown": shown.ravel()}).groupby("raw")["shown"]
        assert (by_grey.min() == by_grey.max()).all()  # one grey becomes one grey, brighter ones brighter ones
        assert by_grey.first().is_monotonic_increasing


SWEDEN = "ifcb/nodc_sweden"


@pytest.mark.realdata
def test_the_real_depth_table_and_black_list_join_a_bin(real_data: Path, tmp_path: Path) -> None:
    with (real_data / SWEDEN / "tangesund_depthdata.csv").open(newline="") as file:
        depths: dict[str, set[str]] = {}
        for row in csv.DictReader(file):
            depths.setdefault(row["sample"], set()).add(row["depth"])
    stem = next(s for s, d in depths.items() if len(d) == 1)
    torn = [s for s, d in depths.items() if len(d) > 1]
    source = real_data / "ifcb/classipyr/raw/2022/D20220522"
    listed = "D20231205T120000_IFCB134"  # a day of the black list
    for name in (stem, listed):
        for file in source.iterdir():
            shutil.copy(file, tmp_path / f"{name}{file.suffix}")
    for name in ("tangesund_depthdata.csv", "sample_blacklist.tsv", "cruise_numbers.txt", "taxa_lookup.csv"):
        shutil.copy(real_data / SWEDEN / name, tmp_path)
    rows, found = read(tmp_path, "ifcb")
    one = rows.drop_duplicates("bin").set_index("bin")
    assert len(rows) == 14
    assert one.loc[stem, "side_depth"] == depths[stem].copy().pop()
    assert pd.isna(one.loc[stem, "aqqua_reason"])
    assert one.loc[listed, ["aqqua_reason", "aqqua_value"]].tolist() == ["bin_blacklisted", "Lab-test"]
    expected = [("ifcb_side_contradicts", "", len(torn))] if torn else []
    expected.append(("ifcb_side_line_unknown", "sample_blacklist.tsv", 2))  # two are no bins but folders
    assert sorted((f.rule, f.file, f.count) for f in found) == sorted(expected)


@pytest.mark.realdata
def test_every_line_of_the_real_black_list_counts(real_data: Path, tmp_path: Path) -> None:
    shutil.copy(real_data / SWEDEN / "sample_blacklist.tsv", tmp_path)
    side, found = side_tables(tmp_path)
    with (tmp_path / "sample_blacklist.tsv").open(newline="") as file:
        told = [(row["sample"], row["reason"]) for row in csv.DictReader(file, delimiter="\t")]
    assert len(told) == 433
    bins = {sample: reason for sample, reason in reversed(told) if "_IFCB" in sample}
    days = {sample: reason for sample, reason in told if sample.startswith("D20") and "_IFCB" not in sample}
    assert (len(bins), len(days)) == (338, 91)  # two bins stand twice, two lines are folders
    assert all(side.of(b)["blacklist_reason"] == reason for b, reason in bins.items())
    assert all(side.of(f"{d:0<9}T235959_IFCB110")["blacklist_reason"] == reason for d, reason in days.items())
    assert [(f.rule, f.count) for f in found] == [("ifcb_side_line_unknown", 2)]
