"""UVP projects, bundles and exports: side files joined to EcoTaxa's tables, checked on real and written deliveries."""

import csv
import datetime as dt
import io
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import formats_that_fit, harmonised, read, rules
from writers import ecotaxa as ecotaxa_writer
from writers import uvp as writer
from writers.pictures import pixels

from aqqua_dataset import privacy
from aqqua_dataset.registry.models import Declared
from aqqua_dataset.sources import ecotaxa
from aqqua_dataset.sources.entries import column_name
from aqqua_dataset.sources.uvp_side import parse_table
from aqqua_dataset.transfer.delivery import Delivery

BUNDLE = "ecotaxa/ecotaxa_back/import_uvp6_zip_in_dir"
HEADER = f"{writer.PROJECT}/meta/uvp6_header_sn000103lp_aqqua.txt"
ZIP = f"{writer.PROJECT}/ecodata/ctd_000/ctd_000_Images.zip"
STEM = "20240101-000000_ctd_000"
ZOO, PAR = (f"ecopart/{STEM}_{kind}_raw_{writer.STAMP}.tsv" for kind in ("ZOO", "PAR"))
SUMMARY = f"ecopart/export_raw_{writer.STAMP}_Export_metadata_summary.tsv"
UVP5 = Declared(instrument="UVP5HD", time_zone="UTC")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode("latin-1")
    assert old in text
    path.write_bytes(text.replace(old, new).encode("latin-1"))


def test_a_uvp6_project_is_read_with_its_side_files(tmp_path: Path) -> None:
    writer.write(tmp_path, 4)
    rows, found = read(tmp_path, "uvp")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"ctd_000_{n}" for n in range(4)]
    assert rows["aqqua_line"].tolist() == [3, 4, 5, 6]
    assert set(rows["aqqua_table"]) == {f"{ZIP}!/ecotaxa_ctd_000.tsv"}
    assert rows["aqqua_path"].tolist() == [f"{ZIP}!/sub{n % 2}/20240101-000000_{n}.png" for n in range(4)]
    assert rows["aqqua_variant"].isna().all()  # one form of each object
    assert rows["object_depth_min"].tolist() == ["0.5", "1.5", "2.5", "3.5"]
    first = rows.iloc[0]
    expected = {
        "vignette_scale": "1.5", "vignette_invert": "y", "vignette_pixel_size": "73", "header_latitude": "43.5",
        "header_cruise": "aqqua", "hw_pixel_size": "73", "hw_image_volume": "0.570", "ecopart_acq_volimage": "0.57",
        "ecopart_sampledate": "2024-01-01 00:00:00", "instrument_name": "UVP6", "sample_start": "2024-01-01T00:00:00",
    }  # fmt: skip
    assert {n: first[n] for n in expected} == expected
    assert [c for c in rows.columns if c.startswith("vignette_")] == [
        "vignette_invert", "vignette_scale", "vignette_footerheight_px", "vignette_pixel_size",
    ]  # fmt: skip
    with Delivery(str(tmp_path)) as delivery:
        image = Image.open(io.BytesIO(delivery.read(rows["aqqua_path"][3])))
    assert image.tobytes() == pixels(3).tobytes()


def test_ecoparts_depths_and_volumes_are_joined_by_object(tmp_path: Path) -> None:
    writer.write(tmp_path, 60)
    rows, _ = read(tmp_path, "uvp")
    depth = pd.to_numeric(rows["object_depth_min"]) + writer.OFFSET_M
    assert pd.to_numeric(rows["ecopart_depth"])[::2].tolist() == pytest.approx(depth[::2].tolist())
    assert rows["ecopart_depth"][1::2].isna().all()  # EcoPart lists every other object only
    assert set(rows["ecopart_bin_volume_l"]) == {"2.28"}  # four images of 0.57 L; the offset is added where it isn't


