"""ZooImage archives: a ``.zid`` per sample, which is a zip of one ``_dat1.zim`` per fraction and its vignettes.

Layout (ZooImage 1 to 3, as its R package reads them): ``<sample>+<fraction>_dat1.zim`` starts with a line ``ZI1``,
``ZI2`` or ``ZI3``, has sections of ``key=value`` lines (``PixelSize=0.04233`` in mm …), then ``[Data]`` and a table
with tabs (older ones ``;``) whose first column is ``!Item``; vignettes are ``<sample>+<fraction>_<item>.jpg`` or ``.png``.
``Description.zis`` beside the archives holds tab-separated tables in sections; the line of ``[Samples]`` whose first
column is the sample gives date, time and position, which may be empty.
No public archive exists: checked on files of the project's own writer.
"""

import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import IMAGE_ENDINGS, Report, Telling, with_locator
from aqqua_dataset.sources.entries import LINE_END, column_name, decode, sections
from aqqua_dataset.sources.zooscan import DATA, parse_pid_data
from aqqua_dataset.transfer.delivery import Delivery

_ZIM = re.compile(r"(?P<sample>.+?)\+(?P<fraction>[^+]+?)_dat\d\.zim", re.IGNORECASE)
TELLING = re.compile(re.sub(r"\?P<\w+>", "?:", _ZIM.pattern) + r"|.+\.zid", re.IGNORECASE)
COVERS: tuple[str, ...] = ()
_ZIS = ".zis"
_FIRST_LINE = re.compile(r"ZI[1-5]\s*")


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: .zid archives or .zim files."""
    return f"{telling.count} ZooImage file(s) (.zid, _dat1.zim), first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, one .zim after the other in the order of their paths."""
    samples = _samples(delivery, report)
    for file in delivery.files():
        if match := _ZIM.fullmatch(posixpath.basename(file.path)):
            rows = _rows(delivery, file.path, match, samples.get(match["sample"], {}), report)
            if rows is not None:
                yield rows


def _rows(
    delivery: Delivery, path: str, named: re.Match[str], sample: dict[str, str], report: Report
) -> pd.DataFrame | None:
    try:
        text = decode(delivery.read(path))
    except OSError as error:
        report(Finding("zooimage_file_unreadable", "error", f"can't be read ({error})", file=path))
        return None
    parts = DATA.split(text, maxsplit=1)
    table, cut = parse_pid_data(parts[1]) if len(parts) == 2 else (pd.DataFrame(), pd.Series(dtype=bool))
    if not _FIRST_LINE.fullmatch(LINE_END.split(text, maxsplit=1)[0]) or "item" not in table or table.empty:
        message = "expected a first line ZI1, ZI2 or ZI3 and objects below [Data]; no objects"
        report(Finding("zooimage_zim_without_objects", "warning", message, file=path))
        return None
    name = f"{named['sample']}+{named['fraction']}_" + table["item"].str.strip()
    folder = path.removesuffix(posixpath.basename(path))
    found = {n: delivery.find(f"{folder}{n}", IMAGE_ENDINGS) or f"{folder}{n}.jpg" for n in name}
    facts = {"sample": named["sample"], "fraction": named["fraction"]} | parse_head(parts[0]) | sample
    same = {n: pd.Series(value, table.index, dtype="str") for n, value in facts.items()}
    locator = {
        "aqqua_object_id": name,
        "aqqua_image_file": name.map(found).str.rsplit("/", n=1).str[-1],
        "aqqua_table": path,
        "aqqua_line": table.index.to_series() + parts[0].count("\n") + 3,
        "aqqua_path": name.map(found),
        "aqqua_flags": cut.map({True: "ROW_CUT_OFF", False: ""}),
    }
    measured = table.add_prefix("object_")
    added = pd.DataFrame(same | locator, index=table.index)
    return with_locator(pd.concat([measured, added], axis=1).reset_index(drop=True))


def parse_head(text: str) -> dict[str, str]:
    """Entries above ``[Data]`` as ``zim_<key>``; keys are the same in whatever section they stand."""
    entries = {column_name(k): v for section in sections(text).values() for k, v in section.items()}
    return {f"zim_{k}": v for k, v in entries.items() if k and v}


def _samples(delivery: Delivery, report: Report) -> dict[str, dict[str, str]]:
    """Columns ``zis_<column>`` by sample from every ``.zis``."""
    found: dict[str, dict[str, str]] = {}
    for file in delivery.files():
        if file.path.lower().endswith(_ZIS):
            try:
                found |= parse_samples(decode(delivery.read(file.path)))
            except OSError as error:
                report(Finding("zooimage_file_unreadable", "warning", f"can't be read ({error})", file=file.path))
    return found


def parse_samples(text: str) -> dict[str, dict[str, str]]:
    """The table of ``[Samples]`` as ``zis_<column>`` by its first column; lines of another length are left out."""
    section = re.split(r"^\[Samples\][^\r\n]*(?:\r\n|\r|\n)", text, maxsplit=1, flags=re.IGNORECASE | re.MULTILINE)
    if len(section) < 2:
        return {}
    lines = [line for line in LINE_END.split(re.split(r"^\[", section[1], maxsplit=1, flags=re.MULTILINE)[0]) if line]
    rows = [[cell.strip() for cell in line.split("\t")] for line in lines]
    if not rows:
        return {}
    names = [column_name(c) for c in rows[0]]
    whole = [cells for cells in rows[1:] if len(cells) == len(names) and cells[0]]
    return {cells[0]: {f"zis_{n}": c for n, c in zip(names, cells, strict=True) if n and c} for cells in whole}
