"""When: date and time in UTC with their precision, and who says which zone they are in.

EcoTaxa's rules are those of its importer: dates YYYYMMDD or YYYY-MM-DD; times HH:MM:SS, or digits
that are padded with zeros on the left to four and then on the right to six (420 is 04:20:00).
Anything else must be ISO 8601 or have its format stated in the mapping: a strptime pattern, or ``epoch_s``,
``epoch_ms`` or ``epoch_us`` for a count since 1970 in UTC. Day and month are never guessed.
"""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Candidate, Work

_OLDEST = pd.Timestamp("1850-01-01", tz="UTC")
_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
_EPOCH = {"epoch_s": ("s", "s"), "epoch_ms": ("ms", "ms"), "epoch_us": ("us", "ms")}
_PATTERN_PRECISION = (("%f", "ms"), ("%S", "s"), ("%T", "s"), ("%M", "minute"))


def interpret(work: Work) -> None:
    """Sets datetime_utc, datetime_precision, datetime_verbatim and timezone_source."""
    one = _one_column(work)
    date, time = work.text("date"), work.text("time")
    one = one.mask(date.notna())  # a date of its own comes first: formats that have both hold a copy in the other
    verbatim = one["text"].fillna(date.str.cat(time.fillna(""), sep=" ").str.strip())
    local = _date_and_time(work, date, time).where(one["text"].isna(), one["local"])
    utc, source = _to_utc(work, local, one["zone"])

    work.reject("time_missing", verbatim.isna())
    work.reject("time_unparsable", verbatim.notna() & utc.isna(), "datetime", verbatim)
    latest = pd.Timestamp(_latest(work), tz="UTC")
    work.reject("time_out_of_range", (utc < _OLDEST) | (utc >= latest), "datetime", verbatim)
    work.reject("time_default", _is_default(work, utc), "datetime", verbatim)
    work.flag("TZ_ASSUMED", source == "assumed_utc")
    work.flag("TIME_MISSING", one["text"].isna() & time.isna() & utc.notna())
    precision = one["precision"].fillna(_precision(one["text"], time))
    work.columns["datetime_utc"] = utc
    work.columns["datetime_precision"] = precision.where(utc.notna())
    work.columns["datetime_verbatim"] = verbatim
    work.columns["timezone_source"] = source


def _one_column(work: Work) -> pd.DataFrame:
    """Columns that hold date and time together: verbatim text, naive time, zone source and precision where known."""
    result = pd.DataFrame(
        {
            "text": work.empty(),
            "local": pd.Series(pd.NaT, work.rows.index, dtype="datetime64[ns]"),
            "zone": work.empty(),
            "precision": work.empty(),
        }
    )
    for candidate in work.candidates("datetime"):
        text = work.column(candidate.column)
        result = result.where(result["text"].notna() | text.isna(), _parsed(work, candidate, text))
    return result


def _parsed(work: Work, candidate: Candidate, text: pd.Series) -> pd.DataFrame:
    zone = work.constant("utc_by_format" if candidate.unit_source == "utc_by_format" else None)
    precision = work.empty()
    if candidate.unit in _EPOCH:
        unit, told = _EPOCH[candidate.unit]
        number, _ = work.number(text)
        local = pd.to_datetime(number, unit=unit, errors="coerce")
        zone, precision = work.constant("utc_by_format"), work.constant(told)
    elif candidate.unit:
        zoned = "%z" in candidate.unit
        local = pd.to_datetime(text, format=candidate.unit, errors="coerce", utc=zoned).dt.tz_localize(None)
        zone = work.constant("offset_declared") if zoned else zone
        precision = work.constant(next((name for part, name in _PATTERN_PRECISION if part in candidate.unit), "day"))
    else:
        local = pd.to_datetime(text.str.replace(_OFFSET, "", regex=True), format="ISO8601", errors="coerce")
        offset = text.str.extract(r"([+-])(\d{2}):?(\d{2})$")
        minutes = pd.to_numeric(offset[1]) * 60 + pd.to_numeric(offset[2])
        with_offset = text.str.contains(_OFFSET, regex=True).fillna(False).astype(bool)
        local -= pd.to_timedelta(minutes.where(offset[0] != "-", -minutes).where(with_offset).fillna(0), unit="min")
        zone = zone.mask(zone.isna() & with_offset, "offset_declared")
    columns = {"text": text, "local": local.astype("datetime64[ns]"), "zone": zone, "precision": precision}
    return pd.DataFrame(columns)


