"""ZooScan projects and ZooImage archives: their tables of objects, checked on real and written deliveries."""

import csv
import io
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import formats_that_fit, harmonised, read, rules
from writers import zooimage, zooscan
from writers.pictures import picture

from aqqua_dataset import privacy, schema
from aqqua_dataset.registry.models import Declared, Quantity
from aqqua_dataset.sources import items as items_module
from aqqua_dataset.sources.entries import decode, sections
from aqqua_dataset.sources.items import parse_items, split_data
from aqqua_dataset.sources.zooimage import parse_head, parse_samples
from aqqua_dataset.sources.zooscan import parse_headers, parse_pid_head
from aqqua_dataset.transfer.delivery import Delivery

SCAN = "Aqqua2023_st0_d1_1"
WORK = f"Zooscan_aqqua/Zooscan_scan/_work/{SCAN}"
PID = f"{WORK}/{SCAN}_dat1.pid"
FIRST_LINE = zooscan.pid(range(1), 0).count("\n")
SAMPLE = "BIO.2004-10-01.p0"
ZID = f"{SAMPLE}.zid"
ZIM = f"{SAMPLE}/{SAMPLE}+A1_dat1.zim"
REAL = "zooscan/zooprocess_lib"
FORM = Declared(time_zone="UTC", instrument="flatbed", pixel_size=Quantity(value=10.6, unit="um"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode("latin-1")
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode("latin-1"))


def test_a_scan_is_read_from_its_pid(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 3)
    rows, found = read(tmp_path, "zooscan")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"{SCAN}_{n}" for n in (1, 2, 3)]
    assert rows["aqqua_path"].tolist() == [f"{WORK}/{SCAN}_{n}.jpg" for n in (1, 2, 3)]
    assert rows["aqqua_image_file"].tolist() == [f"{SCAN}_{n}.jpg" for n in (1, 2, 3)]
    assert set(rows["aqqua_table"]) == {PID}
    assert rows["aqqua_line"].tolist() == [FIRST_LINE, FIRST_LINE + 1, FIRST_LINE + 2]
    lines = (tmp_path / PID).read_bytes().decode("latin-1").split("\r\n")
    assert lines[FIRST_LINE - 1] == zooscan.data_row(1, 0)
    names = ["object_" + c.lower().removeprefix("!") for c in zooscan.COLUMNS.split(";")]
    assert rows.loc[1, names].tolist() == zooscan.data_row(2, 0).split(";")
    expected = {
        "scan": SCAN, "pid_sample_latitude": "48.2584", "pid_process_date": "20240328_1907", "meta_ship": "thalassa",
        "pid_particules_process_pixsize": "0.0106", "header_vol": "124.5", "scan_fracid": "d1",
    }  # fmt: skip
    assert {n: rows[n][0] for n in expected} == expected
    with Delivery(str(tmp_path)) as delivery:
        assert delivery.read(rows["aqqua_path"][2]) == picture(2, "JPEG")
    assert [f.format for f in formats_that_fit(tmp_path)] == ["zooscan"]


def test_what_a_pid_means(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 1)
    made = harmonised(read(tmp_path, "zooscan")[0], "zooscan")
    assert made.quarantine.to_pylist() == []
    [row] = made.core.to_pylist()
    assert row["latitude"] == pytest.approx(48 + 25.84 / 60)
    assert row["longitude"] == pytest.approx(-(22 + 29.66 / 60))
    assert (row["depth_min_m"], row["depth_max_m"], row["sampled_volume_l"]) == (55, 106, 124_500)
    assert (row["instrument_id"], row["pixel_size_um"]) == ("zooscan", pytest.approx(10.6))
    assert str(row["datetime_utc"]) == "2023-06-14 22:51:00+00:00"
    assert (row["event_id"], row["parent_event_id"], row["platform"]) == ("Aqqua2023_st0", SCAN, "thalassa")


