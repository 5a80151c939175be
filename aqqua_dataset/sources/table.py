"""Any tables plus folders of images, through the mapping in the contribution file.

Tables: see ``tables``. The mapping says which column holds the object id, the image file and every other input; a
table without an object id takes the image's path without its ending, one without image files looks for images named
as the objects are. Without any table (``tables: none``) every image is a row, and what is known of it stands in its
path (``names``), its folder (``folders``) or joined tables (``joins``). Values stay text here: units, decimal commas
and date formats are the harmoniser's business. Whole camera frames are refused: see ``frames``.
"""

import contextlib
import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterator
from itertools import chain, islice

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import IMAGE_ENDINGS, Report, Telling, frames, tables, text, with_locator
from aqqua_dataset.sources.names import PREFIX, from_path
from aqqua_dataset.transfer.archives import ENDINGS as ARCHIVE_ENDINGS
from aqqua_dataset.transfer.delivery import Delivery, join_inside

TELLING = re.compile(rf".*({'|'.join(map(re.escape, (*tables.ENDINGS, *IMAGE_ENDINGS)))})", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
NO_TABLES = "none"
_ROWS_PER_CHUNK = 5_000
_ENDING = r"\.[A-Za-z]\w*$"


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: any tables or images at all; the weakest of all readers."""
    return f"{telling.count} table(s) and image(s) of no special format, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths; whole camera frames get a reason."""
    chunks = _images(delivery, source) if source.tables == NO_TABLES else _tables(delivery, source, report)
    first = next(chunks, None)
    if first is None:
        return
    refused = frames.report_full_frames(delivery, first["aqqua_path"], report)
    whole = chain([first], chunks)
    yield from map(frames.refuse, whole) if refused else whole


def _images(delivery: Delivery, source: Source) -> Iterator[pd.DataFrame]:
    """Every image of the images folders as a row."""
    inside = _is_inside(source)
    paths = (f.path for f in delivery.files() if f.path.lower().endswith(IMAGE_ENDINGS) and inside(f.path))
    while group := list(islice(paths, _ROWS_PER_CHUNK)):
        path = pd.Series(group, dtype="str")
        rows = pd.DataFrame({"image": path, "aqqua_path": path, "aqqua_image_file": path, "aqqua_table": ""})
        rows["aqqua_object_id"] = _object_ids(source, rows, path)
        rows["aqqua_reason"] = pd.Series(pd.NA, rows.index, dtype="str").mask(
            rows["aqqua_object_id"].isna(), "object_id_missing"
        )
        yield with_locator(rows)


def _is_inside(source: Source) -> Callable[[str], object]:
    """Whether a path lies in one of the images folders; their pattern may hold wildcards."""
    pattern = source.images.strip("/")
    if not pattern:
        return lambda _: True
    return re.compile(fnmatch.translate(f"{pattern}/*") + "|" + fnmatch.translate(f"{pattern}!/*")).match


def _tables(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    if not {"object_id", "image_file"} & set(source.mapping):
        message = "the mapping names neither object_id nor image_file"
        report(Finding("mapping_incomplete", "error", message, key="source.mapping"))
        return
    folders = list(_image_folders(delivery, source))
    found = False
    for file in delivery.files():
        if not tables.is_table(file.path) or not _is_object_table(file.path, source):
            continue
        found = True
        if file.size == 0:
            report(Finding("table_empty", "warning", "the table is empty (0 bytes)", file=file.path))
            continue
        try:
            yield from _read_table(delivery, file.path, source, folders, report)
        except OSError as error:
            message = f"the table can't be read: {error}"
            report(Finding("table_unreadable", "error", message[:300], file=file.path))
    if not found:
        message = f"no table ({', '.join(tables.ENDINGS)}) fits the pattern {source.tables!r}"
        report(Finding("table_missing", "error", message, key="source.tables"))


def _is_object_table(path: str, source: Source) -> bool:
    """Whether a table holds the images' rows: it fits the pattern and is none that is joined to them."""
    joined = any(j.location is None and fnmatch.fnmatchcase(path, j.tables) for j in source.joins)
    return fnmatch.fnmatchcase(path, source.tables) and not joined


def _image_folders(delivery: Delivery, source: Source) -> Iterator[str]:
    """The images folders, each ending with ``/`` or being the delivery's root."""
    pattern = source.images.strip("/")
    if not pattern:
        yield ""
    elif not any(wild in pattern for wild in "*?["):
        yield f"{pattern}!/" if pattern.lower().endswith(ARCHIVE_ENDINGS) else f"{pattern}/"
    else:
        seen = {f.path.rpartition("/")[0] for f in delivery.files()}
        yield from (f"{folder}/" for folder in sorted(seen) if fnmatch.fnmatchcase(folder.rstrip("!"), pattern))


def _read_table(
    delivery: Delivery, path: str, source: Source, folders: list[str], report: Report
) -> Iterator[pd.DataFrame]:
    wanted = {c.column for c in source.mapping.values() if not c.column.startswith(PREFIX)}
    with contextlib.ExitStack() as opened:
        header, chunks = tables.open_table(delivery, path, wanted, opened, source.sheet)
        names = text.unique_names([c.strip() for c in header], path, report)
        if missing := ", ".join(sorted(wanted - set(names))):
            message = f"mapped column(s) not in the table: {missing}; it has: {', '.join(names)[:500]}"
            report(Finding("mapped_column_missing", "error", message, file=path, line=1, value=missing))
            return
        rows = 0
        for chunk in chunks(names):
            located = _locate(delivery, path, source, folders, chunk)
            rows += len(located)
            if len(located):
                yield located
    if rows == 0:
        report(Finding("table_without_rows", "warning", "the table has a header but no rows", file=path))


def _locate(delivery: Delivery, path: str, source: Source, folders: list[str], chunk: text.TextChunk) -> pd.DataFrame:
    rows = chunk.rows.apply(lambda column: column.astype("str").str.strip()).replace("", pd.NA).astype("str")
    blank = rows.isna().all(axis=1) & (chunk.extra == "")
    file = _mapped(source, rows, "image_file")
    identity = _object_ids(source, rows, file)
    if "image_file" not in source.mapping:
        file = identity
    reason = pd.Series(pd.NA, rows.index, dtype="str")
    reason = reason.mask(file.isna(), "image_file_missing_in_row").mask(identity.isna(), "object_id_missing")
    reason = reason.mask(chunk.extra != "", "row_has_extra_cells")
    columns = {f"{name}_missing": c.column for name, c in source.mapping.items()}
    columns["image_file_missing_in_row"] = columns.get("image_file_missing", columns.get("object_id_missing", ""))
    locator = {
        "aqqua_object_id": identity,
        "aqqua_rank": text.ranks(_mapped(source, rows, "image_rank")),
        "aqqua_image_file": file,
        "aqqua_table": path,
        "aqqua_line": chunk.lines,
        "aqqua_path": _paths(delivery, path, folders, file),
        "aqqua_flags": text.row_flags(chunk),
        "aqqua_reason": reason,
        "aqqua_column": reason.map(columns),
        "aqqua_value": chunk.extra,
    }
    located = pd.concat([rows, pd.DataFrame(locator, index=rows.index)], axis=1)
    return with_locator(located[~blank].reset_index(drop=True))


def _mapped(source: Source, rows: pd.DataFrame, name: str) -> pd.Series:
    column = source.mapping.get(name)
    return rows[column.column] if column else pd.Series(pd.NA, rows.index, dtype="str")


def _object_ids(source: Source, rows: pd.DataFrame, file: pd.Series) -> pd.Series:
    """The mapped object ids, or those in the files' names, or the files' paths without their endings."""
    column = source.mapping.get("object_id")
    if column is None:
        return file.str.replace("\\", "/").str.replace(_ENDING, "", regex=True)
    if column.column.startswith(PREFIX):
        return from_path(file, source.names)[column.column]
    return rows[column.column]


def _paths(delivery: Delivery, table: str, folders: list[str], files: pd.Series) -> pd.Series:
    """Path of each image: below an images folder, else beside the table; never outside the delivery.

    The images folders count from the delivery's root, then from the root of the archive the table is in.
    """
    outer, bang, _ = table.rpartition("!/")
    beside = table.removesuffix(posixpath.basename(table))
    places = dict.fromkeys([*folders, *(f"{outer}{bang}{folder}" for folder in folders), beside])
    known = {}
    for file in files.dropna().unique():
        endings = () if file.lower().endswith(IMAGE_ENDINGS) else IMAGE_ENDINGS
        inside = [path for place in places if (path := join_inside(place, file)) is not None]
        there = (found for path in inside if (found := delivery.find(path, endings)) is not None)
        known[file] = next(there, inside[0] if inside else None)
    return files.map(known).astype("str")
