"""Imaging FlowCytobot bins: ``.hdr``, ``.adc`` and ``.roi`` of one stem, anywhere in a folder tree or zip.

Layout (from the bins' own files and pyifcb, 2026-07). Old style ``IFCB<n>_YYYY_DDD_HHMMSS`` (IFCB1-6): 15 columns, no
time or volume in the header. New style ``DYYYYMMDDTHHMMSS_IFCBnnn``: 24 columns, newer software more. The
``.roi`` holds 8-bit grey pixels, row by row, ``width * height`` bytes from ``start_byte``. A region's number is
its 1-based line in the ``.adc``; lines with width or height 0 have no image but count. The bin id is UTC. In old
bins two lines of one trigger with overlapping rectangles are two images of one target ("stitched").
Class files and side tables: see ``ifcb_labels`` and ``ifcb_side``. Exported pictures ``<bin>_<5 digits>.png`` are
stretched in contrast: beside a .roi they are processed forms of its regions, without one they stand for them.
Checked against pyifcb's test bins of 2012, 2015 and 2017, a ClassiPyR bin of 2022 with its pictures and class files,
and the depth table and black list of the Swedish IFCB programme.
"""

import posixpath
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, with_locator
from aqqua_dataset.sources.entries import LINE_END
from aqqua_dataset.sources.ifcb_header import OLD, new_entries, old_entries
from aqqua_dataset.sources.ifcb_labels import Labels
from aqqua_dataset.sources.ifcb_side import COLUMNS as SIDE_COLUMNS
from aqqua_dataset.sources.ifcb_side import SideTables, gps, reject_reason
from aqqua_dataset.sources.ifcb_volume import is_possible, volume_new, volume_old
from aqqua_dataset.transfer.delivery import DeliveredFile, Delivery

_BIN = re.compile(r"IFCB(?P<old>\d{1,6})_\d{4}_\d{3}_\d{6}|D\d{8}T\d{6}_IFCB(?P<new>\d{1,6})", re.ASCII)
TELLING = re.compile(rf"(?:{_BIN.pattern})\.(?:hdr|adc|roi)", re.ASCII | re.IGNORECASE)
_EXPORT = re.compile(r"(?P<stem>IFCB\d+_\d{4}_\d{3}_\d{6}|D\d{8}T\d{6}_IFCB\d+)_(?P<number>\d{5})\.png", re.ASCII)
COVERS: tuple[str, ...] = ()
_ENDINGS = (".hdr", ".adc", ".roi")
_V1 = (
    "trigger", "processing_end_time", "fluorescence_low", "fluorescence_high", "scattering_low", "scattering_high",
    "comparator_pulse", "trigger_open_time", "frame_grab_time", "roi_x", "roi_y", "roi_width", "roi_height",
    "start_byte", "valve_status",
)  # fmt: skip
_V2 = (
    "trigger", "adc_time", "pmt_a", "pmt_b", "pmt_c", "pmt_d", "peak_a", "peak_b", "peak_c", "peak_d",
    "time_of_flight", "grab_time_start", "grab_time_end", "roi_x", "roi_y", "roi_width", "roi_height", "start_byte",
    "comparator_out", "start_point", "signal_length", "status", "run_time", "inhibit_time",
)  # fmt: skip
_WHOLE = ("trigger", "roi_x", "roi_y", "roi_width", "roi_height", "start_byte")
_ROWS_PER_CHUNK = 5_000
_MOST_CELLS = 64  # of a line; real ones have up to 26
_MOST_PIXELS_ASIDE = 65_535
_PADDING_BYTES = 2  # of an old .roi without regions


@dataclass(frozen=True)
class Beside:
    """What lies beside the bins of a delivery: class files, side tables, exported pictures by bin and folder."""

    delivery: Delivery
    labels: Labels
    side: SideTables
    exports: "dict[str, dict[str, array[int]]]"
    repeated: dict[str, Finding] = field(default_factory=dict)

    def tell(self, finding: Finding) -> None:
        """Notes what may be found in every bin: it is reported once, with the first bin and the number of bins."""
        before = self.repeated.get(finding.rule)
        self.repeated[finding.rule] = replace(before, count=before.count + 1) if before else finding


