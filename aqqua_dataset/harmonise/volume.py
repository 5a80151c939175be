"""How much water: what went past the camera, and what the sample was taken from, in litres.

Volumes serve the maps of the global distribution only and never reach a release's image tables.
"""

import pandas as pd

from aqqua_dataset.harmonise.work import Work

#: Litres of each unit a volume may be in.
UNITS_L = {"L": 1.0, "mL": 1e-3, "uL": 1e-6, "m3": 1e3}


def interpret(work: Work) -> None:
    """Sets imaged_volume_l and sampled_volume_l; a volume that is none becomes null with a flag."""
    for name in ("imaged_volume", "sampled_volume"):
        value, text = work.constant(float("nan")), work.empty()
        for candidate in work.candidates(name):
            delivered = work.column(candidate.column)
            litres, _ = work.quantity(delivered, candidate.unit, UNITS_L, "depth")
            value = value.mask(text.isna() & delivered.notna(), litres)
            text = text.fillna(delivered)
        work.flag("VOLUME_INVALID", text.notna() & ~_is_positive(value))
        work.columns[f"{name}_l"] = value.where(_is_positive(value))


def _is_positive(value: pd.Series) -> "pd.Series[bool]":
    return value > 0
