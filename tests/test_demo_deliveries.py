"""The demo's deliveries are what contributors send, and the writers of the formats say what they are told to."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aqqua_dataset.demo import write_deliveries
from aqqua_dataset.demo.draw import organism, write_files
from aqqua_dataset.demo.ecotaxa import MISTAKES, ecotaxa_tsv
from aqqua_dataset.demo.ifcb import Line, Style, ifcb_bin, write_ifcb_bin
from aqqua_dataset.registry.load import load_registry

IMAGES = (".png", ".jpg")


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deliveries")
    write_deliveries(folder)
    return folder


def contents(delivery: Path) -> dict[str, bytes]:
    """Every file of a zip or folder by its path inside."""
    if delivery.is_dir():
        files = [p for p in sorted(delivery.rglob("*")) if p.is_file()]
        return {p.relative_to(delivery).as_posix(): p.read_bytes() for p in files}
    with zipfile.ZipFile(delivery) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def parse(data: bytes, encoding: str, delimiter: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter))


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def net_tables(files: dict[str, bytes]) -> dict[str, list[dict[str, str]]]:
    """Rows of a zip's import tables without the line of types, by sample."""
    tables = {n: d for n, d in files.items() if Path(n).name.startswith("ecotaxa_")}
    return {n.split("/")[0]: parse(d, "latin-1", "\t")[1:] for n, d in tables.items()}


def test_a_second_run_and_another_folder_give_the_same_few_bytes(deliveries: Path, tmp_path: Path) -> None:
    before = contents(deliveries)
    write_deliveries(deliveries)
    write_deliveries(tmp_path / "new" / "place")
    assert contents(deliveries) == before
    assert contents(tmp_path / "new" / "place") == before
    assert sum(map(len, before.values())) < 3_000_000


def test_every_delivery_the_registry_names_is_there_and_no_other(deliveries: Path, registry_folder: Path) -> None:
    registry, findings = load_registry(registry_folder)
    assert registry is not None, findings
    named = {c.source.location for c in registry.contributions.values() if c.source}
    assert {p.name for p in deliveries.iterdir()} == named


@pytest.mark.parametrize(
    ("location", "images"),
    [
        ("kattegat-net-2019.zip", 48),
        ("kattegat-flowcam-2020", 30),
        ("lake-stechlin-2022", 24),
        ("oresund-net-2019.zip", 20),
        ("fram-loki-withdrawn", 10),
        ("gotland-mooring-2024", 12),
        ("arkona-unsigned-2023", 8),
    ],
)
def test_images_are_as_many_as_promised_and_all_differ(deliveries: Path, location: str, images: int) -> None:
    found = [d for n, d in contents(deliveries / location).items() if n.endswith(IMAGES)]
    decoded = {(p.shape, p.tobytes()) for p in map(pixels, found)}
    assert len(found) == len(decoded) == images


def test_kattegat_is_an_import_zip_with_macos_junk(deliveries: Path) -> None:
    files = contents(deliveries / "kattegat-net-2019.zip")
    assert {"kat19_n1/.DS_Store", "kat19_n2/.~lock.ecotaxa_kat19_n2.tsv#"} <= set(files)
    assert any(n.startswith("__MACOSX/") for n in files)
    raw = files["kat19_n1/ecotaxa_kat19_n1.tsv"]
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert "Läsö".encode("latin-1") in raw
    assert set(raw.split(b"\n")[1].split(b"\t")) == {b"[f]", b"[t]"}
    assert {pixels(d).ndim for n, d in files.items() if n.endswith(".jpg")} == {2, 3}  # grey and RGB