def test_an_ecotaxa_table_comes_before_the_pid(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 1_002, tables=True)
    second = tmp_path / WORK.replace("st0", "st1") / "ecotaxa_Aqqua2023_st1_d1_1.tsv"
    second.unlink()
    rows, found = read(tmp_path, "zooscan")
    assert found == []
    assert len(rows) == 1_002
    table, pid = rows.iloc[:1_000], rows.iloc[1_000:]
    assert table["aqqua_object_id"].tolist() == [f"{SCAN.lower()}_{n}" for n in range(1, 1_001)]
    assert set(table["aqqua_table"]) == {f"{WORK}/ecotaxa_{SCAN}.tsv"}
    assert table["aqqua_path"].iloc[999] == f"{WORK}/{SCAN}_1000.jpg"  # found in the case of letters it has
    assert set(table["pid_sample_latitude"]) == set(table["header_latitude"]) == {"48.2584"}
    assert pid["aqqua_object_id"].tolist() == ["Aqqua2023_st1_d1_1_1", "Aqqua2023_st1_d1_1_2"]
    made = harmonised(rows.iloc[[0]].reset_index(drop=True), "zooscan").core.to_pylist()[0]
    assert (made["latitude"], made["longitude"]) == (48.430667, -22.494333)  # the table's decimal ones
    assert made["pixel_size_um"] == pytest.approx(10.6)


def test_a_table_without_its_pid_is_joined_by_sample(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 1, tables=True)
    (tmp_path / PID).unlink()
    shutil.rmtree(tmp_path / "Zooscan_aqqua/Zooscan_scan/_raw")
    (tmp_path / "Zooscan_aqqua/Zooscan_meta/zooscan_scan_header_table.csv").unlink()
    assert read(tmp_path, "zooscan")[0]["header_vol"].tolist() == ["124.5"]


def test_the_scan_table_tells_the_sample(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 1)
    change(tmp_path / PID, f"SampleId= {zooscan.sample_of(0)}", "SampleId=")
    shutil.rmtree(tmp_path / "Zooscan_aqqua/Zooscan_scan/_raw")
    rows, _ = read(tmp_path, "zooscan")
    assert rows[["scan_sampleid", "header_vol"]].to_numpy().tolist() == [["Aqqua2023_st0", "124.5"]]


def test_persons_are_dropped(tmp_path: Path) -> None:
    zooscan.write(tmp_path / "scan", 1)
    zooimage.write(tmp_path / "image", 1)
    rows, _ = read(tmp_path / "scan", "zooscan")
    named = [c for c in rows if "jane_doe" in set(rows[c])]
    assert named == ["meta_scanop", "pid_info_author", "pid_sample_scanop", "scan_scanop"]
    assert all(map(privacy.is_personal, named))
    rows, _ = read(tmp_path / "image", "zooimage")
    named = [c for c in rows if {"Jane Doe", "John Doe"} & set(rows[c])]
    assert named == ["zim_author", "zis_operator", "zis_cruise_captain", "zis_series_contact"]
    assert all(map(privacy.is_personal, named))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\n2;", "\n1;", "object_id_repeated"),
        ("\n2;", "\n;", "object_id_missing"),
        ("\n2;", "\n2.5;", "object_id_missing"),
        ("\n2;", "\nx;", "object_id_missing"),
        ("\n2;", "\n2;3;", "row_has_extra_cells"),
        ("\n2;", "\n 2 ;", None),
        (";1\r\n3;", ";1;;\r\n3;", None),
    ],
)
def test_a_line_that_cant_be_used_says_why(tmp_path: Path, old: str, new: str, reason: str | None) -> None:
    zooscan.write(tmp_path, 3)
    change(tmp_path / PID, old, new)
    rows, found = read(tmp_path, "zooscan")
    assert found == []
    assert rows["aqqua_reason"].fillna("").tolist() == ["", reason or "", ""]
    assert rows["aqqua_line"].tolist() == [FIRST_LINE, FIRST_LINE + 1, FIRST_LINE + 2]
    if reason is None:
        assert rows["aqqua_object_id"].tolist() == [f"{SCAN}_{n}" for n in (1, 2, 3)]
    else:
        assert reason in set(schema.vocabulary("reasons.csv")["reason"])


def test_the_file_may_end_anywhere(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 3)
    data = (tmp_path / PID).read_bytes()
    (tmp_path / PID).write_bytes(data.removesuffix(b"\r\n"))
    assert read(tmp_path, "zooscan")[0]["aqqua_flags"].tolist() == ["", "", ""]
    (tmp_path / PID).write_bytes(data[: data.rindex(b";33.9") + 3])
    rows, _ = read(tmp_path, "zooscan")
    assert rows["aqqua_flags"].tolist() == ["", "", "ROW_CUT_OFF"]
    assert rows["object_feret"].fillna("").tolist() == ["33.9", "33.9", ""]
    assert rows["object_height"].tolist() == ["24"] * 3
    (tmp_path / PID).write_bytes(data[: data.rindex(b"\n3;") + 2])
    assert len(read(tmp_path, "zooscan")[0]) == 2


