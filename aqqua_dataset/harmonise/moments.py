"""Moments as text: the local time they tell, how precise it is, and what they say of its zone.

Formats (the unit or ``format`` of a mapped column): a strptime pattern; ``epoch_s``, ``epoch_ms`` or ``epoch_us`` for a
count since 1970 in UTC; ``excel_days_1900`` or ``excel_days_1904`` for a spreadsheet's day count. Without one a moment
must be ISO 8601, or date and time as EcoTaxa's importer reads them: YYYYMMDD or YYYY-MM-DD; HH:MM:SS, or digits padded
with zeros on the left to four and then on the right to six (420 is 04:20:00). The order of day and month, and whether a
number is a day count, are never guessed.
"""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from aqqua_dataset.harmonise.work import Candidate, Work

EPOCHS = {"epoch_s": ("s", "s"), "epoch_ms": ("ms", "ms"), "epoch_us": ("us", "ms")}
#: Day 0 of a spreadsheet's count. Excel takes 1900 for a leap year (Microsoft, support article 214326), so that its
#: count only fits this day from 1 March 1900 (61) on.
EXCEL_DAYS = {"excel_days_1900": pd.Timestamp("1899-12-30"), "excel_days_1904": pd.Timestamp("1904-01-01")}
_FIRST_SURE_DAY = 61
_TO_ITS_END = pd.Timedelta(days=1) - pd.Timedelta(milliseconds=1)
#: What pandas can't give a zone without an error lies far outside; such years are refused later.
_SANE = (pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01"))

_OFFSET = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
#: Behind date and clock; an offset of hours alone only behind minutes, so that 14-02 isn't 14 h at -02.
_AFTER_CLOCK = (
    r"(?:(?<=[0-9]) ?(?=Z|UTC|GMT|[+-][0-9]{2}:?[0-9])|(?<=:[0-9]{2}))(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)$"
)
#: Behind a clock alone; 09:30-10:30 is more likely a span of time than an offset.
_AFTER_TIME = r"(?<=[0-9]) ?(Z|UTC|GMT|\+[0-9]{2}:?[0-9]{2})$"
_ISO = r"[0-9]{4}[-/.]?[0-9]{1,2}[-/.]?[0-9]{1,2}(?:[T ][0-9]{1,2}(?::?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]+)?)?)?)?"
_CLOCK = r"[T ]([0-9]{1,2})(?::?([0-9]{2})(?::?([0-9]{2})([.,][0-9]+)?)?)?"
_PRECISIONS = (
    ("%f", "ms"), ("%S", "s"), ("%T", "s"), ("%X", "s"), ("%c", "s"), ("%M", "minute"), ("%R", "minute"),
    ("%H", "hour"), ("%I", "hour"), ("%d", "day"), ("%e", "day"), ("%j", "day"), ("%D", "day"), ("%F", "day"),
    ("%x", "day"), ("%m", "month"), ("%b", "month"), ("%B", "month"),
)  # fmt: skip

#: Columns of a table of moments: verbatim text, naive local time, who says the zone (null: nobody yet), the offset as
#: written, precision, and whether the text's format was declared.
_COLUMNS = ("text", "local", "zone", "offset", "precision", "declared")


def one_column(work: Work, candidate: Candidate) -> pd.DataFrame:
    """Moments of a column that holds date and time together."""
    text = work.column(candidate.column)
    zone = work.constant("utc_by_format" if candidate.unit_source == "utc_by_format" else None)
    offset = work.empty()
    unit = candidate.unit
    if unit in EPOCHS:
        number, _ = work.number(text)
        local = pd.to_datetime(number, unit=EPOCHS[unit][0], errors="coerce")
        zone, precision = work.constant("utc_by_format"), work.constant(EPOCHS[unit][1])
    elif unit in EXCEL_DAYS:
        local, precision = _of_days(work, text, unit)
    elif unit:
        zoned = "%z" in unit
        local = pd.to_datetime(text, format=unit, errors="coerce", utc=zoned).dt.tz_localize(None)
        if zoned:
            offset, zone = text.str.extract(_OFFSET)[0], work.constant("offset_declared")
        precision = work.constant(_of_pattern(unit))
    else:
        read = _each_once(_of_iso, text)
        local, offset, precision = read["local"], read["offset"], read["precision"]
        zone = zone.mask(zone.isna() & offset.notna(), "offset_declared")
    return _table(text, local, zone, offset, precision, bool(unit))


def two_columns(work: Work, date: Candidate, time: pd.Series) -> pd.DataFrame:
    """Moments of a date column and the time of day beside it; null time: the date alone."""
    text = work.column(date.column)
    declared = date.unit in EXCEL_DAYS or "%" in date.unit
    days = one_column(work, date) if declared else _each_once(_of_day, text)
    day, precision = days["local"], days["precision"]
    timed = text.notna() & time.notna() & ~precision.isin(["month", "year"])
    clocks = _clock(work, time)
    offset = clocks["offset"].where(timed)
    local = day.mask(timed, day.dt.normalize() + clocks["since"])
    zone = work.empty().mask(offset.notna(), "offset_declared")
    both = text.str.cat(time.fillna(""), sep=" ").str.strip()
    return _table(both, local, zone, offset, precision.mask(timed, clocks["precision"]), declared)


def _clock(work: Work, time: pd.Series) -> pd.DataFrame:
    """Times of day: ``since`` midnight, less the offset where one is written; ``offset``; ``precision``."""
    unit = next((c.unit for c in work.candidates("time") if "%" in c.unit or c.unit in EXCEL_DAYS), "")
    if unit in EXCEL_DAYS:
        number, _ = work.number(time)
        since, told = pd.to_timedelta((number % 1 * 86_400).round(), unit="s"), "s"
    elif unit:
        then = pd.to_datetime(time, format=unit, errors="coerce")
        since, told = then - then.dt.normalize(), _of_pattern(unit)
    else:
        return _each_once(_of_clock, time)
    return pd.DataFrame({"since": since, "offset": work.empty(), "precision": work.constant(told)})


def to_utc(work: Work, found: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """UTC times, who says the zone, and the zone as stated; times that a clock change makes ambiguous become null.

    A month or a year is no moment that a zone could shift: it begins where its name says.
    """
    declared = work.contribution.declared.time_zone
    local = found["local"].astype("datetime64[ms]")
    utc = local.dt.tz_localize("UTC")
    source = found["zone"].fillna(_source(declared))
    if declared not in (None, "UTC"):
        shifted = found["zone"].isna() & local.between(*_SANE) & ~found["precision"].isin(["month", "year"])
        zone = ZoneInfo(str(declared))
        there: Any = local.where(shifted).dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        utc = utc.where(~shifted, there.dt.tz_convert("UTC"))
    stated = found["offset"].where(source == "offset_declared")
    return utc, source, stated.mask(source.isin(["utc_declared", "tzname_declared"]), declared)


def further(work: Work, name: str, *, end: bool = False) -> pd.Series:
    """UTC times of an input besides the sampling time; what can't be read is null with a flag.

    Args:
        work: the rows.
        name: the input.
        end: it is the end of something, so a bare date means the end of that day, and a month or year is no time.
    """
    utc, text = pd.Series(pd.NaT, work.rows.index, dtype="datetime64[ms, UTC]"), work.empty()
    for candidate in work.candidates(name):
        found = one_column(work, candidate)
        take = text.isna() & found["text"].notna()
        if take.any():
            moment = to_utc(work, found)[0]
            if end:
                moment = moment.mask(found["precision"] == "day", moment + _TO_ITS_END)
                moment = moment.mask(found["precision"].isin(["month", "year"]))
            utc, text = utc.mask(take, moment), text.mask(take, found["text"])
    work.flag("TIME_OTHER_UNREADABLE", text.notna() & utc.isna())
    return utc


def nothing(work: Work) -> pd.DataFrame:
    """A table of moments without any."""
    empty = work.empty()
    return _table(empty, pd.Series(pd.NaT, work.rows.index, dtype="datetime64[us]"), empty, empty, empty, False)


def instead(moments: pd.DataFrame, take: pd.Series, other: pd.DataFrame) -> pd.DataFrame:
    """The moments, with those of another table where ``take`` says so."""
    return pd.DataFrame({name: moments[name].mask(take, other[name]) for name in _COLUMNS})


def _table(text: pd.Series, local: pd.Series, *more: Any) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(_COLUMNS, (text, local.astype("datetime64[us]"), *more), strict=True)), text.index)


