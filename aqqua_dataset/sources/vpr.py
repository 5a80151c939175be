"""Video Plankton Recorder as AutoDeck writes it: regions of interest by tow, day and hour, and a CTD file per hour.

Layout: ``rois/vpr<tow>/d<day>/h<hour>/roi.<8-digit ms><2-digit n>.tif`` and ``d<day>/h<hour>ctd.dat`` with lines
``ctd<8-digit ms>:conductivity,temperature,pressure,salinity,fluorescence reference and mV,turbidity reference and
mV,altitude``, not in the order of time. The regions are 16-bit colour TIFF (values multiples of 64).

Time: ``ms`` counts from UTC midnight, while day and hour of the folder are the recording computer's local time. The
day counts from 0 (1 January is d000): the R package vprr adds it to 1 January, and its own test of COR2019002 d222
expects 2019-08-11. Of the UTC days around the folder's day the one is taken that brings ``ms`` nearest to the
folder's hour, so zones beyond 12 hours would come out a day off. No file holds the year: it is read from a cruise name
such as IML2018051 in the path, or from the group ``year`` of the contribution's ``names``; without it the time is
missing.

A region's depth comes from the CTD line of the same millisecond, else of the nearest within half a second, which is
flagged. Positions come from the form or a joined table of stations. Checked against 120 regions and the CTD of one
hour of IML2018051 (Institut Maurice-Lamontagne), all of which join by their millisecond.
"""

import posixpath
import re
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, with_locator
from aqqua_dataset.sources.entries import LINE_END
from aqqua_dataset.sources.names import PREFIX, from_path
from aqqua_dataset.transfer.delivery import Delivery

_ROI = re.compile(r"roi\.(?P<ms>\d{8})(?P<number>\d{2})\.tiff?", re.IGNORECASE | re.ASCII)
_HOUR = re.compile(r"(?P<above>.*?)(?P<day_folder>d(?P<day>\d{3}))/h(?P<hour>\d{2})/", re.IGNORECASE | re.ASCII)
_TOW = re.compile(r"(?:^|/)(?P<tow>vpr[^/]*)/$", re.IGNORECASE)
_CRUISE = re.compile(r"[A-Za-z]{3}((?:19|20)\d{2})\d{3}(?!\d)", re.ASCII)
_LINE = r"^ctd(?P<ms>\d{1,8}):(?P<cells>[^\r\n]*)$"
TELLING = _ROI
COVERS: tuple[str, ...] = ()
#: Columns of a CTD line in their order; pressure in dbar, temperature in degree C, conductivity in S/m.
CTD = (
    "conductivity", "temperature", "pressure", "salinity", "fluorescence_ref", "fluorescence_mv", "turbidity_ref",
    "turbidity_mv", "altitude",
)  # fmt: skip
_NEAREST_MS = 500
_DAY_MS = 86_400_000
_ROWS_PER_CHUNK = 5_000


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: regions named by AutoDeck in folders by day and hour."""
    if not any(_HOUR.match(path) for path in telling.paths):
        return None
    return f"{telling.count} region(s) roi.<ms><n>.tif in folders by day and hour, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, hour by hour in the order of their paths; each joined with its hour's CTD."""
    paths = (f.path for f in delivery.files() if _ROI.fullmatch(posixpath.basename(f.path)))
    said = False
    for folder, group in groupby(paths, key=lambda path: path.rpartition("/")[0] + "/"):
        where = _HOUR.fullmatch(folder)
        if where is None:
            message = "regions outside of folders d<day>/h<hour>: their day is unknown; left out"
            report(Finding("vpr_folder_unknown", "warning", message, file=folder, count=sum(1 for _ in group)))
            continue
        if not said:
            message = "days are counted from 0 (1 January is d000), as the R package vprr does; check one cast's date"
            report(Finding("vpr_day_from_zero", "note", message, file=folder, value=where["day_folder"]))
            said = True
        ctd = _read_ctd(delivery, folder.rstrip("/") + "ctd.dat", report)
        rows = _rows(pd.Series(list(group), dtype="str"), where, source, ctd)
        for start in range(0, len(rows), _ROWS_PER_CHUNK):
            yield with_locator(rows.iloc[start : start + _ROWS_PER_CHUNK].reset_index(drop=True))


def _rows(path: pd.Series, where: re.Match[str], source: Source, ctd: pd.DataFrame) -> pd.DataFrame:
    base = path.str.rsplit("/", n=1).str[-1]
    rows = base.str.extract(_ROI).astype("str").rename(columns={"number": "roi_number"})
    tow = _TOW.search(where["above"])
    text = {
        "tow": tow["tow"] if tow else None, "day": where["day"], "hour": where["hour"],
        "cruise": next(iter(_CRUISE.finditer(where["above"])), [None])[0],
    }  # fmt: skip
    for name, value in text.items():
        rows[name] = pd.array([value], dtype="str").repeat(len(rows))
    rows["instrument_name"] = pd.array(["VPR"], dtype="str").repeat(len(rows))
    rows["time_utc"] = _times(rows, _years(path, where, source))
    joined, nearest = _join(rows["ms"], ctd)
    rows = pd.concat([rows, joined.add_prefix("ctd_")], axis=1)
    rows["aqqua_object_id"] = path.str.replace(r"\.[A-Za-z]+$", "", regex=True)
    rows["aqqua_image_file"] = base
    rows["aqqua_path"] = path
    rows["aqqua_flags"] = nearest.map({True: "CTD_NEAREST", False: ""})
    return rows


