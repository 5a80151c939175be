"""How deep: metres below the water surface, positive down, and the altitude derived from it."""

import numpy as np
import pandas as pd

from aqqua_dataset.harmonise import instrument
from aqqua_dataset.harmonise.work import Work
from aqqua_dataset.quality.thresholds import threshold

#: Metres of each unit a depth may be in.
UNITS_M = {"": 1.0, "m": 1.0, "dm": 0.1, "cm": 0.01, "ft": 0.3048}
#: Decibars of each unit a pressure may be in, and the pressure it has at the surface (standard atmosphere).
UNITS_DBAR = {"": (1.0, 0.0), "dbar": (1.0, 0.0), "kPa": (0.1, 0.0), "kPa_absolute": (0.1, 101.325), "bar": (10.0, 0.0)}


def interpret(work: Work) -> None:
    """Sets depth_min_m, depth_max_m, depth_m, depth_kind, their verbatim text, bottom_depth_m and altitude_m."""
    declared = work.contribution.declared
    upper, lower, texts = _delivered(work)
    own = texts["depth_min"].notna() | texts["depth_max"].notna()
    upper = upper.where(own, work.constant(declared.depth_min_m).astype("float64"))
    lower = lower.where(own, work.constant(declared.depth_max_m).astype("float64"))
    work.flag("DEPTH_ONE_SIDED", upper.isna() != lower.isna())
    upper, lower = upper.fillna(lower), lower.fillna(upper)
    without = upper.isna() & ~own & _may_lack_depth(work)
    upper, lower = upper.mask(without, 0.0), lower.mask(without, 0.0)
    work.reject("depth_missing", upper.isna(), "depth_min", texts["depth_min"])

    upper, lower = _positive_down(work, upper, lower)
    work.reject("depth_out_of_range", lower > threshold("D04.deepest_m"), "depth_max", texts["depth_max"])
    deepest = instrument.fact(work, "depth_rating_m") * threshold("D05.factor")
    work.flag("DEPTH_EXCEEDS_RATING", instrument.was_lowered(work) & np.asarray(lower > deepest, dtype=bool))
    bottom = _bottom(work)
    work.flag("DEPTH_MAX_IS_BOTTOM", (upper == 0) & (lower > 0) & (lower == bottom))

    middle = (upper + lower) / 2
    work.columns["depth_min_m"] = upper
    work.columns["depth_max_m"] = lower
    work.columns["depth_m"] = middle
    kind = _kind(work, upper, lower)
    work.columns["depth_kind"] = kind.mask(without & (declared.water_type == "culture"), "culture_none")
    work.columns["depth_min_verbatim"] = texts["depth_min"]
    work.columns["depth_max_verbatim"] = texts["depth_max"]
    work.columns["bottom_depth_m"] = bottom
    work.columns["altitude_m"] = _altitude(work, middle)


def _may_lack_depth(work: Work) -> bool:
    """Cultures have no depth, and what the form calls surface is at 0 m."""
    declared = work.contribution.declared
    return declared.water_type == "culture" or declared.depth_kind == "nominal_surface"


def _positive_down(work: Work, upper: pd.Series, lower: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Both ends positive down and in order.

    A part in which nothing lies below the surface holds altitudes, so its sign turns round. Among depths below it, a
    little above the surface is swell, and more is a lost sign.
    """
    altitudes = not ((upper > 0) | (lower > 0)).any()
    swell = threshold("D02.swell_m")
    lifted = [(end < 0) & (end >= -swell) & (not altitudes) for end in (upper, lower)]
    work.flag("DEPTH_NEGATIVE_SWELL", lifted[0] | lifted[1])
    upper, lower = upper.mask(lifted[0], 0.0), lower.mask(lifted[1], 0.0)
    negative = (upper < 0) | (lower < 0)
    work.flag("DEPTH_NEGATIVE", negative)
    upper, lower = upper.abs(), lower.abs()
    # A pair of altitudes turns round with its sign, so only unsigned pairs can be swapped columns.
    swapped = upper > lower
    work.flag("DEPTH_MIN_GT_MAX", swapped & ~negative)
    return upper.where(~swapped, lower), lower.where(~swapped, upper)


def _bottom(work: Work) -> pd.Series:
    """Depth of the bottom in metres; what is none becomes null with a flag."""
    value, unreadable = work.constant(float("nan")), np.zeros(len(work.rows), dtype=bool)
    for candidate in work.candidates("bottom_depth"):
        metres, bad = work.quantity(work.column(candidate.column), candidate.unit, UNITS_M, "depth")
        value, unreadable = value.fillna(metres), unreadable | bad
    outside = (value < 0) | (value > threshold("D04.deepest_m"))
    work.flag("BOTTOM_DEPTH_INVALID", outside | (value.isna() & unreadable))
    return value.mask(outside)


def _altitude(work: Work, depth: pd.Series) -> pd.Series:
    """Metres above mean sea level; the sea's surface is at 0, that of a lake or river where the form says."""
    altitude = (work.contribution.declared.water_surface_elevation_m or 0.0) - depth
    return altitude.mask(work.flags["LAKE_WITHOUT_ELEVATION"])


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
        metres, unreadable = work.quantity(delivered, candidate.unit, UNITS_M, "depth")
        take = text.isna() & delivered.notna()
        work.reject("depth_unparsable", unreadable & np.asarray(take), name, delivered)
        value, text = value.mask(take, metres), text.fillna(delivered)
    return value, text


def _from_pressure(work: Work) -> tuple[pd.Series, pd.Series]:
    """Depth in metres from a pressure below the surface, and the pressure's verbatim text."""
    value, text = work.constant(float("nan")), work.empty()
    for candidate in work.candidates("pressure"):
        delivered = work.column(candidate.column)
        factor, surface = UNITS_DBAR[candidate.unit]
        factors = {unit: each for unit, (each, _) in UNITS_DBAR.items()}
        pressure, _ = work.quantity(delivered, candidate.unit.removesuffix("_absolute"), factors)
        value = value.mask(text.isna() & delivered.notna(), pressure - surface * factor)
        text = text.fillna(delivered)
    fresh = value * 1e4 / (1000 * 9.80665)  # at 1000 kg m-3 and standard gravity
    salt = depth_of_pressure(value, work.columns["latitude"])
    return salt.mask(work.columns["water_type"] == "freshwater", fresh), text


def depth_of_pressure(pressure: pd.Series, latitude: pd.Series) -> pd.Series:
    """Depth in metres of a sea pressure in dbar at a latitude in degrees (45 where unknown).

    Source: Saunders and Fofonoff (1976), as in Fofonoff and Millard (1983), UNESCO Technical Papers in Marine
    Science 44, p. 28; check value 9712.653 m at 10,000 dbar and latitude 30.
    """
    x = np.sin(np.radians(latitude.fillna(45.0))) ** 2
    gravity = 9.780318 * (1.0 + (5.2788e-3 + 2.36e-5 * x) * x) + 1.092e-6 * pressure
    return (((-1.82e-15 * pressure + 2.279e-10) * pressure - 2.2512e-5) * pressure + 9.72659) * pressure / gravity


def _kind(work: Work, upper: pd.Series, lower: pd.Series) -> pd.Series:
    declared = work.contribution.declared
    if declared.depth_kind is not None:
        return work.constant(declared.depth_kind)
    ranged = "tow_interval" if declared.deployment_type == "net_sample_bench" else "bin"
    return work.constant(ranged).mask(upper == lower, "point")
