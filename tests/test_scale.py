"""Pixel sizes: which unit a number can have for an instrument, and what the delivery and the form add to it.

The windows in data/pixel_unit_windows.csv are facts collected with the instruments' ranges, computed apart from this
code: for every instrument the typical pixel size in six units, and the pairs of units whose windows overlap.
"""

from pathlib import Path

import pandas as pd
import pytest
from test_harmonise import interpret

from aqqua_dataset.harmonise.scale import UNITS, scale
from aqqua_dataset.registry.models import Column, Declared, Quantity, Source

WINDOWS = pd.read_csv(Path(__file__).parent / "data" / "pixel_unit_windows.csv", dtype=str, keep_default_na=False)
COLUMNS = {
    "um_per_px": "um",
    "mm_per_px": "mm",
    "px_per_um": "px/um",
    "px_per_mm": "px/mm",
    "dpi": "dpi",
    "m_per_px": "m",
}


def window(row: "pd.Series[str]", column: str) -> tuple[float, float]:
    low, high = row[column].split("..")
    return float(low), float(high)


@pytest.mark.parametrize("instrument", WINDOWS["instrument_id"])
def test_a_number_inside_one_units_window_gets_that_unit(instrument: str) -> None:
    row = WINDOWS.set_index("instrument_id").loc[instrument]
    everything = "|".join(UNITS)
    for column, unit in COLUMNS.items():
        low, high = window(row, column)
        value = (low * high) ** 0.5
        others = [c for c in COLUMNS if c != column and window(row, c)[0] <= value <= window(row, c)[1]]
        found = scale(value, everything, "inferred_range", instrument)
        assert (found.reason == "pixel_size_ambiguous") == bool(others), (column, value)
        if not others:
            assert found.flag == "PIXEL_UNIT_INFERRED"
            assert found.rule == UNITS[unit][0]
            assert found.um == pytest.approx(
                (window(row, "um_per_px")[0] * window(row, "um_per_px")[1]) ** 0.5, rel=1e-3
            )


PAIRS = [
    (row.instrument_id, *pair.split("~"))
    for row in WINDOWS.itertuples()
    for pair in filter(None, row.ambiguous_pairs.split(";"))
]


@pytest.mark.parametrize(("instrument", "one", "other"), PAIRS)
def test_a_number_that_two_units_explain_is_never_guessed(instrument: str, one: str, other: str) -> None:
    row = WINDOWS.set_index("instrument_id").loc[instrument]
    (low, high), (low2, high2) = window(row, one), window(row, other)
    value = (max(low, low2) * min(high, high2)) ** 0.5
    assert (
        scale(value, f"{COLUMNS[one]}|{COLUMNS[other]}", "inferred_range", instrument).reason == "pixel_size_ambiguous"
    )


# The window of other_camera is wider than a factor of 1,000, which the facts list as an ambiguous pair.
@pytest.mark.parametrize("instrument", [i for i in WINDOWS["instrument_id"] if i != "other_camera"])
def test_millimetres_and_micrometres_are_never_confused(instrument: str) -> None:
    row = WINDOWS.set_index("instrument_id").loc[instrument]
    for column in ("um_per_px", "mm_per_px"):
        for value in window(row, column):
            found = scale(value * (1.0001 if value == window(row, column)[0] else 0.9999), "um|mm", "x", instrument)
            assert found.rule == UNITS[COLUMNS[column]][0]


@pytest.mark.parametrize(
    ("number", "unit", "instrument", "um", "source"),
    [
        (147, "mm", "uvp5sd", 147, "inferred_range"),  # 7 of 84 UVP5 projects of PSSdb have um in acq_pixel
        (0.147, "mm", "uvp5sd", 147, "rule_instrument"),
        (10.6, "mm", "zooscan", 10.6, "inferred_range"),
        (0.0106, "um", "zooscan", 10.6, "inferred_range"),
    ],
)
def test_an_impossible_length_is_read_as_the_other_one(
    number: float, unit: str, instrument: str, um: float, source: str
) -> None:
    found = scale(number, unit, "rule_instrument", instrument)
    assert (found.um, found.unit_source) == (pytest.approx(um), source)
    assert found.flag == ("PIXEL_UNIT_INFERRED" if source == "inferred_range" else None)


def test_what_a_person_states_is_never_reinterpreted() -> None:
    assert scale(147, "mm", "declared_form", "uvp5sd").reason == "pixel_size_out_of_range"
    assert scale(2400, "px/mm", "declared_column", "zooscan").reason == "pixel_size_out_of_range"


LINES = {"acq_instrument": "isiis", "process_particle_pixel_size_mm": "0.0513"}


def test_a_line_scan_camera_has_two_axes() -> None:
    [one] = interpret(**LINES).core.to_pylist()
    assert one["pixel_size_y_um"] is None
    assert "PIXEL_ONE_AXIS" in one["qc_flags"]
    mapped = Source(format="ecotaxa", location="x", mapping={"pixel_size_y": Column(column="along", unit="um")})
    [two] = interpret(source=mapped, along="63.5", **LINES).core.to_pylist()
    assert (two["pixel_size_um"], two["pixel_size_y_um"]) == (pytest.approx(51.3), 63.5)
    assert "PIXEL_ONE_AXIS" not in two["qc_flags"]
    [told] = interpret(Declared(pixel_size_y=Quantity(value=0.06, unit="mm")), **LINES).core.to_pylist()
    assert told["pixel_size_y_um"] == pytest.approx(60)
    assert "PIXEL_ONE_AXIS" not in interpret().core.to_pylist()[0]["qc_flags"]


def test_enlarged_images_have_smaller_pixels() -> None:
    [told] = interpret(Declared(pixel_rescale_factor=1.5)).core.to_pylist()
    assert (told["pixel_size_um"], told["pixel_rescale_factor"]) == (pytest.approx(10.6 / 1.5), 1.5)
    mapped = Source(format="ecotaxa", location="x", mapping={"pixel_rescale_factor": Column(column="zoom")})
    [row] = interpret(source=mapped, zoom="2").core.to_pylist()
    assert (row["pixel_size_um"], row["pixel_rescale_factor"]) == (pytest.approx(5.3), 2.0)
    [none] = interpret(source=mapped, zoom="-2").core.to_pylist()
    assert none["pixel_rescale_factor"] == 1.0


@pytest.mark.parametrize(("instrument", "seen"), [("planktoscope", True), ("flowcam", False)])
def test_exactly_one_micrometre_is_a_placeholder_of_some_instruments(instrument: str, seen: bool) -> None:
    cells = {"process_particle_pixel_size_mm": None, "process_pixel": "1", "acq_instrument": instrument}
    [row] = interpret(**cells).core.to_pylist()
    assert ("PIXEL_PLACEHOLDER" in row["qc_flags"]) == seen
    [row] = interpret(**(cells | {"process_pixel": "1.01"})).core.to_pylist()
    assert "PIXEL_PLACEHOLDER" not in row["qc_flags"]