@pytest.mark.parametrize(
    ("cut", "rule"),
    [(b"[Data]\r\n", "zooscan_pid_without_data"), (b"!Item", "zooscan_pid_without_objects"),
     (b"1;Aqqua", "zooscan_pid_without_objects")],
)  # fmt: skip
def test_a_pid_without_objects_is_reported(tmp_path: Path, cut: bytes, rule: str) -> None:
    zooscan.write(tmp_path, 1)
    data = (tmp_path / PID).read_bytes()
    (tmp_path / PID).write_bytes(data[: data.rindex(cut)])
    rows, found = read(tmp_path, "zooscan")
    assert len(rows) == 0
    assert [(f.rule, f.severity, f.file) for f in found] == [(rule, "warning", PID)]


def test_a_project_without_objects_is_reported(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 1)
    shutil.rmtree(tmp_path / WORK)
    rows, found = read(tmp_path, "zooscan")
    assert len(rows) == 0
    assert rules(found) == ["zooscan_without_objects"]
    assert [f.format for f in formats_that_fit(tmp_path)] == ["zooscan"]


def test_names_with_a_download_suffix_and_repeated_scans(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 2)
    copy = (tmp_path / PID).with_name(f"{SCAN}_dat1 (1).pid")
    shutil.copy(tmp_path / PID, copy)
    rows, found = read(tmp_path, "zooscan")
    assert rows["aqqua_object_id"].tolist() == [f"{SCAN}_1", f"{SCAN}_2"]
    assert [(f.rule, f.severity) for f in found] == [("zooscan_pid_repeated", "warning")]
    (tmp_path / PID).unlink()
    rows, found = read(tmp_path, "zooscan")
    assert rows["aqqua_path"].tolist() == [f"{WORK}/{SCAN}_1.jpg", f"{WORK}/{SCAN}_2.jpg"]
    assert found == []


def test_missing_vignettes_and_damaged_side_files_leave_the_rows(tmp_path: Path) -> None:
    zooscan.write(tmp_path, 2)
    (tmp_path / WORK / f"{SCAN}_1.jpg").unlink()
    (tmp_path / WORK / f"{SCAN}_2.jpg").rename(tmp_path / WORK / f"{SCAN}_2.JPG")
    for place in ("Zooscan_meta/zooscan_sample_header_table.csv", f"Zooscan_scan/_raw/{SCAN}_meta.txt"):
        (tmp_path / "Zooscan_aqqua" / place).write_bytes(b"\xff\xfe\0 = ;\x80")
    rows, found = read(tmp_path, "zooscan")
    assert found == []
    assert rows["aqqua_path"].tolist() == [f"{WORK}/{SCAN}_1.jpg", f"{WORK}/{SCAN}_2.JPG"]


def test_other_pids_are_no_zooscan(tmp_path: Path) -> None:
    (tmp_path / "server.pid").write_text("4711\n")
    assert "zooscan" not in [f.format for f in formats_that_fit(tmp_path)]
    (tmp_path / "x_dat1.pid").write_bytes(zooscan.pid(range(1), 0).encode())
    assert [f.format for f in formats_that_fit(tmp_path)] == ["zooscan"]


def test_long_scans_come_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items_module, "_ROWS_PER_CHUNK", 2)
    zooscan.write(tmp_path, 5)
    rows, _ = read(tmp_path, "zooscan")
    assert rows["aqqua_line"].tolist() == list(range(FIRST_LINE, FIRST_LINE + 5))