def test_what_it_means(tmp_path: Path) -> None:
    writer.write(tmp_path, 1_002)
    made = harmonised(read(tmp_path, "uvp")[0].iloc[[0, 1, 1000, 1001]].reset_index(drop=True), "uvp")
    assert made.quarantine.to_pylist() == []
    core = made.core.to_pylist()
    assert [r["depth_m"] for r in core] == pytest.approx([1.7, 1.5, 1.7, 1.5])  # with offset where EcoPart tells it
    assert {r["imaged_volume_l"] for r in core} == {2.28}
    assert {(r["latitude"], r["longitude"]) for r in core} == {(43.5, 7.25)}  # of the second sample from the header
    assert {r["instrument_id"] for r in core} == {"uvp6"}
    assert {r["pixel_size_um"] for r in core} == {73.0}
    assert {r["platform"] for r in core} == {"thalassa"}
    # An object's own time comes before the start of its profile.
    assert core[2]["datetime_utc"] == dt.datetime(2024, 1, 1, 1, 1, 2, tzinfo=dt.UTC)


def test_persons_of_the_side_files_are_dropped(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    columns = read(tmp_path, "uvp")[0].columns
    assert {c for c in columns if privacy.is_personal(c)} == {"ecopart_do_name", "hw_operator_email"}
    for name in ("op_name", "cs_name", "op_sample_name", "ctd_import_name", "ownerid", "DataOwner"):
        assert privacy.is_personal(f"ecopart_{column_name(name)}")
    assert not privacy.is_personal("ecopart_ship")


def test_a_uvp5_project_has_positions_in_degrees_and_minutes(tmp_path: Path) -> None:
    writer.write_uvp5(tmp_path, 3)
    rows, found = read(tmp_path, "uvp")
    assert [(f.rule, f.severity, f.count) for f in found] == [("uvp_raw_without_images", "note", 1)]
    assert len(rows) == 3
    assert "instrument_name" not in rows  # uvp5 alone leaves open which model it is
    assert set(rows["header_latitude_ddmm"]) == {"-43.30"}
    made = harmonised(rows, "uvp", declared=UVP5)
    assert made.quarantine.to_pylist() == []
    row = made.core.to_pylist()[0]
    assert (row["instrument_id"], row["pixel_size_um"]) == ("uvp5hd", 88.0)
    # Of the pair one is written with a sign of degrees.
    assert row["longitude"] == pytest.approx(7 + (15 + 30 / 60) / 60)
    assert row["latitude"] == pytest.approx(-43.5)
    assert row["datetime_utc"] == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("start", "model"), [("uvp5hd", "UVP5HD"), ("uvp5sd", "UVP5SD"), ("uvp5z", "UVP5Z"), ("UVP6", "UVP6"), ("uvp5", "")]
)
def test_the_header_tables_name_tells_the_model(tmp_path: Path, start: str, model: str) -> None:
    writer.write_uvp5(tmp_path, 1)
    [header] = tmp_path.rglob("uvp5_header_*.txt")
    header.rename(header.with_name(f"{start}_header_sn1_x.txt"))
    rows, _ = read(tmp_path, "uvp")
    assert rows.iloc[0].get("instrument_name", "") == model
    assert ("header_latitude" in rows) == (start == "UVP6")


@pytest.mark.parametrize("name", ["uvp", "ecotaxa"])
def test_of_computed_vignettes_the_original_is_raw(tmp_path: Path, name: str) -> None:
    writer.write_export(tmp_path, 3)
    rows, found = read(tmp_path, name)
    assert found == []
    assert rows["aqqua_rank"].tolist() == [0, 100] * 3
    assert rows["aqqua_variant"].tolist() == ["processed", "raw"] * 3
    assert rows["aqqua_object_id"].nunique() == 3


def test_originals_are_known_over_chunks_and_only_by_their_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aqqua_dataset.sources.text._BLOCK", 2_000)
    writer.write_export(tmp_path, 60)
    [table] = tmp_path.glob("*.tsv")
    first = [line for line in table.read_text().splitlines() if "_0.png" in line or "img_rank" in line]
    last = [line for line in table.read_text().splitlines() if "9059_100" in line]
    table.write_text("\n".join([*first, *last]) + "\n")
    rows, _ = read(tmp_path, "ecotaxa")
    assert rows["aqqua_variant"].tolist() == ["processed"] * 60 + ["raw"]
    table.write_text("\n".join(first) + "\n")  # "100" stands in other cells, but nowhere as rank
    assert read(tmp_path, "ecotaxa")[0]["aqqua_variant"].isna().all()


