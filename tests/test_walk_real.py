"""The whole walk on real files: every contribution's counts are stated here, and why they are so."""

import datetime as dt
import hashlib
import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders import collection, contribution
from PIL import Image

from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.findings import has_errors
from aqqua_dataset.images.read import read_image
from aqqua_dataset.pipeline import Collection, manifest, run_contribution
from aqqua_dataset.progress import ledger
from aqqua_dataset.progress.examples import quarantined
from aqqua_dataset.registry.models import Contribution, Declared, Quantity
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.release.gate import ReleaseRequest

pytestmark = pytest.mark.realdata

REHEARSAL = ReleaseRequest("0.1.0", "public", dt.date(2027, 7, 15), rehearsal=True)
NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

# declared, missing, rejected, accepted, flagged; then reject reasons, then findings about files.
# Every row of the back end's own import fixtures is usable except where a reason is given.
EXPECTED: dict[str, tuple[tuple[int, int, int, int, int], dict[str, int], set[str]]] = {
    # one ship at the same minute off Cape Verde and off Tasmania: all rows of both hauls are marked
    "eco-folder": ((11, 0, 0, 11, 11), {}, {"personal_columns_dropped"}),
    "eco-zip": ((8, 0, 0, 8, 0), {}, {"personal_columns_dropped"}),  # a lock file in the zip is no table
    "eco-uvp6": ((15, 0, 0, 15, 0), {}, set()),  # a zip in a zip; positions as 43°0 0 in Latin-1
    "eco-doi": ((12, 0, 0, 12, 0), {}, {"personal_columns_dropped"}),  # quoted export without type row
    "eco-by-taxon": ((12, 0, 0, 12, 0), {}, {"personal_columns_dropped"}),  # seven tables with BOM
    "eco-backup": ((12, 0, 0, 12, 0), {}, {"personal_columns_dropped"}),
    "eco-with-ids": ((0, 0, 0, 0, 0), {}, {"not_an_image_table", "delivery_without_rows"}),  # no image column
    "eco-no-image": ((12, 12, 0, 0, 0), {"image_missing": 12}, {"personal_columns_dropped"}),
    "eco-update": ((15, 11, 0, 4, 0), {"image_missing": 11}, {"personal_columns_dropped"}),  # two tables lack images
    "eco-sparse": ((6, 0, 6, 0, 0), {"pixel_size_missing": 6}, set()),  # VPR rows name no pixel size at all
    "eco-declared": ((6, 0, 0, 6, 0), {}, set()),  # the same once the form gives it
    "eco-ambiguous": ((6, 0, 6, 0, 0), {"instrument_missing": 6}, set()),  # CR line ends; hardly any column
    "eco-merge": (  # one table has no acq_instrument, one row stands in two tables, a label contradicts its id
        (13, 0, 2, 11, 1),
        {"duplicate_row": 1, "instrument_missing": 1},
        {"personal_columns_dropped", "image_without_row"},
    ),
    "bad-hierarchy": ((1, 0, 0, 1, 0), {}, {"personal_columns_dropped"}),  # wrong only beside another table
    "bad-no-status": ((1, 0, 0, 1, 1), {}, {"personal_columns_dropped"}),
    "bad-no-label": ((1, 0, 0, 1, 1), {}, {"personal_columns_dropped"}),
    "bad-duplicate": ((2, 0, 1, 1, 0), {"duplicate_row": 1}, {"personal_columns_dropped"}),
    "bad-header-only": ((0, 0, 0, 0, 0), {}, {"table_without_rows", "delivery_without_rows"}),
    "bad-zero-bytes": ((0, 0, 0, 0, 0), {}, {"table_empty", "delivery_without_rows"}),
    "bad-extra-cells": ((1, 0, 1, 0, 0), {"row_has_extra_cells": 1}, set()),
    "bad-unknown-id": ((1, 0, 0, 1, 0), {}, {"personal_columns_dropped"}),  # kept, and noted as unknown
    "bad-no-table": ((0, 0, 0, 0, 0), {}, {"delivery_without_rows"}),
    "bad-columns": ((1, 0, 0, 1, 0), {}, {"personal_columns_dropped"}),  # 189 columns are fine here
    "bad-issues": (
        (6, 1, 3, 2, 0),
        {"image_format_unsupported": 1, "image_missing": 1, "object_id_missing": 1, "time_unparsable": 1},
        {"personal_columns_dropped", "image_without_row"},
    ),
    "ifcb-old": ((6, 0, 0, 6, 6), {}, {"ifcb_not_a_bin", "ifcb_bin_zero_bytes"}),
    "ifcb-new": ((7, 0, 0, 7, 0), {}, set()),
    "ifcb-empty": ((0, 0, 0, 0, 0), {}, {"ifcb_bin_without_rois", "delivery_without_rows"}),
    "ifcb-zero-bytes": ((0, 0, 0, 0, 0), {}, {"ifcb_bin_zero_bytes", "delivery_without_rows"}),
    "ifcb-partial": ((6, 6, 0, 0, 0), {"image_missing": 6}, {"ifcb_roi_file_missing"}),
}

