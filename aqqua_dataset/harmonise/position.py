"""Where: latitude and longitude in decimal degrees, WGS 84, east positive."""

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Work

_DMS = r"^(-?)(\d+)°(\d+)(?:[ '](\d+(?:\.\d+)?))?[\"']*$"


def interpret(work: Work) -> None:
    """Sets latitude, longitude, their verbatim text, coordinate_format, coordinate_source and water_type."""
    declared = work.contribution.declared
    texts = {name: work.text(name) for name in ("latitude", "longitude")}
    own = texts["latitude"].notna() & texts["longitude"].notna()
    form = declared.latitude is not None and declared.longitude is not None
    parsed = {name: _degrees(work, text) for name, text in texts.items()}
    told = {"latitude": declared.latitude, "longitude": declared.longitude}
    value = {
        name: parsed[name][0].where(own, work.constant(told[name]).astype("float64")) if form else parsed[name][0]
        for name in texts
    }
    verbatim = {
        name: texts[name].where(own, work.constant(f"{told[name]:g}")) if form else texts[name] for name in texts
    }
    work.reject("position_missing", ~own & (not form))
    for name in texts:
        work.reject("position_unparsable", own & parsed[name][1], name, texts[name])
    latitude, longitude = value["latitude"], value["longitude"]
    work.reject("position_out_of_range", latitude.abs() > 90, "latitude", verbatim["latitude"])
    outside = (longitude < -180) | (longitude > 360)
    work.reject("position_out_of_range", outside, "longitude", verbatim["longitude"])
    both = verbatim["latitude"].str.cat(verbatim["longitude"], sep=" ")
    work.reject("position_placeholder", _is_placeholder(latitude, longitude), "latitude, longitude", both)
    wrapped = (longitude > 180) & (longitude <= 360)
    work.flag("LON_0_360", wrapped)

    work.columns["latitude"] = latitude
    work.columns["longitude"] = longitude.mask(wrapped, longitude - 360)
    work.columns["latitude_verbatim"] = verbatim["latitude"]
    work.columns["longitude_verbatim"] = verbatim["longitude"]
    dms = texts["latitude"].str.contains("°", regex=False).fillna(False).astype(bool)
    work.columns["coordinate_format"] = work.constant("declared").mask(own, "dd").mask(own & dms, "dms")
    work.columns["coordinate_source"] = work.constant("contributor_form").mask(own, "object")
    work.columns["water_type"] = work.constant(declared.water_type)


def _degrees(work: Work, text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Decimal degrees from a number or from degrees°minutes seconds; and where neither fits."""
    parts = text.str.extract(_DMS)
    degrees = pd.to_numeric(parts[1]) + (pd.to_numeric(parts[2]) + pd.to_numeric(parts[3].fillna("0")) / 60) / 60
    is_dms = parts[1].notna()
    signed = degrees.where(parts[0] != "-", -degrees)
    number, unreadable = work.number(text.mask(is_dms))
    value = number.mask(is_dms, signed)
    return value, pd.Series(unreadable, text.index) | (text.notna() & value.isna())


def _is_placeholder(latitude: pd.Series, longitude: pd.Series) -> np.ndarray:
    result = np.zeros(len(latitude), dtype=bool)
    for row in schema.vocabulary("placeholder_positions.csv").itertuples():
        near = (latitude - float(row.latitude)).abs() <= float(row.tolerance_deg)
        result |= np.asarray(near & ((longitude - float(row.longitude)).abs() <= float(row.tolerance_deg)))
    return result
