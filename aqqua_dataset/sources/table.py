"""Any table plus a folder of images, through the mapping in the contribution file.

Tables: CSV, TSV and TXT (delimiter found from the header, any encoding), XLSX (first sheet) and Parquet. The
mapping says which column holds the object id, the image file and every other input; a table without an
object id takes the image file's name without its ending. Values stay text here: units, decimal commas and date
formats are the harmoniser's business.
"""

import datetime as dt
import fnmatch
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import IMAGE_ENDINGS, Report, text, with_locator
from aqqua_dataset.transfer.delivery import Delivery, broken_zips

_TEXT = (".csv", ".tsv", ".txt")
_ENDINGS = (*_TEXT, ".xlsx", ".parquet")
_ROWS_PER_CHUNK = 5_000

Piece = tuple[pd.DataFrame, "pd.Series[int]", "pd.Series[bool]", "pd.Series[str]"]


def detect(paths: Sequence[str]) -> str | None:
    """Evidence in words when there are both tables and images; the weakest of all readers."""
    tables = [p for p in paths if p.lower().endswith(_ENDINGS)]
    images = [p for p in paths if p.lower().endswith(IMAGE_ENDINGS)]
    return f"{len(tables)} table(s) and {len(images)} image(s)" if tables and images else None


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths."""
    for path, why in broken_zips(delivery):
        report(Finding("zip_unreadable", "error", f"the zip can't be opened ({why})", file=path))
    if not {"object_id", "image_file"} & set(source.mapping):
        message = "the mapping names neither object_id nor image_file"
        report(Finding("mapping_incomplete", "error", message, key="source.mapping"))
        return
    found = False
    for file in delivery.files():
        if not file.path.lower().endswith(_ENDINGS) or not fnmatch.fnmatch(file.path, source.tables):
            continue
        found = True
        if file.size == 0:
            report(Finding("table_empty", "warning", "the table is empty (0 bytes)", file=file.path))
            continue
        try:
            for piece in _pieces(delivery, file.path, source, report):
                if len(piece[0]):
                    yield _locate(delivery, file.path, source, piece)
        except (OSError, pa.ArrowException, ValueError, KeyError) as error:
            message = f"the table can't be read: {type(error).__name__}: {error}"
            report(Finding("table_unreadable", "error", message[:300], file=file.path))
    if not found:
        message = f"no table ({', '.join(_ENDINGS)}) fits the pattern {source.tables!r}"
        report(Finding("table_missing", "error", message, key="source.tables"))


def _pieces(delivery: Delivery, path: str, source: Source, report: Report) -> Iterator[Piece]:
    """Rows as text with their lines, whether they were short, and cells beyond the header."""
    ending = posixpath.splitext(path)[1].lower()
    if ending in _TEXT:
        encoding = text.encoding_of(delivery, path)
        delimiter = _delimiter(delivery, path, encoding, source)
        delivered = [c.strip() for c in text.header_of(delivery, path, delimiter, encoding)]
        names = text.unique_names(delivered)
        if _complete(names, path, source, report):
            for chunk in text.read_delimited(delivery, path, names, delimiter, encoding):
                yield chunk.rows, chunk.lines, chunk.short, chunk.extra
        return
    stream = _parquet(delivery, path) if ending == ".parquet" else _xlsx(delivery, path)
    line = 2
    for rows in stream:
        if line == 2 and not _complete(list(rows.columns), path, source, report):
            return
        lines = pd.Series(range(line, line + len(rows)), dtype="int64")
        line += len(rows)
        yield rows, lines, pd.Series(False, rows.index), pd.Series("", rows.index, dtype="str")


def _complete(names: list[str], path: str, source: Source, report: Report) -> bool:
    missing = sorted({c.column for c in source.mapping.values()} - set(names))
    if missing:
        message = f"mapped column(s) not in the table: {', '.join(missing)}; it has: {', '.join(names)[:500]}"
        report(Finding("mapped_column_missing", "error", message, file=path, line=1))
    return not missing


def _delimiter(delivery: Delivery, path: str, encoding: str, source: Source) -> str:
    """The delimiter that finds most of the mapped columns in the header, then most columns."""
    wanted = {c.column for c in source.mapping.values()}

    def score(delimiter: str) -> tuple[int, int]:
        cells = [c.strip() for c in text.header_of(delivery, path, delimiter, encoding)]
        return len(wanted & set(cells)), len(cells)

    return max((",", ";", "\t", "|"), key=score)


def _parquet(delivery: Delivery, path: str) -> Iterator[pd.DataFrame]:
    with delivery.open(path) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_ROWS_PER_CHUNK):
            columns = {n: batch.column(n).cast(pa.string()) for n in batch.schema.names}
            yield pa.table(columns).to_pandas().astype("str")


def _xlsx(delivery: Delivery, path: str) -> Iterator[pd.DataFrame]:
    """The first sheet; a spreadsheet holds at most a million rows, so a loop over its cells will do."""
    with delivery.open(path) as stream, tempfile.TemporaryFile() as local:
        while piece := stream.read(1 << 20):
            local.write(piece)
        local.seek(0)
        try:
            book = openpyxl.load_workbook(local, read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises whatever a damaged file makes it run into
            raise OSError(f"no readable XLSX ({error})") from error
        rows = book.worksheets[0].iter_rows(values_only=True)
        names = text.unique_names([_cell(c) or "" for c in next(rows, ())])
        while chunk := list(islice(rows, _ROWS_PER_CHUNK)):
            cells = [[_cell(c) for c in row[: len(names)]] for row in chunk if any(c is not None for c in row)]
            yield pd.DataFrame(cells, columns=names, dtype="str")
        book.close()


def _cell(value: object) -> str | None:
    """A spreadsheet cell as text: whole numbers without ``.0``, dates in ISO form."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return str(value).strip()


