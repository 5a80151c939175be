"""How large a pixel is: value, unit, who says so, and never a silent guess of the unit.

Order of trust: value and unit in the form; a column whose unit the form states; a column whose name
or documentation states it; the unit a column has for an instrument; at last the only unit of those
the column can mean that gives a plausible size, which is flagged. More than one: rejected. A column's micrometres
or millimetres that no pixel of the instrument can have are read as the other of the two when that is plausible,
flagged as well. A person confirms an inferred unit once for the contribution before its release.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.text import split_unit
from aqqua_dataset.harmonise.work import Candidate, Work
from aqqua_dataset.quality.thresholds import threshold

#: Unit -> (rule as text, function to micrometres per pixel). 1 inch = 25,400 um.
UNITS: dict[str, tuple[str, Callable[[float], float]]] = {
    "um": ("um*1", lambda v: v),
    "mm": ("mm*1000", lambda v: v * 1000),
    "m": ("m*1e6", lambda v: v * 1e6),
    "px/um": ("1/(px/um)", lambda v: 1 / v),
    "px/mm": ("1000/(px/mm)", lambda v: 1000 / v),
    "dpi": ("25400/dpi", lambda v: 25_400 / v),
}
_LENGTHS = "um|mm"
#: Instruments whose software writes 1 where nobody calibrated the camera.
_PLACEHOLDER_OF = ("planktoscope", "other_camera")
_SCAN_LINES = ("isiis", "isiis_dpi", "pi10")


@dataclass(frozen=True)
class Scale:
    """One interpreted pixel size, or the reason why there is none."""

    um: float | None = None
    rule: str | None = None
    unit_source: str | None = None
    flag: str | None = None
    reason: str | None = None


def scale(value: float, units: str, unit_source: str, instrument: str | None) -> Scale:
    """Pixel size in micrometres from a number and the units it can have, for an instrument.

    Args:
        value: the delivered number.
        units: one unit, or several separated by ``|`` when the column doesn't say which.
        unit_source: who says so (enumeration pixel_size_unit_source).
        instrument: instrument id, or None.
    """
    if not 0 < value < float("inf"):
        return Scale(reason="pixel_size_invalid")
    window = _window(instrument)
    possible = {u: UNITS[u][1](value) for u in units.split("|")}
    refusal = "pixel_size_ambiguous"
    if len(possible) == 1:
        unit, um = next(iter(possible.items()))
        if window is None or window[2] <= um <= window[3]:
            typical = window is None or window[0] <= um <= window[1]
            return Scale(um, UNITS[unit][0], unit_source, None if typical else "PIXEL_OUT_OF_TYP_RANGE")
        if unit not in _LENGTHS.split("|") or unit_source == "declared_form":
            return Scale(reason="pixel_size_out_of_range")
        refusal = "pixel_size_out_of_range"
        possible = {u: UNITS[u][1](value) for u in _LENGTHS.split("|") if u != unit}
    plausible = [u for u, um in possible.items() if window is not None and window[0] <= um <= window[1]]
    if len(plausible) != 1:
        return Scale(reason=refusal)
    unit = plausible[0]
    return Scale(possible[unit], UNITS[unit][0], "inferred_range", "PIXEL_UNIT_INFERRED")


def _window(instrument: str | None) -> tuple[float, float, float, float] | None:
    """Typical and possible range of the instrument: typ_min, typ_max, hard_min, hard_max in um."""
    table = schema.vocabulary("instruments.csv").set_index("instrument_id")
    if instrument is None or instrument not in table.index:
        return None
    row = table.loc[instrument]
    names = ("px_um_typ_min", "px_um_typ_max", "px_um_hard_min", "px_um_hard_max")
    low, high, hard_low, hard_high = (float(row[n]) for n in names)
    return low, high, hard_low, hard_high


def interpret(work: Work) -> None:
    """Sets the pixel_size columns; rows without a certain pixel size are rejected."""
    instrument = work.columns["instrument_id"]
    result = _first(work, "pixel_size")
    for name in ("PIXEL_OUT_OF_TYP_RANGE", "PIXEL_UNIT_INFERRED"):
        work.flag(name, result["flag"] == name)
    work.flag("PIXEL_PLACEHOLDER", instrument.isin(_PLACEHOLDER_OF) & (result["um"] == 1))
    work.reject("pixel_size_missing", result["text"].isna() & instrument.notna())
    for reason in ("pixel_size_invalid", "pixel_size_ambiguous", "pixel_size_out_of_range"):
        work.reject(reason, result["reason"] == reason, "pixel_size", result["text"])
    along = _first(work, "pixel_size_y")
    work.flag("PIXEL_ONE_AXIS", instrument.isin(_SCAN_LINES) & result["um"].notna() & along["um"].isna())
    factor = _rescale_factor(work)
    work.columns["pixel_size_um"] = result["um"] / factor
    work.columns["pixel_size_y_um"] = along["um"] / factor
    work.columns["pixel_size_verbatim"] = result["text"]
    work.columns["pixel_size_column"] = result["column"]
    work.columns["pixel_size_unit_source"] = result["unit_source"]
    work.columns["pixel_size_rule"] = result["rule"]
    work.columns["pixel_rescale_factor"] = factor


def _first(work: Work, name: str) -> pd.DataFrame:
    """What the most trusted source of an input says; others that contradict it are flagged."""
    texts = ("rule", "unit_source", "flag", "reason", "text", "column")
    result = pd.DataFrame({"um": work.constant(float("nan"))} | {n: work.empty() for n in texts})
    for found in [_declared(work, name), *(_from_column(work, c) for c in work.candidates(name))]:
        if found is None:
            continue
        both = result["um"].notna() & found["um"].notna()
        scanned = (result["rule"] == UNITS["dpi"][0]) | (found["rule"] == UNITS["dpi"][0])
        allowed = np.where(scanned, threshold("P07.conflict_dpi"), threshold("P07.conflict"))
        work.flag("SCALE_CONFLICT", both & ((result["um"] - found["um"]).abs() > allowed * result["um"].abs()))
        result = result.mask(result["text"].isna() & found["text"].notna(), found)
    return result


def _rescale_factor(work: Work) -> pd.Series:
    """By how much a changed image was enlarged; 1 for images as the instrument took them."""
    told = work.contribution.declared.pixel_rescale_factor
    delivered, _ = work.number(work.text("pixel_rescale_factor"))
    factor = delivered.where(delivered > 0).fillna(told if told is not None else 1.0)
    return factor.mask(work.columns["image_variant"] == "raw", 1.0)


def _declared(work: Work, name: str) -> pd.DataFrame | None:
    declared = getattr(work.contribution.declared, name)
    if declared is None:
        return None
    text = work.constant(f"{declared.value:g} {declared.unit}")
    numbers = work.constant(declared.value)
    return _scales(work, text, numbers, declared.unit, "declared_form").assign(column="form")


def _from_column(work: Work, candidate: Candidate) -> pd.DataFrame:
    text = work.delivered(candidate)
    bare, written = split_unit(text)
    numbers, unreadable = work.number(bare)
    units = candidate.unit or _LENGTHS
    found = _scales(work, text, numbers.where(written.isna()), units, candidate.unit_source)
    for unit in written.dropna().unique():
        here = written == unit
        if unit in (units.split("|") if candidate.unit else UNITS):
            found = found.mask(here, _scales(work, text, numbers.where(here), unit, "declared_column"))
            work.flag("NUMBER_WITH_UNIT", here)
        else:
            unreadable = unreadable | np.asarray(here, dtype=bool)
    found["reason"] = found["reason"].mask(unreadable, "pixel_size_invalid")
    found["column"] = work.constant(candidate.column).where(found["text"].notna())
    return found


def _scales(work: Work, text: pd.Series, numbers: pd.Series, units: str, unit_source: str) -> pd.DataFrame:
    """Interprets each distinct (number, instrument) once and spreads the result over the rows."""
    instrument = work.columns["instrument_id"]
    keys = pd.MultiIndex.from_arrays([numbers, instrument.fillna("")])
    codes, distinct = pd.factorize(keys)
    scales = [Scale() if pd.isna(value) else scale(value, units, unit_source, name or None) for value, name in distinct]
    table = pd.DataFrame(
        {
            "um": pd.array([s.um for s in scales], dtype="Float64").to_numpy("float64", na_value=float("nan")),
            "rule": pd.array([s.rule for s in scales], dtype="str"),
            "unit_source": pd.array([s.unit_source for s in scales], dtype="str"),
            "flag": pd.array([s.flag for s in scales], dtype="str"),
            "reason": pd.array([s.reason for s in scales], dtype="str"),
        }
    )
    return table.take(codes).set_axis(work.rows.index).assign(text=text.where(numbers.notna() | text.notna()))
