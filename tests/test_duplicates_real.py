"""Real images by two roads: IFCB regions raw and as contrast-stretched PNG files, one EcoTaxa export sent twice."""

from collections import Counter
from pathlib import Path

import pytest
from builders import collection, contribution

from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup import bridge
from aqqua_dataset.dedup.exact import TABLE, find_duplicates
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.models import Declared, FolderValues, Quantity, Source

pytestmark = pytest.mark.realdata


def run(made: Collection) -> None:
    with open_executor("serial") as (executor, workers):
        for name in made.registry.contributions:
            run_contribution(made, name, executor, workers, lambda _: None)
    bridge.write_candidates(made)
    find_duplicates(made)


def test_regions_and_the_png_files_made_of_them_meet(tmp_path: Path, real_data: Path) -> None:
    """Seven PNG files of one bin: each is its region's copy, or is proposed by bin and number of the region."""
    declared = Declared(
        instrument="IFCB", pixel_size=Quantity(value=2.77, unit="px/um"), latitude=58.25, longitude=11.4,
        depth_min_m=3, depth_max_m=3, depth_kind="point", deployment_type="in_situ_moored", time_zone="UTC",
    )  # fmt: skip
    folder = real_data / "ifcb/classipyr"
    day = FolderValues(path="*", holds={"date": "20220522"})
    png = Source(format="table", location=str(folder / "png"), tables="none", folders=(day,))
    raw = Source(format="ifcb", location=str(folder / "raw"))
    made = collection(
        tmp_path,
        contribution("dashboard", None, source=raw, declared=declared),
        contribution("pictures", None, source=png, declared=declared),
    )
    run(made)
    stored = made.warehouse.read_json("contributions/pictures/quality.json")
    assert stored is not None
    copies = {r["image_id"]: r for r in made.warehouse.read_parquet(TABLE).to_pylist()}
    proposed = made.warehouse.read_parquet(bridge.TABLE).to_pylist()
    met = {
        i for i, r in copies.items() if (r["contribution_id"], r["kept_contribution_id"]) == ("pictures", "dashboard")
    }
    named = {
        p[side] for p in proposed for side in ("image_id", "other_image_id")
        if p["contribution_id" if side == "image_id" else "other_contribution_id"] == "pictures"
    }  # fmt: skip
    assert len(met | named) == 7
    assert not met & named  # what is equal needs no comparison
    assert {copies[i]["duplicate_kind"] for i in met} <= {"pixels", "normalised"}
    assert {p["bridge"] for p in proposed} <= {"ifcb_roi"}


def test_one_export_sent_twice_is_published_once(tmp_path: Path, real_data: Path) -> None:
    export = real_data / "ecotaxa/ecotaxa_back/import_test"
    made = collection(tmp_path, contribution("first", export), contribution("second", export, owners=("owner-two",)))
    run(made)
    rows = made.warehouse.read_parquet(TABLE).to_pylist()
    usable = sum(made.warehouse.read_json("contributions/second/quality.json")["parts"])
    assert usable > 0
    kinds = Counter(r["duplicate_kind"] for r in rows if r["contribution_id"] == "second")
    assert kinds["bytes"] == usable == sum(kinds.values())
    assert {r["kept_contribution_id"] for r in rows} == {"first"}
    assert made.warehouse.read_parquet(bridge.TABLE).num_rows == 0
