"""Rules of position over a whole contribution: literals on both sides of every threshold."""

import datetime as dt
from typing import Any

import duckdb
import pandas as pd
import pytest
from builders import contribution

from aqqua_dataset import schema
from aqqua_dataset.quality.position_rules import RULES
from aqqua_dataset.registry.models import Declared, Sea

START = dt.datetime(2019, 6, 14, 12, tzinfo=dt.UTC)
ROW: dict[str, Any] = {
    "contribution_id": "c1", "source_system": "ecotaxa", "event_id": "e1", "instrument_id": "uvp6",
    "instrument_family": "uvp", "platform": "RV Test", "deployment_type": "in_situ_profile", "datetime_utc": START,
    "datetime_precision": "s", "latitude": 56.5208, "longitude": 11.5125, "coordinate_format": "dd",
    "coordinate_uncertainty_m": None, "qc_flags": [],
}  # fmt: skip


def marked(flag: str, rows: list[dict[str, Any]], declared: Declared | None = None) -> set[int]:
    """Numbers of the rows that the flag's rule marks, as quality/rules.py says."""
    given = pd.DataFrame([ROW | row for row in rows])
    given["platform"], given["event_id"] = given["platform"].astype("str"), given["event_id"].astype("str")
    given["coordinate_uncertainty_m"] = given["coordinate_uncertainty_m"].astype("float64")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("given", given.reset_index(names="number"))
        connection.execute("create view core as select * from given")
        query = RULES[flag](connection, contribution("c1", "x", declared=declared or Declared()))
        columns = connection.sql(query).columns
        same = " and ".join(f"c.{name} is not distinct from m.{name}" for name in columns)
        found = connection.sql(f"select number from core c semi join ({query}) m on {same}").fetchall()
    return {number for (number,) in found}


def test_every_rule_is_a_flag_of_the_vocabulary() -> None:
    assert set(RULES) <= set(schema.vocabulary("flags.csv")["flag"])


@pytest.mark.parametrize("flag", sorted(RULES))
def test_no_rows_and_one_good_row_are_no_trouble(flag: str) -> None:
    assert marked(flag, [{}]) == set()
    with duckdb.connect() as connection:
        connection.register("given", pd.DataFrame([ROW]))
        connection.execute("create view core as select * from given where false")
        assert connection.sql(RULES[flag](connection, contribution("c1", "x"))).fetchall() == []


def test_one_axis_zero_over_a_whole_sample() -> None:
    rows = [
        {"event_id": "greenwich", "longitude": 0.0}, {"event_id": "greenwich", "longitude": 0.2},
        {"event_id": "no-east", "longitude": 0.0}, {"event_id": "no-east", "longitude": 0.0001, "latitude": 57.0},
        {"event_id": "no-north", "latitude": -0.0001}, {"event_id": "near", "latitude": 0.0002},
        {"event_id": None, "longitude": 0.0}, {"event_id": None, "longitude": 3.0},
    ]  # fmt: skip
    assert marked("COORD_ZERO_AXIS", rows) == {2, 3, 4}


def stations(*pairs: tuple[float, float], **more: Any) -> list[dict[str, Any]]:
    return [{"latitude": north, "longitude": east, **more} for north, east in pairs]


EIGHT = [(40.15, -20.10), (40.59, -20.30), (41.02, -21.22), (41.33, -21.50), (42.44, -22.01), (42.58, -22.35),
         (43.12, -23.45), (43.21, -23.599)]  # fmt: skip


def test_fractions_that_never_reach_sixty_minutes() -> None:
    whole = set(range(8))
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT)) == whole
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT[:7], EIGHT[0])) == set()  # seven distinct positions
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT[:7], (43.21, -23.60))) == set()  # one fraction of 0.60
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT, coordinate_format="ddmm")) == set()  # read as minutes already
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT, source_system="zooscan")) == whole
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT, instrument_family="flowcam")) == set()
    assert marked("COORD_DDMM_SUSPECT", stations(*EIGHT, source_system="table")) == set()
    flagged = stations(*EIGHT, qc_flags=["COORD_DDMM_IS_DECIMAL"])
    assert marked("COORD_DDMM_SUSPECT", flagged) == set()


@pytest.mark.parametrize(("last", "expected"), [(41.14, set()), (41.15, set(range(8)))])
def test_fractions_in_a_bay_may_be_alike_by_chance(last: float, expected: set[int]) -> None:
    bay = [(40.15 + 0.01 * number, -20.10) for number in range(7)]
    assert marked("COORD_DDMM_SUSPECT", stations(*bay, (last, -20.10))) == expected


