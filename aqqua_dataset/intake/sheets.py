"""Spreadsheets that people filled in: rows of the template, and everything in them that can't be taken."""

import datetime as dt
import difflib
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl

from aqqua_dataset.intake.tables import HandedIn, read_text_table
from aqqua_dataset.intake.template import CHOICES, EXAMPLE, HEAD_ROW, columns
from aqqua_dataset.sources.tables import damage_as_oserror, header_row

#: What the parts of a filled template unpack to at most, in bytes; an empty one has 0.1 MB.
LARGEST = 30 << 20
_HEADER_ROWS = 60
_MERGED = re.compile(rb'<mergeCell\s+ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')


def read_sheets(path: Path, name: str) -> list[HandedIn]:
    """The filled sheets of a spreadsheet, or a table that was sent in its place.

    Args:
        path: an XLSX, CSV or TSV file.
        name: how findings call it.
    """
    wanted = [c.name for c in columns()]
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        table = read_text_table(path, wanted, name)
        return [_with_known_heads(table)]
    refused = HandedIn(name)
    try:
        with damage_as_oserror("XLSX"):
            if (problem := _dangerous(path)) is None:
                return list(_sheets(path, name))
    except OSError as error:
        problem = f"expected a spreadsheet in XLSX or a table in CSV ({error})"
    refused.say("spreadsheet_unreadable", f"{problem}; nothing was read", severity="error")
    return [refused]


def _dangerous(path: Path) -> str | None:
    """Why a file mustn't be unpacked: too much in it, or XML that can grow while it is read."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        size = sum(part.file_size for part in parts)  # zipfile reads no more of a part than it declares
        if size > LARGEST or len(parts) > 1_000:
            return f"it unpacks to {size >> 20:,} MB in {len(parts):,} parts, expected at most {LARGEST >> 20} MB"
        if any(part.flag_bits & 1 for part in parts):
            return "it is protected by a password"
        for part in parts:
            if part.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(part):
                return f"its part {part.filename} declares a document type, which no spreadsheet program writes"
    return None


def _sheets(path: Path, name: str) -> Iterator[HandedIn]:
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        examples = {tuple(filter(None, row)) for row in zip(*(c.examples for c in columns()), strict=True)}
        for sheet in book.worksheets:
            if sheet.title == CHOICES:
                continue
            sheet.reset_dimensions()  # some programs write A1:A1 there
            made = HandedIn(f"{name}[{sheet.title}]")
            if sheet.title == EXAMPLE:
                _example(sheet, made, examples)
            else:
                _sheet(path, sheet, made)
            yield made
    finally:
        book.close()


def _example(sheet: Any, made: HandedIn, examples: set[tuple[str, ...]]) -> None:
    """The sheet of examples isn't read; what somebody wrote there is said."""
    for number, row in enumerate(sheet.iter_rows(min_row=HEAD_ROW + 1, values_only=True), start=HEAD_ROW + 1):
        cells = tuple(_number(v) if isinstance(v, int | float) else str(v) for v in row if v is not None)
        if cells and cells not in examples:
            made.say("row_on_example_sheet", "rows of the sheet of examples aren't read; move it", number)


def _sheet(path: Path, sheet: Any, made: HandedIn) -> None:
    rows = enumerate(sheet.iter_rows(), start=1)
    first = list(islice(rows, _HEADER_ROWS))
    wanted = [c.name for c in columns()]
    texts = [[str(c.value or "").strip() for c in row] for _, row in first]
    known = [len({t.casefold() for t in row} & set(wanted)) for row in texts]
    if max(known, default=0) < 2:
        if any(any(row) for row in texts):
            message = f"no row with the names of the columns ({', '.join(wanted[:3])}, …); the sheet isn't read"
            made.say("sheet_not_read", message, severity="error")
        return
    above = header_row([[t.casefold() for t in row] for row in texts], wanted)
    if above + 1 != HEAD_ROW:
        message = f"the columns' names are expected in row {HEAD_ROW}; read all the same"
        made.say("rows_moved", message, above + 1, severity="note")
    made.set_heads(texts[above], above + 1)
    _with_known_heads(made)
    _merged(path, sheet, made, above + 1)
    for number, row in [*first[above + 1 :], *rows]:
        made.take(number, [_cell(made, number, head, cell) for head, cell in _beside(made.heads, row)])
    _ignored(made)


def _beside(heads: list[str], row: Any) -> Iterator[tuple[str, Any]]:
    """Cells with the names of their columns; "" to the right of the last."""
    for place, cell in enumerate(row):
        yield heads[place] if place < len(heads) else "", cell


def _cell(made: HandedIn, number: int, head: str, cell: Any) -> str:
    """A cell as text; what isn't a plain value is said and left out."""
    value, kind = cell.value, next((c.kind for c in columns() if c.name == head), "")
    if value is None or not head:
        return "" if value is None else str(value)
    if cell.data_type == "f":
        made.say("formula", "expected a value, found a formula; paste it as a value", number, head, str(value))
    elif cell.data_type == "e":
        made.say("cell_error", "expected a value, found an error of the spreadsheet", number, head, str(value))
    elif isinstance(value, dt.datetime | dt.date | dt.time | dt.timedelta):
        if kind == "date" and isinstance(value, dt.date):
            return (value.date() if isinstance(value, dt.datetime) else value).isoformat()
        message = f"the spreadsheet program took this for a day or a time; expected {kind or 'text'}"
        made.say("cell_is_a_date", message, number, head, str(value))
    elif isinstance(value, bool):
        return "yes" if value else "no"
    elif isinstance(value, int | float):
        return _number(value)
    else:
        return str(value)
    return ""


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _merged(path: Path, sheet: Any, made: HandedIn, head_row: int) -> None:
    """Merged cells, of which only the first one holds the value."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read(sheet._worksheet_path)
    for left, top, right, bottom in _MERGED.findall(data):
        if int(bottom) >= head_row:
            cells = b"".join((left, top, b":", right, bottom)).decode()
            message = f"merged cells: only {(left + top).decode()} holds the value; fill every cell by itself"
            made.say("cells_merged", message, int(top), value=cells)


def _with_known_heads(made: HandedIn) -> HandedIn:
    """The table with its columns' names as the template has them; strange ones are said."""
    known = {c.name.casefold(): c.name for c in columns()}
    renamed = {head: known.get(head.casefold(), head) for head in made.heads}
    made.heads = [renamed[head] for head in made.heads]
    made.rows = [(number, {renamed[h]: v for h, v in row.items()}) for number, row in made.rows]
    if made.rows:
        _ignored(made)
    return made


def _ignored(made: HandedIn) -> None:
    """Columns that aren't the template's: said, and left out."""
    known = {c.name for c in columns()}
    filled = Counter(head for _, row in made.rows for head in row if head not in known)
    for head, count in filled.items():
        close = difflib.get_close_matches(head.casefold(), known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        made.say(
            "column_unknown", f"no column of the template{hint}; its {count:,} filled cells aren't taken", key=head
        )
    made.rows = [(n, {h: v for h, v in row.items() if h in known}) for n, row in made.rows]
    empty = [n for n, row in made.rows if not row]
    for number in empty:
        made.say("row_without_known_cells", "nothing in this row stands in a column of the template", number)
    made.rows = [(n, row) for n, row in made.rows if row]
