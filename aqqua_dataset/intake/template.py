"""The template spreadsheet for several data sets under one form, made from the vocabulary ``template_columns``."""

import functools
import io
import re
import typing
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import openpyxl
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.datavalidation import DataValidation

from aqqua_dataset import schema
from aqqua_dataset.export.zips import add_file, new_zip
from aqqua_dataset.registry.models import Declared

#: Row of the columns' names; the instructions stand above it and the data sets below.
HEAD_ROW = 12
SHEET, EXAMPLE, CHOICES = "data sets", "example", "columns"
_LAST_ROW = 1_000  # as far as drop-downs reach
_INSTRUCTIONS = (
    "Data sets that you give under the permissions of one form: one data set in each row, from row 13 on.",
    "Data with other permissions or other interim terms need a form of their own, and a spreadsheet of their own.",
    "Leave these rows and the names of the columns in row 12 as they are; don't add columns. Empty cells are welcome.",
    "Only dataset and description have to be filled in. Two filled rows are on the sheet 'example'.",
    "What each column means and what may stand in it is on the sheet 'columns', and appears over its name in row 12.",
    "Values here hold for every image of the data set. What differs between images stands in your tables.",
    "Numbers: 0.5, without units and without separators of thousands. Days: 2015-03-02. No formulas: paste values.",
    "EcoTaxa: 'aqqua ecotaxa list' writes your projects with the same columns; copy the rows that you want to give.",
    "No e-mail addresses and no names of persons here: those belong into the form.",
    "The number of objects may be rounded. It tells us whether everything has arrived.",
    "Questions? Leave the cell empty, and write the question into the column comments.",
)


@dataclass(frozen=True)
class TemplateColumn:
    """One column of the template.

    Attributes:
        name: its name in row 12.
        kind: ``text``, ``integer``, ``number``, ``date`` or ``choice``.
        writes: key of the contribution it becomes, as ``declared.pixel_size.value``; "" where it isn't stored.
        choices: what may stand in it, with its meaning; empty where anything may.
        listed: whether ``aqqua ecotaxa list`` writes it.
        examples: what stands in it on the sheet of examples.
        meaning: what it says.
    """

    name: str
    kind: str
    writes: str
    choices: Mapping[str, str]
    listed: bool
    examples: tuple[str, ...]
    meaning: str


@functools.cache
def columns() -> tuple[TemplateColumn, ...]:
    """The template's columns, from left to right."""
    return tuple(
        TemplateColumn(
            row.column, row.kind, row.writes, _choices(row.choices), row.ecotaxa_list == "yes",
            (row.example_1, row.example_2), row.meaning,
        )
        for row in schema.vocabulary("template_columns.csv").itertuples()
    )  # fmt: skip


def _choices(told: str) -> dict[str, str]:
    """What may stand in a column: an enumeration, the units of an input, a field of the form, or instruments."""
    kind, _, name = told.partition(":")
    if kind == "enumeration":
        return dict(schema.enumerations()[name])
    if kind == "units":
        inputs = schema.vocabulary("inputs.csv").set_index("input")
        return dict.fromkeys(str(inputs.loc[name, "units"]).split("|"), "")
    if kind == "model":
        return dict.fromkeys(_literals(Declared.model_fields[name].annotation), "")
    if kind == "instruments":
        table = schema.vocabulary("instruments.csv")
        return dict(zip(table["display_name"], table["instrument_id"], strict=True))
    return {}


def _literals(annotation: Any) -> list[str]:
    """The values of a ``Literal``, also of one that may be absent."""
    found: list[str] = []
    for part in typing.get_args(annotation):
        found += [part] if isinstance(part, str) else _literals(part)
    return found