def test_axes_swapped() -> None:
    baltic = (19.5, 56.5)  # as delivered in the desert of Oman, on land; swapped south of Gotland
    north_sea = (3.0, 55.0)  # as delivered in the Indian Ocean; swapped in the North Sea
    kattegat = (11.5125, 56.5208)  # as delivered in the Arabian Sea; swapped in the Kattegat
    assert marked("COORD_SWAPPED", stations(baltic)) == {0}
    assert marked("COORD_SWAPPED", stations(baltic, north_sea)) == {0, 1}  # half of them on land
    assert marked("COORD_SWAPPED", stations(baltic, north_sea, kattegat)) == set()  # a third
    germany = (13.40, 51.50)  # as delivered in the Gulf of Aden; swapped in Saxony
    assert marked("COORD_SWAPPED", stations(baltic, germany)) == set()  # not all in water when swapped
    assert marked("COORD_SWAPPED", stations((19.5, 156.5))) == set()  # no latitude is 156.5


def test_the_sign_of_svalbard() -> None:
    """A ZooScan project had longitude -14.78 for 14.78: both are at sea, 666 km apart."""
    isfjorden = [(78.1, 13.9), (78.3, 14.9), (78.2, 13.2)]
    rows = stations((78.3, -14.78), *isfjorden)
    assert marked("COORD_SIGN_SUSPECT", rows) == {0}
    assert marked("COORD_SIGN_SUSPECT", stations((78.3, 14.78), *isfjorden)) == set()


def test_the_sign_of_the_healy() -> None:
    """A VPR project had longitude 161.81 for -161.81: both are at sea, on both sides of 180 degrees."""
    sea = Sea(name="Chukchi Sea", south=66, north=74, west=-175, east=-155)
    assert marked("COORD_SIGN_SUSPECT", stations((71.5, 161.81)), Declared(sea=sea)) == {0}
    assert marked("COORD_SIGN_SUSPECT", stations((71.5, -161.81)), Declared(sea=sea)) == set()
    cruise = [(71.4, -161.0), (71.6, -162.0)]
    assert marked("COORD_SIGN_SUSPECT", stations((71.5, 161.81), *cruise)) == {0}
    assert marked("COORD_SIGN_SUSPECT", stations((71.5, 161.81))) == set()  # alone and at sea: nothing contradicts


@pytest.mark.parametrize(
    ("east", "expected"),
    [
        # On the equator 500 km are 4.49661 degrees: -2.25 and 2.25 are 500.4 km apart, -2.24 and 2.24 are 498.2.
        (-2.25, {0}),
        (-2.24, set()),
    ],
)
def test_five_hundred_kilometres_from_the_rest(east: float, expected: set[int]) -> None:
    rest = [(0.0, -east), (1.0, -east + 1.0)]
    assert marked("COORD_SIGN_SUSPECT", stations((0.0, east), *rest)) == expected


def test_a_mirror_must_come_near_the_rest_and_into_water() -> None:
    rest = [(30.0, -40.0), (30.5, -40.5)]
    assert marked("COORD_SIGN_SUSPECT", stations((30.0, -60.0), *rest)) == set()  # far away, and so are its mirrors
    assert marked("COORD_SIGN_SUSPECT", stations((-30.0, -40.0), *rest)) == {0}
    assert marked("COORD_SIGN_SUSPECT", stations((-30.0, 40.0), *rest)) == {0}  # both signs
    group = [(-30.0, -40.0), (-30.1, -40.1)]
    assert marked("COORD_SIGN_SUSPECT", stations(*group, *rest, (31.0, -41.0))) == {0, 1}  # a wrong group is smaller
    assert marked("COORD_SIGN_SUSPECT", stations(*group, *rest)) == {0, 1, 2, 3}  # as large: nobody knows which


def test_a_position_on_land_whose_mirror_is_at_sea() -> None:
    woods_hole = [(41.3, -70.9), (41.2, -70.8)]
    assert marked("COORD_SIGN_SUSPECT", stations((41.25, 70.85), *woods_hole)) == {0}
    assert marked("COORD_SIGN_SUSPECT", stations((41.25, 70.85), (41.3, 70.9))) == {0, 1}  # the whole delivery
    berlin = (52.30, 13.40)
    assert marked("COORD_SIGN_SUSPECT", stations(berlin, *woods_hole)) == set()  # no mirror comes near the rest


def test_a_declared_sea_across_180_degrees() -> None:
    sea = Sea(name="Bering Sea", south=51, north=66, west=162, east=-157)
    rows = stations((58.0, 175.0), (58.0, -175.0), (58.0, 161.0), (50.9, 175.0), (58.0, -156.9), (66.0, -157.0))
    assert marked("REGION_NOT_DECLARED", rows, Declared(sea=sea)) == {2, 3, 4}
    assert marked("REGION_NOT_DECLARED", rows) == set()