@dataclass(frozen=True)
class Bin:
    """The files of one bin: paths inside the delivery and sizes in bytes, by ending."""

    stem: str
    place: str
    paths: dict[str, str]
    sizes: dict[str, int]

    @property
    def old(self) -> bool:
        """Whether the bin is of an instrument of the first generation."""
        return self.stem.startswith("IFCB")

    @property
    def instrument(self) -> str:
        """The instrument's number as the id writes it."""
        match = _BIN.fullmatch(self.stem)
        return "".join(match.groups("")) if match else ""

    def path(self, ending: str) -> str:
        """Where the file is, or would be if it had been delivered."""
        return self.paths.get(ending, f"{self.place}{self.stem}{ending}")


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: files named as bins are."""
    return f"{telling.count} file(s) of IFCB bins (.hdr, .adc, .roi), first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, bin by bin in the order of their paths; small bins share a chunk."""
    beside = Beside(delivery, Labels(delivery, report), SideTables(delivery, report), _exports(delivery))
    waiting: list[pd.DataFrame] = []
    for found in _bins(delivery, report):
        rows = _read_bin(beside, found, report)
        if rows is not None:
            waiting.append(rows)
        if sum(map(len, waiting)) >= _ROWS_PER_CHUNK:
            yield with_locator(pd.concat(waiting, ignore_index=True))
            waiting = []
    if waiting:
        yield with_locator(pd.concat(waiting, ignore_index=True))
    beside.labels.report_unused()
    for finding in beside.repeated.values():
        report(finding)


def _exports(delivery: Delivery) -> "dict[str, dict[str, array[int]]]":
    """Numbers of the regions whose exported picture lies in a folder, by bin and folder; 4 bytes each."""
    found: dict[str, dict[str, array[int]]] = {}
    for file in delivery.files():
        split = file.path.rfind("/") + 1
        if match := _EXPORT.fullmatch(file.path[split:]):
            folders = found.setdefault(match["stem"], {})
            folders.setdefault(sys.intern(file.path[:split]), array("L")).append(int(match["number"]))
    return found


def _stem(path: str) -> str | None:
    stem, ending = posixpath.splitext(posixpath.basename(path))
    return stem if ending.lower() in _ENDINGS and _BIN.fullmatch(stem) else None


def _bins(delivery: Delivery, report: Report) -> Iterator[Bin]:
    """The bins one after the other; files come in the order of their paths, so a bin's stand together."""
    for key, group in groupby(_parts(delivery, report), key=itemgetter(0)):
        files = {ending: file for _, ending, file in group}
        stem = posixpath.basename(key)
        paths, sizes = {e: f.path for e, f in files.items()}, {e: f.size for e, f in files.items()}
        yield Bin(stem, key.removesuffix(stem), paths, sizes)


def _parts(delivery: Delivery, report: Report) -> Iterator[tuple[str, str, DeliveredFile]]:
    """The files of bins: path without its ending, ending, file."""
    for file in delivery.files():
        key, ending = posixpath.splitext(file.path)
        if ending.lower() not in _ENDINGS:
            continue
        if _stem(file.path) is None:
            message = "the name is no bin id (IFCBn_YYYY_DDD_HHMMSS or DYYYYMMDDTHHMMSS_IFCBnnn); left out"
            report(Finding("ifcb_not_a_bin", "note", message, file=file.path))
        else:
            yield key, ending.lower(), file


