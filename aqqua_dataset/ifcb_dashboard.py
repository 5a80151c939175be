"""Downloads bins from an IFCB dashboard by data set, list of bins and time, through its public addresses.

Addresses as of ifcbdb in 2026: ``/api/export_metadata/<data set>`` (one line per bin), on older dashboards
``/api/list_bins``, and ``/data/<bin>.adc``, ``.hdr`` and ``.roi``. The delivery is what the IFCB reader reads: bins in
folders by day, and the dashboard's metadata beside them. A file is there whole or not at all, so a stopped download
goes on with what is missing.
"""

import datetime as dt
import io
import re
import time
import urllib.parse
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import pandas as pd

from aqqua_dataset import __version__, space
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.privacy import Blotter
from aqqua_dataset.sources import Report
from aqqua_dataset.warehouse import Warehouse
from aqqua_dataset.web import Reply, Unanswered, Web, query

#: The .hdr comes last: a bin with one is whole.
ENDINGS = (".roi", ".adc", ".hdr")
METADATA = "dashboard_metadata.csv"
#: Files asked for at the same time.
CONNECTIONS = 4

_AHEAD = 64  # bins
_NAMES = ("pid", "bin", "bin_id", "filename")
_BIN = re.compile(r"IFCB\d+_(?P<year>\d{4})_(?P<day>\d{3})_\d{6}|D(?P<date>\d{8})T\d{6}_IFCB\d+", re.ASCII)
_REMARKS = re.compile(r"comments?(_summary)?|tag\d*|trigger_selection", re.IGNORECASE)  # written by persons


class DashboardRefused(Refused):
    """The dashboard refused, or can't be asked so."""

    what = "the download from the dashboard"


@dataclass(frozen=True)
class Wanted:
    """What to download: all bins of a data set from the first day to the last (UTC), or of these only those listed."""

    dataset: str
    first: dt.date | None = None
    last: dt.date | None = None
    bins: Collection[str] = ()


@dataclass(frozen=True)
class Downloaded:
    """What a run did: bins wanted, files and bytes that came, files that were there, and files the server hasn't."""

    bins: int
    files: int
    bytes: int
    there: int
    missing: int


class Dashboard:
    """One dashboard."""

    def __init__(
        self, address: str, contact: str, wait: Callable[[float], None] = time.sleep, pause: float = 0.1
    ) -> None:  # fmt: skip
        """Connects to nothing yet.

        Args:
            address: any page of the dashboard.
            contact: page or address that its people can write to, sent with every request.
            wait: how to wait.
            pause: least seconds between the starts of two requests.

        Raises:
            DashboardRefused: it is no web address.
        """
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _refused("ifcb_dashboard_address", "expected a web address of the dashboard", address)
        agent = f"aqqua_dataset/{__version__} ({contact})"
        self._web = Web(f"{parts.scheme}://{parts.netloc}", {"User-Agent": agent}, wait=wait, pause=pause)

    def bins(self, wanted: Wanted) -> pd.DataFrame:
        """The data set's table of bins, all cells as text, the first column named ``pid``; raises DashboardRefused."""
        span = {n: d.isoformat() for n, d in (("start_date", wanted.first), ("end_date", wanted.last)) if d}
        name = urllib.parse.quote(wanted.dataset, safe="")
        reply = self._ask(query(f"/api/export_metadata/{name}", **span))
        if reply.status == 200:
            table = pd.read_csv(io.BytesIO(reply.data), dtype="str", keep_default_na=False)
        else:  # dashboards of before 2020 have no such table, those of after March 2026 only that
            reply = self._ask(query("/api/list_bins", dataset=wanted.dataset, **span))
            listed = reply.json() if reply.status == 200 else None
            if not isinstance(listed, dict) or not listed.get("data"):
                raise _refused("ifcb_dashboard_empty", "no such data set, or no bin in that time", wanted.dataset)
            table = pd.DataFrame(listed["data"]).astype("str")
        key = next((n for n in _NAMES if n in table.columns), None)
        if key is None:
            message = f"expected a table with one of the columns {', '.join(_NAMES)}"
            raise _refused("ifcb_dashboard_table", message, ", ".join(table.columns[:9]))
        table.insert(0, "pid", table.pop(key))
        return table

    def fetch(self, pid: str, ending: str, store: Warehouse, path: str) -> int | None:
        """Writes a file of a bin and returns its bytes; None where the dashboard hasn't got it.

        Raises:
            DashboardRefused: the server refuses or falls silent, or doesn't say how long the file is.
        """
        try:
            with store.create(path) as target:
                reply = self._web.fetch(f"/data/{pid}{ending}", target)
                if reply.status != 200:
                    raise _NotThere(reply.status)
                if int(reply.headers.get("content-length", -1)) < 0:
                    message = "the dashboard doesn't say how long its files are, so none can be taken for whole"
                    raise _refused("ifcb_dashboard_no_size", message, f"{pid}{ending}")
        except _NotThere as none:
            if none.status == 404:
                return None
            message = f"the dashboard answered {none.status}; run it again later to go on"
            raise _refused("ifcb_dashboard_server", message, f"{pid}{ending}") from None
        except Unanswered as silence:
            message = f"the download stopped ({silence}); run it again to go on"
            raise _refused("ifcb_dashboard_broken_off", message, f"{pid}{ending}") from None
        return store.size(path)

    def _ask(self, path: str) -> Reply:
        try:
            return self._web.send("GET", path)
        except Unanswered as silence:
            message = f"the dashboard doesn't answer ({silence}); run it again later"
            raise _refused("ifcb_dashboard_unanswered", message, "") from None