def _source(declared: str | None) -> str:
    if declared is None:
        return "assumed_utc"
    return "utc_declared" if declared == "UTC" else "tzname_declared"


def _of_pattern(pattern: str) -> str:
    return next((name for part, name in _PRECISIONS if part in pattern), "year")


def _of_days(work: Work, text: pd.Series, system: str) -> tuple[pd.Series, pd.Series]:
    number, _ = work.number(text)
    if system == "excel_days_1900":
        number = number.where(number >= _FIRST_SURE_DAY)
    local = pd.to_datetime(number, unit="D", origin=EXCEL_DAYS[system], errors="coerce").dt.round("s")
    return local, work.constant("s").mask(number % 1 == 0, "day")


def _of_iso(text: pd.Series) -> pd.DataFrame:
    """ISO 8601 with or without an offset, whose hours are taken off."""
    parts = text.str.extract(_CLOCK)
    offset = text.str.extract(_AFTER_CLOCK)[0].where(parts[0].notna())
    bare = text.mask(offset.notna(), text.str.replace(_AFTER_CLOCK, "", regex=True)).str.replace(",", ".", regex=False)
    first, name = _of_partial(text)
    iso = bare.str.fullmatch(_ISO).eq(True) & ~bare.str.fullmatch(r"[0-9]*\.[0-9]*").eq(True)
    local = pd.to_datetime(bare.where(iso), format="ISO8601", errors="coerce") - _shift(offset)
    told = pd.Series("day", text.index, dtype="str")
    for place, precision in enumerate(("hour", "minute", "s", "ms")):
        told = told.mask(parts[place].notna(), precision)
    return _read(local, offset, told, first, name)


