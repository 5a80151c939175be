"""Where: latitude and longitude in decimal degrees, WGS 84, east positive.

Notations (the unit of the mapping): ``deg`` is decimal degrees, or degrees, minutes and seconds in any spelling that
``coordinates`` reads; ``ddmm`` is degrees.minutes as ZooProcess writes them (47.5076 is 47°50.76'), ``nmea`` is
DDMM.mmmm; ``deg_west`` and ``ddmm_west`` are the same with west positive. A ``ddmm`` pair in which a fraction is 0.60
or more can't be minutes and is taken as decimal degrees, east positive, with a flag: operators break ZooProcess's
convention so. Of a pair that nobody calls NMEA, but whose latitude can't be degrees, the same is true the other way.
"""

import re

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise import coordinates
from aqqua_dataset.harmonise.places import DEGREE_KM
from aqqua_dataset.harmonise.work import Candidate, Work
from aqqua_dataset.quality.thresholds import threshold

_NAME = re.compile(r"lat(itude)?|lon(g(itude)?)?", re.IGNORECASE)
_AXES = ("latitude", "longitude")
_LETTERS = ({"", "N", "S"}, {"", "E", "W"})
_NOT_MINUTES = 0.6  # 60 minutes are a degree


def interpret(work: Work) -> None:
    """Sets latitude, longitude, their verbatim text, uncertainty, coordinate_format and coordinate_source."""
    declared = work.contribution.declared
    found = _delivered(work)
    own = found["own"]
    if declared.latitude is not None and declared.longitude is not None:
        for axis, told in (("latitude", declared.latitude), ("longitude", declared.longitude)):
            found[axis] = found[axis].where(own, told)
            found[f"{axis}_text"] = found[f"{axis}_text"].where(own, f"{told:.12g}")
    else:
        filled = ~own & found["latitude_text"].notna()
        work.reject("position_placeholder", filled, "latitude, longitude", _both(found))
        work.reject("position_missing", ~own & ~filled)
    _refuse(work, found)
    longitude = found["longitude"]
    wrapped = (longitude > 180) & (longitude <= 360)
    work.flag("LON_0_360", wrapped)
    low = own & (found["step"] >= threshold("G11.step_deg") * (1 - 1e-9))
    work.flag("COORD_LOW_PRECISION", low)

    work.columns["latitude"] = found["latitude"]
    work.columns["longitude"] = longitude.mask(wrapped, longitude - 360)
    work.columns["latitude_verbatim"] = found["latitude_text"]
    work.columns["longitude_verbatim"] = found["longitude_text"]
    work.columns["coordinate_format"] = found["notation"].fillna("declared")
    work.columns["coordinate_source"] = found["source"].fillna("contributor_form")
    work.columns["coordinate_uncertainty_m"] = (found["step"] / 2 * DEGREE_KM * 1000).where(own)


def _refuse(work: Work, found: pd.DataFrame) -> None:
    """Rejects positions that can't be read, lie outside the globe, or are a device's default."""
    latitude, longitude = found["latitude"], found["longitude"]
    placeholder = _is_placeholder(latitude, longitude)
    for axis in _AXES:
        work.reject("position_unparsable", found["own"] & found[axis].isna(), axis, found[f"{axis}_text"])
    outside = latitude.abs() > 90
    work.reject("position_out_of_range", outside & ~placeholder, "latitude", found["latitude_text"])
    outside = (longitude < -180) | (longitude > 360)
    work.reject("position_out_of_range", outside & ~placeholder, "longitude", found["longitude_text"])
    work.reject("position_placeholder", placeholder, "latitude, longitude", _both(found))


def _both(found: pd.DataFrame) -> pd.Series:
    return found["latitude_text"].str.cat(found["longitude_text"], sep=" ")


def _delivered(work: Work) -> pd.DataFrame:
    """Delivered positions: degrees, step and verbatim text, notation, source, and whether both axes were delivered.

    Where nothing but a fill value was delivered, its texts stand there and ``own`` is false.
    """
    nothing, empty = work.constant(float("nan")), work.empty()
    result = pd.DataFrame(
        {
            "latitude": nothing, "longitude": nothing, "step": nothing, "latitude_text": empty,
            "longitude_text": empty, "notation": empty, "source": empty, "own": pd.Series(False, work.rows.index),
        }
    )  # fmt: skip
    for north, east in _pairs(work):
        texts = work.column(north.column), work.column(east.column)
        told = ~result["own"] & texts[0].notna() & texts[1].notna()
        if told.any():
            parsed, fill = _parsed(work, told, texts, (north.unit, east.unit))
            parsed["source"] = work.constant("culture_origin" if north.origin == "culture" else "object")
            result = result.mask(told & ~fill, parsed)
            first = told & fill & result["latitude_text"].isna()
            for axis, text in zip(_AXES, texts, strict=True):
                result[f"{axis}_text"] = result[f"{axis}_text"].mask(first, text)
    return result


