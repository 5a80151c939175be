"""Reads the text of one axis of a position: signs, letters, degrees with minutes and seconds, plain numbers.

What a plain number means is said by the unit of the mapping: ``deg``, ``ddmm`` (ZooProcess's degrees.minutes) or
``nmea`` (DDMM.mmmm of NMEA 0183), each also with ``_west`` where west is positive. A letter is N, S, E or W: O is west
in French and east in German, so it isn't read.
"""

import functools

import numpy as np
import pandas as pd

from aqqua_dataset import schema

_MEANT = {
    "-": "\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d",
    "°": "\u00ba\u02da",
    "'": "\u2032\u2019\u2018\u00b4\u02b9`",
    '"': "\u2033\u201d\u201c\u02ba",
    " ": "\u00a0\u2009\u202f\t",
}
_PLAIN = str.maketrans({odd: plain for plain, odds in _MEANT.items() for odd in odds})
_AXIS = (
    r"^(?P<before>[NSEW])?\s*(?P<sign>[-+])?\s*"
    r"(?:(?P<degrees>[0-9]{1,3})(?:\s*°\s*|\s+|\s*:\s*)(?P<minutes>[0-9]{1,2}(?:[.,][0-9]*)?)"
    r"(?:(?:\s*'\s*|\s+|\s*:\s*)(?P<seconds>[0-9]{1,2}(?:[.,][0-9]*)?))?\s*[\"']*"
    r"|(?P<number>[0-9]*[.,]?[0-9]+|[0-9]+[.,])(?P<exponent>E[-+]?[0-9]{1,3})?\s*°?)"
    r"\s*(?P<after>[NSEW])?$"
)


def read(text: pd.Series) -> pd.DataFrame:
    """What the texts of one axis say, in their order and with their index; each distinct text is read once.

    Returns:
        ``value``: the plain number, or the degrees that degrees, minutes and seconds make; negative where a sign or
        a letter says south or west; null where the text is neither. ``parts``: whether it had minutes. ``letter``:
        N, S, E, W or "". ``whole``, ``decimals``: digits before and after the point of a plain number. ``step``: the
        smallest step of minutes or seconds as written, in degrees. ``comma``: whether a decimal comma was read.
        ``fill``: whether the number stands for a missing value.
    """
    codes, distinct = pd.factorize(text, use_na_sentinel=False)
    return _read(pd.Series(distinct, dtype="str")).take(codes).set_axis(text.index)


def _read(text: pd.Series) -> pd.DataFrame:
    found = text.map(_plain, na_action="ignore").astype("str").str.extract(_AXIS)
    written = found[["minutes", "seconds", "number"]]
    comma = written.apply(lambda c: c.str.contains(",", regex=False).eq(True)).any(axis=1)
    written = written.apply(lambda c: c.str.replace(",", ".", regex=False))
    degrees, minutes, seconds = (_number(c) for c in (found["degrees"], written["minutes"], written["seconds"]))
    number = _number(written["number"].str.cat(found["exponent"].fillna("")))
    point = written.apply(lambda c: c.str.find("."))
    length = written.apply(lambda c: c.str.len()).fillna(0)
    decimals = (length - point - 1).where(point >= 0, 0)
    possible = (minutes < 60) & (seconds.isna() | (seconds < 60) & (minutes % 1 == 0))
    size = (degrees + (minutes + seconds.fillna(0.0) / 60) / 60).where(possible)

    letter = found["before"].fillna(found["after"]).fillna("")
    minus = found["sign"].eq("-")
    contradiction = (found["before"].notna() & found["after"].notna()) | (minus & letter.isin(["N", "E"]))
    value = number.fillna(size).mask(contradiction)
    value = value.mask(minus | letter.isin(["S", "W"]), -value)
    steps = (1 / 60 * 0.1 ** decimals["minutes"]).mask(seconds.notna(), 1 / 3600 * 0.1 ** decimals["seconds"])
    return pd.DataFrame(
        {
            "value": value,
            "parts": degrees.notna(),
            "letter": letter,
            "whole": point["number"].where(point["number"] >= 0, length["number"]),
            "decimals": decimals["number"].mask(found["exponent"].notna()),
            "step": steps.where(degrees.notna()),
            "comma": comma,
            "fill": value.isin(_fills()),
        }
    )


def _plain(text: str) -> str:
    """One spelling for the signs that are typed for minus, degrees, minutes, seconds and blanks."""
    return text.replace("Â°", "°").translate(_PLAIN).upper().strip()


def _number(text: pd.Series) -> pd.Series:
    return pd.to_numeric(text).astype("float64")


@functools.cache
def _fills() -> tuple[float, ...]:
    table = schema.vocabulary("fill_values.csv")
    return tuple(float(value) for value in table.loc[table["applies_to"] == "number", "value"])


def degrees_of(axis: pd.DataFrame, unit: str) -> pd.Series:
    """Decimal degrees, north and east positive, of what ``read`` found in a column of a unit; null where none fit."""
    value, told = axis["value"], axis["parts"] | (axis["letter"] != "")
    converted = value
    if unit.startswith("ddmm"):
        converted = _of_dotted(value)
    elif unit.startswith("nmea"):
        converted = of_nmea(value)
    if unit.endswith("_west"):
        converted = converted.where(told, -converted)
    return converted.where(~axis["parts"], value)


def _of_dotted(value: pd.Series) -> pd.Series:
    """Degrees of DD.MMmmm; the caller knows that the fraction can be minutes."""
    whole = np.trunc(value)
    return whole + (value - whole) * 100 / 60


def of_nmea(value: pd.Series) -> pd.Series:
    """Degrees of DDMM.mmmm as NMEA 0183 writes them; null where the minutes are 60 or more."""
    whole = np.trunc(value / 100)
    minutes = value - whole * 100
    return (whole + minutes / 60).where(minutes.abs() < 60)


def step_of(axis: pd.DataFrame, unit: str) -> pd.Series:
    """The smallest step in degrees that the text of an axis can tell apart; null where it doesn't show."""
    digit = 0.1 ** axis["decimals"]
    if unit.startswith("ddmm"):
        digit = digit * 100 / 60
    elif unit.startswith("nmea"):
        digit = digit / 60
    return axis["step"].fillna(digit)
