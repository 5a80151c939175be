"""Opens any table as a header and chunks of text: CSV, TSV and TXT in any encoding, XLSX, Parquet."""

import contextlib
import csv
import datetime as dt
import posixpath
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.utils.exceptions import InvalidFileException

from aqqua_dataset.sources import text
from aqqua_dataset.transfer.delivery import Delivery

ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
#: Name of the column of row names that R leaves without one.
ROW_NAMES = "row_names"
_ROWS_PER_CHUNK = 5_000
_HEADER_LINES = 200  # in which the names of the columns are looked for
# What a damaged spreadsheet or Parquet file makes its library run into.
_DAMAGE = (
    pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, ParseError, ValueError, LookupError, TypeError,
    AttributeError, NotImplementedError, InvalidFileException,
)  # fmt: skip

#: The header's cells, and the rows below once the columns have their names.
Opened = tuple[list[str], Callable[[list[str]], Iterator[text.TextChunk]]]


def is_table(path: str) -> bool:
    """Whether a file's name says that it is a table."""
    return path.lower().endswith(ENDINGS)


def open_table(
    delivery: Delivery, path: str, wanted: Collection[str], opened: contextlib.ExitStack, sheet: str | None = None
) -> Opened:
    """Opens a table.

    Args:
        delivery: where it lies.
        path: the file inside it.
        wanted: names of columns it should have; they decide which delimiter and which line is the right one.
        opened: closes what was opened here.
        sheet: sheet of a spreadsheet; the first when None.

    Raises:
        OSError: the table can't be read; the message says why.
    """
    ending = posixpath.splitext(path)[1].lower()
    if ending == ".xlsx":
        return _open_xlsx(delivery, path, wanted, sheet, opened)
    if ending == ".parquet":
        return _open_parquet(delivery, path, opened)
    return _open_text(delivery, path, wanted, opened)


def _open_text(delivery: Delivery, path: str, wanted: Collection[str], opened: contextlib.ExitStack) -> Opened:
    encoding = text.encoding_of(delivery, path)
    lines = text.first_lines(delivery, path, encoding, _HEADER_LINES)
    tables = {delimiter: [_cells(line, delimiter) for line in lines] for delimiter in (",", ";", "\t", "|")}
    delimiter = max(tables, key=lambda d: _fit(tables[d], wanted))
    above = header_row(tables[delimiter], wanted)
    header, *first = text.first_rows(delivery, path, delimiter, encoding, 2, above)
    if first and header[-1:] != [""] and len(first[0]) == len(header) + 1 and first[0][-1].strip():
        header = [ROW_NAMES, *header]  # R writes row names without a name for their column
    return header, lambda names: text.read_delimited(delivery, path, names, delimiter, encoding, above)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def header_row(rows: Sequence[Sequence[str]], wanted: Collection[str]) -> int:
    """0-based number of the row that names the columns: titles, comments and units may stand above or below it.

    It is the first row that holds most of the wanted names; without any, the first row as long as most rows are,
    or the first row of all where no two rows agree.
    """
    found = [len(set(wanted) & set(row)) for row in rows]
    if any(found):
        return found.index(max(found))
    lengths = Counter(len(row) for row in rows if len(row) > 1)
    usual = next((n for n, times in lengths.most_common(1) if times > 1), None)
    return next((i for i, row in enumerate(rows) if len(row) == usual), 0)


def _fit(rows: Sequence[Sequence[str]], wanted: Collection[str]) -> tuple[int, int, int]:
    """How well a delimiter fits: wanted columns in the header, then cells in it, then rows as long as it."""
    if not rows:
        return 0, 0, 0
    header = rows[header_row(rows, wanted)]
    return len(set(wanted) & set(header)), len(header), sum(len(row) == len(header) for row in rows)


@contextlib.contextmanager
def damage_as_oserror(kind: str) -> Iterator[None]:
    """What a damaged file makes its library run into, as OSError that says so."""
    try:
        yield
    except _DAMAGE as error:
        raise OSError(f"no readable {kind} ({type(error).__name__}: {error})") from error


def _open_parquet(delivery: Delivery, path: str, opened: contextlib.ExitStack) -> Opened:
    with damage_as_oserror("Parquet"):
        file = pq.ParquetFile(opened.enter_context(delivery.open(path)))
        header = file.schema_arrow.names

    def chunks(names: list[str]) -> Iterator[text.TextChunk]:
        line = 2  # as if the column names stood in a line of their own
        batches = file.iter_batches(_ROWS_PER_CHUNK)
        while True:
            with damage_as_oserror("Parquet"):
                batch = next(batches, None)
                if batch is None:
                    return
                rows = pa.table([c.cast(pa.string()) for c in batch.columns], names=names).to_pandas().astype("str")
            yield _chunk(rows, range(line, line + len(rows)), [""] * len(rows))
            line += len(rows)

    return header, chunks


def _open_xlsx(
    delivery: Delivery, path: str, wanted: Collection[str], sheet: str | None, opened: contextlib.ExitStack
) -> Opened:
    """One sheet; a spreadsheet holds at most a million rows, so a loop over its cells will do."""
    local = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the table
    with delivery.open(path) as stream:
        while piece := stream.read(1 << 20):
            local.write(piece)
    local.seek(0)
    with damage_as_oserror("XLSX"):
        book = openpyxl.load_workbook(local, read_only=True, data_only=True)
        opened.callback(book.close)
        if sheet is not None and sheet not in book.sheetnames:
            raise OSError(f"no sheet {sheet!r}; it has {', '.join(book.sheetnames)}")
        page = book[sheet] if sheet is not None else book.worksheets[0]
        page.reset_dimensions()  # some programs write A1:A1 there, and openpyxl would stop after one cell
        lines = enumerate(([_cell(c) for c in row] for row in page.iter_rows()), start=1)
        first = list(islice(lines, _HEADER_LINES))
        above = header_row([cells for _, cells in first], wanted)
        header = first[above][1] if first else []
        lines = chain(first[above + 1 :], lines)  # type: ignore[assignment]
    while header and not header[-1]:
        header.pop()

    def chunks(names: list[str]) -> Iterator[text.TextChunk]:
        width = len(names)
        while True:
            with damage_as_oserror("XLSX"):
                group = list(islice(lines, _ROWS_PER_CHUNK))
            if not group:
                return
            full = [(cells + [""] * width)[:width] for _, cells in group]
            extra = ["\t".join(cells[width:]).strip() for _, cells in group]
            yield _chunk(pd.DataFrame(full, columns=names, dtype="str"), [line for line, _ in group], extra)

    return header, chunks


def _cell(cell: Any) -> str:
    """A spreadsheet cell as text: whole numbers without ``.0``, dates in ISO form, "" where it is empty."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime) and "h" not in (cell.number_format or "").lower():
        return value.date().isoformat()  # a spreadsheet has no dates, only midnights shown without their hours
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return str(value).strip()


def _chunk(rows: pd.DataFrame, lines: Sequence[int], extra: Sequence[str]) -> text.TextChunk:
    return text.TextChunk(
        rows,
        pd.Series(lines, rows.index, dtype="int64"),
        pd.Series(False, rows.index),
        pd.Series(extra, rows.index, dtype="str"),
        pd.Series(False, rows.index),
    )