class _NotThere(Exception):
    """The file can't be had; leaves nothing behind."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


@space.needed()
def download(
    dashboard: Dashboard, wanted: Wanted, store: Warehouse, report: Report, progress: Callable[[str], None]
) -> Downloaded:
    """Brings what is wanted and not yet there into a delivery.

    Args:
        dashboard: where from.
        wanted: what.
        store: the delivery.
        report: told of bins that were left out.
        progress: told how far it is.

    Raises:
        DashboardRefused: it can't go on; what came is kept.
    """
    table = chosen(dashboard.bins(wanted), wanted, report)
    there = store.sizes("")
    asked = [(pid, e) for pid in table["pid"] for e in ENDINGS]
    lacking = [(pid, e) for pid, e in asked if _path(pid, e) not in there]
    files = size = missing = 0
    lost: list[str] = []
    for pid, ending, got in _fetched(dashboard, lacking, store):
        files, size = files + (got is not None), size + (got or 0)
        if got is None:
            missing += 1
            lost.append(f"{pid}{ending}")
        if (files + missing) % 300 == 0:
            progress(f"{files:,} of {len(lacking):,} files, {size:,} bytes")
    if lost:
        message = "files that the dashboard names and hasn't got: ask its people"
        report(Finding("ifcb_dashboard_missing", "warning", message, value=lost[0], count=len(lost)))
    store.write_bytes(METADATA, _without_persons(table))
    return Downloaded(len(table), files, size, len(asked) - len(lacking), missing)


def chosen(table: pd.DataFrame, wanted: Wanted, report: Report) -> pd.DataFrame:
    """The bins that are wanted, in order; those that aren't bins or are marked to be skipped are reported."""
    valid = table["pid"].map(lambda pid: _BIN.fullmatch(pid) is not None)
    if not valid.all():
        message = "not a bin id (IFCBn_YYYY_DDD_HHMMSS or DYYYYMMDDTHHMMSS_IFCBnnn); left out"
        first = str(table["pid"][~valid].iloc[0])
        report(Finding("ifcb_dashboard_not_a_bin", "warning", message, value=first, count=int((~valid).sum())))
    days = table["pid"].where(valid).map(_day, na_action="ignore")
    taken = valid & ~_outside(days, wanted)
    if wanted.bins:
        taken &= table["pid"].isin(list(wanted.bins))
        if unknown := sorted(set(wanted.bins) - set(table["pid"])):
            message = "bins that the data set hasn't got in that time"
            report(Finding("ifcb_dashboard_unknown_bin", "error", message, value=unknown[0], count=len(unknown)))
    if "skip" in table.columns:
        skipped = taken & table["skip"].str.strip().str.casefold().isin(["true", "1"])
        if skipped.any():
            message = "bins that the dashboard's people marked to be skipped; left out"
            report(Finding("ifcb_dashboard_skipped", "note", message, count=int(skipped.sum())))
        taken &= ~skipped
    return table[taken].drop_duplicates("pid").sort_values("pid").reset_index(drop=True)


def _outside(days: "pd.Series", wanted: Wanted) -> "pd.Series":
    """Bins before the first or after the last day; the server counts the next day's midnight in."""
    first, last = wanted.first or dt.date.min, wanted.last or dt.date.max
    return days.map(lambda day: not first <= day <= last, na_action="ignore").fillna(True).astype(bool)


def _day(pid: str) -> dt.date | None:
    match = _BIN.fullmatch(pid)
    if match is None:
        return None
    text, pattern = (match["date"], "%Y%m%d") if match["date"] else (match["year"] + match["day"], "%Y%j")
    try:
        return dt.datetime.strptime(text, pattern).replace(tzinfo=dt.UTC).date()
    except ValueError:
        return None


def _path(pid: str, ending: str) -> str:
    """Where a bin lies, as instruments store it: ``2022/D20220522/<bin>.roi``, ``2012/IFCB5_2012_028/<bin>.roi``."""
    match = _BIN.fullmatch(pid)
    assert match is not None
    folder = f"{match['date'][:4]}/D{match['date']}" if match["date"] else f"{match['year']}/{pid.rpartition('_')[0]}"
    return f"{folder}/{pid}{ending}"


def _fetched(
    dashboard: Dashboard, lacking: list[tuple[str, str]], store: Warehouse
) -> Iterator[tuple[str, str, int | None]]:
    """Fetches files a few at a time; a bin's files are asked for in their order."""

    def fetch(one: tuple[str, str]) -> tuple[str, str, int | None]:
        pid, ending = one
        return pid, ending, dashboard.fetch(pid, ending, store, _path(pid, ending))

    waiting = iter(lacking)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        while some := list(islice(waiting, _AHEAD)):
            yield from threads.map(fetch, some)


def _without_persons(table: pd.DataFrame) -> bytes:
    """The metadata as CSV without what persons wrote or are called."""
    blotter = Blotter()
    kept = blotter.without_persons(table.drop(columns=[c for c in table.columns if _REMARKS.fullmatch(c)]))
    return str(blotter.frame(kept).to_csv(index=False, lineterminator="\n")).encode()


def _refused(rule: str, message: str, value: str) -> DashboardRefused:
    return DashboardRefused([Finding(rule, "error", message, value=value)])