def test_an_id_of_several_objects_joins_nothing_but_ecotaxas_number_does(tmp_path: Path) -> None:
    writer.write(tmp_path, 4)
    for old in ("ctd_000_0\t", "ctd_000_2\t"):
        change(tmp_path / ZOO, old, "same\t")
    with zipfile.ZipFile(tmp_path / ZIP) as made:
        table = made.read("ecotaxa_ctd_000.tsv").decode()
    folder = tmp_path / "export"
    folder.mkdir()
    for path in tmp_path.rglob("*.zip"):
        path.unlink()
    lines = table.replace("ctd_000_2\t", "same\t").replace("ctd_000_0\t", "same\t").splitlines()
    (folder / "ecotaxa_x.tsv").write_text("\n".join(lines) + "\n")
    assert read(tmp_path, "uvp")[0]["ecopart_depth"].isna().all()
    numbered = [lines[0] + "\tobjid", lines[1] + "\t[f]", *(f"{li}\t{9000 + n}" for n, li in enumerate(lines[2:]))]
    (folder / "ecotaxa_x.tsv").write_text("\n".join(numbered) + "\n")
    assert read(tmp_path, "uvp")[0]["ecopart_depth"].fillna("").tolist() == ["1.7", "", "3.7", ""]


@pytest.mark.parametrize(
    ("raw", "sample", "profile", "summary", "joined"),
    [
        ("a_DEPTH_LPM.txt", "ctd_000", "ctd_000", True, True),
        ("a_DEPTH_LPM.txt", "ctd_000", "ctd_000", False, False),
        ("20240101000000", "ctd_000", "CTD_000", False, True),
        ("20240101000000_b", "ctd_000", "ctd_000", False, False),
    ],
)
def test_ecoparts_tables_are_found_by_raw_name_and_profile(
    tmp_path: Path, raw: str, sample: str, profile: str, summary: bool, joined: bool
) -> None:
    writer.write(tmp_path, 1)
    (tmp_path / ZOO).rename(tmp_path / f"ecopart/{raw}_{profile}_ZOO_raw_{writer.STAMP}.tsv")
    if summary:
        change(tmp_path / SUMMARY, '"20240101-000000"', f'"{raw}"')
    else:
        (tmp_path / SUMMARY).unlink()
    rows, _ = read(tmp_path, "uvp")
    assert rows["sample_id"].tolist() == [sample]
    assert rows["ecopart_depth"].notna().tolist() == [joined]


def test_samples_are_known_by_profile_or_by_the_tables_name(tmp_path: Path) -> None:
    writer.write_uvp5(tmp_path, 2)
    [table] = tmp_path.rglob("ecotaxa_*.tsv")
    lines = [line.replace("sample_id", "sample_none") for line in table.read_text().splitlines()]
    table.write_text("\n".join(lines) + "\n")
    assert set(read(tmp_path, "uvp")[0]["header_ship"]) == {"thalassa"}
    change(table, "\tctd_000\t", "\tb_da_19\t")
    change(table, "sample_none", "sample_id")
    other = table.rename(table.with_name("ecotaxa_export.tsv"))
    rows, _ = read(tmp_path, "uvp")
    assert "header_ship" not in rows
    assert len(rows) == 2
    change(other, "b_da_19\t\n", "b_da_19\tctd_000\n")
    assert set(read(tmp_path, "uvp")[0]["header_ship"]) == {"thalassa"}