# Distinct pictures: 11 of the m106 scans (in many deliveries), 15 UVP6 vignettes, 6 VPR and 13 IFCB regions; one of the
# scans is there as 56 x 35 pixels and, published, on a canvas of 100 x 100 (the block there is equal pixel by pixel).
DISTINCT = 45 - 1

FLAGS = {
    "eco-doi": {"IMAGE_MULTIPLE_RANKS": 2},
    "eco-update": {"LABEL_UNPARSED": 1, "ROW_SHORT": 2, "IMAGE_MULTIPLE_RANKS": 2},
    "bad-no-status": {"LABEL_WITHOUT_STATUS": 1, "ROW_CUT_OFF": 1},
    "bad-no-label": {"STATUS_WITHOUT_LABEL": 1, "ROW_CUT_OFF": 1},
    "bad-unknown-id": {"LABEL_ID_UNKNOWN": 1},
    # the files were cut short, and so was the volume: 0.018 mL is no whole syringe
    "ifcb-old": {"IMAGE_MULTIPLE_RANKS": 2, "IFCB_STITCHED_PAIR": 2, "VOLUME_OUT_OF_RANGE": 6},
    "ifcb-new": {},
}


def contributions(real: Path) -> list[Contribution]:
    eco, issues, ifcb = real / "ecotaxa/ecotaxa_back", real / "ecotaxa/ecotaxa_back/import_issues", real / "ifcb"
    vpr = Declared(instrument="VPR", pixel_size=Quantity(value=25, unit="um"), time_zone="UTC")
    station = Declared(
        instrument="IFCB", pixel_size=Quantity(value=3.4, unit="px/um"), latitude=58.0, longitude=11.0,
        depth_min_m=2, depth_max_m=2, time_zone="UTC",
    )  # fmt: skip
    made = [
        contribution("eco-folder", eco / "import_test"),
        contribution("eco-zip", eco / "import_test.zip", owners=("owner-two",)),
        contribution("eco-uvp6", eco / "UVP6_example.zip"),
        contribution("eco-doi", eco / "ref_exports/doi"),
        contribution("eco-by-taxon", eco / "ref_exports/tsv_by_taxon"),
        contribution("eco-backup", eco / "ref_exports/bak_all_images"),
        contribution("eco-with-ids", eco / "ref_exports/tsv_with_ids"),
        contribution("eco-no-image", eco / "ref_exports/bak_no_image"),
        contribution("eco-update", eco / "import_test_plus"),
        contribution("eco-sparse", eco / "import_sparse"),
        contribution("eco-declared", eco / "import_sparse", declared=vpr),
        contribution("eco-ambiguous", eco / "import de categories ambigues"),
        contribution("eco-merge", eco / "merge_test"),
    ]
    broken = {
        "bad-hierarchy": "breaking_hierarchy", "bad-no-status": "classif_without_state",
        "bad-no-label": "predicted_but_what", "bad-duplicate": "duplicate_in_tsv", "bad-header-only": "empty_tsv",
        "bad-zero-bytes": "empty_tsv2", "bad-extra-cells": "extra_data_without_header",
        "bad-unknown-id": "no_classif_id", "bad-no-table": "no_relevant_file", "bad-columns": "tsv_too_many_cols",
        "bad-issues": "tsv_issues",
    }  # fmt: skip
    made += [contribution(name, issues / folder) for name, folder in broken.items()]
    bins = {
        "ifcb-old": "pyifcb/data", "ifcb-new": "classipyr/raw", "ifcb-empty": "pyifcb/empty",
        "ifcb-zero-bytes": "pyifcb/invalid", "ifcb-partial": "pyifcb/partial",
    }  # fmt: skip
    made += [contribution(name, ifcb / folder, format="ifcb", declared=station) for name, folder in bins.items()]
    return made