def _date_and_time(work: Work, date: pd.Series, time: pd.Series) -> pd.Series:
    pattern = next((c.unit for c in work.candidates("date") if "%" in c.unit), None)
    if pattern is not None:
        date = pd.to_datetime(date, format=pattern, errors="coerce").dt.strftime("%Y%m%d").astype("str")
    day = date.str.replace(r"^(\d{4})-(\d{2})-(\d{2})$", r"\1\2\3", regex=True)
    day = day.where(day.str.fullmatch(r"\d{8}").fillna(False).astype(bool))
    clock, fraction = _clock_digits(time)
    text = day.str.cat(clock.fillna("000000")).where(time.isna() | clock.notna())
    return pd.to_datetime(text.str.cat(fraction.fillna("0"), sep="."), format="%Y%m%d%H%M%S.%f", errors="coerce")


def _clock_digits(time: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Six digits HHMMSS and the fraction of a second; null where neither form fits."""
    parts = time.str.extract(r"^(?:(\d{1,2}):(\d{2})(?::(\d{2}))?|(\d{1,6}))(?:\.(\d+))?$")
    colons = parts[0].str.pad(2, fillchar="0").str.cat([parts[1], parts[2].fillna("00")])
    digits = parts[3].str.pad(4, fillchar="0").str.pad(6, side="right", fillchar="0")
    return colons.fillna(digits), parts[4].str.slice(0, 6)


def _to_utc(work: Work, local: pd.Series, zone: pd.Series) -> tuple[pd.Series, pd.Series]:
    """UTC times and who says the zone; times a zone's clock change makes ambiguous become null."""
    declared = work.contribution.declared.time_zone
    as_utc = local.astype("datetime64[ms]").dt.tz_localize("UTC")
    if declared is None or declared == "UTC":
        return as_utc, zone.fillna("utc_declared" if declared else "assumed_utc")
    there: Any = local.astype("datetime64[ms]").dt.tz_localize(ZoneInfo(declared), ambiguous="NaT", nonexistent="NaT")
    return as_utc.where(zone.notna(), there.dt.tz_convert("UTC")), zone.fillna("tzname_declared")


def _latest(work: Work) -> dt.date:
    """Day from which on a sampling date lies in the future: when the data were taken over, at the latest."""
    source = work.contribution.source
    if source is not None and source.retrieved is not None:
        return source.retrieved + dt.timedelta(days=1)
    return work.settings.release_date


def _is_default(work: Work, utc: pd.Series) -> pd.Series:
    result = pd.Series(False, utc.index)
    for row in schema.vocabulary("default_dates.csv").itertuples():
        that_day = utc.dt.strftime("%Y-%m-%d") == row.date
        if row.instruments:
            that_day &= work.columns["instrument_id"].isin(row.instruments.split("|"))
        result |= that_day
    return result


def _precision(one: pd.Series, time: pd.Series) -> pd.Series:
    clock = one.str.extract(r"\d{1,2}:(\d{2}(?::\d{2}(?:\.\d+)?)?)")[0].fillna(
        time.where(one.isna()).str.replace(r"^\d{1,2}:", "", regex=True)
    )
    digits = clock.str.replace(":", "", regex=False)
    result = pd.Series("day", one.index, dtype="str").mask(clock.notna(), "minute")
    seconds = digits.str.fullmatch(r"\d{4,6}(\.\d+)?") & (clock.str.contains(":") | (digits.str.len() > 4))
    result = result.mask(seconds.fillna(False).astype(bool), "s")
    return result.mask(digits.str.contains(".", regex=False).fillna(False).astype(bool), "ms")
