"""Reads ``progress_earlier.csv``: what the project counted before this software did, for the growth over time.

The project's earlier page reads one CSV file for each month, ``Label, IFCB, UVP`` and one row of numbers. ``as_table``
turns such files into the registry's table.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable
from pathlib import Path

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.publishing import EarlierTotal
from aqqua_dataset.registry.tables import load_table, row_finding

EARLIER = "progress_earlier.csv"

_EXPECTED = {
    "day": "expected a date such as 2026-06-30",
    "images": "expected a number of images such as 1817634959, without separators",
}
_MONTH = re.compile(r"(\d{4})/(\d{2})(?:[/_](\d{2}))?")


def load_earlier(folder: Path) -> tuple[tuple[EarlierTotal, ...], list[Finding]]:
    """The earlier totals of a registry by day, and everything that is wrong with them."""
    rows, findings = load_table(folder, EARLIER, EarlierTotal, _EXPECTED)
    kept: dict[tuple[dt.date, str], EarlierTotal] = {}
    for line, row in rows:
        if (row.day, row.label) in kept:
            message = "this day and label stand above; keep one of the rows"
            findings.append(row_finding(EARLIER, line, "label", message, row.label))
        else:
            kept[row.day, row.label] = row
    return tuple(kept[key] for key in sorted(kept)), findings


def read_monthly(path: Path) -> tuple[list[EarlierTotal], list[Finding]]:
    """The totals in one file of the project's earlier page, and what is wrong with it.

    A month's file counts for the last day of the month, unless its label has a day.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), skipinitialspace=True))
    except (OSError, UnicodeDecodeError) as error:
        return [], [Finding("monthly_unreadable", "error", f"expected a CSV file in UTF-8 ({error})", file=str(path))]
    if len(rows) < 2 or rows[0][:1] != ["Label"] or len(rows[0]) != len(rows[1]):
        message = "expected a line Label, <instrument>, … and a line with as many cells: YYYY/MM and the numbers"
        return [], [Finding("monthly_format", "error", message, file=str(path), line=1)]
    day = _last_day(rows[1][0].strip())
    if day is None:
        message = "expected a month such as 2026/06"
        return [], [Finding("monthly_format", "error", message, file=str(path), line=2, key="Label", value=rows[1][0])]
    found, findings = [], []
    for label, cell in zip(rows[0][1:], rows[1][1:], strict=True):
        images = cell.strip()
        if images.isdecimal():
            found.append(EarlierTotal(day=day, label=label.strip(), images=int(images)))
        elif images:
            findings.append(row_finding(str(path), 2, label.strip(), _EXPECTED["images"], cell))
    return found, findings


def as_table(totals: Iterable[EarlierTotal]) -> str:
    """Totals as the text of ``progress_earlier.csv``, by day and label."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(EarlierTotal.model_fields)
    writer.writerows(sorted((t.day.isoformat(), t.label, t.images) for t in totals))
    return stream.getvalue()


def _last_day(label: str) -> dt.date | None:
    found = _MONTH.fullmatch(label)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2]), found[3]
    try:
        if day:
            return dt.date(year, month, int(day))
        first_of_next = dt.date(year + month // 12, month % 12 + 1, 1)
        return dt.date(year, month, 1).replace(day=(first_of_next - dt.timedelta(days=1)).day)
    except ValueError:
        return None
