"""How deep: metres below the water surface, positive down, and the altitude derived from it."""

import pandas as pd

from aqqua_dataset.harmonise.work import Work

_DEEPEST_M = 11_000


def interpret(work: Work) -> None:
    """Sets depth_min_m, depth_max_m, depth_m, depth_kind, their verbatim text and altitude_m."""
    declared = work.contribution.declared
    texts = {"min": work.text("depth_min"), "max": work.text("depth_max")}
    own = texts["min"].notna() | texts["max"].notna()
    values = {}
    for name, told in (("min", declared.depth_min_m), ("max", declared.depth_max_m)):
        number, unreadable = work.number(texts[name], "depth")
        work.reject("depth_unparsable", unreadable, f"depth_{name}", texts[name])
        values[name] = number.where(own, work.constant(told).astype("float64"))
    upper, lower = values["min"], values["max"]
    one_sided = upper.isna() != lower.isna()
    work.flag("DEPTH_ONE_SIDED", one_sided)
    upper, lower = upper.fillna(lower), lower.fillna(upper)
    work.reject("depth_missing", upper.isna(), "depth_min", texts["min"])

    negative = (upper < 0) | (lower < 0)
    work.flag("DEPTH_NEGATIVE", negative)
    upper, lower = upper.abs(), lower.abs()
    # A pair of altitudes turns round with its sign, so only unsigned pairs can be swapped columns.
    swapped = upper > lower
    work.flag("DEPTH_MIN_GT_MAX", swapped & ~negative)
    upper, lower = upper.where(~swapped, lower), lower.where(~swapped, upper)
    work.reject("depth_out_of_range", lower > _DEEPEST_M, "depth_max", texts["max"])

    middle = (upper + lower) / 2
    work.columns["depth_min_m"] = upper
    work.columns["depth_max_m"] = lower
    work.columns["depth_m"] = middle
    work.columns["depth_kind"] = _kind(work, upper, lower)
    work.columns["depth_min_verbatim"] = texts["min"]
    work.columns["depth_max_verbatim"] = texts["max"]
    work.columns["altitude_m"] = (declared.water_surface_elevation_m or 0.0) - middle


def _kind(work: Work, upper: pd.Series, lower: pd.Series) -> pd.Series:
    ranged = "tow_interval" if work.contribution.declared.deployment_type == "net_sample_bench" else "bin"
    return work.constant(ranged).mask(upper == lower, "point")
