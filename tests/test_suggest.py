"""The proposed mapping: what it finds, what it asks for, and that a confirmed one reads the delivery."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from aqqua_dataset.cli import main
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import table
from aqqua_dataset.sources.suggest import suggest_mapping
from aqqua_dataset.transfer.delivery import Delivery


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(96, dtype=np.uint8).reshape(8, 12)).save(path)


def suggested(folder: Path) -> tuple[dict, str]:  # type: ignore[type-arg]
    with Delivery(str(folder)) as delivery:
        made = suggest_mapping(delivery, str(folder))
    return yaml.safe_load(made)["source"], made


def lab(folder: Path) -> None:
    """A laboratory's delivery: objects, stations in a table of their own, images in folders."""
    for number in range(12):
        image(folder / "crops" / f"st{number % 2}" / f"cop {number}.png")
    rows = [f"o{n};st{n % 2}/cop {n}.png;S{n % 2};{5 + n},5;0,02;Copepoda" for n in range(12)]
    (folder / "objects.csv").write_text("\n".join(["ID;Datei;Station;Tiefe;Pixelgröße_mm;Klasse", *rows]), "latin-1")
    stations = ["name,lat,lon,start", "S0,54.5,11.5,14.06.2019 13:30", "S1,54.6,11.6,15.06.2019 09:10"]
    (folder / "stations.csv").write_text("\n".join(stations), "utf-8")


def test_columns_are_recognised_by_name_and_value(tmp_path: Path) -> None:
    lab(tmp_path)
    source, made = suggested(tmp_path)
    assert source["tables"] == "objects.csv"
    assert source["images"] == "crops"
    assert source["mapping"] == {
        "object_id": {"column": "ID"},
        "image_file": {"column": "Datei"},
        "event_id": {"column": "Station"},
        "depth": {"column": "Tiefe", "unit": "?"},
        "pixel_size": {"column": "Pixelgröße_mm", "unit": "mm"},
        "label": {"column": "Klasse"},
    }
    [join] = source["joins"]
    assert (join["key"], join["to"], join["tables"]) == (["name"], ["Station"], "stations.csv")
    assert join["mapping"] == {
        "latitude": {"column": "lat"}, "longitude": {"column": "lon"},
        "datetime": {"column": "start", "format": "%d.%m.%Y %H:%M"},
    }  # fmt: skip
    assert "# 5,5, 6,5, 7,5" in made
    assert "# still missing: instrument" in made
    assert "latitude;" not in made


def test_a_confirmed_proposal_reads_the_delivery(tmp_path: Path) -> None:
    lab(tmp_path)
    source, _ = suggested(tmp_path)
    source["mapping"]["depth"]["unit"] = "m"
    with Delivery(str(tmp_path)) as delivery:
        [rows] = list(table.read(delivery, Source(**source), lambda finding: pytest.fail(str(finding))))
        assert rows["aqqua_object_id"].tolist() == [f"o{n}" for n in range(12)]
        assert all(delivery.exists(path) for path in rows["aqqua_path"])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("13/01/2020", "14/02/2020", "%d/%m/%Y"),
        ("01/13/2020", "02/14/2020", "%m/%d/%Y"),
        ("01/02/2020", "03/04/2020", "?"),
    ],
)
def test_day_and_month_are_asked_for_where_they_could_be_either(
    tmp_path: Path, first: str, second: str, expected: str
) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text(f"id,file,timestamp\n1,a.png,{first}\n2,b.png,{second}\n")
    assert suggested(tmp_path)[0]["mapping"]["datetime"]["format"] == expected


def test_images_without_a_table_get_a_pattern_for_their_names(tmp_path: Path) -> None:
    image(tmp_path / "x" / "isiis_20190614_133015_0007.png")
    source, made = suggested(tmp_path)
    assert source["tables"] == "none"
    with Delivery(str(tmp_path)) as delivery:
        [rows] = list(table.read(delivery, Source(**source), lambda finding: pytest.fail(str(finding))))
    found = rows["aqqua_path"].str.extract(source["names"])
    assert found.to_numpy().tolist() == [["20190614", "133015"]]
    assert "# still missing: depth" in made


def test_free_text_and_damaged_tables_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("Dear all\nthese are the data\n")
    (tmp_path / "broken.xlsx").write_bytes(b"PK no")
    (tmp_path / "empty.csv").write_bytes(b"")
    source, _ = suggested(tmp_path)
    assert source["tables"] == "none"


def test_the_command_prints_it_and_names_a_wrong_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab(tmp_path)
    assert main(["suggest-mapping", str(tmp_path)]) == 0
    assert 'object_id: {column: "ID"}' in capsys.readouterr().out
    assert main(["suggest-mapping", str(tmp_path / "nowhere")]) == 1
    assert "no delivery at" in capsys.readouterr().err
