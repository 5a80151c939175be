"""Millilitres an IFCB analysed, after metrics/ml_analyzed.py of pyifcb (2026-07): flow times the time it looked.

New instruments draw 0.25 mL a minute. Their header tells the run and the inhibit time; where the lines of the .adc
tell another time by more than 2 %, the header is wrong. The .adc's own clock may run on from the bin before, and
single inhibit times in it may be spoilt. Old instruments pump in steps and tell only when each frame was grabbed.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

_FLOW_ML_S = 0.25 / 60
_OLD_FLOW_ML_S = 40 * 5 / 48_000  # steps a second x mL a step
_LEAST_PROCESSING_S = 0.073
_LEAST_PROCESSING_IFCB5_S = 0.05  # of IFCB5 from June 2015 on
_DAY_S = 86_400
_RELATIVE_DIFFERENCE = 0.02
_MOST_ML = 5.5  # a syringe holds 5 mL
_OTHER_FLOW = 8  # this instrument and those before number 7 aren't of the standard configuration
_FIRST_STANDARD = 7
_RUN_ON_S = 10.0  # between run time and clock in the second line: the clock runs on from the bin before
_BACKWARDS_S, _JUMP_S = -0.1, 5.0  # steps of the inhibit time beyond which a line is spoilt
_MEDIAN_LINES = 50
_CLOCK_DIFFERENCE_S = 0.2  # between the last line's run time and that by its clock

#: Run and inhibit time in seconds.
Times = tuple[float, float]


def volume_new(header: Mapping[str, str], adc: pd.DataFrame, instrument: int) -> float | None:
    """Millilitres analysed by an instrument of the second generation, or None where its flow or times aren't known.

    The result may be impossible; see ``is_possible``.

    Args:
        header: the .hdr's entries; run and inhibit time in seconds.
        adc: all lines of the .adc as text with columns ``adc_time``, ``run_time``, ``inhibit_time`` (s).
        instrument: its number.
    """
    if instrument < _FIRST_STANDARD or instrument == _OTHER_FLOW:
        return None
    counted = _times(adc)
    told = [_number(header.get(name)) for name in ("run_time", "inhibit_time")]
    run, inhibit = (_chosen(*pair) for pair in zip(told, counted or (None, None), strict=True))
    if run is None or inhibit is None:
        return None
    factor = 1.0
    if header.get("run_sample_fast", "").casefold() in ("true", "1"):
        factor = _number(header.get("run_fast_factor")) or 1.0
    return _FLOW_ML_S * factor * (run - inhibit)


def volume_old(adc: pd.DataFrame, stem: str) -> float | None:
    """Millilitres analysed by an instrument of the first generation: what was pumped while it looked.

    Args:
        adc: all lines of the .adc as text with columns ``trigger``, ``trigger_open_time``, ``frame_grab_time`` (s).
        stem: the bin's id.
    """
    late = stem.startswith("IFCB5_") and stem[6:14] >= "2015_152"
    least = _LEAST_PROCESSING_IFCB5_S if late else _LEAST_PROCESSING_S
    numbers = _numbers(adc, ["trigger", "trigger_open_time", "frame_grab_time"]).drop_duplicates("trigger")
    if numbers.empty:
        return None
    grabbed, opened = numbers["frame_grab_time"], numbers["trigger_open_time"]
    grabbed, opened = (t.mask(t < 0, t + _DAY_S) for t in (grabbed, opened))  # bins that cross midnight
    processing = (opened - grabbed.shift()).iloc[1:].clip(lower=least).sum()
    return _OLD_FLOW_ML_S * float(grabbed.iloc[-1] - processing - least)


def is_possible(millilitres: float) -> bool:
    """Whether a syringe can have given as much."""
    return 0 <= millilitres <= _MOST_ML


def _chosen(told: float | None, counted: float | None) -> float | None:
    """The header's value, or the .adc's where they differ by more than 2 %."""
    if told is None or counted is None:
        return counted if told is None else told
    return counted if abs(told - counted) > _RELATIVE_DIFFERENCE * abs(counted) else told


def _times(adc: pd.DataFrame) -> Times | None:
    """Run and inhibit time by the lines of the .adc, or None where they don't tell."""
    lines = _numbers(adc, ["adc_time", "run_time", "inhibit_time"])
    clock, run, inhibit = (lines[name].to_numpy() for name in lines)
    if len(lines) < 2 or inhibit.sum() == 0:
        return None
    step = np.diff(inhibit)
    good = inhibit[np.r_[True, (inhibit[1:] > 0) & (step > _BACKWARDS_S) & (step < _JUMP_S)]]
    if len(good) == 1:
        return None
    usual = float(pd.Series(np.diff(good)).round(4).mode().iloc[0])
    before = run[1] - clock[1]
    before, inhibited_before = (before, inhibit[1] + 2 * usual) if before > _RUN_ON_S else (0.0, 0.0)
    ran = run[-1]
    by_clock = clock[-1] + np.median((run - clock)[:_MEDIAN_LINES])
    if abs(ran - by_clock) > _CLOCK_DIFFERENCE_S:
        ran = by_clock
    return float(ran - before), float(good[-1] + (len(lines) - len(good)) * usual - inhibited_before)


def _numbers(adc: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns as numbers; lines without them are left out."""
    return adc.reindex(columns=columns).apply(pd.to_numeric, errors="coerce").astype("float64").dropna()


def _number(text: str | None) -> float | None:
    number = pd.to_numeric(text or "", errors="coerce")
    return None if pd.isna(number) else float(number)