def test_kattegat_rows(deliveries: Path) -> None:
    files = contents(deliveries / "kattegat-net-2019.zip")
    tables = net_tables(files)
    rows = [row for table in tables.values() for row in table]
    assert {sample: len(table) for sample, table in tables.items()} == {"kat19_n1": 24, "kat19_n2": 24}
    assert all(f"{row['sample_id']}/{row['img_file_name']}" in files for row in rows)
    ranks: dict[str, list[str]] = {}
    for row in rows:
        ranks.setdefault(row["object_id"], []).append(row["img_rank"])
    assert len(ranks) == 46
    assert sorted(ranks.values())[-2:] == [["0", "1"], ["0", "1"]]
    assert {row["object_time"] for row in rows} == {"420", "133015"}
    assert {r["object_annotation_status"] for r in rows} == {"predicted", "validated", "dubious", ""}
    assert len({(row["object_depth_min"], row["object_depth_max"]) for row in rows}) == 4
    copepods = [r for r in rows if r["object_annotation_category_id"] == "25828"]
    assert {r["object_annotation_category"] for r in copepods} == {"Copepoda<Multicrustacea"}
    assert {r["acq_instrument"] for r in rows} == {"zooscan"}
    assert {r["process_particle_pixel_size_mm"] for r in rows} == {"0.0106"}
    assert {row["object_annotation_person_email"] for row in rows} == {"", "asa@example.org"}


def test_oresund_shares_six_files_and_four_pictures_with_the_kattegat(deliveries: Path) -> None:
    kattegat = contents(deliveries / "kattegat-net-2019.zip")
    oresund = contents(deliveries / "oresund-net-2019.zip")
    theirs = [d for n, d in kattegat.items() if n.endswith(IMAGES)]
    ours = [d for n, d in oresund.items() if n.endswith(IMAGES)]
    drawn = {(p.shape, p.tobytes()) for p in map(pixels, theirs)}
    same_bytes = [d for d in ours if d in theirs]
    same_pixels = [d for d in ours if ((p := pixels(d)).shape, p.tobytes()) in drawn]
    assert (len(same_bytes), len(same_pixels)) == (6, 10)
    ids = [{row["object_id"] for table in net_tables(f).values() for row in table} for f in (kattegat, oresund)]
    assert len(ids[1]) == 20
    assert not ids[0] & ids[1]


def test_flowcam_is_an_export(deliveries: Path) -> None:
    folder = deliveries / "kattegat-flowcam-2020"
    (table,) = folder.glob("ecotaxa_export_*.tsv")
    lines = table.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8").splitlines()
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    assert all(cell[0] == cell[-1] == '"' for line in lines for cell in line.split("\t"))
    rows = parse(table.read_bytes(), "utf-8-sig", "\t")
    assert len(rows) == 30
    assert {(r["acq_instrument"], r["process_pixel"]) for r in rows} == {("FlowCam", "0.7339")}
    assert all((folder / r["img_file_name"]).is_file() for r in rows)
    for row in rows:
        taxon = row["object_annotation_category"].replace("<", "_") or "unclassified"
        assert row["img_file_name"].startswith(f"images/{taxon}/")
        assert row["img_file_name"].endswith(f"_{row['img_rank']}.png")


def test_lake_is_a_german_spreadsheet(deliveries: Path) -> None:
    folder = deliveries / "lake-stechlin-2022"
    rows = parse((folder / "data.csv").read_bytes(), "utf-8", ";")
    header = "Bild-ID;Datei;Zeitpunkt;Breite;Laenge;Tiefe_von;Tiefe_bis;Pixel_um;Klasse;Status;Profil"
    assert list(rows[0]) == header.split(";")
    assert len({r["Bild-ID"] for r in rows}) == 24
    assert {r["Datei"] for r in rows} == {p.name for p in (folder / "images").iterdir()}
    for row in rows:
        assert None not in row
        numbers = [row[c] for c in ("Breite", "Laenge", "Tiefe_von", "Tiefe_bis", "Pixel_um")]
        assert all("," in n and "." not in n for n in numbers)
        latitude, longitude, top, bottom, pixel = (float(n.replace(",", ".")) for n in numbers)
        assert (latitude, longitude, pixel) == pytest.approx((53.15, 13.03, 28), abs=0.3)
        assert 0 <= top < bottom < 40


