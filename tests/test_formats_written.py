"""Every format from a written delivery to harmonised rows and packed images: recognised, complete, nothing lost."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from builders import collection, contribution
from reading import formats_that_fit

from aqqua_dataset import schema
from aqqua_dataset.cli import main
from aqqua_dataset.compute import open_executor
from aqqua_dataset.pipeline import manifest, run_contribution
from aqqua_dataset.registry.models import Declared, Quantity, Source
from aqqua_dataset.sources import READERS, reader

OBJECTS = 30
# What the form has to add so that every image is usable; the rest stands in the files.
PLACE: dict[str, Any] = {
    "latitude": 54.5, "longitude": 11.5, "depth_min_m": 1, "depth_max_m": 2, "time_zone": "UTC"
}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "ifcb": PLACE | {"pixel_size": Quantity(value=3.4, unit="px/um")},
    "flowcam": PLACE | {"instrument": "FlowCam"},
    "cytosense": PLACE | {"instrument": "CytoSense", "pixel_size": Quantity(value=0.5, unit="um")},
    "cytoclus": PLACE | {"instrument": "CytoSense", "pixel_size": Quantity(value=0.5, unit="um")},
    "zooimage": PLACE | {"instrument": "ZooScan"},
    "vpr": PLACE | {"pixel_size": Quantity(value=25, unit="um")},
    "loki": PLACE | {"pixel_size": Quantity(value=15, unit="um")},
    "spc": PLACE | {"instrument": "Planktivore", "pixel_size": Quantity(value=1, unit="um")},
    "table": {"instrument": "ISIIS", "time_zone": "UTC"},
}
FOLDERS = {"flowcam": ({"path": "*", "holds": {"date": "20190614"}},)}


@pytest.mark.parametrize("name", READERS)
def test_a_written_delivery_is_recognised_and_comes_through_whole(tmp_path: Path, name: str) -> None:
    writer = importlib.import_module(f"writers.{name}")
    writer.write(tmp_path / "in", OBJECTS)
    assert [f.format for f in formats_that_fit(tmp_path / "in")] == [name]
    settings = getattr(writer, "SOURCE", {}) | ({"folders": FOLDERS[name]} if name in FOLDERS else {})
    source = Source(format="auto", location=str(tmp_path / "in"), **settings)
    form = Declared(**FORMS.get(name, PLACE))
    made = collection(tmp_path, contribution("c", None, source=source, declared=form))
    with open_executor("serial") as (executor, workers):
        reports = run_contribution(made, "c", executor, workers, lambda _: None)
    stages = {s: manifest(made.warehouse, "c", s) for s in ("rows", "core", "images")}
    assert stages["rows"] is not None
    assert stages["rows"]["format"] == name
    rejected = [
        (row["reason"], row["column"], row["value"])
        for stage in ("core", "images")
        for row in made.warehouse.read_parquet(f"{stages[stage]['folder']}/rejected-00000.parquet").to_pylist()  # type: ignore[index]
    ]
    assert rejected == []
    objects = {
        row["source_object_id"]
        for row in made.warehouse.read_parquet(f"{stages['core']['folder']}/core-00000.parquet").to_pylist()  # type: ignore[index]
    }
    assert len(objects) == OBJECTS
    assert [str(f) for r in reports for f in r.findings if f.severity == "error"] == []


def test_every_reader_has_a_system_a_mapping_and_a_writer() -> None:
    systems = set(schema.enumerations()["source_system"])
    assert systems == set(READERS)
    writers = Path(__file__).parent / "writers"
    for name in READERS:
        assert (writers / f"{name}.py").exists(), name
        assert name == "table" or len(schema.mapping(name)) > 0
        assert set(reader(name).COVERS) <= set(READERS)


@pytest.mark.parametrize("name", [n for n in READERS if n != "table"])
def test_mappings_name_inputs_and_units_that_exist(name: str) -> None:
    inputs = schema.vocabulary("inputs.csv").set_index("input")["units"].str.split("|")
    sources = set(schema.enumerations()["pixel_size_unit_source"]) | {"utc_by_format", ""}
    for row in schema.mapping(name).itertuples():
        assert row.input in inputs.index, row
        if row.input in ("datetime", "date", "time", "processing_date", "header_time"):
            assert re.fullmatch(r"|epoch_(s|ms|us)|.*%.*|[YMDHS]+", row.unit), row
        elif row.input == "pixel_size":
            assert set(row.unit.split("|")) <= set(inputs["pixel_size"])
        else:
            assert row.unit == "" or row.unit in inputs[row.input], row
        assert row.unit_source in sources


def test_identify_says_what_is_there_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("writers.vpr").write(tmp_path / "in", 5)
    assert main(["identify", str(tmp_path / "in")]) == 0
    shown = capsys.readouterr().out
    assert "vpr: 5 region(s)" in shown
    assert "read as vpr: 5 objects, 5 images, 0 absent" in shown
    assert "5 images: position_missing. Give the position" in shown
    assert "depth_missing" not in shown
    (tmp_path / "in" / "D20220522T000439_IFCB134.adc").write_bytes(b"")
    assert main(["identify", str(tmp_path / "in")]) == 1
    assert "several readers fit" in capsys.readouterr().out
    assert main(["identify", str(tmp_path / "in"), "--format", "vpr"]) == 0
    assert main(["identify", str(tmp_path / "in"), "--format", "excel"]) == 2
    assert main(["identify", str(tmp_path / "nowhere")]) == 1