def test_a_zooimage_sample_is_read(tmp_path: Path) -> None:
    zooimage.write(tmp_path, 1_002)
    rows, found = read(tmp_path, "zooimage")
    assert found == []
    assert len(rows) == 1_002
    assert rows["aqqua_object_id"].tolist()[:2] == [f"{SAMPLE}+A1_1", f"{SAMPLE}+A1_2"]
    assert rows["aqqua_path"][0] == f"{ZID}!/{SAMPLE}/{SAMPLE}+A1_1.jpg"
    assert rows["aqqua_table"][0] == f"{ZID}!/{ZIM}"
    lines = zooimage.zim(0, 2).splitlines()
    assert lines[rows["aqqua_line"][1] - 1].startswith("2\t")
    assert rows["object_%area"][0] == "100"
    expected = {
        "sample": SAMPLE, "fraction": "A1", "name_date": "2004-10-01", "zim_pixelsize_mm": "0.0106",
        "zim_software": "VueScan 8.0.10", "zim_subpart": "0.5", "zis_time": "10:30", "zis_latitude": "54.18",
        "zis_cruise_ship_name": "thalassa", "zis_station_latitude": "54.3", "zis_series_country": "Germany",
    }  # fmt: skip
    assert {n: rows[n][0] for n in expected} == expected
    assert rows["zis_latitude"][1_000:].isna().all()
    with Delivery(str(tmp_path)) as delivery:
        assert delivery.read(rows["aqqua_path"][1]) == picture(2, "JPEG")
    assert [f.format for f in formats_that_fit(tmp_path)] == ["zooimage"]


def test_what_a_zooimage_sample_means(tmp_path: Path) -> None:
    zooimage.write(tmp_path, 1_001)
    rows = read(tmp_path, "zooimage")[0].iloc[[0, 1_000]].reset_index(drop=True)
    made = harmonised(rows, "zooimage", declared=FORM)
    assert made.quarantine.to_pylist() == []
    first, second = made.core.to_pylist()
    assert (first["latitude"], first["longitude"]) == (54.18, 11.5)
    assert (second["latitude"], second["longitude"]) == (54.3, 12.5)  # of the station
    assert (first["depth_min_m"], first["depth_max_m"], first["sampled_volume_l"]) == (0, 20, 10_560)
    assert first["pixel_size_um"] == pytest.approx(10.6)
    assert str(first["datetime_utc"]) == "2004-10-01 10:30:00+00:00"
    assert (first["instrument_id"], first["instrument_verbatim"]) == ("flatbed", "EPSON 4870")
    assert (first["event_id"], first["platform"]) == (SAMPLE, "thalassa")


def test_a_sample_without_description_has_the_date_of_its_name(tmp_path: Path) -> None:
    zooimage.write(tmp_path, 1)
    (tmp_path / "Description.zis").unlink()
    form = FORM.model_copy(update={"latitude": 54.0, "longitude": 11.0, "depth_min_m": 0.0, "depth_max_m": 1.0})
    [row] = harmonised(read(tmp_path, "zooimage")[0], "zooimage", declared=form).core.to_pylist()
    assert (str(row["datetime_utc"])[:10], row["datetime_precision"]) == ("2004-10-01", "day")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("PixelSize=10.6\nPixelUnit=µm", {"zim_pixelsize_um": "10.6", "zim_pixelunit": "µm"}),
        ("PixelSize=0.04233", {"zim_pixelsize_mm": "0.04233"}),
        ("[A]\nkey=1 # why\n[B]\nkey=2\n#x=3", {"zim_key": "1"}),
        ("PixelSize=\nPixelUnit=mm", {"zim_pixelunit": "mm"}),
    ],
)
def test_the_head_of_a_zim(lines: str, expected: dict[str, str]) -> None:
    assert parse_head(f"ZI1\n[Calibration]\n{lines}\n") == expected


def repacked(folder: Path, old: str, new: str) -> None:
    with zipfile.ZipFile(folder / ZID) as packed:
        members = {n: packed.read(n) for n in packed.namelist()}
    assert old.encode() in members[ZIM]
    members[ZIM] = members[ZIM].replace(old.encode(), new.encode(), 1)
    with zipfile.ZipFile(folder / ZID, "w") as made:
        for name, data in members.items():
            made.writestr(name, data)


