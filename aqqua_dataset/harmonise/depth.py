"""How deep: metres below the water surface, positive down, and the altitude derived from it."""

import numpy as np
import pandas as pd

from aqqua_dataset.harmonise.work import Work

_DEEPEST_M = 11_000

#: Metres of each unit a depth may be in.
UNITS_M = {"": 1.0, "m": 1.0, "dm": 0.1, "cm": 0.01, "ft": 0.3048}
#: Decibars of each unit a pressure may be in, and the pressure it has at the surface (standard atmosphere).
UNITS_DBAR = {"": (1.0, 0.0), "dbar": (1.0, 0.0), "kPa": (0.1, 0.0), "kPa_absolute": (0.1, 101.325), "bar": (10.0, 0.0)}


def interpret(work: Work) -> None:
    """Sets depth_min_m, depth_max_m, depth_m, depth_kind, their verbatim text and altitude_m."""
    declared = work.contribution.declared
    upper, lower, texts = _delivered(work)
    own = texts["depth_min"].notna() | texts["depth_max"].notna()
    upper = upper.where(own, work.constant(declared.depth_min_m).astype("float64"))
    lower = lower.where(own, work.constant(declared.depth_max_m).astype("float64"))
    work.flag("DEPTH_ONE_SIDED", upper.isna() != lower.isna())
    upper, lower = upper.fillna(lower), lower.fillna(upper)
    work.reject("depth_missing", upper.isna(), "depth_min", texts["depth_min"])

    negative = (upper < 0) | (lower < 0)
    work.flag("DEPTH_NEGATIVE", negative)
    upper, lower = upper.abs(), lower.abs()
    # A pair of altitudes turns round with its sign, so only unsigned pairs can be swapped columns.
    swapped = upper > lower
    work.flag("DEPTH_MIN_GT_MAX", swapped & ~negative)
    upper, lower = upper.where(~swapped, lower), lower.where(~swapped, upper)
    work.reject("depth_out_of_range", lower > _DEEPEST_M, "depth_max", texts["depth_max"])

    middle = (upper + lower) / 2
    work.columns["depth_min_m"] = upper
    work.columns["depth_max_m"] = lower
    work.columns["depth_m"] = middle
    work.columns["depth_kind"] = _kind(work, upper, lower)
    work.columns["depth_min_verbatim"] = texts["depth_min"]
    work.columns["depth_max_verbatim"] = texts["depth_max"]
    work.columns["altitude_m"] = (declared.water_surface_elevation_m or 0.0) - middle


def _delivered(work: Work) -> tuple[pd.Series, pd.Series, dict[str, pd.Series]]:
    """Both ends in metres and their verbatim texts: one depth for both, else a range, else a pressure."""
    ends, texts = {}, {}
    one, one_text = _metres(work, "depth")
    pressure, pressure_text = _from_pressure(work)
    for name in ("depth_min", "depth_max"):
        range_end, range_text = _metres(work, name)
        ends[name], texts[name] = one.where(one_text.notna(), range_end), one_text.fillna(range_text)
    left = texts["depth_min"].isna() & texts["depth_max"].isna() & pressure_text.notna()
    work.flag("DEPTH_FROM_PRESSURE", left)
    for name in ends:
        ends[name], texts[name] = ends[name].mask(left, pressure), texts[name].mask(left, pressure_text)
    return ends["depth_min"], ends["depth_max"], texts


def _metres(work: Work, name: str) -> tuple[pd.Series, pd.Series]:
    """Values of an input in metres and their verbatim text."""
    value, text = work.constant(float("nan")), work.empty()
    for candidate in work.candidates(name):
        delivered = work.column(candidate.column)
        number, unreadable = work.number(delivered, "depth")
        take = text.isna() & delivered.notna()
        work.reject("depth_unparsable", unreadable & np.asarray(take), name, delivered)
        value, text = value.mask(take, number * UNITS_M[candidate.unit]), text.fillna(delivered)
    return value, text


def _from_pressure(work: Work) -> tuple[pd.Series, pd.Series]:
    """Depth in metres from a pressure below the surface, and the pressure's verbatim text."""
    value, text = work.constant(float("nan")), work.empty()
    for candidate in work.candidates("pressure"):
        delivered = work.column(candidate.column)
        number, _ = work.number(delivered)
        factor, surface = UNITS_DBAR[candidate.unit]
        value = value.mask(text.isna() & delivered.notna(), (number - surface) * factor)
        text = text.fillna(delivered)
    if work.contribution.declared.water_type == "freshwater":
        return value * 1e4 / (1000 * 9.80665), text  # at 1000 kg m-3 and standard gravity
    return depth_of_pressure(value, work.columns["latitude"]), text


def depth_of_pressure(pressure: pd.Series, latitude: pd.Series) -> pd.Series:
    """Depth in metres of a sea pressure in dbar at a latitude in degrees (45 where unknown).

    Source: Saunders and Fofonoff (1976), as in Fofonoff and Millard (1983), UNESCO Technical Papers in Marine
    Science 44, p. 28; check value 9712.653 m at 10,000 dbar and latitude 30.
    """
    x = np.sin(np.radians(latitude.fillna(45.0))) ** 2
    gravity = 9.780318 * (1.0 + (5.2788e-3 + 2.36e-5 * x) * x) + 1.092e-6 * pressure
    return (((-1.82e-15 * pressure + 2.279e-10) * pressure - 2.2512e-5) * pressure + 9.72659) * pressure / gravity


def _kind(work: Work, upper: pd.Series, lower: pd.Series) -> pd.Series:
    ranged = "tow_interval" if work.contribution.declared.deployment_type == "net_sample_bench" else "bin"
    return work.constant(ranged).mask(upper == lower, "point")
