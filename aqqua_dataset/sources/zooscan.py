"""ZooScan projects of ZooProcess: one ``.pid`` per scan, vignettes beside it, header tables, and its EcoTaxa tables.

Layout (ZooProcess 7 and 8): ``<scan>_dat1.pid`` in Latin-1 with CRLF: line ``PID``, sections of ``key= value`` lines
with stray lines between and keys that repeat across sections, then ``[Data]`` and a table with ``;`` whose first column
``!Item`` numbers the objects from 1; measures are in pixels. Vignettes ``<scan>_<item>.jpg`` lie beside it.
``<scan>_meta.txt`` holds ``Key= value`` lines, ``zooscan_sample_header_table.csv`` and
``zooscan_scan_header_table.csv`` a line per sample and per scan with ``;``. Where ZooProcess has made an EcoTaxa table
(``ecotaxa_*.tsv``, all in small letters), it is the table of objects and the rest is joined to it by scan and sample;
scans without one are read from their .pid. 99999, 999999 and NaN mean missing.

Positions in .pid, meta and header tables are degrees.minutes, west positive (see ``harmonise.position``); those in
EcoTaxa tables are decimal. The date is the sample's; whether it is UTC isn't recorded.
Checked on pieces of the APERO project in ZooProcess-lib: a .pid of 439 objects, meta, header tables, two EcoTaxa
tables; whole projects on files of the project's own writer.
"""

import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, ecotaxa
from aqqua_dataset.sources.entries import LINE_END, column_name, decode, sections
from aqqua_dataset.sources.items import located, parse_items, split_data
from aqqua_dataset.transfer.delivery import Delivery

_PID = re.compile(r"(?P<scan>.+?)(?:_dat\d+)?(?: ?\(\d+\))?\.pid", re.IGNORECASE)
_META = re.compile(r"(?P<scan>.+?)_meta\.txt", re.IGNORECASE)
_HEADERS = re.compile(r"zooscan_(?P<table>sample|scan)_header_table\.csv", re.IGNORECASE)
TELLING = re.compile(re.sub(r"\?P<\w+>", "?:", f"{_PID.pattern}|{_HEADERS.pattern}"), re.IGNORECASE)
COVERS: tuple[str, ...] = ("ecotaxa",)
_HEAD_BYTES = 64 << 10
#: What the columns of the header tables are called.
_PREFIXES = {"sample": "header_", "scan": "scan_"}
#: Sections of a .pid that describe the sample and the scan; the others hold settings of the scanning program.
_KEPT = ("image", "info", "sample", "fraction", "subsample", "process", "particules_process")


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: a header table, or a .pid that speaks of ZooScan."""
    for path in telling.paths:
        if _HEADERS.fullmatch(posixpath.basename(path)):
            return f"ZooProcess project with {path}"
        try:
            with delivery.open(path) as stream:
                head = stream.read(_HEAD_BYTES)
        except OSError:
            continue
        if head.startswith(b"PID") and b"zooscan" in head.lower():
            return f"{telling.count} file(s) of a ZooProcess project, first {path}"
    return None


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows: EcoTaxa tables first, then the scans that stand in none of them."""
    project = _Project(delivery, report)
    seen: set[str] = set()
    for rows in ecotaxa.read(delivery, source, report):
        # ZooProcess writes its tables in small letters, whatever the scan's name is.
        scan = rows["aqqua_object_id"].str.replace(r"_\d+$", "", regex=True).str.casefold()
        seen.update(scan.dropna().unique())
        yield project.joined(rows, scan)
    for key, path in sorted(project.pids.items()):
        if key not in seen:
            for rows in _rows_of_pid(delivery, path, report):
                yield project.joined(rows, rows["scan"].str.casefold())
    if not seen and not project.pids:
        message = "no EcoTaxa table and no .pid: nothing says which objects the scans hold"
        report(Finding("zooscan_without_objects", "warning", message))


