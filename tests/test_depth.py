"""How deep: both conventions of the sign, swell, ratings, bottoms, cultures and lakes."""

from typing import Any

import pytest
from interpreting import FORM, form, interpret, row

RANGE: dict[str, Any] = {"depth_min": "lo", "depth_max": "hi"}
ONE: dict[str, Any] = {"depth": "z"}


def part(*pairs: tuple[str, str]) -> list[tuple[float, float, list[str]]]:
    """Depths and flags of a part of rows."""
    made = interpret([{"lo": low, "hi": high} for low, high in pairs], RANGE).core.to_pylist()
    return [(r["depth_min_m"], r["depth_max_m"], r["qc_flags"]) for r in made]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("-2", "10", (0, 10, ["DEPTH_NEGATIVE_SWELL"])),
        ("-2.01", "10", (2.01, 10, ["DEPTH_NEGATIVE"])),
        ("-0.3", "-0.1", (0, 0, ["DEPTH_NEGATIVE_SWELL"])),
        ("-20", "-10", (10, 20, ["DEPTH_NEGATIVE"])),
        ("10", "-20", (10, 20, ["DEPTH_NEGATIVE"])),
        ("20", "10", (10, 20, ["DEPTH_MIN_GT_MAX"])),
    ],
)
def test_signs_among_depths_below_the_surface(low: str, high: str, expected: tuple[float, float, list[str]]) -> None:
    assert part((low, high), ("5", "6")) == [expected, (5, 6, [])]


def test_a_part_without_a_depth_below_the_surface_holds_altitudes() -> None:
    assert part(("0", "-1"), ("-1", "-300")) == [(0, 1, ["DEPTH_NEGATIVE"]), (1, 300, ["DEPTH_NEGATIVE"])]
    assert part(("0", "0"), ("0", "0")) == [(0, 0, []), (0, 0, [])]


@pytest.mark.parametrize(
    ("instrument", "deployment", "depth", "flagged"),
    [
        ("uvp6", "in_situ_profile", "6300", False),
        ("uvp6", "in_situ_profile", "6300.1", True),
        ("uvp6", None, "6301", True),
        ("ifcb", "in_situ_moored", "43", True),
        ("ifcb", "flow_through", "43", False),  # the water came to the instrument
        ("uvp6", "bottle_sample_bench", "6301", False),
        ("zooscan", "net_sample_bench", "9000", False),
    ],
)
def test_what_an_instrument_stands(instrument: str, deployment: str | None, depth: str, flagged: bool) -> None:
    size = {"uvp6": 73, "ifcb": 0.3, "zooscan": 10.6}[instrument]
    declared = form(instrument=instrument, deployment_type=deployment, pixel_size={"value": size, "unit": "um"})
    assert ("DEPTH_EXCEEDS_RATING" in row({"z": depth}, ONE, declared)["qc_flags"]) is flagged


@pytest.mark.parametrize(
    ("low", "high", "bottom", "expected", "flags"),
    [
        ("0", "85", "85", 85, ["DEPTH_MAX_IS_BOTTOM"]),
        ("0", "85", "85.5", 85.5, []),
        ("1", "85", "85", 85, []),
        ("0", "85", "99999", None, []),
        ("0", "85", None, None, []),
        ("0", "85", "-85", None, ["BOTTOM_DEPTH_INVALID"]),
        ("0", "85", "11001", None, ["BOTTOM_DEPTH_INVALID"]),
        ("0", "85", "deep", None, ["BOTTOM_DEPTH_INVALID"]),
        ("0", "0", "0", 0, []),
    ],
)
def test_the_bottom(low: str, high: str, bottom: str | None, expected: float | None, flags: list[str]) -> None:
    found = row({"lo": low, "hi": high, "b": bottom}, RANGE | {"bottom_depth": "b"})
    assert (found["bottom_depth_m"], found["qc_flags"]) == (expected, flags)


def test_where_ecotaxa_and_zooprocess_keep_the_bottom() -> None:
    cells = {"object_date": "20210503", "object_time": "1000", "sample_bottomdepth": "120", "pid_sample_depth": "130"}
    for source, expected in (("ecotaxa", 120), ("zooscan", 120)):
        [found] = interpret(cells, {}, source=source).core.to_pylist()
        assert found["bottom_depth_m"] == expected
    [scan] = interpret(cells | {"sample_bottomdepth": "99999"}, {}, source="zooscan").core.to_pylist()
    assert scan["bottom_depth_m"] == 130