@pytest.mark.parametrize(
    ("deployment", "hours", "east", "expected"),
    [
        ("in_situ_towed", 48, 11.5125, {0, 1}),
        ("in_situ_towed", 47.99, 11.5125, set()),
        ("in_situ_towed", 48, 11.5126, set()),
        ("in_situ_profile", 480, 11.5125, set()),  # a station of a time series
        ("in_situ_moored", 480, 11.5125, set()),
    ],
)
def test_a_towed_instrument_moves(deployment: str, hours: float, east: float, expected: set[int]) -> None:
    rows = [{}, {"datetime_utc": START + dt.timedelta(hours=hours), "longitude": east}]
    assert marked("COORD_CONSTANT", [row | {"deployment_type": deployment} for row in rows]) == expected


def test_towed_instruments_are_judged_by_platform() -> None:
    later = START + dt.timedelta(days=3)
    rows = [{"platform": None}, {"platform": None, "datetime_utc": later}, {"platform": "A", "longitude": 11.0},
            {"platform": "A", "datetime_utc": later}]  # fmt: skip
    assert marked("COORD_CONSTANT", [row | {"deployment_type": "in_situ_towed"} for row in rows]) == {0, 1}


def two_events(minutes: float, **more: Any) -> list[dict[str, Any]]:
    """One degree of longitude on the equator: 111.1951 km, 60.0406 nautical miles."""
    later = {"event_id": "e2", "datetime_utc": START + dt.timedelta(minutes=minutes), "longitude": -29.0}
    return [{"latitude": 0.0, "longitude": -30.0, **more}, {"latitude": 0.0, **later, **more}]


@pytest.mark.parametrize(
    ("minutes", "suspect", "impossible"),
    [
        (144.2, set(), set()),  # 24.98 kn
        (144.0, {0, 1}, set()),  # 25.02 kn
        (60.1, {0, 1}, set()),  # 59.94 kn
        (60.0, set(), {0, 1}),  # 60.04 kn
        (0.0, set(), {0, 1}),
    ],
)
def test_the_speed_between_two_events(minutes: float, suspect: set[int], impossible: set[int]) -> None:
    assert marked("TRACK_SPEED", two_events(minutes)) == suspect
    assert marked("TRACK_SPEED_IMPOSSIBLE", two_events(minutes)) == impossible


def test_a_track_marks_the_events_of_the_jump_and_all_their_rows() -> None:
    hour = dt.timedelta(hours=1)
    rows = [
        {"event_id": "a", "longitude": -30.0}, {"event_id": "a", "longitude": -30.0},
        {"event_id": "b", "longitude": -29.9, "datetime_utc": START + hour},
        {"event_id": "c", "longitude": 30.0, "datetime_utc": START + 2 * hour},
        {"event_id": "d", "longitude": -29.7, "datetime_utc": START + 3 * hour},
        {"event_id": "e", "longitude": -29.6, "datetime_utc": START + 4 * hour},
    ]  # fmt: skip
    assert marked("TRACK_SPEED_IMPOSSIBLE", [row | {"latitude": 0.0} for row in rows]) == {2, 3, 4}
    loose = [row | {"latitude": 0.0, "event_id": None, "platform": None} for row in rows]
    assert marked("TRACK_SPEED_IMPOSSIBLE", loose) == {2, 3, 4}


@pytest.mark.parametrize(
    "more",
    [
        {"datetime_precision": "day"},
        {"deployment_type": "in_situ_moored"},
        {"deployment_type": "net_sample_bench", "platform": None},
        {"coordinate_uncertainty_m": 55_598.0},  # whole degrees: the two may be one place
    ],
)
def test_tracks_that_cannot_be_judged(more: dict[str, Any]) -> None:
    assert marked("TRACK_SPEED_IMPOSSIBLE", two_events(0.0, **more)) == set()


def test_two_ships_are_two_tracks() -> None:
    first, second = two_events(0.0)
    assert marked("TRACK_SPEED_IMPOSSIBLE", [first, second | {"platform": "RV Other"}]) == set()


def test_two_short_hops_within_a_minute_are_no_jump() -> None:
    near = [{"latitude": 0.0, "longitude": -30.0}, {"latitude": 0.0, "longitude": -30.006, "event_id": "e2"}]
    assert marked("TRACK_SPEED", near) == set()  # 667 m in a minute are 21.6 kn
    assert marked("TRACK_SPEED", [near[0], near[1] | {"longitude": -30.008}]) == {0, 1}  # 890 m: 28.8 kn