def test_hardware_settings_are_joined_by_the_raw_files_name(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    place = tmp_path / writer.PROJECT / "ecodata/ctd_000"
    (place / "ctd_000_Particule.zip").rename(place / "20240101-000000_Particule.zip")
    assert read(tmp_path, "uvp")[0]["hw_pixel_size"].tolist() == ["73"]


@pytest.mark.parametrize(
    ("names", "rule", "count"),
    [
        (["raw/HDR20240101000000/HDR20240101000000.hdr", "raw/HDR20240101000000/HDR20240101000000.bru"],
         "uvp_raw_without_images", 2),
        (["float/x_LPM.txt", "float/x_TAXO2.txt"], "uvp_particles_without_images", 2),
        ([f"20240101_a_PAR_raw_{writer.STAMP}.tsv"], "uvp_ecopart_without_images", 1),
        (["export_detailed_20240201_14_15_ZOO_a.tsv"], "uvp_ecopart_without_images", 1),
    ],
)  # fmt: skip
def test_files_without_vignettes_are_named(tmp_path: Path, names: list[str], rule: str, count: int) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("DATE_TIME\tPRES_decibar\n")
    rows, found = read(tmp_path, "uvp")
    assert len(rows) == 0
    assert [(f.rule, f.severity, f.count) for f in found] == [(rule, "warning", count)]
    assert [f.format for f in formats_that_fit(tmp_path)] == ["uvp"]


def test_what_others_call_alike_is_no_uvp(tmp_path: Path) -> None:
    ecotaxa_writer.write(tmp_path / "other", 1)
    with zipfile.ZipFile(tmp_path / "other/My_Images.zip", "w") as made:
        made.writestr("1.png", b"")
    (tmp_path / "other/my_header_table.txt").write_text("a;b\n")
    (tmp_path / "other/BLACK.txt").write_text("black\n")
    assert [f.format for f in formats_that_fit(tmp_path / "other")] == ["ecotaxa"]
    writer.write(tmp_path / "uvp", 1)
    for path in [*tmp_path.glob("uvp/ecopart"), *tmp_path.glob("uvp/*/meta")]:
        shutil.rmtree(path)
    assert [f.format for f in formats_that_fit(tmp_path / "uvp")] == ["uvp"]


def test_damaged_side_files_leave_the_rows(tmp_path: Path) -> None:
    writer.write(tmp_path, 2)
    place = tmp_path / writer.PROJECT / "ecodata/ctd_000"
    (place / "ctd_000_Particule.zip").write_bytes(b"PK\3\4 no zip")
    (tmp_path / HEADER).write_bytes(b"\xff\0\xfe" * 50)
    (tmp_path / PAR).write_bytes(b"depth\timgcount\nx\ty\n1\n\n")
    (tmp_path / ZOO).write_bytes(b"\0" * 99)
    (tmp_path / SUMMARY).write_text("")
    rows, found = read(tmp_path, "uvp")
    assert rows["aqqua_object_id"].tolist() == ["ctd_000_0", "ctd_000_1"]
    assert rules(found) == ["archive_unreadable"]
    assert rows[["ecopart_depth", "ecopart_bin_volume_l"]].isna().all(axis=None)


def test_tables_without_depths_or_samples_are_read(tmp_path: Path) -> None:
    (tmp_path / "compute_vignette.txt").write_text(writer.SETTINGS)
    (tmp_path / "ecotaxa_x.tsv").write_text("img_file_name\tobject_id\n1.png\to1\n")
    rows, found = read(tmp_path, "uvp")
    assert found == []
    assert rows[["aqqua_object_id", "aqqua_path", "vignette_scale"]].to_numpy().tolist() == [["o1", "1.png", "1.5"]]


def test_the_last_line_of_a_header_table_needs_no_line_end(tmp_path: Path) -> None:
    writer.write_uvp5(tmp_path, 1)
    [header] = tmp_path.rglob("uvp5_header_*.txt")
    header.write_bytes(header.read_bytes().rstrip())
    row = read(tmp_path, "uvp")[0].iloc[0]
    assert row["header_latitude_ddmm"] == "-43.30"
    assert "header_sampledatetime" not in row  # the file may end inside it
    assert row["sample_start"] == "2024-01-01T00:00:00"  # of the raw file's name


@settings(max_examples=25)
@given(share=st.floats(0, 1))
def test_a_cut_header_table_gives_no_wrong_entry(share: float) -> None:
    whole = writer.HEADER + "\r\n" + "".join(writer.header_row(n, "43.5", "7.25", "73") for n in range(3))
    known = [set(row.items()) for row in parse_table(whole, ";")]
    for number, row in enumerate(parse_table(whole[: round(share * len(whole))], ";")):
        assert {(k, v) for k, v in row.items() if v} <= known[number]


cells = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\t;'), max_size=8).map(str.strip)
columns = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=1, max_size=5, unique=True)


