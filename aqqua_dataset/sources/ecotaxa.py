"""EcoTaxa TSV with images: import files, exports of every flavour, UVP6 bundles; folder or zip.

Layout (read from EcoTaxa's importer and from its own test corpus, 2026-06): any number of
``ecotaxa*.tsv`` or ``ecotaxa*.txt`` in any folder, zip or zip inside a zip; tab separated, ``"``
quoted; header cells ``object_*, acq_*, process_*, sample_*, img_*`` in any case and order; import
files carry a second line of types (``[t]``, ``[f]``), exports mostly don't; ``img_file_name`` is
relative to the table. Line ends may be CRLF, LF or CR. Several rows with one ``object_id`` are
several images of one object. Summary exports (abundances, biovolumes, annotations) hold no images
and are named as such, not read. Checked against the EcoTaxa back end's test corpus.
"""

import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, text, with_locator
from aqqua_dataset.transfer.delivery import Delivery, join_inside

TELLING = re.compile(r"ecotaxa.*\.(tsv|txt)", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
_ORIGINAL = 100  # rank that EcoTaxa gives to the original of a computed vignette
_TYPE_CELL = re.compile(r"\s*(\[\w\])?\s*")


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: tables named as EcoTaxa names them."""
    return f"{telling.count} table(s) named ecotaxa*.tsv, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths."""
    tables = [f for f in delivery.files() if TELLING.fullmatch(posixpath.basename(f.path))]
    for table in tables:
        if table.size == 0:
            report(Finding("table_empty", "warning", "the table is empty (0 bytes)", file=table.path))
            continue
        try:
            yield from read_table(delivery, table.path, report)
        except OSError as error:
            report(Finding("table_unreadable", "error", str(error), file=table.path))


def read_table(delivery: Delivery, path: str, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows of one table.

    Raises:
        OSError: the table can't be read; the message says why.
    """
    encoding = text.encoding_of(delivery, path)
    delivered = [c.strip().lower() for c in text.header_of(delivery, path, "\t", encoding)]
    names = text.unique_names(delivered, path, report)
    if missing := [c for c in ("object_id", "img_file_name") if c not in names]:
        message = f"no column {' and '.join(missing)}: not a table of images, not read"
        report(Finding("not_an_image_table", "warning", message, file=path, line=1))
        return
    rows = 0
    originals = _holds_originals(delivery, path, names, encoding)
    for chunk in text.read_delimited(delivery, path, names, "\t", encoding):
        located = _locate(delivery, path, chunk)
        if originals:
            located["aqqua_variant"] = _variants(located["aqqua_rank"])
        rows += len(located)
        if len(located):
            yield located
    if rows == 0:
        report(Finding("table_without_rows", "warning", "the table has a header but no rows", file=path))


def _holds_originals(delivery: Delivery, path: str, names: list[str], encoding: str) -> bool:
    """Whether the table has rows of rank 100: originals of vignettes that EcoTaxa computed for display."""
    if "img_rank" not in names or not _mentions(delivery, path, str(_ORIGINAL).encode()):
        return False
    chunks = text.read_delimited(delivery, path, names, "\t", encoding)
    return any((text.ranks(chunk.rows["img_rank"]) == _ORIGINAL).any() for chunk in chunks)


def _mentions(delivery: Delivery, path: str, word: bytes) -> bool:
    with delivery.open(path) as stream:
        tail = b""
        while piece := stream.read(1 << 20):
            if word in tail + piece:
                return True
            tail = piece[1 - len(word) :]
    return False


def _variants(ranks: pd.Series) -> pd.Series:
    return (ranks == _ORIGINAL).map({True: "raw", False: "processed"}).astype("str")


def _locate(delivery: Delivery, path: str, chunk: text.TextChunk) -> pd.DataFrame:
    rows = chunk.rows.apply(lambda column: column.str.strip()).replace("", pd.NA)
    blank = rows.isna().all(axis=1) & (chunk.extra == "")
    rows["aqqua_line"] = chunk.lines
    rows["aqqua_flags"] = text.row_flags(chunk)
    rows["aqqua_value"] = chunk.extra
    rows = rows[~blank & ~_is_type_row(chunk)].reset_index(drop=True)
    rows["aqqua_table"] = path
    rows["aqqua_object_id"] = rows["object_id"]
    rows["aqqua_image_file"] = rows["img_file_name"]
    rank = rows["img_rank"] if "img_rank" in rows else pd.Series(pd.NA, rows.index, dtype="str")
    rows["aqqua_rank"] = text.ranks(rank)
    rows["aqqua_path"] = _paths(delivery, path, rows["img_file_name"])
    reason = pd.Series(pd.NA, rows.index, dtype="str").mask(rows["img_file_name"].isna(), "image_file_missing_in_row")
    reason = reason.mask(rows["object_id"].isna(), "object_id_missing")
    reason = reason.mask(rows["aqqua_value"] != "", "row_has_extra_cells")
    rows["aqqua_reason"] = reason
    column = {"object_id_missing": "object_id", "image_file_missing_in_row": "img_file_name"}
    rows["aqqua_column"] = rows["aqqua_reason"].map(column)
    return with_locator(rows)


def _is_type_row(chunk: text.TextChunk) -> pd.Series:
    """The second line of an import file holds only ``[t]``, ``[f]`` and empty cells."""
    result = pd.Series(False, chunk.rows.index)
    for position in chunk.lines.index[chunk.lines == 2]:
        cells = chunk.rows.loc[position].fillna("")
        result[position] = all(_TYPE_CELL.fullmatch(c) for c in cells) and any(c.strip() for c in cells)
    return result


def _paths(delivery: Delivery, table: str, files: pd.Series) -> pd.Series:
    """Path of each image inside the delivery, relative to its table; another case of letters is found."""
    folder = table.removesuffix(posixpath.basename(table))
    known = {}
    for file in files.dropna().unique():
        path = join_inside(folder, file)
        if path is not None:
            known[file] = delivery.find(path) or path
    return files.map(known).astype("str")