@pytest.mark.parametrize(
    ("old", "new", "found_rules", "reasons"),
    [
        ("ZI3", "ZI1", [], ["", "", ""]),
        ("ZI3", "PID", ["zooimage_zim_without_objects"], []),
        ("!Item", "Number", ["zooimage_zim_without_objects"], []),
        ("[Data]", "[Dada]", ["zooimage_zim_without_objects"], []),
        ("\n2\t", "\nnull\t", [], ["", "object_id_missing", ""]),
        ("\t\n2\t", "\tx\n2\t", [], ["row_has_extra_cells", "", ""]),
    ],
)
def test_zims_that_arent_whole(tmp_path: Path, old: str, new: str, found_rules: list[str], reasons: list[str]) -> None:
    zooimage.write(tmp_path, 3)
    repacked(tmp_path, old, new)
    rows, found = read(tmp_path, "zooimage")
    assert rules(found) == found_rules
    assert rows["aqqua_reason"].fillna("").tolist() == reasons


def test_folders_png_and_later_versions(tmp_path: Path) -> None:
    zooimage.write(tmp_path, 2)
    with zipfile.ZipFile(tmp_path / ZID) as packed:
        packed.extractall(tmp_path)
    (tmp_path / ZID).unlink()
    (tmp_path / ZIM).rename(tmp_path / ZIM.replace("_dat1", "_dat5"))
    (tmp_path / SAMPLE / f"{SAMPLE}+A1_2.jpg").rename(tmp_path / SAMPLE / f"{SAMPLE}+A1_2.png")
    rows, found = read(tmp_path, "zooimage")
    assert found == []
    assert rows["aqqua_path"].tolist() == [f"{SAMPLE}/{SAMPLE}+A1_1.jpg", f"{SAMPLE}/{SAMPLE}+A1_2.png"]
    assert [f.format for f in formats_that_fit(tmp_path)] == ["zooimage"]


def test_what_zooimage_cant_give_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zidb").write_bytes(b"RDX3")
    rows, found = read(tmp_path, "zooimage")
    assert rules(found) == ["zooimage_zidb", "zooimage_without_objects"]
    (tmp_path / "b.zid").write_bytes(b"PK no zip")
    rows, found = read(tmp_path, "zooimage")
    assert len(rows) == 0
    assert rules(found) == ["archive_unreadable", "zooimage_zidb", "zooimage_without_objects"]


def test_the_published_description_is_read() -> None:
    # The columns and the first sample's line as published with ZooImage.
    columns = (
        "!Label|Code|SCS|Series|Cruise|Station|Date|Time|TimeZone|Latitude|Longitude|CoordsPrec|Operator|GearType|"
        "OpeningArea|MeshSize|DepthMin|DepthMax|SampVol|SampVolPrec|TowType|Speed|Weather|Preservative|Staining|"
        "Biovolume|Temperature|Salinity|Chla|Note"
    )
    line = "BIO.2000-05-05.p72|P72|BIO|BIO|||2000-05-05|||||||Vertical Net||150|||10.56||vertical|||4% buffered||||||"
    text = f"ZI1\n[Samples]\n{columns}\n{line}\n".replace("|", "\t")
    assert parse_samples(text) == {
        "bio.2000-05-05.p72": {
            "zis_label": "BIO.2000-05-05.p72", "zis_code": "P72", "zis_scs": "BIO", "zis_series": "BIO",
            "zis_date": "2000-05-05", "zis_gear_type": "Vertical Net", "zis_mesh_size": "150", "zis_samp_vol": "10.56",
            "zis_tow_type": "vertical", "zis_preservative": "4% buffered",
        }
    }  # fmt: skip


words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
keys = words.map(str.lower)
ends = st.sampled_from(["\n", "\r\n", "\r"])


@given(made=st.dictionaries(keys, st.dictionaries(keys, words, min_size=1, max_size=3), max_size=4), end=ends)
def test_sections_come_back_as_they_were_written(made: dict[str, dict[str, str]], end: str) -> None:
    lines = [x for s, e in made.items() for x in (f"[{s}]", "stray line", *(f"{k}=  {v}" for k, v in e.items()), "")]
    assert sections(end.join(lines)) == made


@given(text=st.text(max_size=200) | st.text('[]ab=\r\n"# ', max_size=200))
def test_arbitrary_text_gives_no_invented_entry(text: str) -> None:
    for entries in sections(text).values():
        assert all(value in text and key in text.lower() for key, value in entries.items())
    assert all(v in text for v in parse_pid_head(text).values())
    assert all(v in text for v in parse_head(text).values())
    for entries in [*parse_samples(text).values(), *parse_headers(text, "sampleid", "header_").values()]:
        assert all(v in text for v in entries.values())


