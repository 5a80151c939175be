"""PlanktoScope: EcoTaxa exports of the device's segmenter, and the ``metadata.json`` of its acquisitions.

Layout: ``ecotaxa_export.tsv`` with images, in a folder or in ``[Ee]cotaxa_export*.zip``, read as any EcoTaxa table (see
``ecotaxa``); ``metadata.json`` in the folder of an acquisition or above it holds one flat object of the same keys.
A row takes the ``metadata.json`` of its ``acq_id``; where row or file names none, the nearest one in the table's folder
or above it. Its entries become columns ``metadata_<key>``; the table's own columns stay as they are.

The device fills what nobody entered with defaults, which are flagged here and stay as delivered: ``process_pixel`` 1,
depth 0 to 0 or 0 to 1, gear ``test`` or ``net`` (``net`` is also what a user of a net would enter), and the dates of a
Raspberry Pi's clock that starts on 2019-02-14 and runs on for days. Default positions are the harmoniser's business.
``acq_local_datetime`` is local time and may be in epoch seconds; it is not mapped. ``process_pixel_size`` is the
calibrated pixel size in um; a ``process_pixel`` that differs is a known mistake of the software.

No public export with images exists: checked on files of the project's own writer, and on the old and new values of 411
acquisitions of the TOTS cruise. Keys and defaults are those of the device's software and of these corrections.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, ecotaxa, text
from aqqua_dataset.sources.entries import column_name, decode
from aqqua_dataset.transfer.delivery import Delivery

TELLING = re.compile(rf"(?:{ecotaxa.TELLING.pattern})|metadata\.json", re.IGNORECASE)
COVERS: tuple[str, ...] = ("ecotaxa",)
_METADATA = "metadata.json"
_INSTRUMENT = r"\s*plank(?:to|ton)\s?scope.*"
#: Columns that only the PlanktoScope's segmenter writes together.
_COLUMNS = frozenset({"acq_local_datetime", "acq_nb_frame", "acq_camera_iso", "process_pixel", "sample_sampling_gear"})
_FEWEST_COLUMNS = 4
_FIRST_ROWS = 20
_LARGEST_METADATA = 1 << 20
_DEEPEST = 4
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:\D.*)?", re.ASCII | re.DOTALL)
_EPOCH_S = re.compile(r"\d{9,10}(?:\.\d+)?", re.ASCII)
_DEFAULT_GEAR = ("test", "net")
_DEFAULT_DEPTHS = ((0.0, 0.0), (0.0, 1.0))


@dataclass
class _Metadata:
    """What the ``metadata.json`` files say: entries by acquisition, and by folder where none is named."""

    by_acquisition: dict[str, dict[str, str]] = field(default_factory=dict)
    by_folder: dict[str, dict[str, str]] = field(default_factory=dict)

    def near(self, table: str) -> dict[str, str]:
        """Entries of the file in the table's folder or the nearest above it; empty when there is none."""
        folder = _folder(table)
        while folder not in self.by_folder:
            if not folder:
                return {}
            folder = _folder(folder)
        return self.by_folder[folder]


def _folder(path: str) -> str:
    """The folder above a path; the one above an archive's root is the folder the archive lies in."""
    return path.removesuffix("!").rpartition("/")[0]


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: a table or a metadata.json that the PlanktoScope wrote, beside EcoTaxa tables."""
    tables = [p for p in telling.paths if ecotaxa.TELLING.fullmatch(posixpath.basename(p))]
    if not tables:
        return None
    for path in telling.paths:
        try:
            told = _table_tells(delivery, path) if path in tables else _metadata_tells(delivery, path)
        except OSError:
            continue  # reported when it is read
        if told:
            return f"{path} was written by a PlanktoScope ({told}); first table {tables[0]}"
    return None


def _table_tells(delivery: Delivery, path: str) -> str | None:
    encoding = text.encoding_of(delivery, path)
    header, *rows = text.first_rows(delivery, path, "\t", encoding, _FIRST_ROWS)
    names = [c.strip().lower() for c in header]
    if "acq_instrument" in names:
        place = names.index("acq_instrument")
        named = [row[place] for row in rows if len(row) > place and row[place].strip() not in ("", "[t]")]
        if named:
            found = [n for n in named if re.fullmatch(_INSTRUMENT, n, re.IGNORECASE)]
            return f"acq_instrument {found[0].strip()}" if found else None
    own = sorted(_COLUMNS & set(names))
    return f"columns {', '.join(own)}" if len(own) >= _FEWEST_COLUMNS else None


def _metadata_tells(delivery: Delivery, path: str) -> str | None:
    with delivery.open(path) as stream:
        entries = parse_metadata(stream.read(_LARGEST_METADATA)) or {}
    named = entries.get("acq_instrument", "")
    return f"acq_instrument {named}" if re.fullmatch(_INSTRUMENT, named, re.IGNORECASE) else None


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths, with the metadata of their acquisition."""
    metadata = _read_metadata(delivery, report)
    clock = _clock_defaults()
    for rows in ecotaxa.read(delivery, source, report):
        joined = _join(rows, metadata)
        joined["instrument_name"] = _instrument(joined)
        joined["aqqua_flags"] = joined["aqqua_flags"].str.cat(_flags(joined, clock), sep=" ").str.strip()
        yield joined


