"""FlowCam runs of VisualSpreadsheet: a list file (.lst) and its collages, anywhere in a folder tree or zip.

Layout: line 1 of the list is its version (``017``), line 2 ``num-fields|N``, then N lines ``name|type``, then one
row of ``|``-separated cells per particle. N differs between versions (53, 57, 65), so fields go by their names; the
list may be renamed (``metadata.lst``). ``image_x, image_y, image_w, image_h`` is the particle's rectangle in the
picture ``collage_file``, from 0 and in pixels; ``cal_const`` is micrometres per pixel. ``timestamp`` is when the
sample was analysed, often years after it was taken, so it is kept as ``analysis_time`` and is no sampling time;
``image_id`` is kept as ``image_guid``.
Beside a list lie, if at all, ``<run>.ctx`` (settings, INI), ``<run>.cla`` (classes) and ``<run>_run_summary.txt``.
Checked against the list and collage of a MESO run (NERC-CEH) and the .ctx and .cla of a Bigelow run; no public run
has them together. The run summary and the edge cases are checked on files of the project's own writer.
"""

import io
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, flowcam_run, text, with_locator
from aqqua_dataset.sources.flowcam_run import Classes
from aqqua_dataset.transfer.delivery import Delivery, join_inside

TELLING = re.compile(r".*\.lst", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
_COUNT_LINE = re.compile(r"num-fields\s*\|\s*(\d+)\s*")
_TYPES = frozenset({"int32", "int64", "double", "float", "string", "guid", "timestamp", "bool"})
_RECTANGLE = ("image_x", "image_y", "image_w", "image_h")
_NEEDED = ("id", *_RECTANGLE, "collage_file")
_RENAMED = {"timestamp": "analysis_time", "image_id": "image_guid"}  # image_id is the data set's own name
_COLLAGE = re.compile(r"(?P<run>.+?)(?:_images)?_(?P<number>\d+)(?P<ending>\.tiff?)", re.IGNORECASE)
_MASK = re.compile(r".*_bin\.tiff?", re.IGNORECASE)
_GUID = re.compile(r"\{?[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\}?", re.IGNORECASE)
_HEAD_BYTES = 256
_ROWS_PER_CHUNK = 2_000
_MOST_FIELDS = 1_000  # a header without end is no header
_MOST_CHARACTERS = 1 << 20  # of a line
_LARGEST = 2**31 - 1


@dataclass
class _List:
    """What is known of one list while it is read: its fields, its run, and what went wrong so far."""

    path: str
    names: list[str]
    types: list[str]
    first_line: int  # 1-based line of the first row
    run: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    classes: Classes = field(default_factory=Classes)
    seen: set[str] = field(default_factory=set)
    collages: dict[str, str | None] = field(default_factory=dict)  # path of a collage by its name in the list
    found: Counter[str] = field(default_factory=Counter)  # rows by collage path that is there
    missing: Counter[str] = field(default_factory=Counter)  # rows by collage path that isn't

    @property
    def folder(self) -> str:
        """Folder of the list, ending with ``/`` or being empty."""
        return self.path.removesuffix(posixpath.basename(self.path))


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: lists whose second line counts their fields."""
    lists = [path for path in telling.paths if _is_list(delivery, path)]
    return f"FlowCam list(s) among {telling.count} file(s) named *.lst, first {lists[0]}" if lists else None


def _is_list(delivery: Delivery, path: str) -> bool:
    try:
        with delivery.open(path) as stream:
            lines = stream.read(_HEAD_BYTES).decode("latin-1").splitlines()
    except OSError:
        return False
    return len(lines) > 1 and _COUNT_LINE.fullmatch(lines[1]) is not None


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, list by list in the order of their paths."""
    masks = 0
    runs: set[tuple[str, str]] = set()  # folder and name
    for file in delivery.files():
        name = posixpath.basename(file.path)
        masks += _MASK.fullmatch(name) is not None
        if not TELLING.fullmatch(name):
            continue
        if file.size and not _is_list(delivery, file.path):
            message = "no FlowCam list: the second line isn't num-fields|<number>; left out"
            report(Finding("flowcam_not_a_list", "note", message, file=file.path))
            continue
        try:
            yield from _read_list(delivery, file.path, runs, report)
        except OSError as error:
            report(Finding("flowcam_list_unreadable", "error", f"the list can't be read ({error})", file=file.path))
    if masks:
        message = "mask pictures (*_bin.tif) are no images of particles and were left out"
        report(Finding("flowcam_masks_left_out", "note", message, count=masks))


def _read_list(delivery: Delivery, path: str, runs: set[tuple[str, str]], report: Report) -> Iterator[pd.DataFrame]:
    with delivery.open(path) as stream:
        lines = io.TextIOWrapper(stream, encoding=text.encoding_of(delivery, path), errors="replace", newline=None)
        header, first = _header(lines, path, report)
        if header is None:
            return
        listed = _List(path, *header)
        if missing := ", ".join(n for n in _NEEDED if n not in listed.names):
            message = f"the list has no field(s) {missing}; not read"
            report(Finding("flowcam_fields_missing", "error", message, file=path, value=missing))
            return
        started = False
        for rows in _chunks(lines, first, listed):
            if not started and not _start(delivery, listed, rows, runs, report):
                return
            started = True
            yield _located(delivery, listed, rows)
        if not started:
            report(Finding("table_without_rows", "warning", "the list has a header but no rows", file=path))
        _report_collages(listed, report)


def _header(lines: io.TextIOWrapper, path: str, report: Report) -> tuple[tuple[list[str], list[str], int] | None, str]:
    """Names and types of the fields and the number of the first row's line, and the text of that line.

    A line ``name|type`` is a field, whatever the header's count says: rows have many cells and end with no type.
    """
    lines.readline(_MOST_CHARACTERS)
    count = _COUNT_LINE.fullmatch(lines.readline(_MOST_CHARACTERS).strip())
    fields: list[tuple[str, str]] = []
    line = lines.readline(_MOST_CHARACTERS)
    while len(fields) < _MOST_FIELDS:
        name, bar, kind = line.strip().rpartition("|")
        if not bar or ("|" in name and kind.strip().lower() not in _TYPES):
            break
        fields.append((name.strip().lower(), kind.strip().lower()))
        line = lines.readline(_MOST_CHARACTERS)
    if count is None or not fields:
        message = (
            "the list is empty or cut off in its header" if count is None or not line else "no fields in the header"
        )
        report(Finding("flowcam_header_unreadable", "error", message, file=path))
        return None, ""
    if int(count[1]) != len(fields):
        message = f"the header counts {count[1]} fields and holds {len(fields)}; those it holds were taken"
        report(Finding("flowcam_header_count", "warning", message, file=path, line=2, value=count[1][:20]))
    if unknown := ", ".join(dict.fromkeys(kind for _, kind in fields if kind not in _TYPES)):
        message = "types of fields that no known version has; their values are kept as they stand"
        report(Finding("flowcam_type_unknown", "note", message, file=path, value=unknown[:120]))
    names = text.unique_names([name for name, _ in fields], path, report)
    return (names, [kind for _, kind in fields], 3 + len(fields)), line


def _chunks(lines: io.TextIOWrapper, first: str, listed: _List) -> Iterator[pd.DataFrame]:
    """The rows as text, by line; short ones are filled up and long ones cut; whether the list ends inside a row."""
    width = len(listed.names)
    number, waiting = listed.first_line, [first]
    while waiting and waiting[0]:
        cells = [line.rstrip("\n").split("|") for line in waiting]
        cut = number + len(cells) - 1 if not waiting[-1].endswith("\n") and not _is_whole(cells[-1], listed) else None
        filled = {n: row for n, row in enumerate(cells, start=number) if any(c.strip() for c in row)}
        if filled:
            padded = [(row + [""] * (width - len(row)))[:width] for row in filled.values()]
            rows = pd.DataFrame(padded, list(filled), listed.names, dtype="str")
            rows["aqqua_flags"] = ["ROW_SHORT" if len(row) < width else "" for row in filled.values()]
            rows["aqqua_value"] = ["|".join(row[width:]).strip()[:120] for row in filled.values()]
            rows["aqqua_cut"] = rows.index == cut
            yield rows
        number += len(waiting)
        waiting = list(islice(iter(lambda: lines.readline(_MOST_CHARACTERS), ""), _ROWS_PER_CHUNK))


def _is_whole(cells: list[str], listed: _List) -> bool:
    """Whether a row without a line end is certainly complete: its last cell is a GUID or a collage's full name."""
    if len(cells) != len(listed.names):
        return False
    if listed.types[-1] == "guid":
        return _GUID.fullmatch(cells[-1].strip()) is not None
    return listed.names[-1] == "collage_file" and _COLLAGE.fullmatch(cells[-1].strip()) is not None


def _start(delivery: Delivery, listed: _List, rows: pd.DataFrame, runs: set[tuple[str, str]], report: Report) -> bool:
    """Finds the list's run and the files beside it; whether the list is to be read."""
    stem = posixpath.splitext(posixpath.basename(listed.path))[0]
    named = next((n for n in rows["collage_file"].str.strip() if n), "")
    collage = _COLLAGE.fullmatch(posixpath.basename(named.replace("\\", "/")))
    run = stem if collage is None or collage["run"].casefold() == stem.casefold() else collage["run"]
    if (listed.folder, run) in runs:
        message = f"a second list of run {run} in one folder; left out"
        report(Finding("flowcam_list_repeated", "warning", message, file=listed.path, value=run))
        return False
    taken = any(run == other for _, other in runs)
    runs.add((listed.folder, run))
    listed.run = f"{listed.folder or './'}{run}" if taken else run
    beside = flowcam_run.files_beside(delivery, listed.path, [stem, run])
    listed.facts = flowcam_run.settings(delivery, beside, report)
    listed.classes = flowcam_run.classes(delivery, beside, run, listed.facts, report)
    return True


def _located(delivery: Delivery, listed: _List, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with where their images lie, what the run's files say, and their classes."""
    cells = rows[listed.names].apply(lambda column: column.str.strip()).replace("", pd.NA)
    cut = rows["aqqua_cut"]
    numbers = cells[list(_RECTANGLE)].apply(pd.to_numeric, errors="coerce").astype("float64")
    whole = (numbers == numbers.round()).all(axis=1) & (numbers.abs() <= _LARGEST).all(axis=1)
    corners = numbers.where(whole).astype("Int64")
    path = _paths(delivery, listed, cells["collage_file"].mask(cut))
    locator = {
        "aqqua_object_id": (listed.run + "_" + cells["id"]).mask(cut),  # a cut id may be another particle's
        "aqqua_image_file": cells["collage_file"],
        "aqqua_table": listed.path,
        "aqqua_line": rows.index.to_series(),
        "aqqua_path": path,
        **{f"aqqua_{side}": corners[f"image_{side[0]}"] for side in ("x", "y", "width", "height")},
        "aqqua_flags": rows["aqqua_flags"],
    }
    facts = {"run": listed.run, **listed.facts}
    same = {name: pd.array([fact], dtype="str").repeat(len(rows)) for name, fact in facts.items() if name not in cells}
    added = pd.DataFrame(locator | {"object_id": locator["aqqua_object_id"]} | same, index=rows.index)
    labels = listed.classes.of(cells["id"])
    verbatim = cells.rename(columns={old: new for old, new in _RENAMED.items() if new not in cells})
    verbatim = verbatim.drop(columns=[c for c in (*added.columns, *labels.columns) if c in verbatim])
    reasons = _reasons(listed, rows, cells, whole, path)
    return with_locator(pd.concat([verbatim, added, reasons, labels], axis=1).reset_index(drop=True))


def _reasons(
    listed: _List, rows: pd.DataFrame, cells: pd.DataFrame, whole: "pd.Series[bool]", path: pd.Series
) -> pd.DataFrame:
    """Why rows can't be used: reason, column and value."""
    again = cells["id"].duplicated() | pd.Series([number in listed.seen for number in cells["id"]], cells.index)
    listed.seen.update(cells["id"].dropna())
    reason = pd.Series(pd.NA, rows.index, dtype="str").mask(~whole, "image_rectangle_unreadable")
    reason = reason.mask(path.isna(), "image_file_missing_in_row").mask(again, "object_id_repeated")
    reason = reason.mask(cells["id"].isna(), "object_id_missing")
    reason = reason.mask(rows["aqqua_value"] != "", "row_has_extra_cells").mask(rows["aqqua_cut"], "row_cut_off")
    columns = {
        "image_rectangle_unreadable": "image_x", "image_file_missing_in_row": "collage_file",
        "object_id_repeated": "id", "object_id_missing": "id",
    }  # fmt: skip
    rectangle = cells["image_x"].str.cat([cells[c] for c in _RECTANGLE[1:]], sep="|", na_rep="")
    value = rows["aqqua_value"].mask(reason == "image_rectangle_unreadable", rectangle)
    value = value.mask(reason == "object_id_repeated", cells["id"])
    return pd.DataFrame({"aqqua_reason": reason, "aqqua_column": reason.map(columns), "aqqua_value": value})


def _paths(delivery: Delivery, listed: _List, names: pd.Series) -> pd.Series:
    """Path of each row's collage; names are relative to the list, and counted by whether the file is there."""
    counts = names.value_counts()
    for name in counts.index:
        if name not in listed.collages:
            listed.collages[name] = _collage(delivery, listed.folder, name)
        path = listed.collages[name]
        if path is not None:
            there = listed.found if path in listed.found or delivery.find(path) else listed.missing
            there[path] += int(counts[name])
    return names.map(listed.collages).astype("str")


def _collage(delivery: Delivery, folder: str, name: str) -> str | None:
    """The collage a list names: as it says, in another case of letters, with or without ``_images``, or beside it."""
    base = posixpath.basename(name.replace("\\", "/"))
    spellings = [name, base]
    if match := _COLLAGE.fullmatch(base):
        spellings += [f"{match['run']}{infix}_{match['number']}{match['ending']}" for infix in ("", "_images")]
    inside = [path for n in spellings if (path := join_inside(folder, n)) is not None]
    there = (found for path in inside if (found := delivery.find(path)) is not None)
    return next(there, inside[0] if inside else None)


def _report_collages(listed: _List, report: Report) -> None:
    """One finding for each collage that isn't there, or a single one where none is."""
    rows = listed.missing.total()
    if listed.missing and not listed.found and len(listed.missing) > 1:
        message = f"none of the list's {len(listed.missing)} collages was delivered: its rows have no images"
        report(Finding("flowcam_collage_missing", "error", message, file=listed.path, count=rows))
        return
    for path, count in listed.missing.items():
        message = "the collage was not delivered: the rows that lie in it have no images"
        report(Finding("flowcam_collage_missing", "error", message, file=path, count=count))
