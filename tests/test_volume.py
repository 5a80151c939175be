"""Volumes: units, fractions, dilution, plausible windows, and the water that an event's images stand for."""

import pytest
from test_harmonise import interpret

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Column, Source


def source(**mapping: str) -> Source:
    """A mapping of inputs to columns of their own names, with units."""
    columns = {name: Column(column=name, unit=unit or None) for name, unit in mapping.items()}
    return Source(format="ecotaxa", location="x", mapping=columns)


def row(mapped: Source, **cells: str) -> dict[str, object]:
    [found] = interpret(source=mapped, **cells).core.to_pylist()
    return found


@pytest.mark.parametrize(
    ("unit", "text", "litres"),
    [("L", "2.5", 2.5), ("mL", "2.5", 0.0025), ("uL", "2500", 0.0025), ("m3", "2,5", 2500.0)],
)
def test_volumes_are_litres(unit: str, text: str, litres: float) -> None:
    assert row(source(sampled_volume=unit), sampled_volume=text)["sampled_volume_l"] == pytest.approx(litres)


@pytest.mark.parametrize("text", ["0", "-1", "999999", "99999", "9999", "abc"])
def test_a_volume_that_is_none_is_left_out_and_flagged(text: str) -> None:
    found = row(source(sampled_volume="m3"), sampled_volume=text)
    assert found["sampled_volume_l"] is None
    assert "VOLUME_INVALID" in found["qc_flags"]


@pytest.mark.parametrize(
    ("unit", "text", "fraction", "flags"),
    [
        ("divisor", "8", 0.125, set()),
        ("divisor", "1", 1.0, set()),
        ("divisor", "6", 1 / 6, {"MOTODA_NOT_POW2"}),
        ("divisor", "0.25", None, {"SUBSAMPLE_INVALID"}),  # a fraction where the divisor was expected
        ("fraction", "0.25", 0.25, set()),
        ("fraction", "1", 1.0, set()),
        ("fraction", "1.01", None, {"SUBSAMPLE_INVALID"}),
        ("fraction", "0", None, {"SUBSAMPLE_INVALID"}),
        ("divisor", "0", None, {"SUBSAMPLE_INVALID"}),
    ],
)
def test_fractions_and_their_divisors(unit: str, text: str, fraction: float | None, flags: set[str]) -> None:
    found = row(source(subsample=unit), subsample=text)
    assert found["subsample_fraction"] == (None if fraction is None else pytest.approx(fraction))
    assert {"MOTODA_NOT_POW2", "SUBSAMPLE_INVALID"} & set(found["qc_flags"]) == flags  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("units", "cells", "litres"),
    [
        # a net: 12.5 m3 filtered, a quarter scanned
        ({"sampled_volume": "m3", "subsample": "divisor"}, {"sampled_volume": "12.5", "subsample": "4"}, 3125.0),
        # a bottle: 2 L concentrated to 10 mL, 1 mL of it imaged
        (
            {"sampled_volume": "L", "concentrated_volume": "mL", "imaged_volume": "mL"},
            {"sampled_volume": "2", "concentrated_volume": "10", "imaged_volume": "1"},
            0.2,
        ),
        # the same after thinning to twice the volume, as a PlanktoScope writes it
        (
            {"sampled_volume": "L", "concentrated_volume": "mL", "imaged_volume": "mL", "dilution": "inverse"},
            {"sampled_volume": "2", "concentrated_volume": "10", "imaged_volume": "1", "dilution": "0.5"},
            0.1,
        ),
        # in the water itself
        ({"imaged_volume": "mL"}, {"imaged_volume": "4.5"}, 0.0045),
        # a net of which nobody says how much was scanned
        ({"sampled_volume": "m3"}, {"sampled_volume": "12.5"}, None),
    ],
)
def test_what_the_images_stand_for(units: dict[str, str], cells: dict[str, str], litres: float | None) -> None:
    found = row(source(**units), **cells)["volume_represented_l"]
    assert found == (None if litres is None else pytest.approx(litres))


@pytest.mark.parametrize("window", list(schema.vocabulary("volume_windows.csv").itertuples()), ids=lambda w: w.family)
def test_a_volume_on_each_side_of_its_window(window: object) -> None:
    expected = {  # litres, from the facts table: just inside and just outside both ends
        "ifcb": (1.01e-4, 0.99e-4, 5.49e-3, 5.51e-3),
        "flowcam": (1.01e-6, 0.99e-6, 0.99, 1.01),
        "planktoscope": (1.01e-5, 0.99e-5, 0.099, 0.101),
        "cytosense": (1.01e-6, 0.99e-6, 0.099, 0.101),
        "uvp": (0.101, 0.099, 499, 501),
        "plankton_imager": (50.1, 49.9, 399, 401),
        "isiis": (1.01, 0.99, 299, 301),
        "zooscan": (10.1, 9.9, 4.99e6, 5.01e6),
        "scanner": (10.1, 9.9, 4.99e6, 5.01e6),
        "zoocam": (10.1, 9.9, 4.99e6, 5.01e6),
    }[window.family]  # type: ignore[attr-defined]
    vocabulary = schema.vocabulary("instruments.csv")
    instrument = vocabulary.loc[vocabulary["family"] == window.family].iloc[0]  # type: ignore[attr-defined]
    size = {
        "acq_instrument": instrument["instrument_id"], "process_particle_pixel_size_mm": None,
        "size": f"{(float(instrument['px_um_typ_min']) * float(instrument['px_um_typ_max'])) ** 0.5}",
    }  # fmt: skip
    name = window.field.removesuffix("_l")  # type: ignore[attr-defined]
    mapped = source(**{name: "L"})
    mapped = mapped.model_copy(update={"mapping": mapped.mapping | {"pixel_size": Column(column="size", unit="um")}})
    seen = []
    for litres in expected:
        [found] = interpret(source=mapped, **size, **{name: repr(litres)}).core.to_pylist()
        seen.append("VOLUME_OUT_OF_RANGE" in found["qc_flags"])
    assert seen == [False, True, False, True]
