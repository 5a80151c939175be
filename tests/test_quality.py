"""The rules over whole contributions and stored images, their thresholds, and how flags become final."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builders import contribution
from quality_cases import CASES, FURTHER, HELD_BY, Case, fails, judge

from aqqua_dataset import schema
from aqqua_dataset.quality import thresholds
from aqqua_dataset.registry.models import Overrule

FROM_TABLE = schema.vocabulary("thresholds.csv")


def named(case: Case) -> str:
    return f"{case.threshold}-{case.flag}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_value_on_each_side_of_the_threshold(case: Case, tmp_path: Path) -> None:
    assert not case.seen(tmp_path / "good", case.good)
    assert case.seen(tmp_path / "bad", case.bad)


def changed(value: float, way: int) -> float:
    """A tenth more or less; small whole numbers by one."""
    return value + way if value in range(1, 10) else value * (1 + way / 10)


@pytest.mark.parametrize("way", [-1, 1])
@pytest.mark.parametrize("name", [f"{r.test}.{r.name}" for r in FROM_TABLE.itertuples(index=False)])
def test_a_changed_threshold_is_noticed(name: str, way: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = thresholds._values()
    mutant = FURTHER.get((name, way), changed(values[name], way))
    monkeypatch.setattr(thresholds, "_values", lambda: values | {name: mutant})
    cases = [c for c in CASES if c.threshold == name]
    assert cases or name in HELD_BY, f"no case for {name}"
    noticed = (
        case.seen(tmp_path / f"good{i}", case.good) or not case.seen(tmp_path / f"bad{i}", case.bad)
        for i, case in enumerate(cases)
    )
    assert any(noticed) or any(fails(test) for test in HELD_BY.get(name, ()))


def flags(folder: Path, core: list[dict[str, Any]], shards: list[dict[str, Any]] | None = None) -> list[list[str]]:
    return [[f for f in row["qc_flags"] if f != "COUNT_UNCERTAINTY"] for row in judge(folder, core, shards)]


@pytest.mark.parametrize(
    ("area", "expected"),
    # the ZooScan sees 100 um to 100 mm; at 10.6 um/px a disc of 69 px is 99.4 um, one of 71 px 100.8 um wide
    [(71.0, []), (69.0, ["ESD_IMPLAUSIBLE"])],
)
def test_the_median_size_decides_for_the_whole_instrument(tmp_path: Path, area: float, expected: list[str]) -> None:
    core = [{"object_area_px2": area}] * 21 + [{"instrument_id": "uvp6", "instrument_family": "uvp"}]
    found = flags(tmp_path, core)
    assert found[:21] == [expected] * 21
    assert found[21] == []


def test_one_object_larger_than_its_image_is_marked_alone(tmp_path: Path) -> None:
    assert flags(tmp_path, [{"object_area_px2": 8000.0}, {"object_area_px2": 8001.0}]) == [[], ["AREA_EXCEEDS_IMAGE"]]


@pytest.mark.parametrize(("bits", "expected"), [(13, []), (12, ["BIT_DEPTH_SCALED"])])
def test_sixteen_bits_that_hold_fewer(tmp_path: Path, bits: int, expected: list[str]) -> None:
    assert flags(tmp_path, [{}], [{"bit_depth": 16, "significant_bits": bits}]) == [expected]


@pytest.mark.parametrize(("declared", "expected"), [(2, []), (3, ["COUNT_MISMATCH"])])
def test_an_event_with_fewer_images_than_declared(tmp_path: Path, declared: int, expected: list[str]) -> None:
    here = {"image_count_declared": declared}
    found = flags(tmp_path, [here, here, {"event_id": "e2"}])
    assert found == [expected, expected, []]


@pytest.mark.parametrize(
    ("taxon", "aphia_id", "area", "expected"),
    [
        # 2 * sqrt(18 / pi) * 10.6 um = 50.7 um; with 17 px it is 49.3 um
        ("Copepoda", 1080, 18.0, []),
        ("Copepoda", 1080, 17.0, ["LABEL_SIZE_CONFLICT"]),
        ("Calanoida", 1100, 17.0, ["LABEL_SIZE_CONFLICT"]),  # below Copepoda
        ("Chaetognatha", 2081, 17.0, []),
        ("a copepod without an id", None, 17.0, []),
        # 174,700 px are 4,999.4 um wide, 174,800 px 5,000.8 um
        ("Chaetoceros", 148985, 174_700.0, []),
        ("Chaetoceros", 148985, 174_800.0, ["LABEL_SIZE_CONFLICT"]),
    ],
)
def test_a_size_that_its_taxon_never_has(
    tmp_path: Path, taxon: str, aphia_id: int | None, area: float, expected: list[str]
) -> None:
    row = {"object_area_px2": area, "taxon_name": taxon, "aphia_id": aphia_id}
    assert flags(tmp_path, [row], [{"width_px": 900, "height_px": 900}]) == [expected]


def test_flags_are_in_the_vocabularys_order_and_the_worst_one_gives_the_level(tmp_path: Path) -> None:
    [row] = judge(tmp_path, [{"object_area_px2": 9000.0, "qc_flags": ["TZ_ASSUMED"]}])
    assert row["qc_flags"] == ["AREA_EXCEEDS_IMAGE", "TZ_ASSUMED", "COUNT_UNCERTAINTY"]
    assert (row["qc_level"], row["qc_overruled"]) == (4, [])


def overruled(flag: str, *events: str) -> Overrule:
    return Overrule(flag=flag, events=events, by="anna", date=dt.date(2026, 1, 1), why="a changed objective")


def test_the_owner_overrules_a_flag_for_some_events(tmp_path: Path) -> None:
    core = [{"object_area_px2": 9000.0, "event_id": event} for event in ("e1", "e2")]
    giver = contribution("c1", "x", overrules=(overruled("AREA_EXCEEDS_IMAGE", "e1"),))
    first, second = judge(tmp_path, core, giver=giver)
    assert (first["qc_flags"], first["qc_level"]) == (["COUNT_UNCERTAINTY"], 1)
    assert first["qc_overruled"] == ["AREA_EXCEEDS_IMAGE"]
    assert (second["qc_level"], second["qc_overruled"]) == (4, [])


def test_the_owner_overrules_a_flag_altogether(tmp_path: Path) -> None:
    giver = contribution("c1", "x", overrules=(overruled("PIXEL_UNIT_INFERRED"),))
    [row] = judge(tmp_path, [{"qc_flags": ["PIXEL_UNIT_INFERRED"], "event_id": None}], giver=giver)
    assert (row["qc_level"], row["qc_overruled"]) == (1, ["PIXEL_UNIT_INFERRED"])


def test_every_image_has_one_row_in_the_order_of_core(tmp_path: Path) -> None:
    rows = judge(tmp_path, [{"object_area_px2": 9000.0 if i % 3 else None} for i in range(50)])
    assert [row["image_id"][-2:] for row in rows] == [f"{i:02d}" for i in range(50)]


def test_every_threshold_names_its_source_and_is_used() -> None:
    source = "\n".join(p.read_text() for p in (Path(__file__).parent.parent / "aqqua_dataset").rglob("*.py"))
    for row in pd.DataFrame(FROM_TABLE).itertuples():
        assert row.source, row.name
        assert re.search(rf"threshold\([\"']{row.test}\.{row.name}[\"']\)", source), f"{row.test}.{row.name}"
