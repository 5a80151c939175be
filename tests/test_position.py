"""Where a row was taken: every notation, placeholders, low precision, surroundings, provinces, origin of cultures."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import collection, contribution, settings
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from aqqua_dataset.compute import open_executor
from aqqua_dataset.harmonise.rows import Harmonised, harmonise
from aqqua_dataset.pipeline import Collection, StageReport, harmonise_rows, read_rows
from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.registry.models import CultureOrigin, Declared, Quantity, Settings, Source
from aqqua_dataset.sources import with_locator

KATTEGAT = {"lat": "56.5208", "lon": "11.5125"}
FORM: dict[str, Any] = {
    "instrument": "CPICS", "pixel_size": Quantity(value=5, unit="um"), "depth_min_m": 1, "depth_max_m": 2,
    "time_zone": "UTC",
}  # fmt: skip


def harmonised(
    *rows: dict[str, str], units: tuple[str, str] = ("deg", "deg"), told: Settings | None = None, **form: Any
) -> Harmonised:
    """Rows of a free table with columns lat, lon and when."""
    mapping: Any = {
        "object_id": {"column": "id"}, "datetime": {"column": "when"},
        "latitude": {"column": "lat", "unit": units[0]}, "longitude": {"column": "lon", "unit": units[1]},
    }  # fmt: skip
    cells = [{"when": "2019-06-14T13:30:00"} | row for row in rows]
    frame = pd.DataFrame(
        [c | {"aqqua_object_id": f"o{n}", "aqqua_image_file": f"{n}.png"} for n, c in enumerate(cells)]
    )
    frame = with_locator(frame.astype("str"))
    named = pd.DataFrame(
        {
            "aqqua_image_id": pd.array([f"03e05be3-ba80-5dcf-bc6d-{n:012d}" for n in range(len(rows))], dtype="str"),
            "aqqua_image_rank": pd.array([0] * len(rows), dtype="Int32"),
            "aqqua_images": pd.array([1] * len(rows), dtype="Int32"),
            "aqqua_reject": pd.array([np.nan] * len(rows), dtype="str"),
        }
    )
    giver = contribution("c1", None, source=Source(format="table", location="x", mapping=mapping),
                         declared=Declared(**(FORM | form)))  # fmt: skip
    return harmonise(pd.concat([named, frame], axis=1), giver, told or settings())


def core(cells: dict[str, str], **more: Any) -> dict[str, Any]:
    made = harmonised(cells, **more)
    assert made.quarantine.to_pylist() == []
    [row] = made.core.to_pylist()
    return row


def reasons(latitude: str, longitude: str, **more: Any) -> list[str]:
    return harmonised({"lat": latitude, "lon": longitude}, **more).quarantine["reason"].to_pylist()


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected", "notation"),
    [
        ("54.5000N", "12.5000 W", (54.5, -12.5), "dd"),
        ("S54.5000", "w 12.5000", (-54.5, -12.5), "dd"),
        ("-54.5000 S", "-12.5000W", (-54.5, -12.5), "dd"),
        ("N 54 30.5'", "E 011 15.25'", (54.508333, 11.254167), "dms"),
        ("54°30'12\"S", "12°15'36\"W", (-54.503333, -12.26), "dms"),
        ("54° 30′ 12.5″ N", "3º 15’ 36” E", (54.503472, 3.26), "dms"),
        ("54 30 12", "-3 15 36", (54.503333, -3.26), "dms"),
        ("54:30:12", "-0:15:36", (54.503333, -0.26), "dms"),
        ("54°30,5'", "3°15,6'", (54.508333, 3.26), "dms"),
        ("54Â°30'12''", "3°0'0''", (54.503333, 3.0), "dms"),
        ("\u221254.5000", "\u201312.2500", (-54.5, -12.25), "dd"),
        ("54,5125\u00a0N", "3,2500\u00a0E", (54.5125, 3.25), "dd"),
        ("+54.5125°", "3.2500°", (54.5125, 3.25), "dd"),
        ("54.5125", "3 15 0 E", (54.5125, 3.25), "dms"),
    ],
)
def test_letters_signs_and_minutes(latitude: str, longitude: str, expected: tuple[float, float], notation: str) -> None:
    row = core({"lat": latitude, "lon": longitude})
    assert (row["latitude"], row["longitude"]) == pytest.approx(expected, abs=1e-6)
    assert row["coordinate_format"] == notation
    assert (row["latitude_verbatim"], row["longitude_verbatim"]) == (latitude.strip(), longitude.strip())


@pytest.mark.parametrize(
    "text",
    ["54.5.1", "54°60'", "54°30'60\"", "54°30.5'12\"", "-54 N", "N54N", "54.5 E", "54.5 O", "x", "54--5", "12,5,5",
     "5 4 3 2", "0x10", "٥٤"],
)  # fmt: skip
def test_what_is_no_latitude_is_not_guessed(text: str) -> None:
    assert reasons(text, "3.2500") == ["position_unparsable"]


def test_letters_that_stand_in_each_others_column_are_put_right() -> None:
    row = core({"lat": "11.5125E", "lon": "56.5208N"})
    assert (row["latitude"], row["longitude"], row["qc_flags"]) == (56.5208, 11.5125, ["COORD_SWAPPED"])
    assert (row["latitude_verbatim"], row["longitude_verbatim"]) == ("11.5125E", "56.5208N")


@pytest.mark.parametrize(
    ("units", "cells", "expected", "notation", "flags"),
    [
        (("ddmm", "ddmm_west"), ("43.41", "-7.1894"), (43.683333, 7.315667), "ddmm", []),  # Point B
        (("ddmm", "ddmm_west"), ("51.5293", "19.2159"), (51.882167, -19.359833), "ddmm", []),  # APERO
        (("ddmm", "ddmm_west"), ("51.5293", "19.2159W"), (51.882167, -19.359833), "ddmm", []),  # the letter says it
        (("ddmm", "ddmm_west"), ("51.5293N", "7.1894E"), (51.882167, 7.315667), "ddmm", ["ON_LAND"]),
        (("deg", "deg_west"), ("41.2500", "70.7500"), (41.25, -70.75), "dd", []),
        (("deg", "deg_west"), ("41.2500", "70.7500W"), (41.25, -70.75), "dd", []),
        (("deg", "deg_west"), ("41.2500", "70°45'0"), (41.25, 70.75), "dms", ["ON_LAND"]),  # not said of minutes
        (("nmea", "nmea"), ("5430.5000", "01115.2500"), (54.508333, 11.254167), "nmea", []),
        (("nmea", "nmea"), ("5430.5000N", "730.2500W"), (54.508333, -7.504167), "nmea", ["ON_LAND"]),
        (("nmea", "nmea"), ("-0030.5000", "-15.2500"), (-0.508333, -0.254167), "nmea", []),
        (("deg", "deg"), ("5430.50", "01115.25"), (54.508333, 11.254167), "nmea", ["COORD_NMEA"]),
        (("deg", "deg"), ("-5430.50", "-11115.25"), (-54.508333, -111.254167), "nmea", ["COORD_NMEA"]),
        (("deg", "deg"), ("36.5000", "200.5000"), (36.5, -159.5), "dd", ["LON_0_360"]),
        (("deg", "deg"), ("36.5000", "180.0000"), (36.5, 180.0), "dd", []),
    ],
)  # fmt: skip
def test_notations(
    units: tuple[str, str], cells: tuple[str, str], expected: tuple[float, float], notation: str, flags: list[str]
) -> None:
    row = core({"lat": cells[0], "lon": cells[1]}, units=units)
    assert (row["latitude"], row["longitude"]) == pytest.approx(expected, abs=1e-6)
    assert (row["coordinate_format"], sorted(set(row["qc_flags"]) - {"LAKE_WITHOUT_ELEVATION", "IN_LAKE"})) == (
        notation, flags,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("units", "latitude", "longitude", "reason"),
    [
        (("nmea", "nmea"), "5460.0000", "01115.2500", "position_unparsable"),  # 60 minutes
        (("deg", "deg"), "5460.00", "01115.25", "position_out_of_range"),
        (("deg", "deg"), "5430.50", "11.25", "position_out_of_range"),  # two notations in one pair
        (("deg", "deg"), "100", "100", "position_out_of_range"),  # no decimals: no GPS wrote this
        (("deg", "deg"), "9030.50", "01115.25", "position_out_of_range"),  # latitude 90.5
        (("deg", "deg"), "90.0001", "11.25", "position_out_of_range"),
        (("deg", "deg"), "45.25", "360.0001", "position_out_of_range"),
        (("deg", "deg"), "45.25", "-180.0001", "position_out_of_range"),
    ],
)
def test_notations_that_do_not_fit(units: tuple[str, str], latitude: str, longitude: str, reason: str) -> None:
    assert set(reasons(latitude, longitude, units=units)) == {reason}


@pytest.mark.parametrize(
    ("latitude", "longitude", "refused"),
    [
        # every row of the table of placeholders, with a value on each side of its tolerance
        ("0", "0", True), ("0.01", "-0.01", True), ("0.0101", "0.0001", False), ("0.0001", "0.0101", False),
        ("-90", "0", True), ("-89.991", "0.009", True), ("-89.98", "0.001", False),
        ("44.9012018", "-68.6704788", True), ("44.9016", "-68.6709", True), ("44.9018", "-68.6705", False),
        ("41.5507768", "-70.6593102", True), ("41.5512", "-70.6589", True), ("41.5514", "-70.6593", False),
        ("90", "0", True), ("89.991", "0.001", True), ("89.98", "0.001", False),
        ("99.999", "99.999", True), ("99.9985", "99.9995", True),
        # one axis of 0 is legal for a row; the whole sample is judged by COORD_ZERO_AXIS
        ("0", "-30.5125", False), ("50.5125", "0", False),
        # fill values
        ("-999", "11.5", True), ("56.5", "-9999999", True), ("-9999", "-9999", True),
    ],
)  # fmt: skip
def test_placeholders(latitude: str, longitude: str, refused: bool) -> None:
    assert reasons(latitude, longitude) == (["position_placeholder"] if refused else [])


def test_a_fill_value_gives_way_to_the_form() -> None:
    row = core({"lat": "-9999999", "lon": "-9999999"}, latitude=54.123456, longitude=11.5)
    assert (row["latitude"], row["coordinate_source"], row["latitude_verbatim"]) == (
        54.123456, "contributor_form", "54.123456",
    )  # fmt: skip
    assert (row["coordinate_format"], row["coordinate_uncertainty_m"]) == ("declared", None)


@pytest.mark.parametrize(
    ("units", "latitude", "longitude", "metres", "low"),
    [
        # half of a degree is 55.598 km (6371.0088 km mean radius)
        (("deg", "deg"), "56", "11", 55_597.5, True),
        (("deg", "deg"), "56.5", "11.0", 5_559.75, True),
        (("deg", "deg"), "56.5", "11", 5_559.75, True),
        (("deg", "deg"), "56.52", "11", 555.975, False),  # the zeros of 11.00 were left out
        (("deg", "deg"), "56.52", "11.51", 555.975, False),
        (("deg", "deg"), "56,5", "11,5", 5_559.75, True),
        (("deg", "deg"), "56°30'", "11°30'", 926.62, False),  # half of a minute
        (("deg", "deg"), "56°30'12\"", "11°30'0\"", 15.4437, False),
        (("ddmm", "ddmm"), "56.3", "11.3", 9_266.2, True),  # tens of minutes
        (("ddmm", "ddmm"), "56.31", "11.30", 926.62, False),
        (("nmea", "nmea"), "5630.5", "1130.5", 92.662, False),
    ],
)
def test_precision_as_written(units: tuple[str, str], latitude: str, longitude: str, metres: float, low: bool) -> None:
    row = core({"lat": latitude, "lon": longitude}, units=units)
    assert row["coordinate_uncertainty_m"] == pytest.approx(metres, rel=1e-4)
    assert ("COORD_LOW_PRECISION" in row["qc_flags"]) == low


def test_the_exponent_of_a_number_says_nothing_of_its_precision() -> None:
    row = core({"lat": "5.65E1", "lon": "1.15E1"})
    assert (row["latitude"], row["longitude"], row["coordinate_uncertainty_m"]) == (56.5, 11.5, None)


TEXT = st.text(alphabet="0123456789.,-+°'\" NSEWe:OÂ", max_size=14) | st.text(max_size=8)


@settings_of_hypothesis(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=40),
    st.sampled_from([("deg", "deg"), ("ddmm", "ddmm_west"), ("nmea", "nmea")]),
)
def test_no_text_is_a_traceback_and_no_answer_is_off_the_globe(
    pairs: list[tuple[str, str]], units: tuple[str, str]
) -> None:
    made = harmonised(*({"lat": north, "lon": east} for north, east in pairs), units=units)
    refused = set(made.quarantine["image_id"].to_pylist())
    assert made.core.num_rows + len(refused) == len(pairs)
    assert "schema_violation" not in made.quarantine["reason"].to_pylist()
    assert all(abs(row["latitude"]) <= 90 and abs(row["longitude"]) <= 180 for row in made.core.to_pylist())


# --- surroundings


@pytest.mark.parametrize(
    ("cells", "form", "surface", "water", "flags"),
    [
        (("56.5208", "11.5125"), {}, "sea", "unknown", []),
        (("50.0000", "14.9000"), {}, "land", "unknown", ["ON_LAND"]),  # Bohemia
        (("50.0000", "14.9000"), {"water_type": "marine"}, "land", "marine", ["ON_LAND", "ON_LAND_FAR"]),
        (("50.0000", "14.9000"), {"water_type": "brackish"}, "land", "brackish", ["ON_LAND"]),
        (("78.6570", "16.3500"), {"water_type": "marine"}, "land", "marine", []),  # Svalbard fjord, 2 km to the sea
        (("46.4500", "6.5000"), {}, "lake", "freshwater", ["IN_LAKE", "LAKE_WITHOUT_ELEVATION"]),
        (("46.4500", "6.5000"), {"water_surface_elevation_m": 372}, "lake", "freshwater", ["IN_LAKE"]),
        (("46.4500", "6.5000"), {"water_type": "brackish"}, "lake", "brackish", ["IN_LAKE"]),
        (("42.0000", "50.5000"), {}, "lake", "unknown", ["IN_LAKE", "LAKE_WITHOUT_ELEVATION"]),  # the Caspian is salt
        (("42.0000", "50.5000"), {"water_surface_elevation_m": -28}, "lake", "unknown", ["IN_LAKE"]),
        (("56.5208", "11.5125"), {"water_type": "freshwater"}, "sea", "freshwater", ["LAKE_WITHOUT_ELEVATION"]),
        (("56.5208", "11.5125"), {"water_type": "freshwater", "water_surface_elevation_m": 0}, "sea", "freshwater", []),
    ],
)
def test_surroundings(cells: tuple[str, str], form: dict[str, Any], surface: str, water: str, flags: list[str]) -> None:
    row = core({"lat": cells[0], "lon": cells[1]}, **form)
    assert (row["surface"], row["water_type"], row["region_longhurst"]) == (surface, water, None)
    assert row["qc_flags"] == flags


@pytest.mark.parametrize(
    ("longitude", "flags"),
    [
        ("20.70", []),
        ("20.30", ["ON_LAND_FAR"]),
    ],
)
def test_twenty_kilometres_inland(longitude: str, flags: list[str]) -> None:
    row = core({"lat": "64.20", "lon": longitude}, water_type="marine")
    assert [flag for flag in row["qc_flags"] if flag == "ON_LAND_FAR"] == flags


def test_rows_of_one_part_keep_their_own_surroundings() -> None:
    bohemia = {"lat": "50.0000", "lon": "14.9000"}
    made = harmonised(bohemia, KATTEGAT, {"lat": "x", "lon": "1"}, bohemia, {"lat": "46.4500", "lon": "6.5000"})
    assert made.core["surface"].to_pylist() == ["land", "sea", "land", "lake"]
    assert made.core["water_type"].to_pylist() == ["unknown", "unknown", "unknown", "freshwater"]


def provinces(folder: Path, code: str = "NECS") -> str:
    ring = [[5, 50], [15, 50], [15, 60], [5, 60], [5, 50]]
    feature = {"properties": {"ProvCode": code}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = folder / "provinces.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return str(path)


def test_the_province_of_a_position(tmp_path: Path) -> None:
    told = settings().model_copy(update={"longhurst": provinces(tmp_path)})
    made = harmonised(KATTEGAT, {"lat": "40.1234", "lon": "-40.1234"}, {"lat": "x", "lon": "1"}, told=told).core
    assert made["region_longhurst"].to_pylist() == ["NECS", None]
    assert made["qc_flags"].to_pylist() == [[], ["REGION_NONE"]]


def test_an_unreadable_file_of_provinces_leaves_the_region_open(tmp_path: Path) -> None:
    told = settings().model_copy(update={"longhurst": str(tmp_path)})
    row = core(KATTEGAT, told=told)
    assert (row["region_longhurst"], row["qc_flags"]) == (None, [])


TSV = (
    "img_file_name\timg_rank\tobject_id\tobject_lat\tobject_lon\tobject_date\tobject_time\tobject_depth_min\t"
    "object_depth_max\tacq_instrument\tprocess_particle_pixel_size_mm\n"
    "[t]\t[f]\t[t]\t[f]\t[f]\t[t]\t[t]\t[f]\t[f]\t[t]\t[f]\n"
    "o1.png\t0\to1\t56.5208\t11.5125\t20190614\t133015\t10\t20\tzooscan\t0.0106\n"
)


def stage(made: Collection) -> StageReport:
    with open_executor("serial") as (pool, workers):
        return harmonise_rows(made, "c1", pool, workers)


def test_another_file_of_provinces_harmonises_again(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "ecotaxa_d.tsv").write_text(TSV, encoding="utf-8")
    made = collection(tmp_path, contribution("c1", tmp_path / "d"))
    told = made.registry.settings.model_copy(update={"longhurst": provinces(tmp_path)})
    made = Collection(made.registry.model_copy(update={"settings": told}), made.config, made.warehouse)
    read_rows(made, "c1")
    assert [stage(made).outcome, stage(made).outcome] == ["done", "unchanged"]
    provinces(tmp_path, "NADR")
    assert (stage(made).outcome, stage(made).findings) == ("done", ())
    (tmp_path / "provinces.json").write_text("{", encoding="utf-8")
    assert [f.rule for f in stage(made).findings] == ["longhurst_unreadable"]


@pytest.mark.parametrize(("name", "rules"), [("provinces.json", []), ("other.json", ["longhurst_missing"])])
def test_the_settings_name_the_file_from_the_registry_on(tmp_path: Path, name: str, rules: list[str]) -> None:
    provinces(tmp_path)
    for folder in ("people", "institutions", "contributions"):
        (tmp_path / folder).mkdir()
    values = settings().model_dump_json(exclude={"longhurst"})
    (tmp_path / "settings.yaml").write_text(values[:-1] + f', "longhurst": "{name}"}}', encoding="utf-8")
    registry, findings = load_registry(tmp_path)
    assert registry is not None
    assert registry.settings.longhurst == str(tmp_path / name)
    assert [f.rule for f in findings] == rules


# --- cultures

ORIGIN = CultureOrigin(latitude=54.1875, longitude=7.9, date=dt.date(2015, 3, 2))


def test_a_culture_has_the_position_and_day_of_its_sampling() -> None:
    row = core(
        {"lat": "", "lon": "", "when": ""}, water_type="culture", culture_origin=ORIGIN, latitude=50, longitude=9
    )
    assert (row["latitude"], row["longitude"], row["coordinate_source"]) == (54.1875, 7.9, "culture_origin")
    assert (row["datetime_utc"], row["datetime_precision"]) == (dt.datetime(2015, 3, 2, tzinfo=dt.UTC), "day")
    assert (row["datetime_verbatim"], row["water_type"]) == ("2015-03-02", "culture")


def test_the_day_of_a_culture_does_not_move_with_the_zone_of_the_form() -> None:
    row = core(KATTEGAT | {"when": ""}, water_type="culture", culture_origin=ORIGIN, time_zone="Europe/Berlin")
    assert row["datetime_utc"] == dt.datetime(2015, 3, 2, tzinfo=dt.UTC)
    assert (row["latitude"], row["coordinate_source"]) == (56.5208, "object")  # position and time are judged apart


def test_the_rows_own_position_wins_unless_it_is_the_laboratorys() -> None:
    own = core(KATTEGAT, water_type="culture", culture_origin=ORIGIN)
    assert (own["latitude"], own["datetime_utc"].year) == (56.5208, 2019)
    laboratory = ORIGIN.model_copy(update={"replaces": True})
    told = core(KATTEGAT, water_type="culture", culture_origin=laboratory)
    assert (told["latitude"], told["datetime_utc"].year) == (54.1875, 2015)
    dateless = laboratory.model_copy(update={"date": None})
    kept = core(KATTEGAT, water_type="culture", culture_origin=dateless)
    assert (kept["latitude"], kept["datetime_utc"].year) == (54.1875, 2019)


def test_only_cultures_have_an_origin() -> None:
    assert reasons("", "", water_type="marine", culture_origin=ORIGIN) == ["position_missing"]