@pytest.mark.parametrize(
    ("changes", "cells", "expected"),
    [
        ({}, {"z": "7"}, (7, "point")),
        ({"depth_kind": "intake"}, {"z": "7"}, (7, "intake")),
        ({"depth_kind": "nominal_surface", "depth_min_m": None, "depth_max_m": None}, {}, (0, "nominal_surface")),
        ({"depth_kind": "nominal_surface"}, {}, (1.5, "nominal_surface")),
        ({"water_type": "culture", "depth_min_m": None, "depth_max_m": None}, {}, (0, "culture_none")),
        ({"water_type": "culture"}, {"z": "7"}, (7, "point")),
    ],
)
def test_kinds_of_depth(changes: dict[str, Any], cells: dict[str, str | None], expected: tuple[float, str]) -> None:
    found = row({"z": None} | cells, ONE, form(**changes))
    assert (found["depth_m"], found["depth_kind"]) == expected


def test_a_depth_that_can_not_be_read_is_no_missing_one() -> None:
    culture = form(water_type="culture", depth_min_m=None, depth_max_m=None)
    made = interpret({"z": "deep"}, ONE, culture)
    assert made.quarantine["reason"].to_pylist() == ["depth_unparsable", "depth_missing"]


@pytest.mark.parametrize(
    ("changes", "altitude", "flags"),
    [
        ({}, -15, []),
        ({"water_type": "brackish"}, -15, []),
        ({"water_type": "freshwater", "water_surface_elevation_m": 372}, 357, []),
        ({"water_type": "freshwater", "water_surface_elevation_m": 0}, -15, []),
        ({"water_type": "freshwater"}, None, ["LAKE_WITHOUT_ELEVATION"]),
    ],
)
def test_both_conventions(changes: dict[str, Any], altitude: float | None, flags: list[str]) -> None:
    found = row({"lo": "10", "hi": "20"}, RANGE, form(**changes))
    assert (found["depth_m"], found["altitude_m"], found["qc_flags"]) == (15, altitude, flags)


@pytest.mark.parametrize(
    ("text", "unit", "expected", "flags"),
    [
        ("12 m", "m", 12, ["NUMBER_WITH_UNIT"]),
        ("12m", None, 12, ["NUMBER_WITH_UNIT"]),
        ("12,5 m", None, 12.5, ["DECIMAL_COMMA", "NUMBER_WITH_UNIT"]),
        ("40 ft", None, 12.192, ["NUMBER_WITH_UNIT"]),
        ("1250_cm", "cm", 12.5, ["NUMBER_WITH_UNIT"]),
    ],
)
def test_depths_written_with_their_unit(text: str, unit: str | None, expected: float, flags: list[str]) -> None:
    found = row({"z": text}, {"depth": {"column": "z"} | ({"unit": unit} if unit else {})})
    assert (found["depth_m"], found["qc_flags"]) == (pytest.approx(expected), flags)


@pytest.mark.parametrize(("text", "unit"), [("12 m", "cm"), ("12 fathoms", None), ("12 kg", "m"), ("1.234,5", "m")])
def test_a_unit_that_contradicts_the_column_is_refused(text: str, unit: str | None) -> None:
    made = interpret({"z": text}, {"depth": {"column": "z"} | ({"unit": unit} if unit else {})}, FORM)
    assert made.quarantine["reason"].to_pylist() == ["depth_unparsable", "depth_missing"]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [("100 dbar", "dbar", 99.1), ("1101.325 kPa", "kPa_absolute", 99.1), ("10 bar", "", 99.1)],
)
def test_pressures_written_with_their_unit(text: str, unit: str, expected: float) -> None:
    found = row({"p": text}, {"pressure": {"column": "p"} | ({"unit": unit} if unit else {})})
    assert found["depth_m"] == pytest.approx(expected, abs=0.05)
    assert set(found["qc_flags"]) == {"DEPTH_FROM_PRESSURE", "NUMBER_WITH_UNIT"}
