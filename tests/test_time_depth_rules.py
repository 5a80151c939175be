"""Rules over events and whole contributions: one case on each side of every threshold."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from builders import contribution

from aqqua_dataset import schema
from aqqua_dataset.quality.sun import elevation_deg
from aqqua_dataset.quality.time_depth_rules import RULES
from aqqua_dataset.registry.models import Declared

UTC = dt.UTC
NOON = dt.datetime(2019, 6, 14, 12, tzinfo=UTC)
ROW: dict[str, Any] = {
    "contribution_id": "c1", "event_id": "e1", "instrument_id": "zooscan", "deployment_type": "unknown",
    "datetime_utc": NOON, "datetime_precision": "s", "timezone_source": "utc_declared",
    "processing_datetime_utc": None, "day_night": None, "latitude": 54.0, "longitude": 11.0, "depth_m": 10.0,
}  # fmt: skip


def flagged(rule: str, rows: Iterable[dict[str, Any]], declared: Declared | None = None) -> list[int]:
    """Which rows the rule's answer marks, by the meaning written in quality/rules.py."""
    told = [ROW | row for row in rows]
    fields = [schema.arrow("core").field(name) for name in ROW]
    table = pa.table({f.name: pa.array([r[f.name] for r in told], f.type) for f in fields})
    connection = duckdb.connect()
    connection.register("rows", table.append_column("place", pa.array(range(len(told)))))
    connection.execute("CREATE VIEW core AS SELECT * EXCLUDE place FROM rows")
    query = RULES[rule](connection, contribution("c1", "x", declared=declared or Declared()))
    connection.execute(f"CREATE TABLE answer AS {query}")
    columns = [name for name, *_ in connection.execute("DESCRIBE answer").fetchall()]
    equal = " AND ".join(f"rows.{name} IS NOT DISTINCT FROM answer.{name}" for name in columns)
    places = connection.execute(f"SELECT DISTINCT place FROM rows JOIN answer ON {equal} ORDER BY place").fetchall()
    return [place for (place,) in places]


def at(hour: float, day: int = 14, **more: Any) -> dict[str, Any]:
    moment = dt.datetime(2019, 6, day, tzinfo=UTC) + dt.timedelta(hours=hour)
    return {"datetime_utc": moment, "event_id": f"e{day}-{hour}"} | more


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_declared_flag_and_none_marks_a_plain_row(rule: str) -> None:
    assert rule in set(schema.vocabulary("flags.csv")["flag"])
    assert flagged(rule, [{}]) == []
    assert flagged(rule, []) == []


@pytest.mark.parametrize(
    ("hour", "events", "marked"),
    [(12, 20, True), (12, 19, False), (0, 20, True), (11 + 11 / 60 + 11 / 3600, 20, True), (13, 20, False)],
)
def test_one_placeholder_clock_in_twenty_events(hour: float, events: int, marked: bool) -> None:
    rows = [at(hour, day) for day in range(1, events + 1)]
    assert flagged("TIME_DEFAULT_CLOCK", rows) == (list(range(events)) if marked else [])


def test_the_clock_is_that_of_the_declared_zone() -> None:
    rows = [at(10, day, timezone_source="tzname_declared") for day in range(1, 21)]  # noon in Berlin's summer
    assert len(flagged("TIME_DEFAULT_CLOCK", rows, Declared(time_zone="Europe/Berlin"))) == 20
    assert flagged("TIME_DEFAULT_CLOCK", rows, Declared(time_zone="Europe/London")) == []


def test_one_other_clock_time_shows_that_times_were_taken_and_bare_dates_count_for_nothing() -> None:
    rows = [at(12, day) for day in range(1, 21)]
    assert flagged("TIME_DEFAULT_CLOCK", [*rows, at(12.5, 21)]) == []
    assert flagged("TIME_DEFAULT_CLOCK", [*rows, at(0, 21, datetime_precision="day")]) == list(range(20))


@pytest.mark.parametrize(
    ("hours", "more", "marked"),
    [
        (24, {}, True),
        (-24, {}, True),
        (24.1, {}, False),
        (1, {"deployment_type": "in_situ_profile"}, False),
        (1, {"instrument_id": "uvp6"}, False),
        (1, {"instrument_id": "uvp6", "deployment_type": "bottle_sample_bench"}, True),
    ],
)
def test_the_processing_time_is_no_sampling_time(hours: float, more: dict[str, Any], marked: bool) -> None:
    row = {"processing_datetime_utc": NOON + dt.timedelta(hours=hours)} | more
    assert flagged("TIME_IS_PROCESSING_TIME", [row, {}]) == ([0] if marked else [])


