"""What metadata mean: one table of cases per interpreter, with the value on each side of every rule."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from builders import contribution, settings
from hypothesis import given
from hypothesis import strategies as st

from aqqua_dataset.harmonise.instrument import instrument_id
from aqqua_dataset.harmonise.rows import Harmonised, harmonise
from aqqua_dataset.harmonise.scale import scale
from aqqua_dataset.registry.models import Declared, Quantity, Source
from aqqua_dataset.sources import with_locator

GOOD = {
    "object_lat": "56.5208", "object_lon": "11.5125", "object_date": "20190614", "object_time": "133015",
    "object_depth_min": "10", "object_depth_max": "20", "acq_instrument": "zooscan",
    "process_particle_pixel_size_mm": "0.0106",
}  # fmt: skip
UTC = dt.UTC


def interpret(declared: Declared | None = None, source: Source | None = None, **cells: str | None) -> Harmonised:
    """One EcoTaxa row with some cells changed (None takes the column away)."""
    row = {k: v for k, v in (GOOD | cells).items() if v is not None}
    frame = pd.DataFrame([row | {"aqqua_object_id": "o1", "aqqua_image_file": "o1.png", "aqqua_table": "t.tsv"}])
    frame["aqqua_line"], frame["aqqua_value"], frame["aqqua_flags"] = 2, "", ""
    rows = with_locator(frame.astype(dict.fromkeys(row, "str")))
    named = pd.DataFrame(
        {
            "aqqua_image_id": pd.array(["03e05be3-ba80-5dcf-bc6d-b33a3bfcd64f"], dtype="str"),
            "aqqua_image_rank": pd.array([0], dtype="Int32"),
            "aqqua_images": pd.array([1], dtype="Int32"),
            "aqqua_reject": pd.array([np.nan], dtype="str"),
        }
    )
    giver = contribution("c1", "x", declared=declared or Declared(), **({"source": source} if source else {}))
    return harmonise(pd.concat([named, rows], axis=1), giver, settings())


def value(field: str, **cells: str | None) -> object:
    core = interpret(**cells).core.to_pylist()
    return core[0][field] if core else None


def reasons(**cells: str | None) -> list[str]:
    return interpret(**cells).quarantine["reason"].to_pylist()


def test_a_good_row_is_usable_and_says_where_everything_came_from() -> None:
    [row] = interpret().core.to_pylist()
    assert row["datetime_utc"] == dt.datetime(2019, 6, 14, 13, 30, 15, tzinfo=UTC)
    assert (row["pixel_size_um"], row["pixel_size_verbatim"]) == (pytest.approx(10.6), "0.0106")
    assert (row["pixel_size_rule"], row["pixel_size_unit_source"]) == ("mm*1000", "declared_column")
    assert (row["depth_m"], row["depth_kind"], row["altitude_m"]) == (15.0, "bin", -15.0)
    assert row["qc_flags"] == ["TZ_ASSUMED"]


@pytest.mark.parametrize(
    ("date", "time", "expected", "precision"),
    [
        ("20140420", "420", dt.datetime(2014, 4, 20, 4, 20, tzinfo=UTC), "minute"),
        ("2014-04-20", "04:20:00", dt.datetime(2014, 4, 20, 4, 20, tzinfo=UTC), "s"),
        ("20140420", "1330", dt.datetime(2014, 4, 20, 13, 30, tzinfo=UTC), "minute"),
        ("20160719", "020139.315", dt.datetime(2016, 7, 19, 2, 1, 39, 315000, tzinfo=UTC), "ms"),
        ("20140420", "8:05", dt.datetime(2014, 4, 20, 8, 5, tzinfo=UTC), "minute"),
        ("20140420", None, dt.datetime(2014, 4, 20, tzinfo=UTC), "day"),
    ],
)
def test_times_as_ecotaxa_reads_them(date: str, time: str | None, expected: dt.datetime, precision: str) -> None:
    [row] = interpret(object_date=date, object_time=time).core.to_pylist()
    assert (row["datetime_utc"], row["datetime_precision"]) == (expected, precision)


@pytest.mark.parametrize(
    ("date", "time", "reason"),
    [
        ("20140433", "1200", "time_unparsable"),
        ("20140420", "9920", "time_unparsable"),
        ("20140420", "90239", "time_unparsable"),  # a spreadsheet ate the leading zero: 90:23:90
        ("04/05/2014", "1200", "dmy_mdy_ambiguous"),  # day and month are never guessed
        ("24/05/2014", "1200", "time_unparsable"),  # nor is their order taken from the value
        ("NaN", "1200", "time_missing"),
        ("18491231", "1200", "time_out_of_range"),
        ("20270715", "1200", "time_out_of_range"),
        ("19700101", "000000", "time_default"),
    ],
)
def test_times_that_are_refused(date: str, time: str, reason: str) -> None:
    assert reasons(object_date=date, object_time=time) == [reason]


def test_the_declared_zone_is_used_and_named() -> None:
    berlin = interpret(Declared(time_zone="Europe/Berlin")).core.to_pylist()[0]
    assert (berlin["datetime_utc"].hour, berlin["timezone_source"]) == (11, "tzname_declared")
    told = interpret(Declared(time_zone="UTC")).core.to_pylist()[0]
    assert (told["datetime_utc"].hour, told["timezone_source"], told["qc_flags"]) == (13, "utc_declared", [])
    twice = Declared(time_zone="Europe/Berlin")  # 02:30 stands twice in that night
    assert interpret(twice, object_date="20191027", object_time="023000").quarantine["reason"].to_pylist() == [
        "time_unparsable"
    ]


@pytest.mark.parametrize(
    ("lat", "lon", "expected"),
    [
        ("43°0 0", "17°30 36", (43.0, 17.51)),
        ("-43°30 0", "-17°0 0", (-43.5, -17.0)),
        ("56,5", "11,25", (56.5, 11.25)),
        ("90", "-180", (90.0, -180.0)),
        ("10", "200", (10.0, -160.0)),
    ],
)
def test_positions(lat: str, lon: str, expected: tuple[float, float]) -> None:
    [row] = interpret(object_lat=lat, object_lon=lon).core.to_pylist()
    assert (row["latitude"], row["longitude"]) == pytest.approx(expected)
    assert (row["latitude_verbatim"], row["longitude_verbatim"]) == (lat, lon)


@pytest.mark.parametrize(
    ("lat", "lon", "expected"),
    [
        ("90.01", "11", ["position_out_of_range"]),
        ("100", "361", ["position_out_of_range"]),
        ("north", "11", ["position_unparsable"]),
        ("0.005", "-0.005", ["position_placeholder"]),
        ("-90", "0", ["position_placeholder"]),
        ("41.5507768", "-70.6593102", ["position_placeholder"]),
        (None, "11", ["position_missing"]),
    ],
)
def test_positions_that_are_refused(lat: str | None, lon: str, expected: list[str]) -> None:
    assert reasons(object_lat=lat, object_lon=lon) == expected


def test_a_position_near_a_placeholder_but_outside_its_tolerance_is_kept() -> None:
    assert reasons(object_lat="0.011", object_lon="0.011") == []


@pytest.mark.parametrize(
    ("low", "high", "expected", "flags"),
    [
        ("10", "20", (10.0, 20.0), set()),
        ("20", "10", (10.0, 20.0), {"DEPTH_MIN_GT_MAX"}),
        ("-20", "-10", (10.0, 20.0), {"DEPTH_NEGATIVE"}),
        ("-10", "-20", (10.0, 20.0), {"DEPTH_NEGATIVE"}),
        ("10", None, (10.0, 10.0), {"DEPTH_ONE_SIDED"}),
        ("10", "99999", (10.0, 10.0), {"DEPTH_ONE_SIDED"}),
        ("0", "11000", (0.0, 11000.0), set()),
    ],
)
def test_depths(low: str, high: str | None, expected: tuple[float, float], flags: set[str]) -> None:
    [row] = interpret(object_depth_min=low, object_depth_max=high).core.to_pylist()
    assert (row["depth_min_m"], row["depth_max_m"]) == expected
    assert set(row["qc_flags"]) - {"TZ_ASSUMED"} == flags


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("99999", "999999", ["depth_missing"]),
        ("deep", "20", ["depth_unparsable"]),
        ("10", "11001", ["depth_out_of_range"]),
    ],
)
def test_depths_that_are_refused(low: str, high: str, expected: list[str]) -> None:
    assert reasons(object_depth_min=low, object_depth_max=high) == expected


def test_lakes_have_an_altitude_above_the_sea() -> None:
    lake = Declared(water_type="freshwater", water_surface_elevation_m=60, time_zone="UTC")
    [row] = interpret(lake).core.to_pylist()
    assert (row["depth_m"], row["altitude_m"]) == (15.0, 45.0)


@pytest.mark.parametrize(
    ("number", "units", "instrument", "um", "source"),
    [
        (0.0106, "mm", "zooscan", 10.6, "rule_instrument"),
        (3.4, "px/um", "ifcb", 1 / 3.4, "rule_instrument"),
        (2400, "dpi", "zooscan", 25_400 / 2400, "rule_instrument"),
        (10.6, "um|mm", "zooscan", 10.6, "inferred_range"),
        (0.0106, "um|mm", "zooscan", 10.6, "inferred_range"),
    ],
)
def test_pixel_sizes(number: float, units: str, instrument: str, um: float, source: str) -> None:
    found = scale(number, units, "rule_instrument", instrument)
    assert (found.um, found.unit_source, found.reason) == (pytest.approx(um), source, None)


@pytest.mark.parametrize(
    ("number", "units", "instrument", "reason"),
    [
        (0, "um", "zooscan", "pixel_size_invalid"),
        (-1, "um", "zooscan", "pixel_size_invalid"),
        (4.99, "um", "zooscan", "pixel_size_out_of_range"),
        (90.1, "um", "zooscan", "pixel_size_out_of_range"),
        (1.0, "um|px/um", "flowcam", "pixel_size_ambiguous"),  # both units are plausible
        (500, "um|mm", "zooscan", "pixel_size_ambiguous"),  # neither is
        (10, "um|mm", None, "pixel_size_ambiguous"),
    ],
)
def test_pixel_sizes_that_are_refused(number: float, units: str, instrument: str | None, reason: str) -> None:
    assert scale(number, units, "rule_instrument", instrument).reason == reason


@given(st.floats(0.001, 10_000), st.sampled_from(["um", "mm", "px/um", "px/mm", "dpi", "um|mm"]))
def test_an_accepted_pixel_size_is_possible_for_the_instrument(number: float, units: str) -> None:
    found = scale(number, units, "rule_instrument", "uvp6")
    assert (found.um is None) == (found.reason is not None)
    assert found.um is None or 50 <= found.um <= 120


def test_the_same_column_has_the_unit_of_its_instrument() -> None:
    plain = {"process_particle_pixel_size_mm": None}
    assert value("pixel_size_um", acq_instrument="UVP5HD", acq_pixel="0.088", **plain) == pytest.approx(88)
    assert value("pixel_size_um", acq_instrument="uvp6", acq_pixel="73", **plain) == 73
    assert value("pixel_size_um", acq_instrument="FlowCam", process_pixel="0.7339", **plain) == pytest.approx(0.7339)


def test_the_form_wins_and_a_conflict_is_flagged() -> None:
    told = Declared(pixel_size=Quantity(value=10.6, unit="um"), time_zone="UTC")
    [same] = interpret(told).core.to_pylist()
    assert (same["pixel_size_unit_source"], same["qc_flags"]) == ("declared_form", [])
    [other] = interpret(told, process_particle_pixel_size_mm="0.0108").core.to_pylist()
    assert (other["pixel_size_um"], other["qc_flags"]) == (10.6, ["SCALE_CONFLICT"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ZOOSCAN", "zooscan"), ("UVP5 (HD)", "uvp5hd"), ("Imaging FlowCytobot", "ifcb"), ("epson", "flatbed"),
     ("Zooskan", None), ("", None)],
)  # fmt: skip
def test_instruments_are_matched_exactly(text: str, expected: str | None) -> None:
    assert instrument_id(text) == expected


def test_instrument_missing_or_unknown() -> None:
    assert "instrument_missing" in reasons(acq_instrument=None)
    assert "instrument_unknown" in reasons(acq_instrument="my camera")


@pytest.mark.parametrize(
    ("status", "label", "expected", "flags"),
    [
        ("validated", "Copepoda", "validated", set()),
        ("V", "Copepoda", "validated", set()),
        ("DUBIOUS", "Copepoda", "dubious", set()),
        ("predit", "Copepoda", "unknown", {"LABEL_STATUS_UNKNOWN"}),
        (None, "Copepoda", "unknown", {"LABEL_WITHOUT_STATUS"}),
        ("predicted", None, "predicted", {"STATUS_WITHOUT_LABEL"}),
        (None, None, "unclassified", set()),
    ],
)
def test_labels_are_flagged_and_never_refused(
    status: str | None, label: str | None, expected: str, flags: set[str]
) -> None:
    cells = {"object_annotation_status": status, "object_annotation_category": label}
    [row] = interpret(**cells).core.to_pylist()
    assert (row["label_status"], row["label_verbatim"]) == (expected, label)
    assert set(row["qc_flags"]) - {"TZ_ASSUMED"} == flags


def test_taxa_come_from_the_id_map_or_an_exact_name() -> None:
    [row] = interpret(object_annotation_category="Copepoda<Multicrustacea", object_annotation_category_id="25828",
                      object_annotation_status="validated").core.to_pylist()  # fmt: skip
    assert (row["taxon_name"], row["aphia_id"], row["taxon_match"]) == ("Copepoda", 1080, "id_map")
    [named] = interpret(object_annotation_category="Copepoda", object_annotation_status="V").core.to_pylist()
    assert (named["taxon_name"], named["taxon_match"]) == ("Copepoda", "exact")


def test_a_row_names_all_its_reasons() -> None:
    found = reasons(object_lat="100", object_date="20140433", object_depth_min="x", object_depth_max="x")
    assert found == ["time_unparsable", "position_out_of_range", "depth_unparsable", "depth_missing"]
