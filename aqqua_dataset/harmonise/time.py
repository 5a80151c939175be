"""When: date and time in UTC with their precision, who says which zone they are in, and what contradicts them.

How a moment is read from text stands in ``moments``. Tests of a whole contribution are in ``quality``.
"""

import datetime as dt

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise import instrument, moments
from aqqua_dataset.harmonise.work import Candidate, Mask, Work
from aqqua_dataset.quality.thresholds import threshold

_DAY_MONTH = r"^([0-9]{1,2})([/.-])([0-9]{1,2})\2(?:[0-9]{4}|[0-9]{2})(?:\D.*)?$"
_DAY_COUNT = r"[1-7][0-9]{4}(?:\.[0-9]+)?"  # 1927 to 2119 in the usual count
_DAY_FRACTION = r"0?\.[0-9]*[1-9][0-9]*"
_DAY_NIGHT = {
    "day": "day", "d": "day", "jour": "day", "tag": "day", "night": "night", "n": "night", "nuit": "night",
    "nacht": "night",
}  # fmt: skip


def interpret(work: Work) -> None:
    """Sets datetime_utc and what is known beside it, datetime_end_utc, processing_datetime_utc and day_night."""
    time = work.text("time")
    found = _sampling(work, time)
    utc, source, stated = moments.to_utc(work, found)
    verbatim = found["text"]
    work.reject("time_missing", verbatim.isna())
    _refuse_unread(work, found, utc, time)
    latest = pd.Timestamp(_latest(work), tz="UTC")
    oldest = pd.Timestamp(year=int(threshold("T03.oldest_year")), month=1, day=1, tz="UTC")
    work.reject("time_out_of_range", (utc < oldest) | (utc >= latest), "datetime", verbatim)
    work.reject("time_default", _is_default(work, found["local"]), "datetime", verbatim)
    precision = found["precision"].where(utc.notna())
    work.flag("TZ_ASSUMED", source == "assumed_utc")
    work.flag("TIME_MISSING", precision == "day")
    work.flag("TIME_PARTIAL_DATE", precision.isin(["month", "year"]))
    work.flag("TIME_BEFORE_INSTRUMENT", instrument.meets_live_water(work) & _before_instrument(work, utc))
    work.columns["datetime_utc"] = utc
    work.columns["datetime_precision"] = precision
    work.columns["datetime_verbatim"] = verbatim
    work.columns["timezone_verbatim"] = stated
    work.columns["timezone_source"] = source
    work.columns["processing_datetime_utc"] = moments.further(work, "processing_date")
    work.columns["day_night"] = work.text("day_night").str.lower().map(_DAY_NIGHT).astype("str")
    _compare(work, utc)


def _sampling(work: Work, time: pd.Series) -> pd.DataFrame:
    """Verbatim text, local time, zone and precision of each row's sampling time.

    Formats that have date and time in one column hold a copy of them in two, so two columns come first, unless the
    contribution's file maps the one column itself.
    """
    told, one = pd.Series(False, work.rows.index), moments.nothing(work)
    for candidate in work.candidates("datetime"):
        found = moments.one_column(work, candidate)
        take = one["text"].isna() & found["text"].notna()
        one, told = moments.instead(one, take, found), told | (take & _is_told(candidate))
    told_date, two = pd.Series(False, work.rows.index), moments.nothing(work)
    for candidate in work.candidates("date"):
        text = work.column(candidate.column)
        take = two["text"].isna() & text.notna()
        if take.any():
            two = moments.instead(two, take, moments.two_columns(work, candidate, time))
            told_date |= take & _is_told(candidate)
    return moments.instead(two, two["text"].isna() | (told & ~told_date), one)


def _is_told(candidate: Candidate) -> bool:
    """Whether the contribution's file names the column, and not only the format."""
    return candidate.origin not in ("format", "folder")


def _refuse_unread(work: Work, found: pd.DataFrame, utc: pd.Series, time: pd.Series) -> None:
    """Rejects what can't be read, by what the contributor has to say."""
    text, unread = found["text"], found["text"].notna() & utc.isna()
    if not unread.any():
        return
    open_format = unread & ~found["declared"].eq(True)
    parts = text.str.extract(_DAY_MONTH)
    either = open_format & parts[0].notna()
    twice = (pd.to_numeric(parts[0]) <= 12) & (pd.to_numeric(parts[2]) <= 12)
    # One row with a part above 12 tells the order of the whole column to a person, but not to this program.
    ambiguous = either & bool(twice[either].all())
    day = text.str.replace(r" .*", "", regex=True)
    counted = open_format & (
        text.str.fullmatch(_DAY_COUNT).eq(True)
        | (day.str.fullmatch(_DAY_COUNT).eq(True) & time.notna())
        | time.str.fullmatch(_DAY_FRACTION).eq(True)
    )
    work.reject("dmy_mdy_ambiguous", ambiguous, "datetime", text)
    work.reject("time_serial_number", counted, "datetime", text)
    work.reject("time_unparsable", unread & ~ambiguous & ~counted, "datetime", text)


def _latest(work: Work) -> dt.date:
    """Day from which on a sampling date lies in the future: when the data were taken over, at the latest."""
    source = work.contribution.source
    if source is not None and source.retrieved is not None:
        return source.retrieved + dt.timedelta(days=threshold("T02.future_days"))
    return work.settings.release_date


def _is_default(work: Work, local: pd.Series) -> pd.Series:
    """Days that clocks show when nobody set them, as the clock showed them."""
    result, days = pd.Series(False, local.index), local.dt.normalize()
    for row in schema.vocabulary("default_dates.csv").itertuples():
        that_day = days == pd.Timestamp(row.date)
        if row.instruments:
            that_day &= work.columns["instrument_id"].isin(row.instruments.split("|"))
        result |= that_day
    return result


def _before_instrument(work: Work, utc: pd.Series) -> Mask:
    return np.asarray(utc.dt.year < instrument.fact(work, "first_year"), dtype=bool)


def _compare(work: Work, utc: pd.Series) -> None:
    """Sets the end, and flags times that lie outside their event or contradict the file's header."""
    start, end = moments.further(work, "event_start"), moments.further(work, "event_end", end=True)
    slack = pd.Timedelta(hours=threshold("T11.hours"))
    # A day has no hour that could be outside.
    timed = ~work.columns["datetime_precision"].isin(["day", "month", "year"])
    work.flag("TIME_NOT_IN_EVENT", timed & ((utc < start - slack) | (utc > end + slack)))
    own = moments.further(work, "datetime_end", end=True)
    work.flag("TIME_END_BEFORE_START", own < utc)
    last = own.fillna(end)
    work.columns["datetime_end_utc"] = last.mask(last < utc)
    apart = (moments.further(work, "header_time") - utc).abs()
    work.flag("IFCB_BINID_MISMATCH", apart > pd.Timedelta(seconds=threshold("T12.seconds")))
