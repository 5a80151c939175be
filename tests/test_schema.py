"""Declared once, derived everywhere: the schemas hold together and the docs are fresh."""

import re
from pathlib import Path

import pandas as pd
import pytest

from aqqua_dataset import schema

ROOT = Path(__file__).parent.parent


def test_every_column_is_declared_and_every_field_is_used() -> None:
    used = {c for table in schema.tables().values() for c in table.columns}
    assert used == set(schema.fields())


def test_required_columns_and_keys_are_columns() -> None:
    for table in schema.tables().values():
        assert set(table.required) <= set(table.columns), table.name
        assert set(table.key) <= set(table.columns), table.name


def test_enumerations_named_by_fields_exist() -> None:
    for field in schema.fields().values():
        assert field.enum is None or schema.enumerations()[field.enum], field.name


def test_a_number_with_a_unit_says_so_in_its_name_or_metadata() -> None:
    for field in schema.fields().values():
        suffix = re.search(r"_(um|m|px)$", field.name)
        if suffix:
            assert field.unit == suffix.group(1), field.name


def test_arrow_schema_carries_unit_meaning_and_nullability() -> None:
    depth = schema.arrow("core").field("depth_m")
    assert depth.metadata[b"unit"] == b"m"
    assert depth.metadata[b"Darwin Core"] if b"Darwin Core" in depth.metadata else depth.metadata[b"iFDO"]
    assert not depth.nullable
    assert schema.arrow("core").field("aphia_id").nullable


def test_data_dictionary_page_is_fresh() -> None:
    page = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert page == schema.dictionary_markdown(), "run: aqqua docs"


@pytest.mark.parametrize(
    ("column", "value", "ok"),
    [
        ("latitude", 90.0, True),
        ("latitude", 90.1, False),
        ("depth_m", 11_000.0, True),
        ("depth_m", 11_001.0, False),
        ("label_status", "validated", True),
        ("label_status", "sure", False),
        ("instrument_id", "uvp6", True),
        ("instrument_id", "uvp7", False),
        ("image_id", "03e05be3-ba80-5dcf-bc6d-b33a3bfcd64f", True),
        ("image_id", "03e05be3-ba80-4dcf-bc6d-b33a3bfcd64f", False),
    ],
)
def test_pandera_checks_values(column: str, value: object, ok: bool) -> None:
    import pandera.errors

    checks = schema.pandera_schema("core").columns[column]
    frame = pd.DataFrame({column: [value]})
    if ok:
        checks.validate(frame)
    else:
        with pytest.raises(pandera.errors.SchemaError):
            checks.validate(frame)


def test_reasons_and_flags_are_unique_and_say_what_to_do() -> None:
    for name, key in (("reasons.csv", "reason"), ("flags.csv", "flag")):
        table = schema.vocabulary(name)
        assert table[key].is_unique
        assert (table["action"] != "").all()


def test_every_quality_test_leads_to_a_flag_or_reason_or_says_why_not() -> None:
    tests = schema.vocabulary("quality_tests.csv")
    assert len(tests) == 77
    assert tests["test"].is_unique
    known = {*schema.vocabulary("flags.csv")["flag"], *schema.vocabulary("reasons.csv")["reason"]}
    for row in tests.itertuples():
        assert row.marks or row.note, row.test
        assert set(filter(None, row.marks.split("|"))) <= known, row.test


def test_every_flag_is_raised_and_every_reason_given_somewhere() -> None:
    code = "\n".join(p.read_text() for p in (ROOT / "aqqua_dataset").rglob("*.py"))
    marks = [*schema.vocabulary("flags.csv")["flag"], *schema.vocabulary("reasons.csv")["reason"]]
    assert [mark for mark in marks if not re.search(rf"\b{mark}\b", code)] == []
