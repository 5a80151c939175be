"""ZooScan projects of ZooProcess: one ``.pid`` per scan, vignettes beside it, header tables, and its EcoTaxa tables.

Layout (ZooProcess 7 and 8): ``<scan>_dat1.pid`` in Latin-1 with CRLF: line ``PID``, sections of ``key= value`` lines
with stray lines between and keys that repeat across sections, then ``[Data]`` and a table with ``;`` whose first column
``!Item`` numbers the objects from 1; measures are in pixels. Vignettes ``<scan>_<item>.jpg`` lie beside it.
``<scan>_meta.txt`` holds ``Key= value`` lines, ``zooscan_sample_header_table.csv`` a line per sample with ``;``. Where
ZooProcess has made an EcoTaxa table (``ecotaxa_*.tsv``), it is the table of objects and the rest is joined to it by
scan and sample; scans without one are read from their .pid. 99999, 999999 and NaN mean missing.

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
from aqqua_dataset.sources import IMAGE_ENDINGS, Report, Telling, ecotaxa, with_locator
from aqqua_dataset.sources.entries import LINE_END, column_name, decode, sections
from aqqua_dataset.transfer.delivery import Delivery

_PID = re.compile(r"(?P<scan>.+?)(?:_dat\d+)?(?: ?\(\d+\))?\.pid", re.IGNORECASE)
_META = re.compile(r"(?P<scan>.+?)_meta\.txt", re.IGNORECASE)
_SAMPLES = re.compile(r"zooscan_sample_header_table\.csv", re.IGNORECASE)
TELLING = re.compile(rf"{_PID.pattern.replace('?P<scan>', '?:')}|{_SAMPLES.pattern}", re.IGNORECASE)
COVERS: tuple[str, ...] = ("ecotaxa",)
DATA = re.compile(r"^\[Data\][ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
_HEAD_BYTES = 64 << 10
_ITEM = "!item"
#: Sections of a .pid that describe the sample and the scan; the others hold settings of the scanning program.
_KEPT = ("image", "info", "sample", "fraction", "subsample", "process")


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: a sample header table, or a .pid that speaks of ZooScan."""
    for path in telling.paths:
        if _SAMPLES.fullmatch(posixpath.basename(path)):
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
        scan = rows["aqqua_object_id"].str.replace(r"_\d+$", "", regex=True)
        seen.update(scan.dropna().unique())
        yield project.joined(rows, scan)
    for scan, path in sorted(project.pids.items()):
        if scan not in seen:
            rows = _rows_of_pid(delivery, scan, path, report)
            if rows is not None:
                yield project.joined(rows, rows["scan"])


class _Project:
    """What a project's files say of each scan and sample; a few lines each, so they fit in memory."""

    def __init__(self, delivery: Delivery, report: Report) -> None:
        self._delivery, self._report = delivery, report
        self.pids: dict[str, str] = {}
        self._metas: dict[str, str] = {}
        self._samples: dict[str, dict[str, str]] = {}
        self._known: dict[str, dict[str, str]] = {}
        for file in delivery.files():
            name = posixpath.basename(file.path)
            if match := _PID.fullmatch(name):
                self.pids.setdefault(match["scan"], file.path)
            elif match := _META.fullmatch(name):
                self._metas.setdefault(match["scan"], file.path)
            elif _SAMPLES.fullmatch(name):
                self._samples |= parse_samples(self._text(file.path))

    def joined(self, rows: pd.DataFrame, scan: pd.Series) -> pd.DataFrame:
        """The rows with the entries of their scan's .pid, meta and sample as columns."""
        values = {s: self._of(s) for s in scan.dropna().unique()}
        names = sorted({name for entries in values.values() for name in entries})
        added = {n: scan.map({s: entries.get(n) for s, entries in values.items()}).astype("str") for n in names}
        return pd.concat([rows, pd.DataFrame(added, index=rows.index)], axis=1)

    def _of(self, scan: str) -> dict[str, str]:
        if scan not in self._known:
            entries: dict[str, str] = {}
            if path := self.pids.get(scan):
                entries |= parse_pid_head(DATA.split(self._text(path), maxsplit=1)[0])
            if path := self._metas.get(scan):
                entries |= {f"meta_{column_name(k)}": v for k, v in sections(self._text(path)).get("", {}).items()}
            sample = entries.get("pid_sample_sampleid") or entries.get("meta_sampleid") or ""
            entries |= self._samples.get(sample, {})
            self._known[scan] = {k: v for k, v in entries.items() if v}
        return self._known[scan]

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


