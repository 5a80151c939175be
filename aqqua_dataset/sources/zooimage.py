"""ZooImage archives: a ``.zid`` per sample, which is a zip of one ``_dat1.zim`` per fraction and its vignettes.

Layout (ZooImage 1 to 5, as its R package writes and reads them): ``<sample>.zid`` is a zip of a folder ``<sample>/``;
``<sample>+<fraction>_dat1.zim`` in it starts with a line ``ZI1``, ``ZI2``, ``ZI3`` or ``ZI5``, has sections of
``key=value`` lines in which ``#`` begins a comment (``PixelSize=0.04233`` with ``PixelUnit=mm``), then ``[Data]`` and
a table with tabs (older ones ``;``) whose first column is ``!Item`` and whose lines may end in a tab; vignettes are
``<sample>+<fraction>_<item>.jpg`` or ``.png``. A sample is ``<series>.<YYYY-MM-DD>.<id>``.
``Description.zis`` beside the archives holds tab-separated tables in sections: ``[Samples]``, whose first column is
the sample, gives date, time and position, which may be empty, and names a line of ``[Stations]``, ``[Cruises]`` and
``[Series]``. ``.zidb`` files are databases of R and can't be read.
Checked on the templates of .zim and .zis published with ZooImage and on files of the project's own writer; no archive
could be passed on.
"""

import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling
from aqqua_dataset.sources.entries import LINE_END, column_name, decode, sections
from aqqua_dataset.sources.items import located, parse_items, split_data
from aqqua_dataset.transfer.delivery import Delivery

_ZIM = re.compile(r"(?P<sample>.+?)\+(?P<fraction>[^+]+?)_dat\d\.zim", re.IGNORECASE)
TELLING = re.compile(re.sub(r"\?P<\w+>", "?:", _ZIM.pattern) + r"|.+\.zidb?", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
_ZIS = ".zis"
_ZIDB = ".zidb"
_FIRST_LINE = re.compile(r"ZI[1-5]\s*")
_COMMENT = re.compile(r"#[^\r\n]*")
_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_MICROMETRES = ("um", "µm", "micron", "microns")
#: Column of ``[Samples]`` that names a line of another table, and that table's section.
_NAMED = (("station", "stations"), ("cruise", "cruises"), ("series", "series"))


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: .zid archives or .zim files."""
    return f"{telling.count} ZooImage file(s) (.zid, _dat1.zim), first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, one .zim after the other in the order of their paths."""
    samples = _samples(delivery, report)
    found = False
    for file in delivery.files():
        if file.path.lower().endswith(_ZIDB):
            message = "databases of R can't be read; deliver the sample as .zid"
            report(Finding("zooimage_zidb", "error", message, file=file.path))
        if match := _ZIM.fullmatch(posixpath.basename(file.path)):
            found = True
            yield from _rows(delivery, file.path, match, samples.get(match["sample"].casefold(), {}), report)
    if not found:
        report(Finding("zooimage_without_objects", "warning", "no <sample>+<fraction>_dat1.zim: no objects"))


def _rows(
    delivery: Delivery, path: str, named: re.Match[str], sample: dict[str, str], report: Report
) -> Iterator[pd.DataFrame]:
    try:
        text = decode(delivery.read(path))
    except OSError as error:
        report(Finding("zooimage_file_unreadable", "error", f"can't be read ({error})", file=path))
        return
    head, table, line = split_data(text)
    items = parse_items(table or "")
    if not _FIRST_LINE.fullmatch(LINE_END.split(text, maxsplit=1)[0]) or items.rows.empty:
        message = "expected a first line ZI1, ZI2 or ZI3 and objects below [Data]; no objects"
        report(Finding("zooimage_zim_without_objects", "warning", message, file=path))
        return
    facts = {"sample": named["sample"], "fraction": named["fraction"]} | parse_head(head) | sample
    if date := _DATE.search(named["sample"]):
        facts["name_date"] = date[0]
    yield from located(delivery, items, f"{named['sample']}+{named['fraction']}", path, line, facts)


def parse_head(text: str) -> dict[str, str]:
    """Entries above ``[Data]`` as ``zim_<key>``; keys are the same in whatever section they stand.

    ``PixelSize`` is ``zim_pixelsize_um`` where ``PixelUnit`` says so, else ``zim_pixelsize_mm``.
    """
    found = sections(_COMMENT.sub("", text))
    entries: dict[str, str] = {}
    for key, value in (entry for section in found.values() for entry in section.items()):
        entries.setdefault(f"zim_{column_name(key)}", value)  # ZooImage itself takes the first
    if size := entries.pop("zim_pixelsize", ""):
        unit = entries.get("zim_pixelunit", "").lower()
        entries[f"zim_pixelsize_{'um' if unit in _MICROMETRES else unit or 'mm'}"] = size
    return {k: v for k, v in entries.items() if k != "zim_" and v}


def _samples(delivery: Delivery, report: Report) -> dict[str, dict[str, str]]:
    """Columns ``zis_<column>`` by sample in small letters from every ``.zis``."""
    found: dict[str, dict[str, str]] = {}
    for file in delivery.files():
        if file.path.lower().endswith(_ZIS):
            try:
                found |= parse_samples(decode(delivery.read(file.path)))
            except OSError as error:
                report(Finding("zooimage_file_unreadable", "warning", f"can't be read ({error})", file=file.path))
    return found


def parse_samples(text: str) -> dict[str, dict[str, str]]:
    """The table of ``[Samples]`` as ``zis_<column>`` by its first column in small letters.

    What its station, cruise and series say is added as ``zis_station_<column>`` and so on. Lines with more cells than
    their header are left out, and so is a last cell that the file ends in.
    """
    tables: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    lines = LINE_END.split(text)
    for number, line in enumerate(lines, start=1):
        if heading := re.fullmatch(r"\s*\[([^\]\t]+)\]\s*", line):
            rows = tables.setdefault(heading[1].strip().lower(), [])
        elif line.strip():
            cells = [cell.strip() for cell in line.split("\t")]
            rows.append(cells[:-1] if number == len(lines) else cells)
    known = {section: _by_first(tables.get(section, [])) for section in ("samples", *(s for _, s in _NAMED))}
    samples: dict[str, dict[str, str]] = {}
    for sample, entries in known["samples"].items():
        joined = {f"zis_{k}": v for k, v in entries.items()}
        for column, section in _NAMED:
            named = known[section].get(entries.get(column, "").casefold(), {})
            joined |= {f"zis_{column}_{k}": v for k, v in named.items()}
        samples[sample] = joined
    return samples


def _by_first(table: list[list[str]]) -> dict[str, dict[str, str]]:
    """Lines of a table by their first cell in small letters, without empty cells."""
    names = [column_name(cell) for cell in table[0]] if table else []
    whole = [cells for cells in table[1:] if cells and cells[0] and not any(cells[len(names) :])]
    return {c[0].casefold(): {n: v for n, v in zip(names, c, strict=False) if n and v} for c in whole}
