"""Where: latitude and longitude in decimal degrees, WGS 84, east positive.

Notations (the unit of the mapping): ``deg`` is decimal degrees or degrees°minutes seconds; ``ddmm`` is
degrees.minutes as ZooProcess writes them (47.5076 is 47°50.76'), ``ddmm_west`` the same with west positive. A pair in
which a fraction is 0.60 or more can't be minutes and is taken as decimal degrees, east positive, with a flag:
operators break ZooProcess's convention so.
"""

import re

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Candidate, Work

_DMS = r"^(-?)(\d+)°(\d+)(?:[ '](\d+(?:\.\d+)?))?[\"']*$"
_AXIS = re.compile(r"lat(itude)?|lon(g(itude)?)?", re.IGNORECASE)
_NOT_MINUTES = 0.6  # 60 minutes are a degree


def interpret(work: Work) -> None:
    """Sets latitude, longitude, their verbatim text, coordinate_format, coordinate_source and water_type."""
    declared = work.contribution.declared
    found = _delivered(work)
    own = found["own"]
    if declared.latitude is not None and declared.longitude is not None:
        for axis, told in (("latitude", declared.latitude), ("longitude", declared.longitude)):
            found[axis] = found[axis].where(own, told)
            found[f"{axis}_text"] = found[f"{axis}_text"].where(own, f"{told:g}")
    else:
        work.reject("position_missing", ~own)
    latitude, longitude = found["latitude"], found["longitude"]
    for axis in ("latitude", "longitude"):
        work.reject("position_unparsable", own & found[axis].isna(), axis, found[f"{axis}_text"])
    work.reject("position_out_of_range", latitude.abs() > 90, "latitude", found["latitude_text"])
    outside = (longitude < -180) | (longitude > 360)
    work.reject("position_out_of_range", outside, "longitude", found["longitude_text"])
    both = found["latitude_text"].str.cat(found["longitude_text"], sep=" ")
    work.reject("position_placeholder", _is_placeholder(latitude, longitude), "latitude, longitude", both)
    wrapped = (longitude > 180) & (longitude <= 360)
    work.flag("LON_0_360", wrapped)

    work.columns["latitude"] = latitude
    work.columns["longitude"] = longitude.mask(wrapped, longitude - 360)
    work.columns["latitude_verbatim"] = found["latitude_text"]
    work.columns["longitude_verbatim"] = found["longitude_text"]
    work.columns["coordinate_format"] = found["notation"].fillna("declared")
    work.columns["coordinate_source"] = work.constant("contributor_form").mask(own, "object")
    work.columns["water_type"] = work.constant(declared.water_type)


def _delivered(work: Work) -> pd.DataFrame:
    """Delivered positions: degrees and verbatim text of both axes, notation, and whether both axes were delivered."""
    nothing = work.constant(float("nan"))
    empty = work.empty()
    result = pd.DataFrame(
        {
            "latitude": nothing, "longitude": nothing, "latitude_text": empty, "longitude_text": empty,
            "notation": empty, "own": pd.Series(False, work.rows.index),
        }
    )  # fmt: skip
    for latitude, longitude in _pairs(work):
        texts = work.column(latitude.column), work.column(longitude.column)
        take = ~result["own"] & texts[0].notna() & texts[1].notna()
        if take.any():
            result = result.mask(take, _parsed(work, take, texts, (latitude.unit, longitude.unit)))
    return result


def _pairs(work: Work) -> list[tuple[Candidate, Candidate]]:
    """Columns of one source that hold the two axes: never one axis from here and the other from there."""
    return [
        (north, east)
        for north in work.candidates("latitude")
        for east in work.candidates("longitude")
        if north.origin == east.origin
        and (north.origin != "format" or _AXIS.sub("", north.column) == _AXIS.sub("", east.column))
    ]


def _parsed(work: Work, take: pd.Series, texts: tuple[pd.Series, pd.Series], units: tuple[str, str]) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {"latitude_text": texts[0], "longitude_text": texts[1], "own": take}
    notation = work.constant("dd")
    degrees = [_degrees(work, text.where(take)) for text in texts]
    dms = [text.str.contains("°", regex=False).fillna(False).astype(bool) for text in texts]
    if units[0].startswith("ddmm"):
        high = [((d.abs() % 1).round(9) >= _NOT_MINUTES) & ~told for d, told in zip(degrees, dms, strict=True)]
        decimal = high[0] | high[1]
        degrees = [
            d.where(decimal | told, _of_minutes(d, unit)) for d, unit, told in zip(degrees, units, dms, strict=True)
        ]
        work.flag("COORD_DDMM_IS_DECIMAL", take & decimal)
        notation = notation.where(decimal, "ddmm")
    columns |= {"latitude": degrees[0], "longitude": degrees[1], "notation": notation.mask(dms[0], "dms")}
    return pd.DataFrame(columns)


def _degrees(work: Work, text: pd.Series) -> pd.Series:
    """Decimal degrees from a number or from degrees°minutes seconds; null where neither fits."""
    parts = text.str.extract(_DMS)
    degrees = pd.to_numeric(parts[1]) + (pd.to_numeric(parts[2]) + pd.to_numeric(parts[3].fillna("0")) / 60) / 60
    is_dms = parts[1].notna()
    number, _ = work.number(text.mask(is_dms))
    return number.mask(is_dms, degrees.where(parts[0] != "-", -degrees))


def _of_minutes(value: pd.Series, unit: str) -> pd.Series:
    """Degrees of DD.MMmmm; with ``ddmm_west`` the sign turns round."""
    whole = np.trunc(value)
    degrees = whole + (value - whole) * 100 / 60
    return -degrees if unit == "ddmm_west" else degrees


def _is_placeholder(latitude: pd.Series, longitude: pd.Series) -> np.ndarray:
    result = np.zeros(len(latitude), dtype=bool)
    for row in schema.vocabulary("placeholder_positions.csv").itertuples():
        near = (latitude - float(row.latitude)).abs() <= float(row.tolerance_deg)
        result |= np.asarray(near & ((longitude - float(row.longitude)).abs() <= float(row.tolerance_deg)))
    return result
