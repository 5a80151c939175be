"""Tables beside IFCB bins, and what follows for each bin: position, depth, bead tests, black list.

Known tables, recognised by their header wherever they lie in the delivery: a dashboard's metadata
(``filename,Latitude,Longitude,Depth,sample_type,Cruise,…``), depths (``depth,sample``) and black lists
(``sample<TAB>reason``, where the sample may be only the beginning of a bin id, such as a day ``D20231205``).
Other tables are joined through the contribution's file.
"""

import contextlib
import posixpath
import re
from collections.abc import Iterator, Mapping

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report, tables
from aqqua_dataset.transfer.delivery import Delivery

_BIN = re.compile(r"IFCB\d+_\d{4}_\d{3}_\d{6}|D\d{8}T\d{6}_IFCB\d+", re.ASCII)
# A year is the least that a black list's entry must tell: D2026051 stands for ten days.
_START = re.compile(r"D\d{4,8}|D\d{8}T\d{0,6}(_IFCB\d*)?|IFCB\d+_\d{4}(_\d{0,3}(_\d{0,6})?)?", re.ASCII)
_KEYS = ("bin", "bin_id", "pid", "filename", "file", "sample", "sample_id")  # the surest first
_VALUES = {
    "latitude": "side_latitude", "lat": "side_latitude", "longitude": "side_longitude", "lon": "side_longitude",
    "depth": "side_depth", "sample_type": "sample_type", "cruise": "cruise", "reason": "blacklist_reason",
}  # fmt: skip
#: Columns that side tables give.
COLUMNS = tuple(dict.fromkeys(_VALUES.values()))
_REASON, _LISTED = "blacklist_reason", "reason"
_BEADS = re.compile(r"beads?([ _-]?test)?s?", re.IGNORECASE)
_RUN_KINDS = ("sample_type", "run_type")  # of the header; before 2.0 it was the latter
_FIX = re.compile(r"([A-Za-z]{3}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2})(?:\.\d*)?(?: ?(?:UTC|GMT|Z))?", re.ASCII)
#: Age of a GPS fix up to which it is taken for the bin's position: a ship at 12 knots makes 22 km in that time.
_OLDEST_FIX = pd.Timedelta(hours=1)


class SideTables:
    """Values by bin from all known tables of a delivery."""

    def __init__(self, delivery: Delivery, report: Report) -> None:
        """Reads the tables; one line per bin or day, so they fit in memory."""
        self._values: dict[str, dict[str, str]] = {}
        self._starts: dict[str, str] = {}
        torn: set[str] = set()
        for file in delivery.files():
            name = posixpath.basename(file.path)
            if tables.is_table(file.path) and file.size and not _BIN.match(name):
                for key, values in _entries(delivery, file.path, report):
                    if reason := values.pop(_REASON, None):
                        self._starts.setdefault(key, reason)
                    known = self._values.setdefault(key, {})
                    if not all(_same(known.get(column, value), value) for column, value in values.items()):
                        torn.add(key)
                    known.update(values)
        for key in torn:
            del self._values[key]
        if torn:
            message = "bins with contradicting lines in the side tables; they get none of them"
            report(Finding("ifcb_side_contradicts", "warning", message, value=min(torn), count=len(torn)))
        self._lengths = sorted({len(start) for start in self._starts}, reverse=True)

    def of(self, stem: str) -> dict[str, str]:
        """The values of a bin; ``blacklist_reason`` also from an entry that is the beginning of its id."""
        reasons = (self._starts.get(stem[:length]) for length in self._lengths)
        reason = next((r for r in reasons if r), None)
        return self._values.get(stem, {}) | ({} if reason is None else {_REASON: reason})


def _same(one: str, other: str) -> bool:
    """Whether two cells tell the same: ``5`` and ``5.0`` do."""
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False


def _entries(delivery: Delivery, path: str, report: Report) -> Iterator[tuple[str, dict[str, str]]]:
    """Bin (or beginning of one) and values of each line of a table that is a known one."""
    known: list[str] = []
    ours, strangers, first = False, 0, ""
    try:
        with contextlib.ExitStack() as opened:
            header, chunks = tables.open_table(delivery, path, (), opened)
            names = [c.strip().casefold() for c in header]
            key = next((k for k in _KEYS if k in names), None)
            known = [n for n in names if n in _VALUES]
            if key is None or not known or len(set(names)) < len(names):
                return
            for chunk in chunks(names):
                if chunk.cut.any():
                    message = "the table ends inside its last line, which is left out"
                    line = int(chunk.lines[chunk.cut].iloc[0])
                    report(Finding("ifcb_side_line_cut", "warning", message, file=path, line=line))
                rows = chunk.rows.loc[~chunk.cut, [key, *known]].apply(lambda c: c.str.strip())
                for told, *cells in rows.fillna("").itertuples(index=False, name=None):
                    if match := _BIN.search(told) or _START.fullmatch(told):
                        ours = True
                        unsaid = {_REASON: "no reason told"} if _LISTED in known else {}
                        yield match[0], unsaid | {_VALUES[n]: v for n, v in zip(known, cells, strict=True) if v}
                    elif told:
                        strangers, first = strangers + 1, first or told
    except OSError as error:
        if known:  # else it is no table of ours
            message = f"the table can't be read to its end ({error})"
            report(Finding("ifcb_side_unreadable", "warning", message, file=path))
    if strangers and (ours or _LISTED in known):  # else it is a table about something else
        message = "lines of a side table that name neither a bin nor the beginning of a bin id; not used"
        report(Finding("ifcb_side_line_unknown", "note", message, file=path, value=first, count=strangers))


def reject_reason(values: Mapping[str, str], header: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Why no image of the bin is data, the column that says so and its words; None where they are data."""
    if reason := values.get(_REASON):
        return "bin_blacklisted", _REASON, reason
    told = {"sample_type": values.get("sample_type", "")} | {f"hdr_{key}": header.get(key, "") for key in _RUN_KINDS}
    beads = ((column, kind) for column, kind in told.items() if _BEADS.fullmatch(kind))
    return next((("calibration_beads", *found) for found in beads), None)


def gps(header: Mapping[str, str], bin_time: str | None) -> dict[str, str]:
    """Position of the header's GPS: ``gps_latitude`` and ``gps_longitude``, or ``gps_stale_fix`` with the fix's time.

    A fix without a time, or more than an hour from the bin's, says where the instrument once was.
    """
    latitude, longitude = header.get("gps_latitude"), header.get("gps_longitude")
    if latitude is None or longitude is None:
        return {}
    told = header.get("gps_time_from_fix", "")
    fix = _fix_time(told)
    if bin_time is None or pd.isna(fix) or abs(pd.Timestamp(bin_time) - fix) > _OLDEST_FIX:
        return {"gps_stale_fix": told or "no time of the fix"}
    return {"gps_latitude": latitude, "gps_longitude": longitude}


def _fix_time(told: str) -> "pd.Timestamp":
    """``Jul/17/2022 06:41:03.250 UTC`` or ISO 8601, in UTC; NaT where it is neither."""
    match = _FIX.fullmatch(told)
    text, pattern = (match[1], "%b/%d/%Y %H:%M:%S") if match else (told, "ISO8601")
    return pd.to_datetime(text, format=pattern, errors="coerce", utc=True)