def _read_bin(beside: Beside, found: Bin, report: Report) -> pd.DataFrame | None:
    """The rows of one bin, or None with a finding."""
    delivery = beside.delivery
    if not any(found.sizes.values()):
        message = "all files of the bin are empty (0 bytes)"
        report(Finding("ifcb_bin_zero_bytes", "warning", message, file=found.place + found.stem))
        return None
    header = _header(delivery, found, report)
    adc, pixels = found.path(".adc"), found.sizes.get(".roi", 0)
    if ".adc" not in found.paths or (found.sizes[".adc"] == 0 and pixels > _PADDING_BYTES):
        state = "empty" if ".adc" in found.paths else "missing"
        message = f"the .adc is {state}, so the regions in the .roi ({pixels} bytes) can't be found"
        report(Finding("ifcb_adc_missing", "error", message, file=adc))
        return None
    text = _text(delivery, adc, report)
    adc_lines = _adc_lines(found, text) if text is not None else pd.DataFrame()
    rows = _regions(found, adc_lines, text, report) if text is not None else pd.DataFrame()
    if rows.empty:
        if text is not None:
            report(Finding("ifcb_bin_without_rois", "note", "the bin holds no region", file=adc))
        return None
    if ".roi" not in found.paths:
        message = f"the .roi is missing: {len(rows)} regions have no pixels"
        report(Finding("ifcb_roi_file_missing", "error", message, file=found.path(".roi")))
    of_bin = _of_bin(beside, found, adc_lines, header)
    located = _located(found, rows, of_bin)
    labelled = pd.concat([located, beside.labels.of(found.stem, rows.index).reset_index(drop=True)], axis=1)
    return _with_exports(beside, found, labelled)


def _of_bin(beside: Beside, found: Bin, adc: pd.DataFrame, header: dict[str, str]) -> dict[str, str | None]:
    """What holds for every region of the bin: its id, time, header, position, depth, volume; why it is no data."""
    time = _time(found)
    side = beside.side.of(found.stem)
    fix = gps(header, time)
    flags = []
    if "gps_stale_fix" in fix:
        flags.append("IFCB_GPS_STALE")
        message = "the header's GPS fix isn't within an hour of the bin's time; its position is not used"
        beside.tell(Finding("ifcb_gps_stale", "warning", message, file=found.path(".hdr"), value=fix["gps_stale_fix"]))
    volume = volume_old(adc, found.stem) if found.old else volume_new(header, adc, int(found.instrument))
    if volume is not None and not is_possible(volume):
        flags.append("IFCB_VOLUME_INVALID")
        message = "the bin's times give a volume that no syringe holds, in mL; it is left out"
        beside.tell(Finding("ifcb_volume_invalid", "warning", message, file=found.path(".adc"), value=f"{volume:.6g}"))
        volume = None
    reason, column, value = reject_reason(side, header) or (None, None, None)
    return {
        "bin": found.stem,
        "bin_time": time,
        "roi_file": f"{found.stem}.roi",
        "instrument_name": "IFCB",
        "instrument_number": found.instrument,
        "volume_analysed_ml": None if volume is None else f"{volume:.6g}",
        **{name: side.get(name) for name in SIDE_COLUMNS},
        **{name: fix.get(name) for name in ("gps_latitude", "gps_longitude", "gps_stale_fix")},
        "aqqua_flags": " ".join(flags),
        "aqqua_reason": reason,
        "aqqua_column": column,
        "aqqua_value": value,
        **{f"hdr_{key}": value for key, value in header.items()},
    }