@given(names=columns, data=st.data(), delimiter=st.sampled_from(";\t"), end=st.sampled_from(["\n", "\r\n"]))
def test_tables_come_back_as_they_were_written(names: list[str], data: st.DataObject, delimiter: str, end: str) -> None:
    filled = cells.filter(bool) if len(names) == 1 else cells
    made = data.draw(st.lists(st.tuples(*[filled] * len(names)), max_size=4))
    text = end.join([delimiter.join(row) for row in [tuple(names), *made]] + [""])
    assert [tuple(row.values()) for row in parse_table(text, delimiter)] == made


@given(text=st.text(max_size=200) | st.text("ab;\t\r\n\"'", max_size=200), delimiter=st.sampled_from(";\t"))
def test_arbitrary_text_gives_no_invented_cell(text: str, delimiter: str) -> None:
    for row in parse_table(text, delimiter):
        assert all(value in text or '"' in text for value in row.values())


@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_in_side_files_are_a_traceback(scratch: Path, data: bytes) -> None:
    for path in (HEADER, ZOO, PAR, SUMMARY):
        (scratch / path).write_bytes(data)
    assert len(read(scratch, "uvp")[0]) == 2


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uvp")
    writer.write(folder, 2)
    return folder


@pytest.mark.realdata
@pytest.mark.parametrize("delivery", [BUNDLE, "ecotaxa/ecotaxa_back/UVP6_example.zip"])
def test_the_real_bundle_is_read_whole(real_data: Path, delivery: str) -> None:
    outer = zipfile.ZipFile(real_data / BUNDLE / "b_da_19_Images.zip")
    [name] = [n for n in outer.namelist() if n.endswith("ecotaxa_b_da_19.tsv")]
    table = list(csv.reader(io.StringIO(outer.read(name).decode("latin-1")), delimiter="\t"))
    rows, found = read(real_data / delivery, "uvp")
    assert found == []
    assert len(rows) == len(table) - 2 == 15
    for position, column in enumerate(table[0]):
        assert rows[column.lower()].fillna("").tolist() == [line[position].strip() for line in table[2:]]
    assert set(rows["vignette_footerheight_px"]) == {"31"}
    assert set(rows["vignette_pixel_size"]) == {"73"}
    assert len([c for c in rows if c.startswith("vignette_")]) == 9  # lines of compute_vignette.txt without ; and [
    assert rows["aqqua_variant"].isna().all()
    with Delivery(str(real_data / delivery)) as opened:
        sizes = [Image.open(io.BytesIO(opened.read(path))).size for path in rows["aqqua_path"]]
    assert all(16 <= side <= 400 for size in sizes for side in size)
    assert [f.format for f in formats_that_fit(real_data / delivery)] == ["uvp"]


@pytest.mark.realdata
def test_ecoparts_real_exports_hold_no_images(real_data: Path) -> None:
    rows, found = read(real_data / "uvp/ecopart_qa", "uvp")
    assert len(rows) == 0
    names = [p.name for p in (real_data / "uvp/ecopart_qa").rglob("*.tsv")]
    tables = [n for n in names if ("_PAR_" in n or "_ZOO_" in n) and not n.endswith("_black.tsv")]
    assert [(f.rule, f.severity, f.count) for f in found] == [
        ("uvp_particles_without_images", "warning", 6),  # BLACK, LPM and TAXO2 in two zips
        ("uvp_ecopart_without_images", "warning", len(tables)),
    ]