def _locate(delivery: Delivery, path: str, source: Source, piece: Piece) -> pd.DataFrame:
    rows, lines, short, extra = piece
    rows = rows.apply(lambda column: column.astype("str").str.strip()).replace("", pd.NA).astype("str")

    def mapped(name: str) -> pd.Series:
        column = source.mapping.get(name)
        return rows[column.column] if column else pd.Series(pd.NA, rows.index, dtype="str")

    file = mapped("image_file")
    stems = file.str.replace("\\", "/").str.rsplit("/", n=1).str[-1].str.replace(r"\.\w+$", "", regex=True)
    identity = mapped("object_id") if "object_id" in source.mapping else stems
    file = file if "image_file" in source.mapping else identity
    located = rows.copy()
    located["aqqua_object_id"], located["aqqua_image_file"] = identity, file
    located["aqqua_rank"] = pd.to_numeric(mapped("image_rank"), errors="coerce").round()
    located["aqqua_table"], located["aqqua_line"] = path, lines.to_numpy()
    located["aqqua_path"] = _paths(delivery, path, source, file)
    located["aqqua_flags"] = short.map({True: "ROW_SHORT", False: ""}).to_numpy()
    located["aqqua_value"] = extra.to_numpy()
    reason = pd.Series(pd.NA, rows.index, dtype="str")
    reason = reason.mask(file.isna(), "image_file_missing_in_row").mask(identity.isna(), "object_id_missing")
    located["aqqua_reason"] = reason.mask(located["aqqua_value"] != "", "row_has_extra_cells")
    return with_locator(located)


def _paths(delivery: Delivery, table: str, source: Source, files: pd.Series) -> pd.Series:
    """Path of each image: below the images folder, else beside the table; never outside the delivery."""
    outer, bang, inner = table.rpartition("!/")
    prefix = f"{outer}!/" if bang else ""
    folders = (source.images.strip("/"), posixpath.dirname(inner if bang else table))
    known = {}
    for file in files.dropna().unique():
        candidates = [posixpath.normpath(posixpath.join(f, file.replace("\\", "/"))) for f in folders]
        inside = [c for c in candidates if not c.startswith(("../", "/"))]
        for candidate in inside:
            directory, name = posixpath.split(candidate)
            hit = delivery.names(prefix + directory).get(name.casefold())
            if hit is not None:
                known[file] = hit
                break
        else:
            if inside:
                known[file] = prefix + inside[0]
    return files.map(known).astype("str")