def parse_samples(text: str) -> dict[str, dict[str, str]]:
    """Entries of a sample header table as ``header_<column>``, by sample id; lines of another length are left out."""
    lines = [[cell.strip() for cell in line.split(";")] for line in LINE_END.split(text) if line.strip()]
    if not lines or "sampleid" not in (names := [column_name(c) for c in lines[0]]):
        return {}
    whole = [cells for cells in lines[1:] if len(cells) == len(names)]
    entries = [dict(zip(names, cells, strict=True)) for cells in whole]
    return {e["sampleid"]: {f"header_{k}": v for k, v in e.items() if k and v} for e in entries if e["sampleid"]}


def parse_pid_data(text: str) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """The table below ``[Data]`` (with ``;`` or tabs) as text, with the 0-based line below its header as index.

    Returns:
        The rows that have a whole item number and no more cells than the header; and which of them the file ends in,
        whose last cell is left out.
    """
    lines = LINE_END.split(text)
    finished = lines[-1] == ""
    separator = ";" if ";" in lines[0] else "\t"
    names = [column_name(c) if c.lower() != _ITEM else "item" for c in lines[0].split(separator)]
    names = [f"{n}_{i}" if n in names[:i] or not n else n for i, n in enumerate(names)]
    cells = {number: line.split(separator) for number, line in enumerate(lines[1:]) if line.strip()}
    last = max(cells, default=-1)
    if not finished and last >= 0 and len(cells[last]) < len(names):
        cells[last] = cells[last][:-1]
    good = {n: c for n, c in cells.items() if 0 < len(c) <= len(names) and re.fullmatch(r" *\d+ *", c[0])}
    full = [(c + [""] * len(names))[: len(names)] for c in good.values()]
    table = pd.DataFrame(full, list(good), names, dtype="str").replace("", pd.NA).astype("str")
    cut = pd.Series(table.index == last, table.index) & (not finished and len(cells.get(last, [])) < len(names))
    return table, cut


def _rows_of_pid(delivery: Delivery, scan: str, path: str, report: Report) -> pd.DataFrame | None:
    try:
        text = decode(delivery.read(path))
    except OSError:
        return None  # reported with its head
    parts = DATA.split(text, maxsplit=1)
    if len(parts) == 1:
        report(Finding("zooscan_pid_without_data", "warning", "the .pid has no [Data]: no objects", file=path))
        return None
    table, cut = parse_pid_data(parts[1])
    if "item" not in table or table.empty:
        report(Finding("zooscan_pid_without_objects", "warning", "the .pid's [Data] holds no object", file=path))
        return None
    first = parts[0].count("\n") + 3  # 1-based line of the first object: heading and header stand before it
    folder = path.removesuffix(posixpath.basename(path))
    item = table["item"].str.strip()
    name = f"{scan}_" + item
    found = {n: delivery.find(f"{folder}{n}", IMAGE_ENDINGS) or f"{folder}{n}.jpg" for n in name}
    locator = {
        "aqqua_object_id": name,
        "aqqua_image_file": name.map(found).str.rsplit("/", n=1).str[-1],
        "aqqua_table": path,
        "aqqua_line": table.index.to_series() + first,
        "aqqua_path": name.map(found),
        "aqqua_flags": cut.map({True: "ROW_CUT_OFF", False: ""}),
        "scan": pd.Series(scan, table.index, dtype="str"),
    }
    measured = table.add_prefix("object_")
    return with_locator(pd.concat([measured, pd.DataFrame(locator, index=table.index)], axis=1).reset_index(drop=True))