@pytest.mark.parametrize(
    ("name", "images", "year"),
    [
        ("fram-loki-withdrawn", "", 2021),
        ("gotland-mooring-2024", "images", 2024),
        ("arkona-unsigned-2023", "images", 2023),
    ],
)
def test_plain_tables(deliveries: Path, name: str, images: str, year: int) -> None:
    folder = deliveries / name
    rows = parse((folder / "table.csv").read_bytes(), "utf-8", ",")
    assert list(rows[0]) == ["id", "file", "time", "lat", "lon", "depth"]
    assert {r["file"] for r in rows} == {p.name for p in (folder / images).glob("*.png")}
    assert all(r["time"].startswith(f"{year}-") and r["time"].endswith("Z") for r in rows)


def test_skagerrak_has_every_mistake_once_beside_eight_good_rows(deliveries: Path) -> None:
    folder = deliveries / "skagerrak-messy-2018"
    assert (folder / "ecotaxa_ska18_empty.tsv").read_bytes() == b""
    assert (folder / "ecotaxa_ska18_header_only.tsv").read_bytes().count(b"\n") == 1
    rows = parse((folder / "ecotaxa_ska18_n3.tsv").read_bytes(), "latin-1", "\t")[1:]
    by_image = {r["img_file_name"]: r for r in rows}
    for name, cells in MISTAKES.items():
        row = by_image[cells.get("img_file_name", f"{name}.png")]
        assert row | cells == row, name
    assert Counter(r["img_file_name"] for r in rows).most_common(2)[0] == ("good_0.png", 2)
    assert [r["object_id"] for r in rows if None in r] == ["ska18_n3_extra_cells"]
    assert len({r["object_id"] for r in rows if "good" in r["object_id"]}) == 8
    assert len(rows) == 8 + len(MISTAKES) + 4 + 2  # four damaged images, a row twice, a row too long
    delivered = {p.name for p in folder.iterdir() if p.suffix in IMAGES}
    assert delivered - set(by_image) == {"without_a_row.png"}
    assert set(by_image) - delivered == {"not_there.png"}


@pytest.mark.parametrize("name", ["truncated.jpg", "empty.png", "text.png"])
def test_damaged_images_cannot_be_decoded(deliveries: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"truncated|cannot identify"):
        pixels((deliveries / "skagerrak-messy-2018" / name).read_bytes())


@pytest.mark.parametrize(
    ("stem", "lines", "regions", "pad"),
    [
        ("D2021/D20210615/D20210615T101500_IFCB134", 15, 12, 0),
        ("D2021/D20210615/D20210615T103845_IFCB134", 11, 9, 0),
        ("D2021/D20210615/D20210615T110230_IFCB134", 0, 0, 0),
        ("IFCB5_2021_166/IFCB5_2021_166_101500", 4, 3, 2),
    ],
)
def test_boknis_bins_hold_what_their_adc_says(deliveries: Path, stem: str, lines: int, regions: int, pad: int) -> None:
    path = deliveries / "boknis-ifcb-2021" / stem
    table = [line.split(",") for line in path.with_suffix(".adc").read_text().splitlines()]
    columns, first = (16, 9) if pad else (24, 13)
    assert len(table) == lines
    assert all(len(cells) == columns for cells in table)
    sizes = [int(c[first + 2]) * int(c[first + 3]) for c in table]
    assert sum(size > 0 for size in sizes) == regions
    assert path.with_suffix(".roi").stat().st_size == sum(sizes) + pad


def test_boknis_incomplete_bins_and_the_stitched_pair(deliveries: Path) -> None:
    folder = deliveries / "boknis-ifcb-2021"
    zero = sorted((folder / "D2021/D20210615").glob("D20210615T113000_IFCB134.*"))
    assert [(p.suffix, p.stat().st_size) for p in zero] == [(".adc", 0), (".hdr", 0), (".roi", 0)]
    partial = (folder / "D2021/D20210615").glob("D20210615T120000_IFCB134.*")
    assert sorted(p.suffix for p in partial) == [".adc", ".hdr"]
    adc = (folder / "IFCB5_2021_166/IFCB5_2021_166_101500.adc").read_text().splitlines()
    assert [line.split(",")[0] for line in adc] == ["1", "2", "2", "3"]
    a, b = ([int(v) for v in adc[i].split(",")[9:13]] for i in (1, 2))
    assert (b[0] < a[0] + a[2], b[1] < a[1] + a[3]) == (True, True)  # the rectangles overlap
    assert adc[3].split(",")[9:13] == ["-11", "-11", "0", "0"]


