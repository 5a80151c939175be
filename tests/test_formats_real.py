"""Every folder of real instrument files, from delivery to harmonised rows and packed images, with exact counts.

The EcoTaxa corpus has a walk of its own (test_walk_real); here each of its tables is counted by the csv module.
Spot values are checked against the files by an independent path: raw bytes, Pillow, tifffile, csv.
"""

import csv
import hashlib
import io
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from builders import collection, contribution
from PIL import Image
from reading import formats_that_fit, read

from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup.exact import TABLE, find_duplicates
from aqqua_dataset.pipeline import Collection, manifest, run_contribution
from aqqua_dataset.registry.models import Declared, Quantity, Source
from aqqua_dataset.sources import READERS

pytestmark = pytest.mark.realdata

PLACE: dict[str, Any] = {
    "latitude": 54.5, "longitude": 11.5, "depth_min_m": 1, "depth_max_m": 2, "time_zone": "UTC"
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One real delivery: what it is read with, what its contributor's form says, and what must come out.

    Attributes:
        folder: path below the real files.
        format: the reader that has to be recognised, or ``table`` where the mapping says so.
        declared: the form.
        listed, stored, usable: images the delivery speaks of, those packed, those with complete metadata.
        reasons: rejected images by reason.
        rules: findings of all stages.
        source: further settings of the source.
    """

    folder: str
    format: str
    declared: dict[str, Any]
    listed: int
    stored: int
    usable: int
    reasons: dict[str, int] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    source: dict[str, Any] = field(default_factory=dict)


CASES = {
    # 475 particles by the list's lines; the time in it is the analysis, so the form's folder values give the sampling
    "flowcam": Case(
        "flowcam/nerc_ceh",
        "flowcam",
        PLACE | {"instrument": "FlowCam Macro"},
        475,
        475,
        475,
        {},
        frozenset({"image_without_row"}),
        {"folders": [{"path": "*", "holds": {"date": "20230504"}}]},
    ),
    "vpr": Case(
        "vpr/iml2018051",
        "vpr",
        PLACE | {"pixel_size": Quantity(value=25, unit="um")},
        120,
        120,
        120,
        {},
        frozenset({"vpr_day_from_zero"}),
    ),
    "pi10": Case("plankton_imager/cefas", "pi10", PLACE, 9, 9, 0, {"position_placeholder": 9}),
    "planktivore": Case(
        "planktivore/mbari_aidata",
        "spc",
        PLACE | {"pixel_size": Quantity(value=1, unit="um")},
        3,
        3,
        3,
        {},
        frozenset({"image_without_row", "spc_not_a_region"}),
    ),
    "isiis-frame": Case(
        "planktivore/mbari_aidata/cfe",
        "table",
        PLACE | {"instrument": "ISIIS", "pixel_size": Quantity(value=60, unit="um")},
        1,
        0,
        1,
        {"image_full_frame": 1},
        frozenset(),
        {"tables": "none", "names": r"ISIIS-\d+-(?P<day>\d{4}-\d\d-\d\d)", "mapping": {"date": {"column": "name.day"}}},
    ),
    "spc-blob": Case(
        "spc/spcconvert",
        "table",
        PLACE | {"instrument": "SPCP", "pixel_size": Quantity(value=0.62, unit="um")},
        1,
        1,
        1,
        {},
        frozenset(),
        {"tables": "none", "folders": [{"path": "*", "holds": {"date": "20180326"}}]},
    ),
    "ifcb-classified": Case(
        "ifcb/classipyr",
        "ifcb",
        PLACE | {"pixel_size": Quantity(value=3.4, unit="px/um")},
        14,
        14,
        14,
        {},
        frozenset({"ifcb_labels_without_bin", "image_without_row"}),
    ),
    # a .pid of 439 objects and two tables of one; no vignette of theirs was passed on
    "zooscan": Case(
        "zooscan/zooprocess_lib",
        "zooscan",
        {"time_zone": "UTC"},
        441,
        0,
        441,
        {"image_missing": 441},
        frozenset({"archive_unreadable", "image_without_row", "personal_columns_dropped"}),
    ),
    "uvp6-bundle": Case("ecotaxa/ecotaxa_back/import_uvp6_zip_in_dir", "uvp", {"time_zone": "UTC"}, 15, 15, 15),
    "ecopart": Case(
        "uvp/ecopart_qa",
        "uvp",
        {},
        0,
        0,
        0,
        {},
        frozenset({"uvp_ecopart_without_images", "uvp_particles_without_images", "delivery_without_rows"}),
    ),
    "cyz": Case(
        "cytosense/cyzfile_api",
        "cytosense",
        {},
        0,
        0,
        0,
        {},
        frozenset({"cytosense_cyz_not_converted", "delivery_without_rows"}),
    ),
    "flowcam-settings-only": Case("flowcam/bigelow", "flowcam", {}, 0, 0, 0, {}, frozenset({"delivery_without_rows"})),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> tuple[Collection, dict[str, set[str]]]:
    folder = tmp_path_factory.mktemp("formats")
    given = [
        contribution(
            name, None, declared=Declared(**case.declared),
            source=Source(format=case.format, location=str(real_data / case.folder), **case.source),
        )
        for name, case in CASES.items()
    ]  # fmt: skip
    opened = collection(folder, *given)
    rules: dict[str, set[str]] = {}
    with open_executor("serial") as (executor, workers):
        for name in CASES:
            reports = run_contribution(opened, name, executor, workers, lambda _: None)
            rules[name] = {f.rule for r in reports for f in r.findings}
    find_duplicates(opened)
    return opened, rules


Made = tuple[Collection, dict[str, set[str]]]


def rows_of(opened: Collection, name: str, stage: str, table: str) -> list[dict[str, Any]]:
    found = manifest(opened.warehouse, name, stage)  # type: ignore[arg-type]
    assert found is not None
    parts = (f"{found['folder']}/{table}-{p:05d}.parquet" for p in range(len(found["parts"])))
    return [row for part in parts for row in opened.warehouse.read_parquet(part).to_pylist()]


@pytest.mark.parametrize("name", CASES)
def test_counts_reasons_and_findings_are_exactly_these(made: Made, name: str) -> None:
    opened, rules = made
    case = CASES[name]
    core, images = (manifest(opened.warehouse, name, s) for s in ("core", "images"))
    assert core is not None
    assert images is not None
    rejected = Counter(r["reason"] for s, t in (("core", "rejected"), ("images", "rejected"))
                       for r in rows_of(opened, name, s, t))  # fmt: skip
    assert (images["numbers"]["listed"], images["numbers"]["stored"], core["numbers"]["usable"]) == (
        case.listed, case.stored, case.usable
    )  # fmt: skip
    assert (rejected, rules[name]) == (case.reasons, case.rules)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.format != "table"])
def test_the_reader_is_recognised(real_data: Path, name: str) -> None:
    fits = formats_that_fit(real_data / CASES[name].folder)
    assert [f.format for f in fits] == [CASES[name].format] or CASES[name].listed == 0


def stored(opened: Collection, name: str) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Core row and stored bytes of each image by its delivered file and object."""
    core = {r["image_id"]: r for r in rows_of(opened, name, "core", "core")}
    found = {}
    for entry in rows_of(opened, name, "images", "shard"):
        with opened.warehouse.open(entry["shard"]) as stream:
            stream.seek(entry["offset"])
            found[core[entry["image_id"]]["source_object_id"]] = core[entry["image_id"]], stream.read(entry["length"])
    return found


def test_flowcam_pixels_are_the_rectangles_of_the_collage(made: Made, real_data: Path) -> None:
    [listed] = (real_data / "flowcam/nerc_ceh").rglob("*.lst")
    lines = listed.read_text("latin-1").splitlines()
    count = int(lines[1].split("|")[1])
    names = [line.split("|")[0] for line in lines[2 : 2 + count]]
    particles = [dict(zip(names, line.split("|"), strict=False)) for line in lines[2 + count :] if line]
    collage = np.asarray(Image.open(listed.parent / particles[0]["collage_file"]))
    images = list(stored(made[0], "flowcam").values())
    assert len(images) == len(particles) == 475
    by_id = {row["source_object_id"].rsplit("_", 1)[1]: (row, data) for row, data in images}
    for particle in particles[::40]:
        x, y, w, h = (int(particle[f"image_{side}"]) for side in "xywh")
        row, data = by_id[particle["id"]]
        crop = collage[y : y + h, x : x + w]
        grey = (crop[..., :1] == crop).all()  # grey stored as colour is kept as grey
        assert (np.asarray(Image.open(io.BytesIO(data))) == (crop[..., 0] if grey else crop)).all()
        assert row["pixel_size_um"] == pytest.approx(float(particle["cal_const"]))


def test_vpr_keeps_16_bits_and_takes_depth_from_its_hour(made: Made, real_data: Path) -> None:
    found = stored(made[0], "vpr")
    [ctd] = (real_data / "vpr").rglob("h22ctd.dat")
    pressure = {line[3:11]: float(line.split(":")[1].split(",")[2]) for line in ctd.read_text().splitlines()}
    for path in sorted((real_data / "vpr").rglob("*.tif"))[::17]:
        row, data = next(v for k, v in found.items() if k.endswith(path.stem))
        pixels = tifffile.imread(path)
        assert pixels.dtype == np.uint16
        assert pixels.max() > 255
        assert (imagecodecs.png_decode(data) == pixels).all()
        assert row["depth_m"] == pytest.approx(pressure[path.stem[4:12]], rel=0.02)
        assert row["datetime_utc"].strftime("%Y-%m-%d %H") == "2018-10-15 01"


def test_pi10_pixels_are_those_of_the_files(made: Made, real_data: Path) -> None:
    opened, _ = made
    hashes = {r["delivered_sha256"] for r in rows_of(opened, "pi10", "images", "shard")}
    files = sorted((real_data / "plankton_imager").rglob("*.tif"))
    assert hashes == {hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_the_raw_region_stands_for_its_stretched_picture(made: Made, real_data: Path) -> None:
    opened, _ = made
    kinds = Counter(r["duplicate_kind"] for r in opened.warehouse.read_parquet(TABLE).to_pylist()
                    if r["contribution_id"] == "ifcb-classified")  # fmt: skip
    assert kinds == {"variant": 7}
    labels = {r["source_object_id"]: (r["label_verbatim"], r["label_status"])
              for r in rows_of(opened, "ifcb-classified", "core", "core")}  # fmt: skip
    assert labels["D20220522T000439_IFCB134_00003"] == ("Strombidium_like", "validated")
    assert labels["D20220522T000439_IFCB134_00004"] == ("Mesodinium_rubrum", "predicted")


def test_zooscan_values_are_those_of_the_pid(made: Made, real_data: Path) -> None:
    [pid] = (real_data / "zooscan").rglob("*.pid")
    lines = pid.read_text("latin-1").splitlines()
    objects = lines[lines.index("[Data]") + 2 :]
    assert len(objects) == 439
    rows = {r["source_object_id"]: r for r in rows_of(made[0], "zooscan", "core", "core")}
    row = rows[f"{pid.name.removesuffix('_dat1.pid')}_{objects[-1].split(';')[0]}"]
    assert (row["latitude"], row["longitude"]) == pytest.approx((48 + 25.84 / 60, -(22 + 29.66 / 60)))
    [size] = {line.split("=")[1].strip() for line in lines if line.casefold().startswith("pixsize")}
    assert (row["depth_min_m"], row["depth_max_m"]) == (55, 106)
    assert row["pixel_size_um"] == pytest.approx(1000 * float(size))
    assert row["datetime_utc"].isoformat() == "2023-06-14T22:51:00+00:00"
    table = rows["apero2023_tha_bioness_013_st46_d_n4_d2_2_sur_2_1_1"]
    assert (table["latitude"], table["longitude"], table["pixel_size_um"]) == (47.846, -15.437, pytest.approx(10.6))


def test_side_tables_of_the_swedish_programme_place_a_bin(made: Made, real_data: Path, tmp_path: Path) -> None:
    depths = list(csv.DictReader((real_data / "ifcb/nodc_sweden/tangesund_depthdata.csv").read_text().splitlines()))
    blacklisted = (real_data / "ifcb/nodc_sweden/sample_blacklist.tsv").read_text()
    blacklist = list(csv.DictReader(blacklisted.splitlines(), delimiter="\t"))
    day = next(row["sample"] for row in blacklist if len(row["sample"]) == 9)
    bins = {depths[0]["sample"]: depths[0]["depth"], f"{day}T101010_IFCB134": None}
    shutil.copytree(real_data / "ifcb/nodc_sweden", tmp_path / "in")
    raw = real_data / "ifcb/classipyr/raw/2022/D20220522/D20220522T000439_IFCB134"
    for stem in bins:
        for ending in (".hdr", ".adc", ".roi"):
            shutil.copy(raw.with_suffix(ending), tmp_path / "in" / f"{stem}{ending}")
    rows, _ = read(tmp_path / "in", "ifcb")
    known = rows[rows["bin"] == depths[0]["sample"]]
    assert (len(known), set(known["side_depth"])) == (7, {depths[0]["depth"]})
    refused = rows[rows["bin"] == f"{day}T101010_IFCB134"]
    reason = next(row["reason"] for row in blacklist if row["sample"] == day)
    assert set(refused["aqqua_reason"]) == {"bin_blacklisted"}
    assert set(refused["aqqua_value"]) == {reason}


def ecotaxa_tables(real_data: Path) -> list[Path]:
    corpus = real_data / "ecotaxa/ecotaxa_back"
    return sorted(p for p in corpus.rglob("*") if p.suffix in (".tsv", ".txt") and p.name.lower().startswith("ecotaxa"))


def test_every_ecotaxa_table_gives_as_many_rows_as_the_csv_module_counts(real_data: Path, tmp_path: Path) -> None:
    counted = 0
    for number, path in enumerate(ecotaxa_tables(real_data)):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(path, folder)
        rows, _ = read(folder, "ecotaxa")
        text = path.read_text("utf-8-sig" if path.read_bytes().startswith(b"\xef\xbb\xbf") else "latin-1")
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter="\t") if any(line)]
        header = [cell.strip().lower() for cell in lines[0]] if lines else []
        expected = 0
        if {"object_id", "img_file_name"} <= set(header):
            expected = sum(1 for line in lines[1:] if not all(re.fullmatch(r"(\[\w\])?", c) for c in line))
        assert len(rows) == expected, path
        counted += expected
    assert counted > 150


def test_every_folder_is_read_by_every_reader_without_a_crash(real_data: Path) -> None:
    for folder in sorted(p for p in real_data.iterdir() if p.is_dir() and p.name != "ecotaxa"):
        for name in READERS:
            read(folder, name)
