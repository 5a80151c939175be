"""Images exported by CytoClus: ``<run>-YYYY-MM-DD-HHhMM_Cropped_<particleId>.jpg`` in any folder or zip.

The EXIF field XPComment (40092, UTF-16LE) holds lines ``key: value``: Datafile, Particle ID, Date (ISO 8601 with
offset), Process, CytoSense (serial number); Software (305) is CytoClus. Only the head of each file is read. The time
in the file's name is local and has no seconds. A list of particles (list mode, ``.csv``) that begins with the column
``Particle ID`` is joined to the run its file is named after. No scale is delivered. No public export exists; checked
on files of the project's own writer.
"""

import ntpath
import posixpath
import re
import warnings
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pandas as pd
from PIL import Image

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, text, with_locator
from aqqua_dataset.sources.entries import column_name, sections
from aqqua_dataset.transfer.delivery import Delivery

TELLING = re.compile(r"(?P<run>.+)_Cropped_(?P<particle>\d+)\.jpe?g", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
_TIME = re.compile(r".*?(\d{4}-\d\d-\d\d)[- ]([01]\d|2[0-3])[hu]([0-5]\d)", re.IGNORECASE | re.ASCII)
_XP_COMMENT, _DESCRIPTION = 40092, 270
_LIST_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?"?Particle ID"?\s*([,;\t])')
_HEAD_BYTES = 64
_ROWS_PER_CHUNK = 2_000
_Export = tuple[str, str, str]  # path, run, particle


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: images whose names hold a run with its time, and a particle."""
    named = [path for path in telling.paths if _parsed(path) is not None]
    return f"{telling.count} image(s) named as CytoClus exports them, first {named[0]}" if named else None


def exports(delivery: Delivery) -> Iterator[_Export]:
    """Path, run and particle of every exported image, in the order of the delivery, by their names alone."""
    for file in delivery.files():
        if (parsed := _parsed(file.path)) is not None:
            yield file.path, *parsed


def _parsed(path: str) -> tuple[str, str] | None:
    """Run and particle from an image's path, or None where CytoClus wouldn't name one so."""
    match = TELLING.fullmatch(posixpath.basename(path))
    return (match["run"], match["particle"]) if match and time_in(match["run"]) else None


def run_key(run: str) -> str:
    """A run's name as CytoClus, CytoUSB and cyz2json all spell it: letters and digits, ``11u33`` as ``11h33``."""
    return re.sub(r"(?<=\d\d)u(?=\d\d$)", "h", re.sub(r"[^a-z0-9]+", "", run.casefold()))


def time_in(run: str) -> str | None:
    """The local time at the end of a run's name as ISO text to the minute, or None."""
    match = _TIME.fullmatch(run)
    return f"{match[1]}T{match[2]}:{match[3]}" if match else None


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, run by run in the order of the files' paths."""
    lists = list(_lists(delivery))
    for (_, run), group in groupby(exports(delivery), key=lambda e: (posixpath.dirname(e[0]), e[1])):
        images = list(group)
        listed = _listed(delivery, run, {particle for _, _, particle in images}, lists, report)
        for start in range(0, len(images), _ROWS_PER_CHUNK):
            yield _rows(delivery, run, images[start : start + _ROWS_PER_CHUNK], listed, report)


def _lists(delivery: Delivery) -> Iterator[tuple[str, str]]:
    """Path and delimiter of each list of particles: a table whose first column is the particle's id."""
    for file in delivery.files():
        if not file.path.lower().endswith(".csv"):
            continue
        try:
            with delivery.open(file.path) as stream:
                match = _LIST_HEAD.match(stream.read(_HEAD_BYTES))
        except OSError:
            continue
        if match:
            yield file.path, match[1].decode("ascii")


def _listed(
    delivery: Delivery, run: str, wanted: set[str], lists: list[tuple[str, str]], report: Report
) -> pd.DataFrame | None:
    """The wanted rows of a run's list by particle id, columns named ``listmode_<column>``; None without a list."""
    key = run_key(run)
    mine = [entry for entry in lists if run_key(posixpath.basename(entry[0])).startswith(key)]
    if not mine:
        return None
    path, delimiter = mine[0]
    try:
        encoding = text.encoding_of(delivery, path)
        header = [c.strip() for c in text.header_of(delivery, path, delimiter, encoding)]
        names = text.unique_names([column_name(c) for c in header], path, report)
        chunks = (c.rows[~c.cut] for c in text.read_delimited(delivery, path, names, delimiter, encoding))
        kept = [rows[rows[names[0]].isin(wanted)] for rows in chunks]
    except OSError as error:
        report(Finding("cytoclus_list_unreadable", "error", f"the list can't be read ({error})", file=path))
        return None
    if not kept:
        return None
    table = pd.concat(kept, ignore_index=True).drop_duplicates(names[0]).set_index(names[0])
    return table.add_prefix("listmode_")


def _rows(
    delivery: Delivery, run: str, found: list[_Export], listed: pd.DataFrame | None, report: Report
) -> pd.DataFrame:
    heads = [_head(delivery, path) for path, _, _ in found]
    told = pd.DataFrame([head or {} for head in heads]).astype("str")
    path, _, particle = zip(*found, strict=True)
    rows = pd.DataFrame({"aqqua_path": path, "particle_id": particle}, dtype="str")
    rows["aqqua_object_id"] = rows["object_id"] = run + "_" + rows["particle_id"]
    rows["aqqua_image_file"] = rows["image_file"] = rows["aqqua_path"]
    rows["aqqua_table"] = rows["aqqua_path"]
    rows["aqqua_line"] = 1
    same = {"run": run, "name_time": time_in(run), "instrument_name": "CytoSense"}
    constant = {name: pd.array([value], dtype="str").repeat(len(rows)) for name, value in same.items()}
    parts = [rows, pd.DataFrame(constant, index=rows.index), told]
    if listed is not None:
        parts.append(listed.reindex(rows["particle_id"]).set_axis(rows.index).astype("str"))
    _report_heads(found, heads, rows, told, report)
    return with_locator(pd.concat(parts, axis=1))


def _report_heads(
    found: list[_Export], heads: list[dict[str, str] | None], rows: pd.DataFrame, told: pd.DataFrame, report: Report
) -> None:
    """Findings on files without the comment and on those whose comment is about another particle."""
    bare = [path for (path, _, _), head in zip(found, heads, strict=True) if not head]
    if bare:
        message = "images without CytoClus's comment in their EXIF: their time is that of their names, without zone"
        report(Finding("cytoclus_comment_missing", "warning", message, file=bare[0], count=len(bare)))
    if "exif_particle_id" in told:
        other = told["exif_particle_id"].notna() & (told["exif_particle_id"] != rows["particle_id"])
        if other.any():
            message = "the particle in the EXIF comment isn't the one in the file's name; the name was taken"
            first = rows.loc[other.idxmax(), "aqqua_path"]
            report(Finding("cytoclus_particle_differs", "warning", message, file=first, count=int(other.sum())))


def _head(delivery: Delivery, path: str) -> dict[str, str] | None:
    """Entries of an image's EXIF comment as ``exif_<key>``; None where there are none or the head is damaged."""
    try:
        with delivery.open(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on odd EXIF
            with Image.open(stream, formats=["JPEG"]) as image:
                exif: dict[int, Any] = dict(image.getexif())
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, Image.DecompressionBombError):
        return None
    return comment_entries(_comment(exif.get(_XP_COMMENT)) or _comment(exif.get(_DESCRIPTION)))


def _comment(value: Any) -> str:
    if isinstance(value, bytes | tuple):
        try:
            return bytes(value).decode("utf-16-le", errors="replace").rstrip("\0")
        except ValueError:
            return ""
    return value if isinstance(value, str) else ""


def comment_entries(comment: str) -> dict[str, str]:
    """Entries of a comment of lines ``key: value`` as ``exif_<key>``; of the data file only its name is kept."""
    entries = sections(comment.replace("\0", ""), ":").get("", {})
    named = {f"exif_{column_name(key)}": value for key, value in entries.items() if column_name(key) and value}
    if "exif_datafile" in named:
        named["exif_datafile"] = ntpath.basename(named["exif_datafile"])
    return named