def _years(path: pd.Series, where: re.Match[str], source: Source) -> pd.Series:
    named = from_path(path, source.names)
    told = named.get(f"{PREFIX}year", pd.Series(pd.NA, path.index, dtype="str"))
    cruise = _CRUISE.search(where["above"])
    return pd.to_numeric(told.fillna(cruise[1] if cruise else pd.NA), errors="coerce")


def _times(rows: pd.DataFrame, year: pd.Series) -> pd.Series:
    """UTC times as ISO text, null without a year; see the module's docstring for day and hour."""
    ms, day, hour = (pd.to_numeric(rows[name]) for name in ("ms", "day", "hour"))
    beside = hour * 3_600_000 + 1_800_000 - ms  # from the UTC time of day to the middle of the local hour
    day = day + (beside / _DAY_MS).round()
    start = pd.to_datetime(year.astype("Int64").astype("str") + "-01-01", format="%Y-%m-%d", errors="coerce")
    time = start + pd.to_timedelta(day, unit="D") + pd.to_timedelta(ms, unit="ms")
    return time.where(ms < _DAY_MS).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").str.replace("000Z", "Z").astype("str")


def _join(ms: pd.Series, ctd: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """The CTD line of each region as text, and where it isn't of the same millisecond."""
    wanted = pd.DataFrame({"ms": pd.to_numeric(ms), "place": np.arange(len(ms))}).sort_values("ms", kind="stable")
    lines = ctd.assign(found=ctd["ms"])
    matched = pd.merge_asof(wanted, lines, on="ms", direction="nearest", tolerance=_NEAREST_MS)
    matched = matched.sort_values("place").set_axis(ms.index)
    return matched[list(CTD)].astype("str"), matched["found"].notna() & (matched["found"] != matched["ms"])


def _read_ctd(delivery: Delivery, path: str, report: Report) -> pd.DataFrame:
    """The CTD lines of one hour by millisecond; empty with a finding when there are none."""
    try:
        data = delivery.read(delivery.find(path) or path)
    except FileNotFoundError:
        message = "the hour's CTD file is missing: its regions have no depth"
        report(Finding("vpr_ctd_missing", "warning", message, file=path))
        return parse_ctd("")[0]
    except OSError as error:
        report(Finding("vpr_ctd_unreadable", "error", f"the CTD file can't be read ({error})", file=path))
        return parse_ctd("")[0]
    text = data.decode("latin-1")
    lines, bad = parse_ctd(text)
    if cut_line(text):
        message = "the file ends inside a line; the line was left out"
        report(Finding("vpr_ctd_cut_off", "warning", message, file=path, value=cut_line(text)[:120]))
    if len(bad):
        message = f"expected ctd<ms>: and {len(CTD)} numbers; the line was left out"
        value = str(bad.iloc[0])[:120]
        line = int(bad.index[0]) + 1
        report(
            Finding("vpr_ctd_line_unreadable", "warning", message, file=path, line=line, value=value, count=len(bad))
        )
    return lines


def cut_line(text: str) -> str:
    """What stands after the last line end; "" where the file ends with a line."""
    return LINE_END.split(text)[-1].strip()


def parse_ctd(text: str) -> tuple[pd.DataFrame, pd.Series]:
    """The lines of a CTD file, sorted by millisecond and each millisecond once, and the lines that are none.

    Returns:
        Columns ``ms`` (int64) and ``CTD`` (text); and the unreadable lines by their 0-based number.
    """
    whole = pd.Series(LINE_END.split(text)[:-1], dtype="str")  # the last has no end: cut off inside a number, perhaps
    parts = whole.str.extract(_LINE)
    cells = parts["cells"].str.split(",", expand=True).reindex(columns=range(len(CTD) + 1))
    numbers = cells[list(range(len(CTD)))].apply(pd.to_numeric, errors="coerce")
    good = numbers.notna().all(axis=1) & cells[len(CTD)].isna() & np.isfinite(numbers).all(axis=1)
    lines = cells.loc[good, list(range(len(CTD)))].set_axis(list(CTD), axis=1).astype("str")
    lines.insert(0, "ms", parts.loc[good, "ms"].astype("int64"))
    bad = whole[~good & (whole.str.strip() != "")]
    return lines.drop_duplicates("ms").sort_values("ms", kind="stable").reset_index(drop=True), bad
