"""Small tables that people hand in, as rows of text with the line they stand in; every mistake is said."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.sources.tables import header_row

#: What a spreadsheet program lets a cell hold, in characters.
LONGEST_CELL = 32_767
#: A table of people's answers is never larger, in bytes; of a spreadsheet, what its parts unpack to.
LARGEST_TABLE = 200 << 20
_SHOWN = 80
_LARGEST_FIELD = 1 << 30
_HEADER_LINES = 60  # in which the names of the columns are looked for
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


@dataclass
class HandedIn:
    """A table as it was handed in.

    Attributes:
        file: its name, for findings.
        heads: names of the columns.
        rows: line or row number (1-based) and the cells by column name; empty cells and rows are left out.
        findings: what is wrong with it.
    """

    file: str
    heads: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def say(
        self, rule: str, message: str, line: int | None = None, key: str = "", value: str = "",
        severity: Severity = "warning",
    ) -> None:  # fmt: skip
        """Adds a finding; what is shown of the value has no address in it."""
        shown = EMAIL.sub("[e-mail]", value[: 4 * _SHOWN])[:_SHOWN]
        self.findings.append(Finding(rule, severity, message, "", self.file, line, key, shown))

    def take(self, number: int, cells: list[str]) -> None:
        """Adds a row, without its cells that are too long."""
        found = {}
        for head, cell in zip(self.heads, cells, strict=False):
            text = cell.replace("\0", "").strip()
            if len(text) > LONGEST_CELL:
                message = f"{len(text):,} characters, expected at most {LONGEST_CELL:,}; the cell isn't taken"
                self.say("cell_too_long", message, number, head, text)
            elif text and head:
                found[head] = text
        if any(cell.strip() for cell in cells[len(self.heads) :]):
            self.say("cells_without_head", "cells to the right of the last column's name aren't taken", number)
        if found:
            self.rows.append((number, found))

    def set_heads(self, cells: list[str], line: int) -> None:
        """Takes the names of the columns; a repeated one is said, and only its first column is taken."""
        self.heads = [" ".join(c.replace("\0", "").split()) for c in cells]
        while self.heads and not self.heads[-1]:
            self.heads.pop()
        for head, times in Counter(filter(None, self.heads)).items():
            if times > 1:
                self.say("column_twice", "expected every column once; only the first is taken", line, head)
                first = self.heads.index(head)
                self.heads = [h if h != head or i == first else "" for i, h in enumerate(self.heads)]


def read_text_table(path: Path, wanted: Collection[str], name: str = "") -> HandedIn:
    """A CSV or TSV file in any usual encoding and with any usual delimiter.

    Args:
        path: the file.
        wanted: names of columns it should have; they decide which line names them, and which delimiter is right.
        name: how findings call it.
    """
    made = HandedIn(name or path.name)
    if path.stat().st_size > LARGEST_TABLE:
        made.say("table_too_large", f"expected at most {LARGEST_TABLE >> 20} MB; nothing was read", severity="error")
        return made
    text = _decoded(path.read_bytes(), made)
    lines = text.splitlines()[:_HEADER_LINES]
    tables = {d: [_cells(line, d) for line in lines] for d in (",", ";", "\t", "|")}
    delimiter = max(tables, key=lambda d: (_known(tables[d], wanted), _width(tables[d])))
    above = header_row(tables[delimiter], wanted) if _known(tables[delimiter], wanted) else 0
    for number, cells in _rows(text, delimiter, made):
        if made.heads:
            made.take(number, cells)
        elif number > above and any(c.strip() for c in cells):
            made.set_heads(cells, number)
    return made


def _width(rows: list[list[str]]) -> int:
    """Cells in the first row that has any: answers below may hold more commas than the table has columns."""
    return next((len(row) for row in rows if any(row)), 0)


def _known(rows: list[list[str]], wanted: Collection[str]) -> int:
    return max((len({c.strip() for c in row} & set(wanted)) for row in rows), default=0)


def _decoded(data: bytes, made: HandedIn) -> str:
    encoding = next((e for mark, e in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = "not in UTF-8 from this line on; read as Latin-1: look at letters with accents"
        made.say("encoding_broken", message, line)
        return data.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _rows(text: str, delimiter: str, made: HandedIn) -> Iterator[tuple[int, list[str]]]:
    """Line in which a row begins, and its cells."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    limit = csv.field_size_limit(_LARGEST_FIELD)
    try:
        line = 1
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                made.say("row_unreadable", f"this row can't be read ({error})", line, severity="error")
                row = []
            if row is None:
                return
            yield line, row
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)
