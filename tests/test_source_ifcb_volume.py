"""Volume analysed: against pyifcb's published algorithm written out by hand, and what is impossible."""

import math
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read
from writers import ifcb as writer
from writers.pictures import pixels

from aqqua_dataset.demo.ifcb import Line, write_ifcb_bin
from aqqua_dataset.sources import ifcb_volume

NEW, OLD = "D20230501T000000_IFCB134", "IFCB5_2012_028_081515"
Times = tuple[float, float, float]  # clock, run time, inhibit time of a line


def adc_of(lines: Sequence[Times]) -> pd.DataFrame:
    columns = ["adc_time", "run_time", "inhibit_time"]
    return pd.DataFrame([[repr(v) for v in line] for line in lines], columns=columns, dtype="str")


def header_of(run: float, inhibit: float, **more: str) -> dict[str, str]:
    return {"run_time": repr(run), "inhibit_time": repr(inhibit)} | more


def published_new(header: tuple[float, float], lines: Sequence[Times]) -> float:
    """``compute_ml_analyzed_s2`` line by line, without numpy."""
    run, inhibit = header
    if len(lines) > 1 and sum(line[2] for line in lines) != 0:
        good = [0]
        for i in range(1, len(lines)):
            step = lines[i][2] - lines[i - 1][2]
            if lines[i][2] > 0 and -0.1 < step < 5:
                good.append(i)
        if len(good) > 1:
            steps = [round(lines[b][2] - lines[a][2], 4) for a, b in pairwise(good)]
            most = max(steps.count(s) for s in steps)
            usual = min(s for s in steps if steps.count(s) == most)
            run_offset = inhibit_offset = 0.0
            if lines[1][1] - lines[1][0] > 10:
                run_offset = lines[1][1] - lines[1][0]
                inhibit_offset = lines[1][2] + 2 * usual
            counted_inhibit = lines[good[-1]][2] + (len(lines) - len(good)) * usual - inhibit_offset
            counted_run = lines[-1][1] - run_offset
            by_clock = lines[-1][0] + median(line[1] - line[0] for line in lines[:50]) - run_offset
            if abs(counted_run - by_clock) > 0.2:
                counted_run = by_clock
            if not 0.98 <= run / counted_run <= 1.02:
                run = counted_run
            if not 0.98 <= inhibit / counted_inhibit <= 1.02:
                inhibit = counted_inhibit
    return 0.25 * (run - inhibit) / 60


def published_old(lines: Sequence[tuple[int, float, float]], least: float) -> float:
    """``compute_ml_analyzed_s1_adc`` line by line; a line is trigger, opening and grabbing time."""
    seen: dict[int, tuple[float, float]] = {}
    for trigger, opened, grabbed in lines:
        seen.setdefault(trigger, (opened + 86_400 * (opened < 0), grabbed + 86_400 * (grabbed < 0)))
    times = list(seen.values())
    processing = sum(max(b[0] - a[1], least) for a, b in pairwise(times))
    return 5 / 48_000 * 40 * (times[-1][1] - processing - least)


def run_of(count: int, *, run_on: float = 0.0, step: float = 0.08) -> list[Times]:
    return [(10.0 * (i + 1), 10.0 * (i + 1) + run_on, step * (i + 1) + run_on) for i in range(count)]


