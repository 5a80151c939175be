"""IFCB bins: what every line of an .adc becomes, and that broken bins are findings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import LOCATOR, ifcb
from aqqua_dataset.sources.rows import report_broken_archives
from aqqua_dataset.transfer.delivery import Delivery

NEW, OLD = "D20220522T000439_IFCB134", "IFCB5_2012_028_081515"
OLD_HDR = '"Software"\n"Temp Humidity BinarizeThresh"\n" 11.5"," 32"," 30"," .675"," .6"," 10"\n'
NEW_HDR = "SoftwareVersion: 2.0.0.0\ntemperature: 19.94\n"

Read = tuple[pd.DataFrame, list[Finding]]


def new_line(trigger: int, width: int, height: int, start: int, *, x: int = 10, y: int = 20, more: str = "") -> str:
    measured = ",".join(["0.1"] * 12)
    return f"{trigger},{measured},{x},{y},{width},{height},{start},0,0,0,0,1.5,0.1{more}\n"


def old_line(trigger: int, width: int, height: int, start: int, *, x: int = 10, y: int = 20) -> str:
    return f"{trigger},.31,.06,-.61,-.17,-3.6,-.29,0,.25,{x},{y},{width},{height},{start},-.27,\n"


def write_bin(folder: Path, stem: str, adc: str | bytes, roi: bytes | None = b"x" * 999, hdr: str | None = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    header = (OLD_HDR if stem.startswith("IFCB") else NEW_HDR) if hdr == "" else hdr
    (folder / f"{stem}.adc").write_bytes(adc if isinstance(adc, bytes) else adc.encode())
    for ending, data in ((".roi", roi), (".hdr", None if header is None else header.encode())):
        (folder / f"{stem}{ending}").unlink(missing_ok=True)
        if data is not None:
            (folder / f"{stem}{ending}").write_bytes(data)


def read(folder: Path) -> Read:
    found: list[Finding] = []
    with Delivery(str(folder)) as delivery:
        report_broken_archives(delivery, found.append)
        chunks = list(ifcb.read(delivery, Source(format="ifcb", location=str(folder)), found.append))
    for chunk in chunks:
        assert list(chunk.columns[: len(LOCATOR)]) == list(LOCATOR)
        assert {str(t) for t in chunk.dtypes[len(LOCATOR) :]} == {"str"}
    return (pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame()), found


def rules(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(f.rule, f.severity) for f in found]


def test_a_new_bin_gives_a_row_for_each_region(tmp_path: Path) -> None:
    adc = new_line(1, 0, 0, 0) + new_line(2, 4, 3, 0) + "\n" + new_line(3, 5, 2, 12)
    write_bin(tmp_path / "2022" / "D20220522", NEW, adc)
    rows, found = read(tmp_path)
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"{NEW}_00002", f"{NEW}_00004"]
    assert rows["aqqua_image_file"].tolist() == rows["target"].tolist() == rows["aqqua_object_id"].tolist()
    assert rows["aqqua_line"].tolist() == [2, 4]
    assert rows[["aqqua_offset", "aqqua_width", "aqqua_height"]].to_numpy().tolist() == [[0, 4, 3], [12, 5, 2]]
    assert rows["aqqua_rank"].tolist() == [0, 0]
    assert set(rows["aqqua_flags"]) == {""}
    assert set(rows["aqqua_table"]) == {f"2022/D20220522/{NEW}.adc"}
    assert set(rows["aqqua_path"]) == {f"2022/D20220522/{NEW}.roi"}
    first = rows.iloc[0]
    expected = {
        "bin": NEW, "roi_file": f"{NEW}.roi", "bin_time": "2022-05-22T00:04:39Z", "instrument_number": "134",
        "trigger": "2", "roi_x": "10", "roi_width": "4", "start_byte": "0", "run_time": "1.5", "inhibit_time": "0.1",
        "hdr_software_version": "2.0.0.0", "hdr_temperature": "19.94",
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected


def test_columns_beyond_24_are_kept_and_numbers_stay_as_written(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, new_line(1, 4, 3, 0, more=",7,").replace(",4,3,", ",4.0, 3,"))
    rows, found = read(tmp_path)
    assert found == []
    assert rows[["roi_width", "roi_height", "extra_1"]].to_numpy().tolist() == [["4.0", "3", "7"]]
    assert "extra_2" not in rows
    assert rows["aqqua_width"].tolist() == [4]


OLD_PAIR = old_line(1, 9, 9, 1) + old_line(3, 8, 8, 82, x=50) + old_line(3, 8, 8, 146, x=55)


@pytest.mark.parametrize(
    ("adc", "objects", "ranks", "flagged"),
    [
        (OLD_PAIR, [1, 2, 2], [0, 0, 1], [False, True, True]),
        (old_line(3, 8, 8, 1, x=50) + old_line(3, 8, 8, 65, x=58), [1, 2], [0, 0], [False, False]),  # side by side
        (old_line(3, 8, 8, 1, x=50) + old_line(4, 8, 8, 65, x=52), [1, 2], [0, 0], [False, False]),  # two triggers
        (
            old_line(3, 8, 8, 1) + old_line(3, 0, 0, 65) + old_line(3, 8, 8, 65),  # not consecutive
            [1, 3], [0, 0], [False, False],
        ),
        (old_line(3, 8, 8, 1) * 3, [1, 1, 3], [0, 1, 0], [True, True, False]),
    ],
    ids=["pair", "side by side", "two triggers", "not consecutive", "three"],
)  # fmt: skip
def test_stitched_pairs_are_two_images_of_one_object(
    tmp_path: Path, adc: str, objects: list[int], ranks: list[int], flagged: list[bool]
) -> None:
    write_bin(tmp_path, OLD, adc)
    rows, _ = read(tmp_path)
    assert rows["aqqua_object_id"].tolist() == [f"{OLD}_{n:05d}" for n in objects]
    assert rows["aqqua_rank"].tolist() == ranks
    assert rows["aqqua_flags"].str.contains("IFCB_STITCHED_PAIR").tolist() == flagged
    assert rows["bin_time"].iloc[0] == "2012-01-28T08:15:15Z"
    assert rows["instrument_number"].iloc[0] == "5"


def test_new_bins_have_no_pairs(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, new_line(3, 8, 8, 0) + new_line(3, 8, 8, 64))
    rows, _ = read(tmp_path)
    assert rows["aqqua_object_id"].nunique() == 2
    assert set(rows["aqqua_flags"]) == {""}


def test_regions_that_share_bytes_are_flagged(tmp_path: Path) -> None:
    starts = [(0, 10), (100, 2), (110, 2), (200, 2), (204, 2)]  # the first reaches from 0 to 100; all are square
    adc = "".join(new_line(i, side, side, start) for i, (start, side) in enumerate(starts))
    write_bin(tmp_path, NEW, adc + new_line(9, 20, 10, 50))  # and this one from 50 to 250
    rows, _ = read(tmp_path)
    assert rows["aqqua_flags"].tolist() == ["IFCB_ROI_OVERLAP"] * 6
    write_bin(tmp_path, NEW, adc)
    rows, _ = read(tmp_path)
    assert set(rows["aqqua_flags"]) == {""}


@pytest.mark.parametrize(
    ("hdr", "expected"),
    [
        (
            "softwareVersion: Imaging FlowCytobot, build 429; May 2010\nsyringe number 75\nimagerID: 12\t\n"
            "Housekeeping firmware version 31\nsampleTime: 2015-04-11T20:54:56Z\nHumidityAlarmThreshold(%): 90.0\t\n"
            "fill3newSheathState = using new SW for sheath: 16777216\t\nempty:\t\n",
            {
                "software_version": "Imaging FlowCytobot, build 429; May 2010",
                "syringe_number": "75",
                "imager_id": "12",
                "housekeeping_firmware_version": "31",
                "sample_time": "2015-04-11T20:54:56Z",
                "humidity_alarm_threshold": "90.0",
                "fill3new_sheath_state": "using new SW for sheath: 16777216",
            },
        ),
        (
            "SoftwareVersion: 2.0.5\r\ntriggerCount: 8\r\npythonLib: /home/lib{0}/x\r\ngpsLatitude: 58.1\r\n",
            {"software_version": "2.0.5", "trigger_count": "8", "python_lib": "/home/lib{0}/x", "gps_latitude": "58.1"},
        ),
    ],
    ids=["2010", "2.0.5"],
)
def test_new_header_dialects(tmp_path: Path, hdr: str, expected: dict[str, str]) -> None:
    write_bin(tmp_path, NEW, new_line(1, 4, 3, 0), hdr=hdr)
    rows, found = read(tmp_path)
    assert {c.removeprefix("hdr_"): rows[c].iloc[0] for c in rows if c.startswith("hdr_")} == expected
    assert found == []


def test_old_header_gives_its_six_values(tmp_path: Path) -> None:
    write_bin(tmp_path, OLD, old_line(1, 4, 3, 1), hdr=OLD_HDR + "\n")
    rows, found = read(tmp_path)
    assert {c: rows[c].iloc[0] for c in rows if c.startswith("hdr_")} == {
        "hdr_temperature": "11.5", "hdr_humidity": "32", "hdr_binarize_thresh": "30", "hdr_pmt1hv": ".675",
        "hdr_pmt2hv": ".6", "hdr_blob_size_thresh": "10",
    }  # fmt: skip
    assert found == []


def _no(ending: str) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{NEW}{ending}").unlink()


def _empty(*endings: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / f"{NEW}{e}").write_bytes(b"") for e in endings] and None


@pytest.mark.parametrize(
    ("spoil", "expected", "rows_left"),
    [
        (_no(".roi"), [("ifcb_roi_file_missing", "error")], 1),
        (_no(".hdr"), [("ifcb_hdr_missing", "warning")], 1),
        (_no(".adc"), [("ifcb_adc_missing", "error")], 0),
        (_empty(".roi"), [], 1),  # the image stage rejects what is cut off
        (_empty(".hdr"), [("ifcb_hdr_unreadable", "warning")], 1),
        (_empty(".adc"), [("ifcb_adc_missing", "error")], 0),
        (_empty(".adc", ".roi"), [("ifcb_bin_without_rois", "note")], 0),
        (_empty(".adc", ".roi", ".hdr"), [("ifcb_bin_zero_bytes", "warning")], 0),
    ],
)
def test_missing_and_empty_files_are_findings_and_the_next_bin_is_read(
    tmp_path: Path, spoil: Callable[[Path], None], expected: list[tuple[str, str]], rows_left: int
) -> None:
    write_bin(tmp_path, NEW, new_line(1, 4, 3, 0))
    write_bin(tmp_path, "D20220523T000439_IFCB134", new_line(1, 4, 3, 0))
    (tmp_path / "decoy.adc").write_text("1,2,3\n")
    spoil(tmp_path)
    rows, found = read(tmp_path)
    assert rules(found) == [*expected, ("ifcb_not_a_bin", "note")]
    assert all(NEW in f.file for f in found[:-1])
    assert rows["bin"].tolist() == [NEW] * rows_left + ["D20220523T000439_IFCB134"]
    assert rows["aqqua_path"].tolist() == [f"{b}.roi" for b in rows["bin"]]


@pytest.mark.parametrize(
    "bad",
    [
        "rubbish",
        "\0" * 50,
        new_line(2, 4, 3, 12)[:60],
        new_line(2, 4, 3, 12).replace(",12,", ",nan,"),
        new_line(2, 4, 3, 12).replace(",12,", ",inf,"),
        new_line(2, 4, 3, 12).replace(",12,", ",1e30,"),
        new_line(2, 4, 3, 12).replace(",12,", ",-12,"),
        new_line(2, 4, 3, 12).replace(",4,3,", ",4.5,3,"),
        new_line(2, 4, 3, 12).replace(",4,3,", ",,3,"),
        new_line(2, 4, 3, 12).replace(",4,3,", ",70000,3,"),
        new_line(2, 4, 3, 12).rstrip() + "," * 900,
    ],
)
def test_a_line_that_is_no_line_is_named_and_the_others_go_on(tmp_path: Path, bad: str) -> None:
    bad = bad.rstrip("\n")
    write_bin(tmp_path, NEW, new_line(1, 4, 3, 0) + bad + "\n" + new_line(3, 5, 2, 12) + bad + "\n")
    rows, found = read(tmp_path)
    assert rows["aqqua_line"].tolist() == [1, 3]
    assert [(f.rule, f.severity, f.line, f.count) for f in found] == [("ifcb_adc_line_unreadable", "warning", 2, 2)]
    assert found[0].value == bad[:120]
    assert found[0].file == f"{NEW}.adc"


def test_control_characters_are_no_line_ends(tmp_path: Path) -> None:
    adc = new_line(1, 4, 3, 0).encode().replace(b"0.1,", b"\x85\x1c\x0b,", 1) + new_line(2, 4, 3, 12).encode()
    write_bin(tmp_path, NEW, adc)
    assert read(tmp_path)[0]["aqqua_line"].tolist() == [1, 2]


def test_a_bin_id_that_is_no_time_has_none(tmp_path: Path) -> None:
    write_bin(tmp_path, "D20220230T006039_IFCB134", new_line(1, 4, 3, 0))
    write_bin(tmp_path, "IFCB5_2013_366_081515", old_line(1, 4, 3, 1))
    assert read(tmp_path)[0]["bin_time"].isna().tolist() == [True, True]


def test_bins_in_zips_and_a_damaged_one(tmp_path: Path) -> None:
    write_bin(tmp_path / "bins", NEW, new_line(1, 40, 30, 0) * 50)
    with ZipFile(tmp_path / "bins.zip", "w", compression=8) as made:
        for file in sorted((tmp_path / "bins").iterdir()):
            made.write(file, f"day/{file.name}")
            made.writestr(f"__MACOSX/day/._{file.name}", b"junk")
    rows, found = read(tmp_path / "bins.zip")
    assert found == []
    assert set(rows["aqqua_path"]) == {f"bins.zip!/day/{NEW}.roi"}
    data = bytearray((tmp_path / "bins.zip").read_bytes())
    start = data.index(f"day/{NEW}.adc".encode()) + len(f"day/{NEW}.adc")
    data[start + 5 : start + 40] = b"\xff" * 35
    (tmp_path / "bins.zip").write_bytes(data)
    rows, found = read(tmp_path / "bins.zip")
    assert rules(found) == [("ifcb_file_unreadable", "error")]
    assert rows.empty
    (tmp_path / "bins.zip").write_bytes(data[:100])
    assert rules(read(tmp_path / "bins.zip")[1]) == [("archive_unreadable", "error")]


def test_small_bins_share_a_chunk_and_order_is_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifcb, "_ROWS_PER_CHUNK", 5)
    stems = [f"D20220522T00{n:02d}00_IFCB134" for n in range(7)]
    for stem in reversed(stems):
        write_bin(tmp_path / stem[:9], stem, new_line(1, 4, 3, 0) + new_line(2, 4, 3, 12))
    with Delivery(str(tmp_path)) as delivery:
        chunks = list(ifcb.read(delivery, Source(format="ifcb", location="x"), lambda _: None))
    assert [len(c) for c in chunks] == [6, 6, 2]
    assert pd.concat(chunks)["bin"].drop_duplicates().tolist() == stems


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bins")


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 1), old=st.booleans())
def test_an_adc_cut_off_anywhere_loses_no_line_silently(scratch: Path, share: float, old: bool) -> None:
    made, stem = (old_line, OLD) if old else (new_line, NEW)
    whole = "".join(made(n, 4 * (n != 3), 3, 100 * n) for n in range(1, 6))
    cut = whole[: round(share * len(whole))]
    for bin_ in (OLD, NEW):
        for file in scratch.glob(f"{bin_}.*"):
            file.unlink()
    write_bin(scratch, stem, cut)
    rows, found = read(scratch)
    reported = sum(f.count for f in found if f.rule == "ifcb_adc_line_unreadable")
    lines = [line for line in cut.splitlines() if line]
    without_region = sum(",0,3," in line for line in lines)
    assert len(rows) + reported >= len(lines) - without_region
    assert len(rows) + reported <= len(lines)
    for line, offset in zip(rows.get("aqqua_line", []), rows.get("aqqua_offset", []), strict=True):
        assert offset == 100 * line
    if not cut:
        assert [f.rule for f in found] == ["ifcb_adc_missing"]


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 1), old=st.booleans())
def test_a_header_cut_off_anywhere_never_stops_the_bin(scratch: Path, share: float, old: bool) -> None:
    stem, whole, line = (OLD, OLD_HDR, old_line) if old else (NEW, NEW_HDR, new_line)
    for file in scratch.iterdir():
        file.unlink()
    write_bin(scratch, stem, line(1, 4, 3, 1), hdr=whole[: round(share * len(whole))] or "\n")
    rows, found = read(scratch)
    assert len(rows) == 1
    entries = [c for c in rows if c.startswith("hdr_")]
    assert rules(found) == ([] if entries else [("ifcb_hdr_unreadable", "warning")])
    assert len(entries) <= 6


@settings(deadline=None, max_examples=40)
@given(adc=st.binary(max_size=300) | st.text('0123456789.,-\n\r\0einf"', max_size=300).map(str.encode))
def test_no_bytes_are_a_traceback(scratch: Path, adc: bytes) -> None:
    for file in scratch.iterdir():
        file.unlink()
    write_bin(scratch, OLD, adc)
    rows, _ = read(scratch)
    assert len(rows) <= adc.count(b"\n") + adc.count(b"\r") + 1


REAL = [
    ("pyifcb/data", 6, {"ifcb_not_a_bin", "ifcb_bin_zero_bytes"}),
    ("pyifcb/empty", 0, {"ifcb_bin_without_rois"}),
    ("pyifcb/invalid", 0, {"ifcb_bin_zero_bytes"}),
    ("pyifcb/partial", 6, {"ifcb_roi_file_missing"}),
    ("classipyr/raw", 7, set()),
]


@pytest.mark.realdata
@pytest.mark.parametrize(("folder", "count", "expected"), REAL)
def test_real_bins_give_their_rows(real_data: Path, folder: str, count: int, expected: set[str]) -> None:
    rows, found = read(real_data / "ifcb" / folder)
    assert len(rows) == count
    assert {f.rule for f in found} == expected


@pytest.mark.realdata
@pytest.mark.parametrize(("folder", "before", "after"), [("pyifcb/data", 1, 1), ("classipyr/raw", 0, 17)])
def test_real_regions_follow_each_other_in_the_roi_file(real_data: Path, folder: str, before: int, after: int) -> None:
    rows, _ = read(real_data / "ifcb" / folder)
    pixels = rows["aqqua_width"].astype("int64") * rows["aqqua_height"].astype("int64")
    [roi] = set(rows["aqqua_path"])
    size = (real_data / "ifcb" / folder / roi).stat().st_size
    starts, ends = rows["aqqua_offset"].tolist(), (rows["aqqua_offset"] + pixels).tolist()
    assert starts == [before, *ends[:-1]]
    assert ends[-1] == size - after
    assert pixels.sum() == size - before - after


@pytest.mark.realdata
def test_the_real_stitched_pair_is_found(real_data: Path) -> None:
    rows, _ = read(real_data / "ifcb/pyifcb/data")
    assert np.flatnonzero(rows["aqqua_flags"] == "IFCB_STITCHED_PAIR").tolist() == [2, 3]
    assert rows["aqqua_object_id"].tolist() == [f"{OLD}_{n:05d}" for n in (1, 2, 3, 3, 5, 6)]
    assert rows["aqqua_rank"].tolist() == [0, 0, 0, 1, 0, 0]