Walk = tuple[Collection, Release, dict[str, set[str]]]


def walk(folder: Path, real: Path, executor: str) -> Walk:
    made = collection(folder, *contributions(real), executor=executor)
    found: dict[str, set[str]] = {}
    with open_executor(executor) as (workers, count):
        for name in made.registry.contributions:
            reports = run_contribution(made, name, workers, count, lambda _: None)
            found[name] = {f.rule for r in reports for f in r.findings}
        find_duplicates(made)
        release = build_release(made, [], REHEARSAL, NOW, workers, count, lambda _: None)
    return made, release, found


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Walk:
    return walk(tmp_path_factory.mktemp("walk"), real_data, "serial")


def test_every_contribution_has_its_expected_counts(walked: Walk) -> None:
    made, release, found = walked
    rows = {r["contribution_id"]: r for r in release.ledger.to_pylist()}
    assert set(rows) == set(EXPECTED)
    held: dict[str, dict[str, int]] = {}
    for example in quarantined(made):
        held.setdefault(example.contribution, {})[example.kind] = example.images
    for name, (counts, reasons, rules) in EXPECTED.items():
        row = rows[name]
        shown = tuple(row[c] for c in ("declared", "missing", "rejected", "accepted", "flagged"))
        assert (shown, held.get(name, {}), found[name]) == (counts, reasons, rules), name


def test_flags_are_raised_where_they_belong(walked: Walk) -> None:
    made, _, _ = walked
    for name, expected in FLAGS.items():
        stage = manifest(made.warehouse, name, "core")
        assert stage is not None
        parts = (f"{stage['folder']}/core-{p:05d}.parquet" for p in range(len(stage["parts"])))
        tables = (made.warehouse.read_parquet(p, ["qc_flags"]).to_pylist() for p in parts)
        assert Counter(flag for table in tables for row in table for flag in row["qc_flags"]) == expected, name


def test_all_reasons_of_a_row_are_named_with_line_column_and_value(walked: Walk) -> None:
    made, _, _ = walked
    rows = [
        row
        for path in ledger.quarantine_parts(made, "bad-issues")
        for row in made.warehouse.read_parquet(path).to_pylist()
    ]
    said = {(r["source_line"], r["reason"], r["column"], r["value"]) for r in rows}
    assert (3, "time_unparsable", "datetime", "20140433 9920") in said
    assert (3, "position_out_of_range", "latitude", "100") in said
    assert (8, "object_id_missing", "object_id", None) in said or (8, "object_id_missing", "object_id", "") in said
    assert all(r["expected"] for r in rows)