@given(text=st.text(max_size=60))
def test_text_is_decoded_as_it_was_encoded(text: str) -> None:
    assert decode(text.encode("utf-8-sig")) == text
    assert decode(text.encode("utf-16")) == text
    assert decode(b"\xb5" + text.encode("latin-1", "ignore")).startswith("µ")


tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(words, min_size=width, max_size=width), min_size=1, max_size=5)
)


@given(made=tables, delimiter=st.sampled_from(";\t"), end=ends, head=st.lists(keys, max_size=3))
def test_objects_come_back_as_they_were_written(
    made: list[list[str]], delimiter: str, end: str, head: list[str]
) -> None:
    names = ["!Item", *(f"c{n}" for n in range(len(made[0])))]
    lines = [names, *([str(n), *cells] for n, cells in enumerate(made, start=1))]
    text = end.join([*head, "[Data]", *(delimiter.join(line) for line in lines), ""])
    before, below, line = split_data(text)
    assert below is not None
    assert (before.split(end)[:-1], line) == (head, len(head) + 2)
    items = parse_items(below)
    assert items.rows.to_numpy().tolist() == lines[1:]
    assert items.rows.columns.tolist() == ["item", *names[1:]]
    assert not items.cut.any()
    assert items.reason.isna().all()


@given(share=st.floats(0, 1), delimiter=st.sampled_from(";\t"))
def test_a_cut_table_gives_a_part_of_its_objects(share: float, delimiter: str) -> None:
    whole = "!Item;Label;Area\n" + "".join(f"{n};scan;{n * 111}\n" for n in range(1, 12))
    whole = whole.replace(";", delimiter)
    items = parse_items(whole[: round(share * len(whole))])
    assert items.rows.get("item", []) is not None
    for number, (_, row) in enumerate(items.rows.iterrows(), start=1):
        assert row["item"] == str(number)
    assert items.cut.sum() <= 1


@given(text=st.text(max_size=200) | st.text("!Item;\t\r\n0123x", max_size=200).map("!Item;a;b\n".__add__))
def test_arbitrary_tables_give_no_invented_object(text: str) -> None:
    items = parse_items(text)
    good = items.rows[items.reason.isna()]
    lines = re.split(r"\r\n|\r|\n", text)
    for number, row in good.iterrows():
        cells = lines[int(number) + 1].replace("\t", ";").split(";")
        assert set(row.dropna()) <= {c.strip() for c in cells}
    assert len(items.rows) <= len(lines)


@given(made=st.dictionaries(keys, st.tuples(words, words), min_size=1, max_size=4), end=ends)
def test_header_tables_come_back_as_they_were_written(made: dict[str, tuple[str, str]], end: str) -> None:
    lines = ["sampleid;Ship;vol_qc", *(";".join((k, *v)) for k, v in made.items()), ""]
    expected = {k: {"header_sampleid": k, "header_ship": s, "header_vol_qc": q} for k, (s, q) in made.items()}
    assert parse_headers(end.join(lines), "sampleid", "header_") == expected


@settings(max_examples=20, deadline=None)
@example(data=b";")
@example(data=b"\x00\r")
@given(data=st.binary(max_size=200))
def test_no_bytes_are_a_traceback(scratch: Path, data: bytes) -> None:
    (scratch / "scan" / PID).write_bytes(b"PID\r\n[Data]\r\n!Item;Label\r\n" + data)
    (scratch / "scan/Zooscan_aqqua/Zooscan_meta/zooscan_scan_header_table.csv").write_bytes(data)
    assert len(read(scratch / "scan", "zooscan")[0]) <= len(re.split(rb"[\r\n]", data)) + 1
    (scratch / "image/x+A1_dat1.zim").write_bytes(b"ZI1\n" + data)
    (scratch / "image/Description.zis").write_bytes(b"ZI1\n[Samples]\n" + data)
    assert len(read(scratch / "image", "zooimage")[0]) == 2


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    zooscan.write(folder / "scan", 1)
    zooimage.write(folder / "image", 2)
    return folder


