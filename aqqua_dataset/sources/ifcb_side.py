"""Tables beside IFCB bins, and what follows for each bin: position, depth, bead tests, black list, volume analysed.

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
_START = re.compile(r"D\d{8}(T\d{0,6})?(_IFCB\d*)?|IFCB\d+_\d{4}_\d{3}(_\d{0,6})?", re.ASCII)
_KEYS = ("filename", "file", "bin", "pid", "sample", "sample_id", "bin_id")
_VALUES = {
    "latitude": "side_latitude", "lat": "side_latitude", "longitude": "side_longitude", "lon": "side_longitude",
    "depth": "side_depth", "sample_type": "sample_type", "cruise": "cruise", "reason": "blacklist_reason",
}  # fmt: skip
#: Columns that side tables give.
COLUMNS = tuple(dict.fromkeys(_VALUES.values()))
_BEADS = re.compile(r"beads?([ _-]?test)?s?", re.IGNORECASE)
#: Age of a GPS fix up to which it is taken for the bin's position: a ship at 12 knots makes 22 km in that time.
_OLDEST_FIX = pd.Timedelta(hours=1)

# Volume analysed, after metrics/ml_analyzed.py of pyifcb. New instruments draw 0.25 mL a minute.
_FLOW_ML_S = 0.25 / 60
_OLD_FLOW_ML_S = 40 * 5 / 48_000  # steps a second x mL a step
_LEAST_PROCESSING_S = 0.073
_LEAST_PROCESSING_IFCB5_S = 0.05  # of IFCB5 from June 2015 on
_DAY_S = 86_400
_RELATIVE_DIFFERENCE = 0.02  # beyond it the last line of the .adc is right and the header wrong
_MOST_ML = 5.5  # a syringe holds 5 mL


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
                for key, values in _entries(delivery, file.path):
                    if "blacklist_reason" in values:
                        self._starts.setdefault(key, values["blacklist_reason"])
                    if any(self._values.setdefault(key, {}).setdefault(c, v) != v for c, v in values.items()):
                        torn.add(key)
        for key in torn:
            del self._values[key]
        if torn:
            message = "bins with contradicting lines in the side tables; they get none of them"
            report(Finding("ifcb_side_contradicts", "warning", message, value=min(torn), count=len(torn)))
        self._lengths = sorted({len(start) for start in self._starts})

    def of(self, stem: str) -> dict[str, str]:
        """The values of a bin; ``blacklist_reason`` also from an entry that is the beginning of its id."""
        found = dict(self._values.get(stem, {}))
        for length in self._lengths:
            if reason := self._starts.get(stem[:length]):
                found.setdefault("blacklist_reason", reason)
        return found


def _entries(delivery: Delivery, path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Bin (or beginning of one) and values of each line of a table that is a known one."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:  # a table that isn't one of ours
        header, chunks = tables.open_table(delivery, path, (), opened)
        names = [c.strip().casefold() for c in header]
        key = next((n for n in names if n in _KEYS), None)
        known = [n for n in names if n in _VALUES]
        if key is None or not known or len(set(names)) < len(names):
            return
        for chunk in chunks(names):
            rows = chunk.rows.loc[~chunk.cut, [key, *known]].apply(lambda c: c.str.strip())
            for cells in rows.itertuples(index=False, name=None):
                found = _BIN.search(cells[0]) if isinstance(cells[0], str) else None
                start = _START.fullmatch(cells[0]) if isinstance(cells[0], str) else None
                if match := found or start:
                    values = zip(known, cells[1:], strict=True)
                    yield match[0], {_VALUES[n]: v for n, v in values if isinstance(v, str) and v}


def reject_reason(values: Mapping[str, str], header: Mapping[str, str]) -> tuple[str, str] | None:
    """Why no image of the bin is data, and the words that say so; None where they are."""
    if reason := values.get("blacklist_reason"):
        return "bin_blacklisted", reason
    for kind in (values.get("sample_type", ""), header.get("sample_type", "")):
        if _BEADS.fullmatch(kind):
            return "calibration_beads", kind
    return None


def gps(header: Mapping[str, str], bin_time: str | None) -> dict[str, str]:
    """Position of the header's GPS: ``gps_latitude`` and ``gps_longitude``, or ``gps_stale_fix`` with the fix's time.

    A fix without a time, or more than an hour from the bin's, says where the instrument once was.
    """
    latitude, longitude = header.get("gps_latitude"), header.get("gps_longitude")
    if latitude is None or longitude is None:
        return {}
    told = header.get("gps_time_from_fix", "")
    fix = pd.to_datetime(told, format="%b/%d/%Y %H:%M:%S", errors="coerce", utc=True)
    if pd.isna(fix):
        fix = pd.to_datetime(told, format="ISO8601", errors="coerce", utc=True)
    if bin_time is None or pd.isna(fix) or abs(pd.Timestamp(bin_time) - fix) > _OLDEST_FIX:
        return {"gps_stale_fix": told or "no time of the fix"}
    return {"gps_latitude": latitude, "gps_longitude": longitude}


def volume_new(header: Mapping[str, str], last: Mapping[str, str]) -> float | None:
    """Millilitres analysed by an instrument of the second generation, or None where that can't be known.

    Args:
        header: the .hdr's entries; run and inhibit time in seconds.
        last: the last line of the .adc by column.
    """
    run, inhibit = (_seconds(header.get(n), last.get(n)) for n in ("run_time", "inhibit_time"))
    if run is None or inhibit is None:
        return None
    factor = 1.0
    if header.get("run_sample_fast", "").casefold() == "true":
        factor = _number(header.get("run_fast_factor")) or 1.0
    return _possible(_FLOW_ML_S * factor * (run - inhibit))


def _seconds(header: str | None, last: str | None) -> float | None:
    """The header's value, or the .adc's where they differ by more than 2 %."""
    told, seen = _number(header), _number(last)
    if told is None or (seen and abs(told - seen) > _RELATIVE_DIFFERENCE * seen):
        return seen or told
    return told


def volume_old(adc: pd.DataFrame, stem: str) -> float | None:
    """Millilitres analysed by an instrument of the first generation: what was pumped while it looked.

    Args:
        adc: all lines of the .adc as text with columns ``trigger``, ``trigger_open_time``, ``frame_grab_time`` (s).
        stem: the bin's id.
    """
    late = stem.startswith("IFCB5_") and stem[6:14] >= "2015_152"
    least = _LEAST_PROCESSING_IFCB5_S if late else _LEAST_PROCESSING_S
    columns = ["trigger", "trigger_open_time", "frame_grab_time"]
    numbers = adc[columns].apply(pd.to_numeric, errors="coerce").dropna().drop_duplicates("trigger")
    if numbers.empty:
        return None
    grabbed, opened = numbers["frame_grab_time"], numbers["trigger_open_time"]
    grabbed, opened = (t.mask(t < 0, t + _DAY_S) for t in (grabbed, opened))  # bins that cross midnight
    processing = (opened - grabbed.shift()).iloc[1:].clip(lower=least).sum()
    return _possible(_OLD_FLOW_ML_S * float(grabbed.iloc[-1] - processing - least))


def _possible(millilitres: float) -> float | None:
    return millilitres if 0 <= millilitres <= _MOST_ML else None


def _number(text: str | None) -> float | None:
    number = pd.to_numeric(text or "", errors="coerce")
    return None if pd.isna(number) else float(number)