def test_the_ledger_balances_and_the_release_holds_what_it_says(walked: Walk) -> None:
    made, release, _ = walked
    assert not has_errors(ledger.imbalances(release.ledger))
    assert sum(r["published"] for r in release.ledger.to_pylist()) == release.facts.image_count == DISTINCT
    sealed = made.warehouse.read_json(f"{release.folder}/RELEASED.json")
    assert sealed["images"] == DISTINCT
    check = subprocess.run(
        ["sha256sum", "--check", "--quiet", "manifest-sha256.txt"],
        cwd=made.warehouse.url(release.folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout + check.stderr


def test_credit_survives_deduplication(walked: Walk) -> None:
    made, release, _ = walked
    attributed = made.warehouse.read_parquet(f"{release.folder}/attribution.parquet").to_pylist()
    credited = {row["contribution_id"]: row["images_credited"] for row in attributed}
    published = {r["contribution_id"]: r["published"] for r in release.ledger.to_pylist()}
    assert published["eco-zip"] == 0  # all its images stand in another contribution as well
    assert credited["eco-zip"] == 8
    authors = made.warehouse.open(f"{release.folder}/authors/authors.csv").read().decode()
    assert "Owner,Two" in authors.replace('"', "") or "Two" in authors


def test_ifcb_pixels_equal_the_raw_bytes(walked: Walk, real_data: Path) -> None:
    made, release, _ = walked
    raw = real_data / "ifcb/classipyr/raw/2022/D20220522/D20220522T000439_IFCB134"
    pixels = raw.with_suffix(".roi").read_bytes()
    tables = [p for p in made.warehouse.find(f"{release.folder}/metadata") if "ifcb-new" in p]
    rows = {r["source_object_id"]: r for p in tables for r in made.warehouse.read_parquet(p).to_pylist()}
    checked = 0
    for number, line in enumerate(raw.with_suffix(".adc").read_text().splitlines(), start=1):
        width, height, start = (int(float(v)) for v in line.split(",")[15:18])
        if width * height == 0:
            continue
        row = rows[f"{raw.name}_{number:05d}"]
        image = read_image(made.warehouse, release.folder, row["image_id"])
        expected = np.frombuffer(pixels[start : start + width * height], np.uint8).reshape(height, width)
        path = Path(made.warehouse.url("one.png"))
        path.write_bytes(image.data)
        assert (np.asarray(Image.open(path)) == expected).all()
        assert hashlib.sha256(expected.tobytes()).hexdigest() == row["delivered_sha256"]
        checked += 1
    assert checked == 7


def test_values_are_what_the_files_say(walked: Walk) -> None:
    made, release, _ = walked
    [table] = [p for p in made.warehouse.find(f"{release.folder}/metadata") if "eco-uvp6" in p]
    row = next(
        r for r in made.warehouse.read_parquet(table).to_pylist() if r["source_object_id"] == "20200205-111823_3"
    )
    assert (row["latitude"], row["longitude"], row["latitude_verbatim"]) == (43.0, 17.0, "43°0 0")
    assert (row["depth_m"], row["altitude_m"], row["pixel_size_um"]) == (194.63, -194.63, 73.0)
    assert row["pixel_size_unit_source"] == "rule_instrument"
    assert row["datetime_utc"] == dt.datetime(2020, 2, 5, 11, 18, 23, tzinfo=dt.UTC)
    assert row["coordinate_format"] == "dms"


def tree(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_two_workers_and_a_second_run_give_the_same_bytes(walked: Walk, real_data: Path, tmp_path: Path) -> None:
    made, release, _ = walked
    first = tree(Path(made.warehouse.url(release.folder)))
    again, other, _ = walk(tmp_path, real_data, "processes:2")
    assert tree(Path(again.warehouse.url(other.folder))) == first
    with open_executor("serial") as (workers, count):
        build_release(made, [], REHEARSAL, NOW, workers, count, lambda _: None)
    assert tree(Path(made.warehouse.url(release.folder))) == first


def is_empty_table(path: Path) -> bool:
    """A table without rows has none that could say which release it belongs to."""
    lines = path.read_text().splitlines()
    return path.suffix == ".csv" and len(lines) == 1 and lines[0].endswith(",release")


def test_every_file_of_a_rehearsal_says_that_it_is_one(walked: Walk) -> None:
    made, release, _ = walked
    folder = Path(made.warehouse.url(release.folder))
    silent = [
        path.relative_to(folder).as_posix() for path in folder.rglob("*")
        if path.is_file() and "rehearsal" not in path.name and b"rehearsal" not in path.read_bytes().lower()
    ]  # fmt: skip
    assert [p for p in silent if not is_empty_table(folder / p)] == []
    record = json.loads((folder / "datacite.json").read_text())
    assert "doi" not in record
