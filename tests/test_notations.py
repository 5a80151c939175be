"""Notations a mapping can name: formats of times, of positions, units of depths, pressures and volumes."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import contribution, settings
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from aqqua_dataset.harmonise.depth import depth_of_pressure
from aqqua_dataset.harmonise.rows import Harmonised, harmonise
from aqqua_dataset.registry.models import Declared, Quantity, Source
from aqqua_dataset.sources import with_locator

UTC = dt.UTC
HALF_PAST = dt.datetime(2019, 6, 14, 11, 30, tzinfo=UTC)
QUARTER = dt.datetime(2019, 6, 14, 13, 30, 15, 250000, tzinfo=UTC)
FORM = Declared(
    instrument="CPICS", pixel_size=Quantity(value=5, unit="um"), latitude=54.0, longitude=11.0, depth_min_m=1,
    depth_max_m=2, time_zone="Europe/Berlin",
)  # fmt: skip
TOLD = {"when": "2019-06-14T13:30:00"}


def interpret(cells: dict[str, str], mapping: dict[str, dict[str, str]], form: Declared = FORM) -> Harmonised:
    """One row of a free table through a mapping."""
    row = TOLD | cells
    frame = with_locator(pd.DataFrame([row | {"aqqua_object_id": "o1", "aqqua_image_file": "1.png"}], dtype="str"))
    named = pd.DataFrame(
        {
            "aqqua_image_id": pd.array(["03e05be3-ba80-5dcf-bc6d-b33a3bfcd64f"], dtype="str"),
            "aqqua_image_rank": pd.array([0], dtype="Int32"),
            "aqqua_images": pd.array([1], dtype="Int32"),
            "aqqua_reject": pd.array([np.nan], dtype="str"),
        }
    )
    columns: Any = {"object_id": {"column": "id"}, "datetime": {"column": "when"}} | mapping
    source = Source(format="table", location="x", mapping=columns)
    giver = contribution("c1", None, source=source, declared=form)
    return harmonise(pd.concat([named, frame], axis=1), giver, settings())


def core(cells: dict[str, str], mapping: dict[str, dict[str, str]], form: Declared = FORM) -> dict[str, Any]:
    made = interpret(cells, mapping, form)
    assert made.quarantine.to_pylist() == []
    [row] = made.core.to_pylist()
    return row


@pytest.mark.parametrize(
    ("text", "how", "expected", "precision", "zone"),
    [
        ("1560519015", "epoch_s", dt.datetime(2019, 6, 14, 13, 30, 15, tzinfo=UTC), "s", "utc_by_format"),
        ("1560519015250", "epoch_ms", QUARTER, "ms", "utc_by_format"),
        ("1560519015250999", "epoch_us", QUARTER, "ms", "utc_by_format"),
        ("14.06.2019 13:30", "%d.%m.%Y %H:%M", HALF_PAST, "minute", "tzname_declared"),
        ("20190614-1330", "%Y%m%d-%H%M", HALF_PAST, "minute", "tzname_declared"),
        ("2019/06/14 13:30 +0300", "%Y/%m/%d %H:%M %z", dt.datetime(2019, 6, 14, 10, 30, tzinfo=UTC), "minute",
         "offset_declared"),
        ("14/06/2019", "%d/%m/%Y", dt.datetime(2019, 6, 13, 22, 0, tzinfo=UTC), "day", "tzname_declared"),
        ("2019-06-14T13:30:15+03:00", "", dt.datetime(2019, 6, 14, 10, 30, 15, tzinfo=UTC), "s", "offset_declared"),
        ("2019-06-14T13:30:15Z", "", dt.datetime(2019, 6, 14, 13, 30, 15, tzinfo=UTC), "s", "offset_declared"),
    ],
)  # fmt: skip
def test_times(text: str, how: str, expected: dt.datetime, precision: str, zone: str) -> None:
    column = {"column": "when"} | ({"format": how} if how else {})
    row = core({"when": text}, {"datetime": column})
    assert (row["datetime_utc"], row["datetime_precision"], row["timezone_source"]) == (expected, precision, zone)
    assert row["datetime_verbatim"] == text


@pytest.mark.parametrize(("text", "how"), [("06/14/2019", "%d/%m/%Y"), ("x", "epoch_s"), ("14.06.19", "%d.%m.%Y")])
def test_times_that_do_not_fit_their_format_are_refused(text: str, how: str) -> None:
    made = interpret({"when": text}, {"datetime": {"column": "when", "format": how}})
    assert made.quarantine["reason"].to_pylist() == ["time_unparsable"]


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected", "notation", "flags"),
    [
        # APERO: the header's 47.5076 / 15.2622 is 47.846 / -15.437 in its EcoTaxa table
        ("47.5076", "15.2622", (47.846, -15.437), "ddmm", []),
        ("43.41", "-7.1894", (43 + 41 / 60, 7 + 18.94 / 60), "ddmm", []),  # Point B lies east
        ("-27.30153", "111.145", (-(27 + 30.153 / 60), -(111 + 14.5 / 60)), "ddmm", []),
        ("39.1968", "-68.9043", (39.1968, -68.9043), "dd", ["COORD_DDMM_IS_DECIMAL"]),  # HB1907 broke the convention
        ("12.60", "50.10", (12.60, 50.10), "dd", ["COORD_DDMM_IS_DECIMAL"]),
        ("12.5999", "50.10", (12 + 59.99 / 60, -(50 + 10 / 60)), "ddmm", []),
    ],
)  # fmt: skip
def test_positions_of_zooprocess(
    latitude: str, longitude: str, expected: tuple[float, float], notation: str, flags: list[str]
) -> None:
    mapping = {"latitude": {"column": "lat", "unit": "ddmm"}, "longitude": {"column": "lon", "unit": "ddmm_west"}}
    row = core({"lat": latitude, "lon": longitude}, mapping)
    assert (row["latitude"], row["longitude"]) == pytest.approx(expected, abs=5e-4)
    assert (row["coordinate_format"], row["qc_flags"]) == (notation, flags)
    assert (row["latitude_verbatim"], row["longitude_verbatim"]) == (latitude, longitude)


@settings_of_hypothesis(max_examples=25)
@given(st.integers(-89, 89), st.floats(0, 59.999), st.integers(-179, 179), st.floats(0, 59.999))
def test_degrees_and_minutes_come_back(north: int, north_minutes: float, east: int, east_minutes: float) -> None:
    latitude = f"{north}.{round(north_minutes * 1000):05d}" if north else f"0.{round(north_minutes * 1000):05d}"
    longitude = f"{east}.{round(east_minutes * 1000):05d}"
    mapping = {"latitude": {"column": "lat", "unit": "ddmm"}, "longitude": {"column": "lon", "unit": "ddmm"}}
    made = interpret({"lat": latitude, "lon": longitude}, mapping)
    if made.core.num_rows:
        [row] = made.core.to_pylist()
        sign = -1 if north < 0 else 1
        assert row["latitude"] == pytest.approx(sign * (abs(north) + round(north_minutes, 3) / 60), abs=1e-4)
    else:
        assert made.quarantine["reason"].to_pylist() == ["position_placeholder"]


def test_an_axis_never_comes_from_another_source_than_its_pair() -> None:
    made = interpret({"lat": "55"}, {"latitude": {"column": "lat"}, "longitude": {"column": "lon"}})
    [row] = made.core.to_pylist()  # the form's position, not the row's latitude with the form's longitude
    assert (row["latitude"], row["longitude"], row["coordinate_source"]) == (54.0, 11.0, "contributor_form")


@pytest.mark.parametrize(
    ("mapping", "cells", "expected", "flags"),
    [
        ({"depth": {"column": "z", "unit": "m"}}, {"z": "12,5"}, (12.5, 12.5), ["DECIMAL_COMMA"]),
        ({"depth": {"column": "z", "unit": "dm"}}, {"z": "125"}, (12.5, 12.5), []),
        ({"depth": {"column": "z", "unit": "cm"}}, {"z": "1250"}, (12.5, 12.5), []),
        ({"depth_min": {"column": "z", "unit": "cm"}, "depth_max": {"column": "y", "unit": "m"}},
         {"z": "100", "y": "2"}, (1, 2), []),
        ({"depth": {"column": "z"}, "depth_min": {"column": "y"}}, {"z": "7", "y": "3"}, (7, 7), []),
        ({"pressure": {"column": "p", "unit": "dbar"}}, {"p": "100"}, (99.1, 99.1), ["DEPTH_FROM_PRESSURE"]),
        ({"pressure": {"column": "p", "unit": "kPa"}}, {"p": "1000"}, (99.1, 99.1), ["DEPTH_FROM_PRESSURE"]),
        ({"pressure": {"column": "p", "unit": "kPa_absolute"}}, {"p": "1101.325"}, (99.1, 99.1),
         ["DEPTH_FROM_PRESSURE"]),
        ({"pressure": {"column": "p"}, "depth": {"column": "z"}}, {"p": "100", "z": "5"}, (5, 5), []),
        ({"pressure": {"column": "p"}}, {"p": ""}, (1, 2), []),
    ],
)  # fmt: skip
def test_depths(
    mapping: dict[str, dict[str, str]], cells: dict[str, str], expected: tuple[float, float], flags: list[str]
) -> None:
    row = core(cells, mapping)
    assert (row["depth_min_m"], row["depth_max_m"]) == pytest.approx(expected, abs=0.05)
    assert row["qc_flags"] == flags


def test_depth_of_pressure_meets_the_published_check_value() -> None:
    found = depth_of_pressure(pd.Series([10_000.0]), pd.Series([30.0]))
    assert found[0] == pytest.approx(9712.653, abs=5e-4)


def test_fresh_water_is_lighter() -> None:
    lake = FORM.model_copy(update={"water_type": "freshwater", "water_surface_elevation_m": 60})
    row = core({"p": "100"}, {"pressure": {"column": "p", "unit": "dbar"}}, lake)
    assert row["depth_m"] == pytest.approx(101.97, abs=0.01)


@pytest.mark.parametrize(
    ("unit", "text", "litres", "flags"),
    [("mL", "4.5", 0.0045, []), ("uL", "250", 0.00025, []), ("m3", "2", 2000.0, []), ("L", "0.57", 0.57, []),
     *[("L", text, None, ["VOLUME_INVALID"]) for text in ("-1", "999999", "x")]],
)  # fmt: skip
def test_volumes(unit: str, text: str, litres: float | None, flags: list[str]) -> None:
    row = core({"v": text}, {"imaged_volume": {"column": "v", "unit": unit}})
    assert (row["imaged_volume_l"], row["sampled_volume_l"]) == (pytest.approx(litres) if litres else None, None)
    assert row["qc_flags"] == flags