def _instrument(rows: pd.DataFrame) -> pd.Series:
    """``PlanktoScope`` where the row or its metadata names any version of it."""
    told = _column(rows, "acq_instrument").fillna(_column(rows, "metadata_acq_instrument"))
    is_one = told.str.fullmatch(_INSTRUMENT, case=False).fillna(False).astype(bool)
    return pd.Series(pd.NA, rows.index, dtype="str").mask(is_one, "PlanktoScope")


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name] if name in rows else pd.Series(pd.NA, rows.index, dtype="str")


def _read_metadata(delivery: Delivery, report: Report) -> _Metadata:
    found = _Metadata()
    torn: dict[str, str] = {}
    for file in delivery.files():
        if posixpath.basename(file.path).lower() != _METADATA:
            continue
        try:
            with delivery.open(file.path) as stream:
                entries = parse_metadata(stream.read(_LARGEST_METADATA))
        except OSError as error:
            report(Finding("planktoscope_metadata_unreadable", "warning", str(error)[:300], file=file.path))
            continue
        if entries is None:
            message = "expected one JSON object; the file is not used"
            report(Finding("planktoscope_metadata_unreadable", "warning", message, file=file.path))
            continue
        found.by_folder[_folder(file.path)] = entries
        acquisition = entries.get("acq_id")
        if acquisition and found.by_acquisition.setdefault(acquisition, entries) != entries:
            torn.setdefault(acquisition, file.path)
    for acquisition in torn:
        del found.by_acquisition[acquisition]  # and the files by folder name an acquisition, so none is guessed
    if torn:
        message = "metadata.json files of one acquisition contradict each other; none of them is used"
        name, path = next(iter(torn.items()))
        report(Finding("planktoscope_metadata_contradicts", "warning", message, file=path, value=name, count=len(torn)))
    return found


def parse_metadata(data: bytes) -> dict[str, str] | None:
    """Entries of a ``metadata.json`` as text by column name, numbers as written; None when it is no JSON object.

    Entries of objects inside it are named ``<key>_<inner key>``; lists are kept as JSON.
    """
    try:
        content = json.loads(decode(data), parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    found: dict[str, str] = {}
    _flatten(content, "", 0, found)
    return found


def _flatten(content: dict[str, Any], prefix: str, level: int, found: dict[str, str]) -> None:
    for key, value in content.items():
        name = column_name(f"{prefix}{key}")
        if isinstance(value, dict) and level < _DEEPEST:
            _flatten(value, f"{name}_", level + 1, found)
        elif name and value is not None and (told := _as_text(value)):
            found.setdefault(name, told)


def _as_text(value: Any) -> str:
    told = value if isinstance(value, str) else json.dumps(value)
    return told.encode("utf-8", errors="replace").decode().strip()  # JSON can name lone surrogates


def _join(rows: pd.DataFrame, metadata: _Metadata) -> pd.DataFrame:
    """The rows with columns ``metadata_<key>``; a row of one acquisition never takes another's."""
    acquisition = _column(rows, "acq_id")
    near = {table: metadata.near(table) for table in rows["aqqua_table"].unique()}
    keys = pd.Series(list(zip(acquisition.fillna(""), rows["aqqua_table"], strict=True)), rows.index, dtype="object")
    chosen: dict[tuple[str, str], dict[str, str]] = {}
    for name, table in keys.unique():
        beside = near[table]
        fits = not name or "acq_id" not in beside
        chosen[name, table] = metadata.by_acquisition.get(name, beside if fits else {})
    columns = {
        f"metadata_{key}": keys.map({k: entries.get(key) for k, entries in chosen.items()}).astype("str")
        for key in sorted({key for entries in chosen.values() for key in entries})
    }
    return pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1)


def _clock_defaults() -> frozenset[str]:
    """Days the device's clock shows when nobody set it (vocabulary default_dates)."""
    table = schema.vocabulary("default_dates.csv")
    return frozenset(table.loc[table["instruments"].str.contains("planktoscope", regex=False), "date"])


def _flags(rows: pd.DataFrame, clock: frozenset[str]) -> pd.Series:
    """Flags of the device's defaults that a row shows, separated by blanks."""
    pixel = pd.to_numeric(_column(rows, "process_pixel"), errors="coerce")
    upper, lower = (pd.to_numeric(_column(rows, f"object_depth_{end}"), errors="coerce") for end in ("min", "max"))
    depth = pd.Series(False, rows.index)
    for default in _DEFAULT_DEPTHS:
        depth |= (upper == default[0]) & (lower == default[1])
    days = pd.Series(False, rows.index)
    for name in ("object_date", "acq_local_datetime"):
        known = {value: day_of(value) in clock for value in _column(rows, name).dropna().unique()}
        days |= _column(rows, name).map(known).eq(True)
    shown = {
        "PIXEL_PLACEHOLDER": pixel == 1,
        "DEPTH_DEFAULT": depth,
        "GEAR_DEFAULT": _column(rows, "sample_sampling_gear").str.lower().isin(_DEFAULT_GEAR),
        "CLOCK_DEFAULT": days,
    }
    result = pd.Series("", rows.index, dtype="str")
    for name, mask in shown.items():
        result = result.str.cat(mask.map({True: f"{name} ", False: ""}).astype("str"))
    return result.str.strip()


def day_of(value: str) -> str | None:
    """The day (YYYY-MM-DD) of a date, an ISO time or epoch seconds as the device writes them; None for other text."""
    told = value.strip()
    if _EPOCH_S.fullmatch(told):
        return str(pd.to_datetime(float(told), unit="s").date())
    day = _DAY.fullmatch(told)
    return "-".join(day.groups()) if day else None