@pytest.mark.realdata
def test_ecoparts_real_tables_are_joined(real_data: Path, tmp_path: Path) -> None:
    shutil.copytree(real_data / "uvp/ecopart_qa/ref_export/raw_multi", tmp_path / "raw")
    [zoo] = (tmp_path / "raw").glob("*_uvpappsample01_ZOO_raw_*.tsv")
    objects = list(csv.DictReader(io.StringIO(zoo.read_bytes().decode("latin-1"), newline=""), delimiter="\t"))
    assert len(objects) == 3100
    assert {o["orig_id"] for o in objects} == {"MyOrigID"}  # why EcoTaxa's number is needed
    chosen = objects[::100]
    lines = ["img_file_name\tobject_id\tobjid\tsample_id\tobject_depth_min"]
    lines += [f"{o['objid']}.png\tMyOrigID\t{o['objid']}\tuvpappsample01\t9999" for o in chosen]
    (tmp_path / "ecotaxa_export.tsv").write_text("\n".join(lines) + "\n")
    rows, _ = read(tmp_path, "uvp")
    assert rows["ecopart_depth"].tolist() == [o["depth_including_offset"] for o in chosen]
    [summary] = (tmp_path / "raw").glob("*summary.tsv")
    told = list(csv.DictReader(io.StringIO(summary.read_bytes().decode("latin-1"), newline=""), delimiter="\t"))
    [profile] = [line for line in told if line["profileid"] == "uvpappsample01"]
    assert set(rows["ecopart_latitude"]) == {profile["latitude"]}
    assert set(rows["ecopart_acq_volimage"]) == {profile["acq_volimage"]}
    [par] = (tmp_path / "raw").glob("*_uvpappsample01_PAR_raw_20210201_14_15.tsv")
    bins = list(csv.DictReader(io.StringIO(par.read_text(), newline=""), delimiter="\t"))
    litres = {int(b["depth"]): int(b["imgcount"]) * float(profile["acq_volimage"]) for b in bins}
    expected = [litres.get(int(float(o["depth_including_offset"]))) for o in chosen]
    assert pd.to_numeric(rows["ecopart_bin_volume_l"]).astype("object").where(
        rows["ecopart_bin_volume_l"].notna(), None
    ).tolist() == [None if v is None else pytest.approx(v) for v in expected]
    assert any(v is not None for v in expected)


@pytest.mark.realdata
def test_ecoparts_real_detailed_tables_tell_the_volume(real_data: Path, tmp_path: Path) -> None:
    shutil.copytree(real_data / "uvp/ecopart_qa/ref_export/tsv_det_multi", tmp_path / "det")
    lines = ["img_file_name\tobject_id\tsample_id\tobject_depth_min"]
    lines += [f"{n}.png\to{n}\tuvpappsample01\t{d}" for n, d in enumerate((0, 4.99, 5, 12.5, 99999))]
    (tmp_path / "ecotaxa_export.tsv").write_text("\n".join(lines) + "\n")
    rows, _ = read(tmp_path, "uvp")
    [par] = (tmp_path / "det").glob("*_PAR_uvpappsample01.tsv")
    told = csv.reader(io.StringIO(par.read_bytes().decode("latin-1"), newline=""), delimiter="\t")
    litres = {line[3]: line[4] for line in list(told)[1:]}
    expected = [litres["2.5"], litres["2.5"], litres["7.5"], litres["12.5"], ""]
    assert rows["ecopart_bin_volume_l"].fillna("").tolist() == expected
    assert set(rows["instrument_name"]) == {"UVP6"}
    assert set(rows["sample_start"]) == {"2019-11-21T01:00:00"}


def test_the_reader_of_tables_is_ecotaxas(tmp_path: Path) -> None:
    writer.write_export(tmp_path, 2)
    plain, _ = read(tmp_path, "ecotaxa")
    rows, _ = read(tmp_path, "uvp")
    pd.testing.assert_frame_equal(rows[plain.columns], plain)
    assert ecotaxa.TELLING.fullmatch("ecotaxa_ctd_000.tsv")
