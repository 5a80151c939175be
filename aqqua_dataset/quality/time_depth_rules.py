"""Tests of times and depths that only show over events or a whole contribution; see ``rules`` for how they answer."""

from types import MappingProxyType
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.quality.rules import Rule
from aqqua_dataset.quality.sun import elevation_deg
from aqqua_dataset.quality.thresholds import threshold
from aqqua_dataset.registry.models import Contribution

_NOBODY = "SELECT contribution_id FROM core WHERE false"
_EVERYBODY = "SELECT DISTINCT contribution_id FROM core"
_TIMED = "datetime_precision IN ('ms', 's', 'minute')"
#: Clock times that stand for none: midnight, noon, and 11:11:11 (seen in EcoTaxa projects).
_CLOCKS = ("000000", "120000", "111111")
_BENCH = ("net_sample_bench", "bottle_sample_bench", "culture")


def default_clock(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """One clock time, and that a placeholder, in all timed images of enough events."""
    zone = contribution.declared.time_zone or "UTC"
    local = (
        "CASE WHEN timezone_source = 'tzname_declared' THEN timezone($zone, datetime_utc) "
        "ELSE timezone('UTC', datetime_utc) END"
    )
    clocks, first, events = _one_row(
        connection,
        f"SELECT count(DISTINCT clock), min(clock), count(DISTINCT event) FROM ("
        f"SELECT strftime({local}, '%H%M%S') AS clock, coalesce(event_id, CAST(datetime_utc AS VARCHAR)) AS event "
        f"FROM core WHERE {_TIMED})",
        {"zone": zone},
    )
    if clocks != 1 or first not in _CLOCKS or events < threshold("T06.events"):
        return _NOBODY
    return f"SELECT DISTINCT contribution_id, datetime_precision FROM core WHERE {_TIMED}"


def is_processing_time(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """All images of bench samples whose processing is known were taken within a day of it."""
    table = schema.vocabulary("instruments.csv")
    bench = table.loc[table["deployment"].str.startswith("bench"), "instrument_id"]
    unsaid = f"deployment_type = 'unknown' AND instrument_id IN ({_listed(bench)})"
    on_bench = f"(deployment_type IN ({_listed(_BENCH)}) OR ({unsaid}))"
    known = f"processing_datetime_utc IS NOT NULL AND {on_bench}"
    count, farthest = _one_row(
        connection,
        f"SELECT count(*), max(abs(epoch(processing_datetime_utc) - epoch(datetime_utc))) FROM core WHERE {known}",
    )
    if not count or farthest > threshold("T07.days") * 86_400:
        return _NOBODY
    return f"SELECT DISTINCT processing_datetime_utc, deployment_type, instrument_id FROM core WHERE {known}"


def zone_contradicts_sun(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Delivered day and night contradict the sun, and one shift by whole hours mends every contradiction.

    Twilight counts as neither, so a zone that is wrong by little stays unseen.
    """
    told = connection.execute(
        "SELECT DISTINCT timezone('UTC', date_trunc('minute', datetime_utc)) AS moment, "
        "round(latitude, 1) AS latitude, "
        "round(longitude, 1) AS longitude, day_night = 'night' AS night FROM core "
        f"WHERE day_night IS NOT NULL AND {_TIMED}"
    ).fetchnumpy()
    moments, night = pd.DatetimeIndex(told["moment"], tz="UTC"), np.asarray(told["night"], dtype=bool)
    latitude, longitude = (np.asarray(told[axis], dtype=np.float64) for axis in ("latitude", "longitude"))
    twilight = threshold("T09.twilight_deg")

    def contradictions(hours: int) -> int:
        height = elevation_deg(moments + pd.Timedelta(hours=hours), latitude, longitude)
        return int(np.where(night, height > twilight, height < -twilight).sum())

    if contradictions(0) < threshold("T09.moments"):
        return _NOBODY
    mended = any(contradictions(hours) == 0 for hours in range(-14, 15) if hours)
    return _EVERYBODY if mended else _NOBODY


def constant_in_profile(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """A profile whose images all have one depth."""
    return (
        "SELECT event_id FROM core WHERE deployment_type = 'in_situ_profile' AND event_id IS NOT NULL "
        f"GROUP BY event_id HAVING count(*) >= {threshold('D07.rows')} AND min(depth_m) = max(depth_m)"
    )


def spike(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """A depth far from the middle of its neighbours in time and on no way from the one to the other.

    QARTOD's spike test; without the second condition a profile with few images would be full of spikes.
    """
    return (
        "WITH casts AS (SELECT event_id, datetime_utc, min(depth_m) AS depth FROM core "
        f"WHERE event_id IS NOT NULL AND {_TIMED} "
        "GROUP BY event_id, datetime_utc HAVING min(depth_m) = max(depth_m)), "
        "beside AS (SELECT *, lag(depth) OVER in_time AS before, lead(depth) OVER in_time AS after FROM casts "
        "WINDOW in_time AS (PARTITION BY event_id ORDER BY datetime_utc)) "
        "SELECT event_id, datetime_utc FROM beside "
        f"WHERE abs(depth - (before + after) / 2) > {threshold('D09.spike_m')} "
        "AND (depth > greatest(before, after) OR depth < least(before, after))"
    )


#: Rule by the flag it raises.
RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "TIME_DEFAULT_CLOCK": default_clock,
        "TIME_IS_PROCESSING_TIME": is_processing_time,
        "TZ_LOCAL_SUSPECT": zone_contradicts_sun,
        "DEPTH_CONSTANT_IN_PROFILE": constant_in_profile,
        "DEPTH_SPIKE": spike,
    }
)


def _one_row(
    connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, str] | None = None
) -> tuple[Any, ...]:
    row = connection.execute(query, values).fetchone()
    assert row is not None  # an aggregate without groups has one row
    return row


def _listed(words: Any) -> str:
    return ", ".join(f"'{word}'" for word in words)