class _Project:
    """What a project's files say of each scan and sample; a few lines each, so they fit in memory."""

    def __init__(self, delivery: Delivery, report: Report) -> None:
        self._delivery, self._report = delivery, report
        self.pids: dict[str, str] = {}
        self._metas: dict[str, str] = {}
        self._headers: dict[str, dict[str, dict[str, str]]] = {"sample": {}, "scan": {}}
        self._known: dict[str, dict[str, str]] = {}
        for file in delivery.files():
            name = posixpath.basename(file.path)
            if match := _PID.fullmatch(name):
                if self.pids.setdefault(match["scan"].casefold(), file.path) != file.path:
                    message = f"the scan {match['scan']} has another .pid already; this one isn't read"
                    report(Finding("zooscan_pid_repeated", "warning", message, file=file.path))
            elif match := _META.fullmatch(name):
                self._metas.setdefault(match["scan"].casefold(), file.path)
            elif match := _HEADERS.fullmatch(name):
                table = match["table"].lower()
                self._headers[table] |= parse_headers(self._text(file.path), f"{table}id", _PREFIXES[table])

    def joined(self, rows: pd.DataFrame, scan: pd.Series) -> pd.DataFrame:
        """The rows with the entries of their scan's .pid, meta, scan and sample as columns; scans in small letters."""
        told = rows["sample_id"].groupby(scan).first().dropna().to_dict() if "sample_id" in rows else {}
        values = {s: self._of(s) | self._sample(told.get(s, "")) for s in scan.dropna().unique()}
        names = sorted({name for entries in values.values() for name in entries})
        added = {n: scan.map({s: entries.get(n) for s, entries in values.items()}).astype("str") for n in names}
        return pd.concat([rows, pd.DataFrame(added, index=rows.index)], axis=1)

    def _of(self, scan: str) -> dict[str, str]:
        if scan not in self._known:
            entries: dict[str, str] = {}
            if path := self.pids.get(scan):
                entries |= parse_pid_head(split_data(self._text(path))[0])
            if path := self._metas.get(scan):
                entries |= {f"meta_{column_name(k)}": v for k, v in sections(self._text(path)).get("", {}).items()}
            entries |= self._headers["scan"].get(scan, {})
            named = (entries.get(n) for n in ("pid_sample_sampleid", "meta_sampleid", "scan_sampleid"))
            entries |= self._sample(next(filter(None, named), ""))
            self._known[scan] = {k: v for k, v in entries.items() if v}
        return self._known[scan]

    def _sample(self, sample: str) -> dict[str, str]:
        return self._headers["sample"].get(sample.casefold(), {})

    def _text(self, path: str) -> str:
        try:
            return decode(self._delivery.read(path))
        except OSError as error:
            self._report(Finding("zooscan_file_unreadable", "warning", f"can't be read ({error})", file=path))
            return ""


def parse_pid_head(text: str) -> dict[str, str]:
    """Entries of the sections that describe sample and scan, as ``pid_<section>_<key>``."""
    found = sections(text)
    return {f"pid_{s}_{column_name(k)}": v for s in _KEPT for k, v in found.get(s, {}).items() if v and column_name(k)}


def parse_headers(text: str, key: str, prefix: str) -> dict[str, dict[str, str]]:
    """Entries of a header table as ``<prefix><column>``, by a column in small letters.

    Lines of another length than the header are left out, and so is a last cell that the file ends in.
    """
    lines = LINE_END.split(text)
    rows = [[cell.strip() for cell in line.split(";")] for line in lines if line.strip()]
    if not rows or key not in (names := [column_name(c) for c in rows[0]]):
        return {}
    if lines[-1]:
        rows[-1][-1] = ""
    entries = [dict(zip(names, cells, strict=True)) for cells in rows[1:] if len(cells) == len(names)]
    return {e[key].casefold(): {f"{prefix}{k}": v for k, v in e.items() if k and v} for e in entries if e[key]}


def _rows_of_pid(delivery: Delivery, path: str, report: Report) -> Iterator[pd.DataFrame]:
    match = _PID.fullmatch(posixpath.basename(path))
    scan = match["scan"] if match else ""
    try:
        text = decode(delivery.read(path))
    except OSError as error:
        report(Finding("zooscan_file_unreadable", "error", f"can't be read ({error})", file=path))
        return
    _, table, line = split_data(text)
    if table is None:
        report(Finding("zooscan_pid_without_data", "warning", "the .pid has no [Data]: no objects", file=path))
        return
    items = parse_items(table)
    if items.rows.empty:
        report(Finding("zooscan_pid_without_objects", "warning", "the .pid's [Data] holds no object", file=path))
        return
    yield from located(delivery, items, scan, path, line, {"scan": scan})