def template() -> bytes:
    """The spreadsheet; the same bytes every time."""
    book = openpyxl.Workbook()
    filled, example, choices = book.active, book.create_sheet(EXAMPLE), book.create_sheet(CHOICES)
    filled.title = SHEET
    _head(filled)
    _head(example)
    for place, row in enumerate(zip(*(c.examples for c in columns()), strict=True), start=HEAD_ROW + 1):
        _write(example, place, [_typed(c, text) for c, text in zip(columns(), row, strict=True)])
    ranges = _list_choices(choices)
    for number, column in enumerate(columns(), start=1):
        letter = get_column_letter(number)
        for sheet in (filled, example):
            if rule := _validation(column, ranges.get(column.name)):
                rule.add(f"{letter}{HEAD_ROW + 1}:{letter}{_LAST_ROW}")
                sheet.add_data_validation(rule)
    return _without_times(book)


def _head(sheet: Any) -> None:
    """Instructions and names of the columns."""
    for row, text in enumerate(_INSTRUCTIONS, start=1):
        sheet.cell(row, 1, text).alignment = Alignment(wrap_text=False)
    for number, column in enumerate(columns(), start=1):
        cell = sheet.cell(HEAD_ROW, number, column.name)
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="D9E8F5")
        cell.comment = Comment(column.meaning, "template", height=120, width=260)
        sheet.column_dimensions[get_column_letter(number)].width = max(16, len(column.name) + 4)
    sheet.freeze_panes = f"B{HEAD_ROW + 1}"


def _write(sheet: Any, row: int, values: Sequence[Any]) -> None:
    for number, value in enumerate(values, start=1):
        sheet.cell(row, number, value)


def _typed(column: TemplateColumn, text: str) -> str | int | float | None:
    if not text:
        return None
    return int(text) if column.kind == "integer" else float(text) if column.kind == "number" else text


def _list_choices(sheet: Any) -> dict[str, str]:
    """Fills the sheet that explains the columns; returns where the choices of each stand."""
    _write(sheet, 1, ["column", "meaning", "what may stand in it", "choices", "meaning of the choice"])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    row, ranges = 2, {}
    for column in columns():
        kind = f"one of the choices{'' if column.kind == 'choice' else ', or other words'}" if column.choices else ""
        _write(sheet, row, [column.name, column.meaning, kind or _KINDS[column.kind]])
        for place, (choice, meaning) in enumerate(column.choices.items(), start=row):
            sheet.cell(place, 4, choice)
            sheet.cell(place, 5, meaning)
        if column.choices:
            ranges[column.name] = f"{quote_sheetname(CHOICES)}!$D${row}:$D${row + len(column.choices) - 1}"
        row += max(1, len(column.choices))
    for letter, width in zip("ABCDE", (20, 90, 28, 44, 60), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "B2"
    return ranges


_KINDS = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "date": "day, such as 2015-03-02",
    "choice": "one of the choices",
}


def _validation(column: TemplateColumn, choices: str | None) -> DataValidation | None:
    """What the spreadsheet program itself refuses or offers."""
    if choices is not None:
        rule = DataValidation(type="list", formula1=choices, allow_blank=True)
    elif column.kind == "integer":
        rule = DataValidation(type="whole", operator="greaterThanOrEqual", formula1="0", allow_blank=True)
    elif column.kind == "number":
        rule = DataValidation(
            type="decimal", operator="between", formula1="-1000000000", formula2="1000000000", allow_blank=True
        )
    else:
        return None
    rule.showErrorMessage = choices is None or column.kind == "choice"
    rule.errorTitle, rule.error = column.name, f"expected: {_KINDS[column.kind]}"
    return rule


def _without_times(book: Any) -> bytes:
    """The spreadsheet's bytes without the moment it was made."""
    made, clean = io.BytesIO(), io.BytesIO()
    book.save(made)
    with zipfile.ZipFile(made) as archive, new_zip(clean) as target:
        for name in sorted(archive.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            data = archive.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2025-01-01T00:00:00Z", data)
            add_file(target, name, data, zipfile.ZIP_DEFLATED)
    return clean.getvalue()