@pytest.mark.realdata
def test_the_real_pid_is_read_whole(real_data: Path) -> None:
    [path] = (real_data / REAL / "project/work").glob("*_dat1.pid")
    data = path.read_bytes()
    assert data.count(b"[Data]") == 1
    below = data[data.index(b"[Data]") :].decode("latin-1").splitlines()
    expected = [line.split(";") for line in below[2:] if line]
    assert b"Analysed_Objects=  439" in data
    assert len(expected) == 439
    rows, found = read(real_data / REAL, "zooscan")
    rows = rows[rows["aqqua_table"].str.endswith(".pid")].reset_index(drop=True)
    assert len(rows) == 439
    for position, name in enumerate(below[1].split(";")):
        column = f"object_{name.lower().removeprefix('!')}"
        assert rows[column].tolist() == [cells[position] for cells in expected], name
    scan = "apero2023_tha_bioness_006_st20_n_n7_d2_2_sur_4_1"
    assert rows["aqqua_object_id"].tolist() == [f"{scan}_{cells[0]}" for cells in expected]
    assert rows["aqqua_line"].tolist() == list(range(213, 213 + 439))  # line of "1;" in the file
    assert set(rows["aqqua_path"].str.rsplit("/", n=1).str[0]) == {"project/work"}
    told = {
        "pid_sample_latitude": "48.2584", "pid_sample_longitude": "22.2966", "pid_sample_zmin": "55",
        "pid_sample_date": "20230614-2251", "pid_subsample_subpart": "2", "pid_info_resolution": "2400",
        "pid_process_date": "20240328_1907", "pid_particules_process_pixsize": "0.0106",
    }  # fmt: skip
    assert {n: set(rows[n]) for n in told} == {n: {v} for n, v in told.items()}
    assert rules(found) == ["archive_unreadable"]  # the one-byte vis1.zip


@pytest.mark.realdata
def test_the_real_tables_and_the_header_table_agree(real_data: Path) -> None:
    rows, _ = read(real_data / REAL, "zooscan")
    tables = sorted((real_data / REAL / "features").glob("ecotaxa_*.tsv"))
    made = [list(csv.reader(io.StringIO(p.read_text()), delimiter="\t")) for p in tables]
    rows = rows[rows["aqqua_table"].str.startswith("features/")].reset_index(drop=True)
    assert len(rows) == sum(len(m) - 2 for m in made) == 2
    for row, table in zip(rows.to_dict("records"), made, strict=True):
        assert [row[c] for c in table[0]] == table[2]
    header = (real_data / REAL / "project/Zooscan_meta/zooscan_sample_header_table.csv").read_text()
    told = {line["sampleid"]: line for line in csv.DictReader(io.StringIO(header), delimiter=";")}
    parsed = parse_headers(header, "sampleid", "header_")
    assert len(parsed) == len(told)
    assert {s: len(e) for s, e in parsed.items()} == {
        s.casefold(): sum(1 for v in e.values() if v) for s, e in told.items()
    }
    # The proof pair: the header's degrees.minutes, west positive, of the same tow are the table's decimal degrees.
    decimal = harmonised(rows, "zooscan").core.to_pylist()[0]
    line = parsed["apero2023_tha_bioness_sup2000_013_st46_d_n1"]
    ways = {"object_lat": None, "object_lon": None} | line
    from_header = harmonised(rows.assign(**ways).astype(dict.fromkeys(ways, "str")), "zooscan").core.to_pylist()[0]
    assert (line["header_latitude"], line["header_longitude"]) == ("47.5076", "15.2622")
    assert from_header["latitude"] == pytest.approx(decimal["latitude"], abs=1e-4)
    assert from_header["longitude"] == pytest.approx(decimal["longitude"], abs=1e-4)


@pytest.mark.realdata
def test_real_header_tables_and_meta_are_whole(real_data: Path) -> None:
    folder = real_data / REAL / "project"
    scans = (folder / "Zooscan_meta/zooscan_scan_header_table.csv").read_text()
    assert len(parse_headers(scans, "scanid", "scan_")) == len({line.split(";")[0] for line in scans.splitlines()[1:]})
    [meta] = (folder / "raw").glob("*_meta.txt")
    expected = dict(re.findall(r"^(\w+)= *(.*?)\r?$", meta.read_text(), re.MULTILINE))
    assert sections(meta.read_text())[""] == {k.lower(): v for k, v in expected.items()}
    assert len(expected) == 43  # lines with =
    for path in (real_data / REAL / "images").rglob("*.png"):
        Image.open(path).verify()
    assert [f.format for f in formats_that_fit(real_data / REAL)] == ["zooscan"]