CASES = {
    "as told": ((1200.0, 9.6), run_of(120)),
    "header wrong": ((600.0, 9.6), run_of(120)),
    "inhibit wrong": ((1200.0, 1.0), run_of(120)),
    "just inside 2 %": ((1200 * 1.0199, 9.6), run_of(120)),
    "just outside 2 %": ((1200 * 1.0201, 9.6), run_of(120)),
    "clock runs on": ((1200.0, 9.6), run_of(120, run_on=1300.0)),
    "spoilt lines": ((0.01, 0.01), [*run_of(50), (510.0, 510.0, 0.0), (520.0, 520.0, 99.0), *run_of(60)[52:]]),
    "spoilt end": ((0.01, 0.01), [*run_of(59), (600.0, 12.0, 0.0)]),
    "run time jumps": ((0.01, 0.01), [*run_of(59), (600.0, 700.0, 4.8)]),
    "one line": ((1200.0, 9.6), run_of(1)),
    "no line": ((1200.0, 9.6), []),
    "inhibit all zero": ((1200.0, 9.6), run_of(20, step=0.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_new_volumes_are_the_published_ones(case: str) -> None:
    header, lines = CASES[case]
    found = ifcb_volume.volume_new(header_of(*header), adc_of(lines), 134)
    assert found is not None
    assert math.isclose(found, published_new(header, lines), rel_tol=1e-9)


@given(
    header=st.tuples(st.floats(1, 2000), st.floats(0.01, 100)),
    steps=st.lists(st.tuples(st.floats(0.1, 60), st.sampled_from([0.0, 0.08, 0.08, 0.0813, 7.0, -1.0])), max_size=70),
    run_on=st.sampled_from([0.0, 0.06, 25.0]),
)
def test_any_new_volume_is_the_published_one(
    header: tuple[float, float], steps: list[tuple[float, float]], run_on: float
) -> None:
    clock = inhibit = 0.0
    lines: list[Times] = []
    for passed, more in steps:
        clock, inhibit = clock + passed, inhibit + more
        lines.append((clock, clock + run_on, inhibit))
    try:
        expected = published_new(header, lines)
    except ZeroDivisionError:  # pyifcb divides by what the .adc tells, which can be nothing
        return
    found = ifcb_volume.volume_new(header_of(*header), adc_of(lines), 134)
    assert found is not None
    assert math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("more", "times"),
    [
        ({"run_sample_fast": "True", "run_fast_factor": "4"}, 4),
        ({"run_sample_fast": "1", "run_fast_factor": "2.5"}, 2.5),
        ({"run_sample_fast": "True"}, 1),
        ({"run_sample_fast": "False", "run_fast_factor": "4"}, 1),
        ({"run_sample_fast": "0", "run_fast_factor": "4"}, 1),
    ],
)
def test_fast_runs_draw_more(more: dict[str, str], times: float) -> None:
    found = ifcb_volume.volume_new(header_of(240, 0.5, **more), adc_of([]), 134)
    assert found is not None
    assert math.isclose(found, times * 0.25 * 239.5 / 60)


@pytest.mark.parametrize(("number", "known"), [(1, False), (6, False), (7, True), (8, False), (9, True), (134, True)])
def test_only_instruments_of_the_standard_flow_have_a_volume(number: int, known: bool) -> None:
    assert (ifcb_volume.volume_new(header_of(1200, 9.6), adc_of([]), number) is not None) == known


def test_times_that_are_not_told_come_from_the_lines_or_there_is_no_volume() -> None:
    assert ifcb_volume.volume_new({}, adc_of([]), 134) is None
    assert ifcb_volume.volume_new({"run_time": "x", "inhibit_time": "1"}, adc_of([]), 134) is None
    found = ifcb_volume.volume_new({}, adc_of(run_of(120)), 134)
    assert found is not None
    assert math.isclose(found, 0.25 * (1200 - 9.6) / 60)


OldLine = tuple[int, float, float]
OLD_CASES: dict[str, list[OldLine]] = {
    "one": [(1, 0.0, 1000.0)],
    "pair": [(1, 0.0, 10.0), (2, 11.0, 20.0), (2, 11.0, 20.0), (3, 20.001, 900.0)],
    "midnight": [(1, 86_000.0, 86_010.0), (2, 86_399.0, -86_300.0), (3, -86_200.0, -85_000.0)],
}


def old_adc(lines: Sequence[OldLine]) -> pd.DataFrame:
    columns = ["trigger", "trigger_open_time", "frame_grab_time"]
    return pd.DataFrame([[str(v) for v in line] for line in lines], columns=columns, dtype="str")


@pytest.mark.parametrize("case", OLD_CASES)
@pytest.mark.parametrize(
    ("stem", "least"),
    [(OLD, 0.073), ("IFCB5_2015_151_235959", 0.073), ("IFCB5_2015_152_000000", 0.05), ("IFCB1_2016_001_000000", 0.073)],
)
def test_old_volumes_are_the_published_ones(case: str, stem: str, least: float) -> None:
    found = ifcb_volume.volume_old(old_adc(OLD_CASES[case]), stem)
    assert found is not None
    assert math.isclose(found, published_old(OLD_CASES[case], least), rel_tol=1e-12)


@given(steps=st.lists(st.tuples(st.integers(0, 1), st.floats(0.01, 5), st.floats(0.01, 5)), min_size=1, max_size=40))
def test_any_old_volume_is_the_published_one(steps: list[tuple[int, float, float]]) -> None:
    trigger, time, lines = 1, 0.0, []
    for new, wait, look in steps:
        trigger, opened = trigger + new, time + wait
        time = opened + look
        lines.append((trigger, opened, time))
    found = ifcb_volume.volume_old(old_adc(lines), OLD)
    assert found is not None
    assert math.isclose(found, published_old(lines, 0.073), rel_tol=1e-9, abs_tol=1e-9)


def test_no_lines_no_old_volume() -> None:
    assert ifcb_volume.volume_old(old_adc([]), OLD) is None
    assert ifcb_volume.volume_old(old_adc([(1, math.nan, 1.0)]), OLD) is None


@pytest.mark.parametrize(("run", "inhibit", "told"), [(1320.0, 0.0, "5.5"), (1321.0, 0.0, None), (5.0, 6.0, None)])
def test_impossible_volumes_are_left_out_with_a_flag(
    tmp_path: Path, run: float, inhibit: float, told: str | None
) -> None:
    for number in range(2):
        hdr = {"runTime": str(run), "inhibitTime": str(inhibit)}
        write_ifcb_bin(tmp_path, writer.stem(number), [Line(1, 1, 1, pixels(1))], hdr=hdr)
    rows, found = read(tmp_path, "ifcb")
    assert rows["volume_analysed_ml"].dropna().tolist() == [told] * 2 * (told is not None)
    assert set(rows["aqqua_flags"]) == {"" if told else "IFCB_VOLUME_INVALID"}
    expected = [] if told else [("ifcb_volume_invalid", "warning", f"{writer.stem(0)}.adc", 2)]
    assert [(f.rule, f.severity, f.file, f.count) for f in found] == expected


def lines_of(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


@pytest.mark.realdata
def test_the_real_new_bins_volume(real_data: Path) -> None:
    folder = real_data / "ifcb/classipyr/raw"
    [adc] = folder.rglob("*.adc")
    lines = [(float(c[1]), float(c[22]), float(c[23])) for c in lines_of(adc)]
    told = dict(line.split(": ", 1) for line in adc.with_suffix(".hdr").read_text().splitlines() if ": " in line)
    expected = published_new((float(told["runTime"]), float(told["inhibitTime"])), lines)
    assert math.isclose(expected, 0.25 * (1167.111111111111 - 0.5586328125) / 60)
    rows, _ = read(folder, "ifcb")
    assert np.allclose(rows["volume_analysed_ml"].astype(float), expected, rtol=1e-5)


@pytest.mark.realdata
def test_the_real_old_bins_volume(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "ifcb/pyifcb/data/2012"
    [adc] = folder.rglob(f"{OLD}.adc")
    expected = published_old([(int(c[0]), float(c[7]), float(c[8])) for c in lines_of(adc)], 0.073)
    assert expected > 0
    rows, _ = read(folder, "ifcb")
    assert np.allclose(rows["volume_analysed_ml"].astype(float), expected, rtol=1e-5)
    for ending in (".adc", ".hdr", ".roi"):  # the same lines, had the instrument been changed already
        shutil.copy(adc.with_suffix(ending), tmp_path / f"IFCB5_2016_028_081515{ending}")
    later, _ = read(tmp_path, "ifcb")
    expected = published_old([(int(c[0]), float(c[7]), float(c[8])) for c in lines_of(adc)], 0.05)
    assert np.allclose(later["volume_analysed_ml"].astype(float), expected, rtol=1e-5)
