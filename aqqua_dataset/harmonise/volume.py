"""How much water: what went past the camera, and what the sample was taken from, in litres.

Numerator and denominator are kept apart: ``imaged_volume_l`` went past the camera; ``sampled_volume_l`` is what a net
filtered or a bottle held; ``subsample_fraction`` of it was looked at. What the images of one event stand for is

    sampled_volume_l * subsample_fraction              net and bottle samples that were split
    imaged_volume_l * sampled / concentrated volume    samples that were concentrated and then imaged
    imaged_volume_l                                    instruments that look at the water itself

each times the dilution. Volumes serve the maps of the global distribution only and never reach a release's image
tables; a volume that is none becomes null with a flag, and the image stays.
"""

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Mask, Work

#: Litres of each unit a volume may be in.
UNITS_L = {"L": 1.0, "mL": 1e-3, "uL": 1e-6, "m3": 1e3}


def interpret(work: Work) -> None:
    """Sets the volumes, the fraction and the dilution, and what the event's images stand for."""
    imaged, sampled, concentrated = (
        _litres(work, n) for n in ("imaged_volume", "sampled_volume", "concentrated_volume")
    )
    fraction, dilution = _fraction(work), _dilution(work)
    work.columns["imaged_volume_l"] = imaged
    work.columns["sampled_volume_l"] = sampled
    work.columns["subsample_fraction"] = fraction
    work.columns["dilution_factor"] = dilution
    work.columns["volume_represented_l"] = _represented(imaged, sampled, concentrated, fraction, dilution)
    work.columns["image_count_declared"] = _count(work)
    for name in ("imaged_volume_l", "sampled_volume_l"):
        work.flag("VOLUME_OUT_OF_RANGE", _outside(work, name))


def _litres(work: Work, name: str) -> pd.Series:
    value, text = work.constant(float("nan")), work.empty()
    for candidate in work.candidates(name):
        delivered = work.delivered(candidate)
        litres, _ = work.quantity(delivered, candidate.unit, UNITS_L, "depth")
        value = value.mask(text.isna() & delivered.notna(), litres)
        text = text.fillna(delivered)
    good = value > 0
    work.flag("VOLUME_INVALID", text.notna() & ~good)
    return value.where(good)


def _fraction(work: Work) -> pd.Series:
    """Part of the sample that was imaged; most columns hold the divisor (4: a quarter), some the fraction."""
    value, told = work.constant(float("nan")), pd.Series(False, work.rows.index)
    for candidate in work.candidates("subsample"):
        number, _ = work.number(work.delivered(candidate), "depth")
        is_divisor = candidate.unit == "divisor"
        if is_divisor:
            halvings = np.log2(number.where(number >= 1))
            work.flag("MOTODA_NOT_POW2", halvings.notna() & (halvings.round(6) % 1 != 0))
        value = value.mask(~told & number.notna(), 1 / number.where(number != 0) if is_divisor else number)
        told |= number.notna()
    good = (value > 0) & (value <= 1)
    work.flag("SUBSAMPLE_INVALID", told & ~good)
    return value.where(good)


def _dilution(work: Work) -> pd.Series:
    """How many times its volume the sample was thinned to; PlanktoScopes write the inverse (0.5: to twice)."""
    value = work.constant(float("nan"))
    for candidate in work.candidates("dilution"):
        number, _ = work.number(work.delivered(candidate), "depth")
        number = number.where(number > 0)
        value = value.fillna(1 / number if candidate.unit == "inverse" else number)
    return value


def _count(work: Work) -> pd.Series:
    number, _ = work.number(work.text("image_count_declared"), "depth")
    return number.where((number >= 0) & (number % 1 == 0))


def _represented(
    imaged: pd.Series, sampled: pd.Series, concentrated: pd.Series, fraction: pd.Series, dilution: pd.Series
) -> pd.Series:
    split = sampled * fraction
    imaged_of_sample = imaged / dilution.fillna(1.0) * sampled / concentrated
    itself = (imaged / dilution.fillna(1.0)).where(sampled.isna() & concentrated.isna())
    return imaged_of_sample.fillna(split).fillna(itself)


def _outside(work: Work, name: str) -> Mask:
    """Volumes that the instrument's family can hardly have (vocabularies/volume_windows.csv)."""
    result = np.zeros(len(work.rows), dtype=bool)
    value, families = work.columns[name], work.columns["instrument_family"]
    for row in schema.vocabulary("volume_windows.csv").itertuples():
        if row.field == name:
            beyond = (value < float(row.min_l)) | (value > float(row.max_l))
            result |= np.asarray(beyond & (families == row.family))
    return result