def _of_day(text: pd.Series) -> pd.DataFrame:
    """Days of a date column; a midnight behind the day is what spreadsheets add."""
    digits = text.str.extract(r"^([0-9]{4})([0-9]{2})([0-9]{2})(?:\.0+)?$")
    parts = text.str.extract(r"^([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?)?$")
    written = parts[0].str.cat([parts[2].str.zfill(2), parts[3].str.zfill(2)])
    day = pd.to_datetime(written.fillna(digits[0].str.cat([digits[1], digits[2]])), format="%Y%m%d", errors="coerce")
    first, name = _of_partial(text)
    no_offset = pd.Series(np.nan, text.index, dtype="str")
    return _read(day, no_offset, pd.Series("day", text.index, dtype="str"), first, name)


def _of_partial(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The first day of what is only a year or a month, and which of both it is; null for everything else."""
    parts = text.str.extract(r"^([0-9]{4})(?:[-/]([0-9]{2}))?$")
    first = pd.to_datetime(parts[0].str.cat(parts[1].fillna("01")), format="%Y%m", errors="coerce")
    name = parts[0].mask(parts[0].notna(), "year").mask(parts[1].notna(), "month").astype("str")
    return first.astype("datetime64[us]"), name


def _read(local: pd.Series, offset: pd.Series, precision: pd.Series, first: pd.Series, name: pd.Series) -> pd.DataFrame:
    whole = local.astype("datetime64[us]").mask(name.notna(), first)
    return pd.DataFrame({"local": whole, "offset": offset, "precision": precision.mask(name.notna(), name)})


def _of_clock(time: pd.Series) -> pd.DataFrame:
    """Times of day in EcoTaxa's two forms; a float's .0 behind up to five digits is no fraction."""
    offset = time.str.extract(_AFTER_TIME)[0]
    bare = time.str.replace(_AFTER_TIME, "", regex=True)
    parts = bare.str.extract(
        r"^(?:([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?|([0-9]{6})(\.[0-9]+)?|([0-9]{1,5})(?:\.0+)?)$"
    )
    colons = parts[0].str.pad(2, fillchar="0").str.cat([parts[1], parts[2].fillna("00")])
    padded = parts[6].str.pad(4, fillchar="0").str.pad(6, side="right", fillchar="0")
    digits = colons.fillna(parts[4]).fillna(padded)
    fraction = parts[3].fillna(parts[5])
    then = pd.to_datetime("19700101" + digits, format="%Y%m%d%H%M%S", errors="coerce")
    seconds = pd.to_timedelta(pd.to_numeric(fraction.fillna("0")), unit="s")
    minute = (parts[0].notna() & parts[2].isna()) | (parts[6].str.len() <= 4).eq(True)
    told = pd.Series("s", time.index, dtype="str").mask(minute, "minute").mask(fraction.notna(), "ms")
    since = then - pd.Timestamp("1970-01-01") + seconds - _shift(offset)
    return pd.DataFrame({"since": since, "offset": offset, "precision": told})


def _shift(offset: pd.Series) -> pd.Series:
    """The offset from UTC as written; none where nothing is written."""
    parts = offset.str.extract(r"([+-])([0-9]{2}):?([0-9]{2})?")
    minutes = (pd.to_numeric(parts[1]) * 60 + pd.to_numeric(parts[2].fillna("0"))).fillna(0)
    return pd.to_timedelta(minutes.where(parts[0] != "-", -minutes), unit="min")


def _each_once(parse: Callable[[pd.Series], pd.DataFrame], text: pd.Series) -> pd.DataFrame:
    """What ``parse`` makes of texts, spread over the rows: many images share one moment, and parsing is slow."""
    codes, distinct = pd.factorize(text, use_na_sentinel=False)
    return parse(pd.Series(distinct, dtype="str")).take(codes).set_axis(text.index)