def test_one_sample_processed_later_clears_the_contribution() -> None:
    same = {"processing_datetime_utc": NOON}
    later = {"processing_datetime_utc": NOON + dt.timedelta(days=300)}
    assert flagged("TIME_IS_PROCESSING_TIME", [same, same]) == [0, 1]
    assert flagged("TIME_IS_PROCESSING_TIME", [same, later]) == []


# Hours in UTC that are day and night at 120 W, eight hours behind.
DAY_AND_NIGHT = [(18, "day"), (20, "day"), (22, "day"), (6, "night"), (8, "night"), (10, "night")]


def on_board(shift: int, marks: Iterable[tuple[int, str]] = DAY_AND_NIGHT) -> list[dict[str, Any]]:
    """Moments off Baja California (0 N, 120 W: noon at 20 h UTC), with the clock shifted by some hours."""
    place = {"latitude": 0.0, "longitude": -120.0}
    return [at((hour + shift) % 24, day_night=told, **place) for hour, told in marks]


@pytest.mark.parametrize(("shift", "marked"), [(0, False), (-8, True), (1, False), (12, True)])
def test_day_and_night_show_a_wrong_zone(shift: int, marked: bool) -> None:
    assert flagged("TZ_LOCAL_SUSPECT", on_board(shift)) == (list(range(6)) if marked else [])


def test_two_contradictions_or_some_that_no_shift_mends_are_no_zone() -> None:
    assert flagged("TZ_LOCAL_SUSPECT", on_board(12, DAY_AND_NIGHT[:2])) == []
    assert flagged("TZ_LOCAL_SUSPECT", on_board(12, DAY_AND_NIGHT[:3])) == [0, 1, 2]
    # Day all round the clock is no shift at the equator.
    assert flagged("TZ_LOCAL_SUSPECT", on_board(0, [(hour, "day") for hour in range(24)])) == []


@pytest.mark.parametrize(
    ("moment", "latitude", "longitude", "expected"),
    [
        ("2024-06-20T12:02", 51.4769, 0.0, 90 - 51.48 + 23.44),  # Greenwich at the solstice's noon
        ("2024-12-21T11:58", 51.4769, 0.0, 90 - 51.48 - 23.44),
        ("2024-03-20T12:07", 0.0, 0.0, 90.0),  # equator at the equinox's noon
        ("2024-03-20T20:07", 0.0, -120.0, 90.0),
        ("2024-06-21T00:02", 71.0, 0.0, 71 + 23.44 - 90),  # midnight sun
        ("2024-03-20T18:07", 0.0, 0.0, 0.0),  # sunset
    ],
)
def test_the_sun_stands_where_it_must(moment: str, latitude: float, longitude: float, expected: float) -> None:
    found = elevation_deg(pd.DatetimeIndex([moment], tz="UTC"), np.array([latitude]), np.array([longitude]))
    assert found[0] == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize(
    ("depths", "deployment", "marked"),
    [
        ((10.0, 10.0), "in_situ_profile", [0, 1]),
        ((10.0, 10.1), "in_situ_profile", []),
        ((10.0,), "in_situ_profile", []),
        ((10.0, 10.0), "in_situ_moored", []),
    ],
)
def test_a_profile_goes_through_depths(depths: tuple[float, ...], deployment: str, marked: list[int]) -> None:
    rows = [{"depth_m": depth, "deployment_type": deployment} for depth in depths]
    other = {"event_id": "e2", "depth_m": 3.0, "deployment_type": deployment}
    assert flagged("DEPTH_CONSTANT_IN_PROFILE", [*rows, other]) == marked


@pytest.mark.parametrize(
    ("depths", "marked"),
    [
        ((10, 71, 30), [1]),  # 51 m from the middle, 20 m
        ((10, 70, 30), []),  # 50 m
        ((100, 9, 20), [1]),
        ((10, 600, 610), []),  # far from the middle, but on the way down
        ((10, 71), []),
    ],
)
def test_spikes_in_time(depths: tuple[int, ...], marked: list[int]) -> None:
    rows = [at(second / 3600, event_id="e1", depth_m=float(depth)) for second, depth in enumerate(depths)]
    assert flagged("DEPTH_SPIKE", rows) == marked
    assert flagged("DEPTH_SPIKE", [row | {"datetime_precision": "day"} for row in rows]) == []


def test_objects_of_one_image_are_one_depth_and_events_stay_apart() -> None:
    rows = [at(second / 3600, event_id="e1", depth_m=depth) for second, depth in enumerate((10.0, 71.0, 30.0))]
    assert flagged("DEPTH_SPIKE", [rows[0], rows[1], rows[1], rows[2]]) == [1, 2]
    assert flagged("DEPTH_SPIKE", [rows[0], rows[1] | {"event_id": "e2"}, rows[2]]) == []
