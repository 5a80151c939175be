"""Quality in the walk: confirmation of a unit before release, quarantine that empties by itself, densities."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import GIVEN, MANDATORY, collection, contribution, registry
from test_release import REHEARSAL, build, deliver, run

from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.pipeline import Collection, manifest
from aqqua_dataset.progress import ledger
from aqqua_dataset.quality.distribution import TABLE, write_distribution
from aqqua_dataset.quality.queue import UnknownInstrument, unknown_instruments
from aqqua_dataset.registry.models import Column, Contribution, InstrumentAlias, Join, Overrule, Permission, Source

UNIT_UNKNOWN = {"process_particle_pixel_size_mm": "", "process_particle_pixel_size_µm": "0.0106"}
CONFIRMED = Overrule(flag="PIXEL_UNIT_INFERRED", by="anna", date=GIVEN, why="the column is in millimetres")


def counted(made: Collection) -> dict[str, object]:
    [row] = ledger.count(made, REHEARSAL).to_pylist()
    return {k: row[k] for k in ("unique", "withheld", "permitted", "withheld_reason")}


def test_an_inferred_unit_waits_for_one_confirmation(tmp_path: Path) -> None:
    deliver(tmp_path / "one", 1, 3, "n1", **UNIT_UNKNOWN)
    made = collection(tmp_path, contribution("one", tmp_path / "one"))
    run(made)
    why = "inferred unit of the pixel size not confirmed"
    assert counted(made) == {"unique": 3, "withheld": 3, "permitted": 0, "withheld_reason": why}
    assert build(made).facts.images == {}
    packed = manifest(made.warehouse, "one", "images")
    said = contribution("one", tmp_path / "one", overrules=(CONFIRMED,))
    after = replace(made, registry=registry(said))
    run(after)
    assert manifest(made.warehouse, "one", "images") == packed
    assert counted(after) == {"unique": 3, "withheld": 0, "permitted": 3, "withheld_reason": None}
    assert build(after).facts.images == {"one": 3}


def test_quarantined_images_return_when_the_side_table_arrives(tmp_path: Path) -> None:
    deliver(tmp_path / "one", 1, 3, "n1", object_lat="", object_lon="")
    stations = Join(
        id="stations", tables="stations.csv", key=("sample",), to=("sample_id",),
        mapping={"latitude": Column(column="lat"), "longitude": Column(column="lon")},
    )  # fmt: skip
    source = Source(format="ecotaxa", location=str(tmp_path / "one"), joins=(stations,))
    made = collection(tmp_path, contribution("one", None, source=source))
    run(made)
    before = manifest(made.warehouse, "one", "core")
    assert before is not None
    assert before["numbers"] == {"usable": 0, "rejected": 3}
    (tmp_path / "one" / "stations.csv").write_text("sample,lat,lon\nn1,56.5,11.5\n")
    run(made)
    after = manifest(made.warehouse, "one", "core")
    assert after is not None
    assert after["numbers"] == {"usable": 3, "rejected": 0}
    assert counted(made)["permitted"] == 3


def netting(folder: Path, name: str, *permissions: str, count: int = 4) -> Contribution:
    rows = [
        net_row("n1", i, f"{name}_{i}.png", sample_tot_vol="12.5", acq_sub_part="4", **more)
        for i in range(count)
        for more in [{"nb_images": str(count)}]
    ]
    deliver(folder / name, len(name), count, name)
    (folder / name / f"ecotaxa_{name}.tsv").write_bytes(ecotaxa_tsv(rows))
    given = tuple(Permission(id=p, date=GIVEN) for p in (*MANDATORY, *permissions))
    mapping = {"image_count_declared": Column(column="nb_images")}
    source = Source(format="ecotaxa", location=str(folder / name), mapping=mapping)
    return contribution(name, None, source=source, permissions=given)


@pytest.fixture
def seas(tmp_path: Path) -> Collection:
    made = collection(tmp_path, netting(tmp_path, "given", "global-distribution"), netting(tmp_path, "not"))
    run(made)
    return made


def test_densities_come_only_from_contributions_that_permit_them(seas: Collection) -> None:
    write_distribution(seas, REHEARSAL)
    rows = seas.warehouse.read_parquet(TABLE).to_pylist()
    assert {row["contribution_id"] for row in rows} == {"given"}
    assert sum(row["images"] for row in rows) == 4
    # 12.5 m3 through the net, a quarter of it scanned: 3125 L
    assert {row["volume_represented_l"] for row in rows} == {3125.0}
    assert [row["density_per_l"] for row in rows] == [row["images"] / 3125 for row in rows]


def test_an_incomplete_event_has_no_density(tmp_path: Path) -> None:
    giver = netting(tmp_path, "given", "global-distribution")
    (tmp_path / "given" / "given_3.png").unlink()
    made = collection(tmp_path, giver)
    run(made)
    write_distribution(made, REHEARSAL)
    rows = made.warehouse.read_parquet(TABLE).to_pylist()
    assert sum(row["images"] for row in rows) == 3
    assert [(row["sampling_unit_complete"], row["density_per_l"]) for row in rows] == [(False, None)] * len(rows)


def test_an_unknown_instrument_waits_in_the_queue_until_one_line_answers_it(tmp_path: Path) -> None:
    deliver(tmp_path / "one", 1, 3, "n1", acq_instrument="Zooskan 3000")
    made = collection(tmp_path, contribution("one", tmp_path / "one"))
    run(made)
    assert unknown_instruments(made) == [UnknownInstrument("Zooskan 3000", 3, ("one",))]
    alias = InstrumentAlias(
        spelling="zooskan-3000", instrument_id="zooscan", by="anna", date=GIVEN, why="a misspelling"
    )
    told = made.registry.settings.model_copy(update={"instrument_aliases": (alias,)})
    after = replace(made, registry=made.registry.model_copy(update={"settings": told}))
    run(after)
    assert unknown_instruments(after) == []
    assert counted(after)["permitted"] == 3