REGIONS = st.lists(st.none() | st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=6)


@given(seed=st.integers(0, 99), sizes=REGIONS, style=st.sampled_from(["new", "old"]))
@settings(max_examples=40, deadline=None)
def test_regions_cut_from_a_roi_equal_what_was_drawn(
    seed: int, sizes: list[tuple[int, int] | None], style: Style
) -> None:
    rng = np.random.default_rng(seed)
    drawn = [None if s is None else organism(rng, *s) for s in sizes]
    files = ifcb_bin("stem", [Line(i, 5, 6, p) for i, p in enumerate(drawn, start=1)], style)
    first = 9 if style == "old" else 13
    for line, expected in zip(files["stem.adc"].decode().splitlines(), drawn, strict=True):
        width, height, start = (int(c) for c in line.split(",")[first + 2 : first + 5])
        cut = np.frombuffer(files["stem.roi"][start : start + width * height], np.uint8)
        assert np.array_equal(cut, [] if expected is None else expected.ravel())
        assert expected is None or expected.shape == (height, width)
    pad = 2 if style == "old" else 0
    assert len(files["stem.roi"]) == pad + sum(p.size for p in drawn if p is not None)


def test_ifcb_header_entries_can_be_changed(tmp_path: Path) -> None:
    write_ifcb_bin(tmp_path, "new", [Line(1)], hdr={"gpsLatitude": "54.5", "runTime": "60"})
    write_ifcb_bin(tmp_path, "old", [Line(1)], style="old", hdr={"Temp": " 7.5"})
    new = dict(line.split(": ", 1) for line in (tmp_path / "new.hdr").read_text().splitlines())
    assert (new["gpsLatitude"], new["runTime"], new["triggerCount"], new["roiCount"]) == ("54.5", "60", "1", "0")
    assert new["ADCFileFormat"].count(",") == 23
    old = (tmp_path / "old.hdr").read_text().splitlines()
    assert len(old) == 6
    assert old[-1] == '" 7.5"," 32.17"," 30"," .675"," .6"," 10"'
    with pytest.raises(ValueError, match="runTime"):
        write_ifcb_bin(tmp_path, "old", [], style="old", hdr={"runTime": "60"})


@pytest.mark.parametrize(
    ("options", "start", "lines"),
    [
        ({}, b"object_id\tobject_lat\tsample_ship\n[t]\t[f]\t[t]\n", 4),
        ({"type_row": False}, b"object_id\tobject_lat\tsample_ship\no1\t", 3),
        ({"bom": True, "encoding": "utf-8"}, b"\xef\xbb\xbfobject_id\t", 4),
        ({"quoted": True, "type_row": False}, b'"object_id"\t"object_lat"\t', 3),
    ],
)
def test_ecotaxa_flavours(tmp_path: Path, options: dict[str, Any], start: bytes, lines: int) -> None:
    rows = [{"object_id": "o1", "object_lat": "1.5"}, {"object_id": "o2", "sample_ship": "Rhône"}]
    write_files(tmp_path / "sub", {"ecotaxa_x.tsv": ecotaxa_tsv(rows, **options)})
    data = (tmp_path / "sub" / "ecotaxa_x.tsv").read_bytes()
    assert data.startswith(start)
    assert data.count(b"\n") == lines
    assert "Rhône".encode(str(options.get("encoding", "latin-1"))) in data


def test_organism_has_the_size_asked_for_and_its_generator_decides_it() -> None:
    first, again = (organism(np.random.default_rng(7), 30, 20) for _ in range(2))
    other = organism(np.random.default_rng(8), 30, 20)
    dark = organism(np.random.default_rng(7), 30, 20, dark=True)
    assert (first.shape, str(first.dtype)) == ((20, 30), "uint8")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first[0, 0] > 200 > 60 > dark[0, 0]