def _with_exports(beside: Beside, found: Bin, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, and after them those of exported pictures, which replace the regions when there is no .roi."""
    there: dict[str, str] = {}
    for folder, numbers in reversed(beside.exports.get(found.stem, {}).items()):  # the first folder counts
        names = (f"{found.stem}_{n:05d}.png" for n in numbers)
        there.update({name: folder + name for name in names})
    path = (rows["aqqua_image_file"] + ".png").map(there).astype("str")
    pictures = rows[path.notna()].copy()
    if pictures.empty:
        return rows
    pictures["aqqua_path"] = path[path.notna()]
    pictures["aqqua_image_file"] += ".png"
    nothing = ["aqqua_offset", "aqqua_width", "aqqua_height"]
    pictures[nothing] = pd.DataFrame(pd.NA, pictures.index, nothing, dtype="Int64")
    if ".roi" not in found.paths:
        return pd.concat([rows[path.isna()], pictures]).sort_index()
    pictures["aqqua_rank"] = pd.Series(pd.NA, pictures.index, dtype="Int64")  # the raw region has it
    raw = rows.assign(aqqua_variant=path.notna().map({True: "raw", False: None}))
    return pd.concat([raw, pictures.assign(aqqua_variant="processed")])


def _text(delivery: Delivery, path: str, report: Report) -> str | None:
    try:
        return delivery.read(path).decode("latin-1")
    except OSError as error:
        report(Finding("ifcb_file_unreadable", "error", f"the file can't be read ({error})", file=path))
        return None


def _lines(text: str) -> dict[int, str]:
    """Lines that aren't empty by their 1-based number."""
    stripped = (line.strip() for line in LINE_END.split(text))
    return {number: line for number, line in enumerate(stripped, start=1) if line}


def _adc_lines(found: Bin, text: str) -> pd.DataFrame:
    """Cells of all .adc lines as text, with the line as index."""
    return _table(_lines(text), _V1 if found.old else _V2, complete=text.endswith(("\r", "\n")))


def _regions(found: Bin, table: pd.DataFrame, text: str, report: Report) -> pd.DataFrame:
    """Cells of the .adc lines that have a region, as text, with the line as index; bad lines are reported.

    Columns named as in ``_WHOLE`` with an underscore before hold the same as whole numbers.
    """
    names: Sequence[str] = _V1 if found.old else _V2
    lines = _lines(text)
    numbers = table[list(_WHOLE)].apply(pd.to_numeric, errors="coerce").astype("float64")
    whole = (numbers == numbers.round()).all(axis=1) & (numbers.abs() < 2**53).all(axis=1)
    size = numbers[["roi_width", "roi_height"]]
    good = whole & (numbers["start_byte"] >= 0) & ((size >= 0) & (size <= _MOST_PIXELS_ASIDE)).all(axis=1)
    _report_bad_lines(found, {n: lines[n] for n in sorted(lines.keys() - set(good.index[good]))}, len(names), report)
    has_region = good & (size > 0).all(axis=1)
    kept = table[has_region].replace("", pd.NA)
    empty = [c for c in kept.columns[len(names) :] if kept[c].isna().all()]  # the comma at the end of old lines
    return kept.drop(columns=empty).join(numbers[has_region].astype("int64").add_prefix("_"))


def _table(lines: dict[int, str], names: Sequence[str], *, complete: bool) -> pd.DataFrame:
    """The cells of the lines with as many cells as most lines have; another number means cut off or spoilt."""
    cells = {number: [c.strip() for c in line.split(",")] for number, line in lines.items()}
    widths = Counter(len(c) for c in cells.values() if len(c) <= _MOST_CELLS)
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    fits = {number: c for number, c in cells.items() if len(c) == usual}
    if not complete and usual == names.index("start_byte") + 1:
        fits.pop(max(lines), None)  # cut off inside the start byte
    columns = [*names, *(f"extra_{i}" for i in range(1, usual - len(names) + 1))]
    table = pd.DataFrame(list(fits.values()), list(fits), columns[:usual], dtype="str")
    return table.reindex(columns=columns).astype("str")


def _report_bad_lines(found: Bin, bad: dict[int, str], width: int, report: Report) -> None:
    if not bad:
        return
    message = (
        f"expected {width} or more cells, as many as in the file's other lines, with whole numbers for trigger, "
        "rectangle and start byte; the line was left out"
    )
    line = next(iter(bad))
    report(
        Finding(
            "ifcb_adc_line_unreadable", "warning", message,
            file=found.path(".adc"), line=line, value=bad[line][:120], count=len(bad),
        )
    )  # fmt: skip


def _located(found: Bin, rows: pd.DataFrame, of_bin: dict[str, str | None]) -> pd.DataFrame:
    line = rows.index.to_series()
    target = found.stem + "_" + line.astype("str").str.pad(5, fillchar="0")
    second = _is_second_of_pair(found, rows)
    pair = second | second.shift(-1, fill_value=False)
    flags = pair.map({True: "IFCB_STITCHED_PAIR ", False: ""})
    locator = {
        "aqqua_object_id": target.where(~second, target.shift()),
        "aqqua_rank": second.astype("int32"),
        "aqqua_image_file": target,
        "aqqua_table": found.path(".adc"),
        "aqqua_line": line,
        "aqqua_path": found.path(".roi"),
        "aqqua_offset": rows["_start_byte"],
        "aqqua_width": rows["_roi_width"],
        "aqqua_height": rows["_roi_height"],
    }
    flags += _overlap(rows).map({True: "IFCB_ROI_OVERLAP ", False: ""}) + str(of_bin["aqqua_flags"])
    of_bin = of_bin | {"aqqua_flags": None}
    same = {name: pd.array([value], dtype="str").repeat(len(rows)) for name, value in of_bin.items()}
    added = pd.DataFrame(same | {"aqqua_flags": flags.str.strip()} | locator | {"target": target}, index=rows.index)
    return pd.concat([rows.drop(columns=[f"_{name}" for name in _WHOLE]), added], axis=1).reset_index(drop=True)


def _is_second_of_pair(found: Bin, rows: pd.DataFrame) -> "pd.Series[bool]":
    """Old bins: the region overlaps the one of the line before and both have one trigger."""
    if not found.old:
        return pd.Series(False, rows.index)
    before = rows[[f"_{name}" for name in _WHOLE]].shift()
    apart = (
        (rows["_roi_x"] >= before["_roi_x"] + before["_roi_width"])
        | (before["_roi_x"] >= rows["_roi_x"] + rows["_roi_width"])
        | (rows["_roi_y"] >= before["_roi_y"] + before["_roi_height"])
        | (before["_roi_y"] >= rows["_roi_y"] + rows["_roi_height"])
    )
    next_line = rows.index.to_series().diff() == 1
    second = (rows["_trigger"] == before["_trigger"]) & next_line & ~apart
    return second & ~second.shift(fill_value=False)


def _overlap(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a region's bytes overlap those of any other region of the bin."""
    ordered = rows.sort_values("_start_byte", kind="stable")
    start = ordered["_start_byte"]
    end = start + ordered["_roi_width"] * ordered["_roi_height"]
    into_next = end > start.shift(-1)
    into_earlier = start < end.cummax().shift()
    return (into_next | into_earlier).reindex(rows.index)


def _time(found: Bin) -> str | None:
    """The bin id's time in UTC as ISO text, or None where it is no date."""
    text, pattern = found.stem.split("_")[0], "D%Y%m%dT%H%M%S"
    if found.old:
        text, pattern = found.stem.partition("_")[2], "%Y_%j_%H%M%S"
    time = pd.to_datetime(text, format=pattern, errors="coerce")
    # Day 366 of a common year is read as the next year's first day.
    return None if pd.isna(time) or f"{time:{pattern}}" != text else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _header(delivery: Delivery, found: Bin, report: Report) -> dict[str, str]:
    """The .hdr's entries by snake-case name, from any of its dialects; lines without a value are left out."""
    path = found.path(".hdr")
    if ".hdr" not in found.paths:
        report(Finding("ifcb_hdr_missing", "warning", "the .hdr is missing", file=path))
        return {}
    text = _text(delivery, path, report)
    if text is None:
        return {}
    entries = old_entries(text) if found.old else new_entries(text)
    if not entries:
        wanted = f"six values on its last line ({', '.join(OLD)})" if found.old else "lines of `key: value`"
        report(Finding("ifcb_hdr_unreadable", "warning", f"the .hdr doesn't hold {wanted}", file=path))
    return entries