def _pairs(work: Work) -> list[tuple[Candidate, Candidate]]:
    """Columns of one source that hold the two axes: never one axis from here and the other from there."""
    return [
        (north, east)
        for north in work.candidates("latitude")
        for east in work.candidates("longitude")
        if north.origin == east.origin
        and (north.origin != "format" or _NAME.sub("", north.column) == _NAME.sub("", east.column))
    ]


def _parsed(
    work: Work, take: pd.Series, texts: tuple[pd.Series, pd.Series], units: tuple[str, str]
) -> tuple[pd.DataFrame, pd.Series]:
    """Positions of the rows to take, and where they are fill values."""
    axes = [coordinates.read(text) for text in texts]
    work.flag("DECIMAL_COMMA", take & (axes[0]["comma"] | axes[1]["comma"]))
    exchanged = axes[0]["letter"].isin(["E", "W"]) & axes[1]["letter"].isin(["N", "S"])
    work.flag("COORD_SWAPPED", take & exchanged)
    axes = [axes[0].mask(exchanged, axes[1]), axes[1].mask(exchanged, axes[0])]
    for axis, letters in zip(axes, _LETTERS, strict=True):
        axis["value"] = axis["value"].where(axis["letter"].isin(letters))

    notation = work.constant("dd").mask(axes[0]["parts"] | axes[1]["parts"], "dms")
    degrees = [coordinates.degrees_of(axis, unit) for axis, unit in zip(axes, units, strict=True)]
    step = _finer(*(coordinates.step_of(axis, unit) for axis, unit in zip(axes, units, strict=True)))
    if units[0].startswith("ddmm"):
        decimal = _no_minutes(axes[0]) | _no_minutes(axes[1])
        degrees = [d.mask(decimal, axis["value"]) for d, axis in zip(degrees, axes, strict=True)]
        step = step.mask(decimal, _finer(*(coordinates.step_of(axis, "deg") for axis in axes)))
        notation = notation.mask((notation == "dd") & ~decimal, "ddmm")
        work.flag("COORD_DDMM_IS_DECIMAL", take & decimal)
    elif units[0] == "nmea":
        notation = notation.mask(notation == "dd", "nmea")
    else:
        unsaid = _is_nmea(*axes)
        degrees = [d.mask(unsaid, coordinates.of_nmea(axis["value"])) for d, axis in zip(degrees, axes, strict=True)]
        step = step.mask(unsaid, step / 60)
        notation = notation.mask(unsaid, "nmea")
        work.flag("COORD_NMEA", take & unsaid)
    columns = {"latitude": degrees[0], "longitude": degrees[1], "step": step, "notation": notation, "own": take}
    columns |= {"latitude_text": texts[0], "longitude_text": texts[1]}
    return pd.DataFrame(columns), axes[0]["fill"] | axes[1]["fill"]


def _finer(first: pd.Series, second: pd.Series) -> pd.Series:
    """The finer step of the two axes: programs leave out zeros at the end, so one coarse axis proves nothing."""
    return first.where(~(second < first), second)


def _no_minutes(axis: pd.DataFrame) -> pd.Series:
    """Whether the fraction of a plain number can't be minutes."""
    return ((axis["value"].abs() % 1).round(9) >= _NOT_MINUTES) & ~axis["parts"]


def _is_nmea(north: pd.DataFrame, east: pd.DataFrame) -> pd.Series:
    """Whether a pair of plain numbers can be nothing but DDMM.mmmm and DDDMM.mmmm."""
    result = north["value"].abs() > 90
    for axis, most in ((north, 90), (east, 180)):
        looks = ~axis["parts"] & (axis["whole"] >= 3) & (axis["decimals"] >= 1)
        result &= looks & (coordinates.of_nmea(axis["value"]).abs() <= most)
    return result


def _is_placeholder(latitude: pd.Series, longitude: pd.Series) -> np.ndarray:
    result = np.zeros(len(latitude), dtype=bool)
    for row in schema.vocabulary("placeholder_positions.csv").itertuples():
        near = (latitude - float(row.latitude)).abs() <= float(row.tolerance_deg)
        result |= np.asarray(near & ((longitude - float(row.longitude)).abs() <= float(row.tolerance_deg)))
    return result
