"""Damaged text: what is repaired on a copy, what is only flagged, and what is left alone."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interpreting import form, interpret, row

from aqqua_dataset.harmonise.text import repair, repaired, split_unit, spreadsheet_damage
from aqqua_dataset.sources.suggest import _unit


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("Âµm", "µm"),
        ("GÃ¶teborg", "Göteborg"),
        ("Villefranche â\x80\x93 Point B", "Villefranche – Point B"),
        ("Villefranche â€“ Point B", "Villefranche – Point B"),
        ("GÃƒÂ¶teborg", "Göteborg"),  # twice
        ("SÃO PAULO", "SÃO PAULO"),  # Portuguese
        ("Âge", "Âge"),
        ("Århus Ã¶", "Århus Ã¶"),  # no single wrong reading gives this
        ("µm", "µm"),
        ("plain", "plain"),
    ],
)
def test_what_was_read_as_latin_1_is_turned_back(text: str, better: str) -> None:
    assert repaired(text) == better


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x24F), min_size=1, max_size=12))
def test_a_wrong_reading_comes_back(text: str) -> None:
    assert repaired(text.encode("utf-8").decode("latin-1")) == repaired(text)


def test_a_repair_is_a_copy_and_lost_letters_are_marked() -> None:
    texts = pd.Series(["GÃ¶teborg", "G\ufffdteborg", "SÃO PAULO", "plain", np.nan], dtype="str")
    copy, damaged = repair(texts)
    assert copy.tolist()[:4] == ["Göteborg", "G\ufffdteborg", "SÃO PAULO", "plain"]
    assert damaged.tolist() == [True, True, False, False, False]
    assert texts[0] == "GÃ¶teborg"


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("0.1863_ml", "0.1863", "mL"),
        ("10.6 µm", "10.6", "um"),
        ("10.6 μm", "10.6", "um"),  # the Greek letter
        ("10.6 Âµm", "10.6", "um"),
        ("12 m", "12", "m"),
        ("-5,5 [m]", "-5,5 [m]", None),  # a bracket begins no unit
        ("1e-3 m3", "1e-3", "m3"),
        ("3.4 px/um", "3.4", "px/um"),
        ("12 kg", "12", "kg"),
        ("12", "12", None),
        ("unknown", "unknown", None),
        ("2021-05-03", "2021-05-03", None),
    ],
)
def test_numbers_and_units_apart(text: str, number: str, unit: str | None) -> None:
    bare, units = split_unit(pd.Series([text, np.nan], dtype="str"))
    assert (bare[0], units[0] if isinstance(units[0], str) else None) == (number, unit)
    assert bare.isna()[1]
    assert units.isna()[1]


@pytest.mark.parametrize(
    ("text", "damaged"),
    [
        ("1.23E+05", True),
        ("2E+10", True),
        ("1,23E+05", True),
        ("3-Jan", True),
        ("03-Mrz", False),
        ("Jan-21", True),
        ("12-Okt-2021", True),
        ("2021-01-03 00:00:00", True),
        ("SKQ-ToTS_45096.2208333333_tots-ps-acq-3", True),  # of the TOTS cruise
        ("2021-01-03", False),  # many samples are called by their day
        ("st12E+", False),
        ("E05", False),
        ("cast_12345.5", False),
        ("Jan-Mayen-21", False),
        ("D20120128T081515_IFCB014_00001", False),
    ],
)
def test_ids_that_went_through_a_spreadsheet(text: str, damaged: bool) -> None:
    assert spreadsheet_damage(pd.Series([text, np.nan], dtype="str")).tolist() == [damaged, False]


def test_damage_is_flagged_and_stays_as_delivered() -> None:
    mapping: dict[str, Any] = {"label": "l", "label_status": "s", "event_id": "e", "platform": "p"}
    cells: dict[str, str | None] = {"l": "Copepoda", "s": "V", "e": "st1", "p": "Thalassa"}
    assert row(cells, mapping)["qc_flags"] == []
    hurt = row(cells | {"l": "CopÃ©poda"}, mapping)
    assert (hurt["label_verbatim"], hurt["qc_flags"]) == ("CopÃ©poda", ["LABEL_NO_APHIA", "ENCODING_MOJIBAKE"])
    hurt = row(cells | {"p": "ThalÃ©ssa"}, mapping)
    assert (hurt["platform"], hurt["qc_flags"]) == ("ThalÃ©ssa", ["ENCODING_MOJIBAKE"])
    hurt = row(cells | {"e": "1.23E+05"}, mapping)
    assert (hurt["event_id"], hurt["qc_flags"]) == ("1.23E+05", ["EXCEL_DAMAGE"])


@pytest.mark.parametrize(
    ("text", "unit", "litres", "flags"),
    [
        ("0.1863_ml", "mL", 0.0001863, ["NUMBER_WITH_UNIT"]),
        ("0,1863 ml", "mL", 0.0001863, ["DECIMAL_COMMA", "NUMBER_WITH_UNIT"]),
        ("0.1863_ml", None, 0.0001863, ["NUMBER_WITH_UNIT"]),
        ("0.1863", None, None, ["VOLUME_INVALID"]),
        ("0.1863_ml", "L", None, ["VOLUME_INVALID"]),
        ("999999 ml", "mL", None, ["VOLUME_INVALID", "NUMBER_WITH_UNIT"]),
    ],
)
def test_volumes_written_with_their_unit(text: str, unit: str | None, litres: float | None, flags: list[str]) -> None:
    found = row({"v": text}, {"imaged_volume": {"column": "v"} | ({"unit": unit} if unit else {})})
    assert found["imaged_volume_l"] == (pytest.approx(litres) if litres else None)
    assert found["qc_flags"] == flags


@pytest.mark.parametrize(
    ("text", "unit", "expected", "source"),
    [
        ("10.6 µm", "um", 10.6, "declared_column"),
        ("0.0106 mm", None, 10.6, "declared_column"),
        ("10.6 Âµm", None, 10.6, "declared_column"),
    ],
)
def test_pixel_sizes_written_with_their_unit(text: str, unit: str | None, expected: float, source: str) -> None:
    scanner = form(instrument="zooscan", pixel_size=None)
    found = row({"p": text}, {"pixel_size": {"column": "p"} | ({"unit": unit} if unit else {})}, scanner)
    assert (found["pixel_size_um"], found["pixel_size_unit_source"]) == (pytest.approx(expected), source)
    assert (found["pixel_size_verbatim"], found["qc_flags"]) == (text, ["NUMBER_WITH_UNIT"])


@pytest.mark.parametrize(("text", "unit"), [("10.6 µm", "mm"), ("10.6 furlongs", None)])
def test_a_pixel_size_whose_unit_contradicts_the_column_is_refused(text: str, unit: str | None) -> None:
    scanner = form(instrument="zooscan", pixel_size=None)
    made = interpret({"p": text}, {"pixel_size": {"column": "p"} | ({"unit": unit} if unit else {})}, scanner)
    assert made.quarantine["reason"].to_pylist() == ["pixel_size_invalid"]


def test_a_column_name_that_was_read_wrongly_still_states_its_unit() -> None:
    assert (_unit("pixel_size", "particle_size_Âµm"), _unit("imaged_volume", "Volume (ÂµL)")) == ("um", "uL")
