"""Any table plus a folder of images, through the mapping in the contribution file.

Tables: CSV, TSV and TXT (delimiter found from the header, any encoding), XLSX (first sheet) and Parquet. The
mapping says which column holds the object id, the image file and every other input; a table without an
object id takes the image file's name without its ending, one without image files looks for images named as
the objects are. Values stay text here: units, decimal commas and date formats are the harmoniser's business.
"""

import contextlib
import datetime as dt
import fnmatch
import posixpath
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.utils.exceptions import InvalidFileException

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import IMAGE_ENDINGS, Report, Telling, text, with_locator
from aqqua_dataset.transfer.delivery import Delivery, join_inside

_TEXT = (".csv", ".tsv", ".txt")
_ENDINGS = (*_TEXT, ".xlsx", ".parquet")
TELLING = re.compile(rf".*({'|'.join(map(re.escape, (*_ENDINGS, *IMAGE_ENDINGS)))})", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
_ROWS_PER_CHUNK = 5_000
# What a damaged spreadsheet or Parquet file makes its library run into.
_DAMAGE = (
    pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, ParseError, ValueError, LookupError, TypeError,
    AttributeError, NotImplementedError, InvalidFileException,
)  # fmt: skip

#: The header's cells, and the rows below once the columns have their names.
Opened = tuple[list[str], Callable[[list[str]], Iterator[text.TextChunk]]]


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: any tables or images at all; the weakest of all readers."""
    return f"{telling.count} table(s) and image(s) of no special format, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths."""
    if not {"object_id", "image_file"} & set(source.mapping):
        message = "the mapping names neither object_id nor image_file"
        report(Finding("mapping_incomplete", "error", message, key="source.mapping"))
        return
    found = False
    for file in delivery.files():
        if not file.path.lower().endswith(_ENDINGS) or not fnmatch.fnmatchcase(file.path, source.tables):
            continue
        found = True
        if file.size == 0:
            report(Finding("table_empty", "warning", "the table is empty (0 bytes)", file=file.path))
            continue
        try:
            yield from _read_table(delivery, file.path, source, report)
        except OSError as error:
            message = f"the table can't be read: {error}"
            report(Finding("table_unreadable", "error", message[:300], file=file.path))
    if not found:
        message = f"no table ({', '.join(_ENDINGS)}) fits the pattern {source.tables!r}"
        report(Finding("table_missing", "error", message, key="source.tables"))


def _read_table(delivery: Delivery, path: str, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    ending = posixpath.splitext(path)[1].lower()
    open_table = {".xlsx": _open_xlsx, ".parquet": _open_parquet}.get(ending, _open_text)
    with contextlib.ExitStack() as opened:
        header, chunks = open_table(delivery, path, source, opened)
        names = text.unique_names([c.strip() for c in header], path, report)
        if not _complete(names, path, source, report):
            return
        rows = 0
        for chunk in chunks(names):
            located = _locate(delivery, path, source, chunk)
            rows += len(located)
            if len(located):
                yield located
    if rows == 0:
        report(Finding("table_without_rows", "warning", "the table has a header but no rows", file=path))


def _complete(names: list[str], path: str, source: Source, report: Report) -> bool:
    missing = sorted({c.column for c in source.mapping.values()} - set(names))
    if missing:
        message = f"mapped column(s) not in the table: {', '.join(missing)}; it has: {', '.join(names)[:500]}"
        report(Finding("mapped_column_missing", "error", message, file=path, line=1, value=", ".join(missing)))
    return not missing


def _open_text(delivery: Delivery, path: str, source: Source, opened: contextlib.ExitStack) -> Opened:
    encoding = text.encoding_of(delivery, path)
    delimiter = _delimiter(delivery, path, encoding, source)
    header = text.header_of(delivery, path, delimiter, encoding)
    return header, lambda names: text.read_delimited(delivery, path, names, delimiter, encoding)


def _delimiter(delivery: Delivery, path: str, encoding: str, source: Source) -> str:
    """The delimiter that finds most of the mapped columns in the header, then most columns."""
    wanted = {c.column for c in source.mapping.values()}

    def score(delimiter: str) -> tuple[int, int]:
        cells = [c.strip() for c in text.header_of(delivery, path, delimiter, encoding)]
        return len(wanted & set(cells)), len(cells)

    return max((",", ";", "\t", "|"), key=score)


@contextlib.contextmanager
def _damage_as_oserror(kind: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise OSError(f"no readable {kind} ({type(error).__name__}: {error})") from error


def _open_parquet(delivery: Delivery, path: str, source: Source, opened: contextlib.ExitStack) -> Opened:
    with _damage_as_oserror("Parquet"):
        file = pq.ParquetFile(opened.enter_context(delivery.open(path)))
        header = file.schema_arrow.names

    def chunks(names: list[str]) -> Iterator[text.TextChunk]:
        line = 2  # as if the column names stood in a line of their own
        batches = file.iter_batches(_ROWS_PER_CHUNK)
        while True:
            with _damage_as_oserror("Parquet"):
                batch = next(batches, None)
                if batch is None:
                    return
                rows = pa.table([c.cast(pa.string()) for c in batch.columns], names=names).to_pandas().astype("str")
            yield _chunk(rows, range(line, line + len(rows)), [""] * len(rows))
            line += len(rows)

    return header, chunks


def _open_xlsx(delivery: Delivery, path: str, source: Source, opened: contextlib.ExitStack) -> Opened:
    """The first sheet; a spreadsheet holds at most a million rows, so a loop over its cells will do."""
    local = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the table
    with delivery.open(path) as stream:
        while piece := stream.read(1 << 20):
            local.write(piece)
    local.seek(0)
    with _damage_as_oserror("XLSX"):
        book = openpyxl.load_workbook(local, read_only=True, data_only=True)
        opened.callback(book.close)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # some programs write A1:A1 there, and openpyxl would stop after one cell
        lines = enumerate(([_cell(c) for c in row] for row in sheet.iter_rows()), start=1)
        header = next(lines, (1, []))[1]
    while header and not header[-1]:
        header.pop()

    def chunks(names: list[str]) -> Iterator[text.TextChunk]:
        width = len(names)
        while True:
            with _damage_as_oserror("XLSX"):
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
    )


def _locate(delivery: Delivery, path: str, source: Source, chunk: text.TextChunk) -> pd.DataFrame:
    rows = chunk.rows.apply(lambda column: column.astype("str").str.strip()).replace("", pd.NA).astype("str")
    blank = rows.isna().all(axis=1) & (chunk.extra == "")

    def mapped(name: str) -> pd.Series:
        column = source.mapping.get(name)
        return rows[column.column] if column else pd.Series(pd.NA, rows.index, dtype="str")

    file, identity = mapped("image_file"), mapped("object_id")
    if "object_id" not in source.mapping:
        identity = (
            file.str.replace("\\", "/").str.rsplit("/", n=1).str[-1].str.replace(r"\.[A-Za-z]\w*$", "", regex=True)
        )
    if "image_file" not in source.mapping:
        file = identity
    reason = pd.Series(pd.NA, rows.index, dtype="str")
    reason = reason.mask(file.isna(), "image_file_missing_in_row").mask(identity.isna(), "object_id_missing")
    reason = reason.mask(chunk.extra != "", "row_has_extra_cells")
    columns = {f"{name}_missing": c.column for name, c in source.mapping.items()}
    columns["image_file_missing_in_row"] = columns.get("image_file_missing", columns.get("object_id_missing", ""))
    locator = {
        "aqqua_object_id": identity,
        "aqqua_rank": text.ranks(mapped("image_rank")),
        "aqqua_image_file": file,
        "aqqua_table": path,
        "aqqua_line": chunk.lines,
        "aqqua_path": _paths(delivery, path, source, file),
        "aqqua_flags": chunk.short.map({True: "ROW_SHORT", False: ""}),
        "aqqua_reason": reason,
        "aqqua_column": reason.map(columns),
        "aqqua_value": chunk.extra,
    }
    located = pd.concat([rows, pd.DataFrame(locator, index=rows.index)], axis=1)
    return with_locator(located[~blank].reset_index(drop=True))


def _paths(delivery: Delivery, table: str, source: Source, files: pd.Series) -> pd.Series:
    """Path of each image: below the images folder, else beside the table; never outside the delivery.

    The images folder counts from the delivery's root, then from the root of the zip the table is in.
    """
    outer, bang, _ = table.rpartition("!/")
    images = source.images.strip("/")
    if images.lower().endswith(".zip"):
        images += "!/"
    folders = dict.fromkeys([images, f"{outer}{bang}{images}", table.removesuffix(posixpath.basename(table))])
    known = {}
    for file in files.dropna().unique():
        endings = () if file.lower().endswith(IMAGE_ENDINGS) else IMAGE_ENDINGS
        inside = [path for folder in folders if (path := join_inside(folder, file)) is not None]
        there = (found for path in inside if (found := delivery.find(path, endings)) is not None)
        known[file] = next(there, inside[0] if inside else None)
    return files.map(known).astype("str")
