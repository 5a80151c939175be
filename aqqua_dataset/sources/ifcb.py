"""Imaging FlowCytobot bins: ``.hdr``, ``.adc`` and ``.roi`` of one stem, anywhere in a folder tree or zip.

Layout (from the bins' own files and pyifcb, 2026-07). Old style ``IFCB<n>_YYYY_DDD_HHMMSS`` (IFCB1-6): 15 columns, no
time or volume in the header. New style ``DYYYYMMDDTHHMMSS_IFCBnnn``: 24 columns, newer software more. The
``.roi`` holds 8-bit grey pixels, row by row, ``width * height`` bytes from ``start_byte``. A region's number is
its 1-based line in the ``.adc``; lines with width or height 0 have no image but count. The bin id is UTC. In old
bins two lines of one trigger with overlapping rectangles are two images of one target ("stitched").
Checked against pyifcb's test bins of 2012, 2015 and 2017 and a ClassiPyR bin of 2022.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, with_locator
from aqqua_dataset.transfer.delivery import Delivery, broken_zips

_BIN = re.compile(r"(?:IFCB\d+_\d{4}_\d{3}_\d{6}|D\d{8}T\d{6}_IFCB\d+)")
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
_OLD_HEADER = ("temperature", "humidity", "binarize_thresh", "pmt1hv", "pmt2hv", "blob_size_thresh")
_ROWS_PER_CHUNK = 5_000


@dataclass(frozen=True)
class Bin:
    """The files of one bin: paths inside the delivery and sizes in bytes, by ending."""

    stem: str
    place: str
    paths: dict[str, str]
    sizes: dict[str, int]

    def path(self, ending: str) -> str:
        """Where the file is, or would be if it had been delivered."""
        return self.paths.get(ending, f"{self.place}{self.stem}{ending}")


def detect(paths: Sequence[str]) -> str | None:
    """Evidence in words when at least one file is a bin's."""
    stems = {s for p in paths if (s := _stem(p)) is not None}
    return f"{len(stems)} bin(s), first {min(stems)}" if stems else None


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, bin by bin in the order of their paths; small bins share a chunk."""
    for path, why in broken_zips(delivery):
        report(Finding("zip_unreadable", "error", f"the zip can't be opened ({why})", file=path))
    waiting: list[pd.DataFrame] = []
    for found in _bins(delivery, report):
        rows = _read_bin(delivery, found, report)
        if rows is not None:
            waiting.append(rows)
        if sum(map(len, waiting)) >= _ROWS_PER_CHUNK:
            yield with_locator(pd.concat(waiting, ignore_index=True))
            waiting = []
    if waiting:
        yield with_locator(pd.concat(waiting, ignore_index=True))


def _stem(path: str) -> str | None:
    stem, ending = posixpath.splitext(posixpath.basename(path))
    return stem if ending.lower() in _ENDINGS and _BIN.fullmatch(stem) else None


def _bins(delivery: Delivery, report: Report) -> Iterator[Bin]:
    found: dict[str, Bin] = {}
    for file in delivery.files():
        ending = posixpath.splitext(file.path)[1].lower()
        if ending not in _ENDINGS:
            continue
        stem = _stem(file.path)
        if stem is None:
            message = "the name is no bin id (IFCBn_YYYY_DDD_HHMMSS or DYYYYMMDDTHHMMSS_IFCBnnn); left out"
            report(Finding("ifcb_not_a_bin", "note", message, file=file.path))
            continue
        place = file.path[: -len(stem) - len(ending)]
        made = found.setdefault(place + stem, Bin(stem, place, {}, {}))
        made.paths[ending], made.sizes[ending] = file.path, file.size
    for key in sorted(found):
        yield found[key]


def _read_bin(delivery: Delivery, found: Bin, report: Report) -> pd.DataFrame | None:
    """The rows of one bin, or None with a finding."""
    if not any(found.sizes.values()):
        message = "all files of the bin are empty (0 bytes)"
        report(Finding("ifcb_bin_zero_bytes", "warning", message, file=found.place + found.stem))
        return None
    if ".adc" not in found.paths:
        message = "the .adc is missing, so the regions in the .roi can't be found"
        report(Finding("ifcb_adc_missing", "error", message, file=found.path(".adc")))
        return None
    rows = _read_adc(delivery, found, report)
    rows = rows[(rows["roi_width"] > 0) & (rows["roi_height"] > 0)].reset_index(drop=True)
    if rows.empty:
        report(Finding("ifcb_bin_without_rois", "note", "the bin holds no region", file=found.path(".adc")))
        return None
    if ".roi" not in found.paths:
        message = f"the .roi is missing: {len(rows)} regions have no pixels"
        report(Finding("ifcb_roi_file_missing", "error", message, file=found.path(".roi")))
    return _located(found, rows, _header(delivery, found, report))


def _read_adc(delivery: Delivery, found: Bin, report: Report) -> pd.DataFrame:
    """The lines of an .adc as text with whole numbers where regions are described; bad lines are reported."""
    text = delivery.read(found.path(".adc")).decode("latin-1")
    names: Sequence[str] = _V1 if found.stem.startswith("IFCB") else _V2
    lines = pd.Series(text.splitlines(), dtype="str")
    table = lines.str.split(",", expand=True) if len(lines) else pd.DataFrame(columns=range(len(names)))
    table = table.reindex(columns=range(max(len(names), table.shape[1])))
    table.columns = pd.Index([*names, *(f"extra_{i}" for i in range(1, table.shape[1] - len(names) + 1))])
    table = table.apply(lambda column: column.str.strip()).replace("", pd.NA).dropna(axis="columns", how="all")
    table = table.reindex(columns=[*names, *(c for c in table.columns if c not in names)]).astype("str")
    numbers = table[list(_WHOLE)].apply(pd.to_numeric, errors="coerce")
    bad = (
        numbers.isna().any(axis=1)
        | (numbers["start_byte"] < 0)
        | (numbers[["roi_width", "roi_height"]] > 65_535).any(axis=1)
    )
    for position in lines.index[bad & (lines.str.strip() != "")]:
        message = f"expected {len(names)} numbers, with whole numbers for trigger, rectangle and start byte"
        report(
            Finding(
                "ifcb_adc_line_unreadable", "warning", message, file=found.path(".adc"),
                line=int(position) + 1, value=lines[position][:120],
            )
        )  # fmt: skip
    table["line"] = np.arange(1, len(table) + 1)
    table[list(_WHOLE)] = numbers
    kept = table[~bad].copy()
    return kept.astype(dict.fromkeys(_WHOLE, "int64"))


def _located(found: Bin, rows: pd.DataFrame, header: dict[str, str]) -> pd.DataFrame:
    target = found.stem + "_" + rows["line"].astype("str").str.pad(5, fillchar="0")
    second = _is_second_of_pair(found, rows)
    result = rows.drop(columns=["line"]).astype("str")
    result["bin"], result["target"] = found.stem, target
    result["bin_time"] = _time(found.stem)
    result["roi_file"] = f"{found.stem}.roi"
    for key, value in header.items():
        result[f"hdr_{key}"] = value
    result["aqqua_object_id"] = target.where(~second, target.shift())
    result["aqqua_rank"] = second.astype("int32")
    result["aqqua_image_file"] = target + ".png"
    result["aqqua_table"] = found.path(".adc")
    result["aqqua_line"] = rows["line"]
    result["aqqua_path"] = found.path(".roi")
    result["aqqua_offset"] = rows["start_byte"]
    result["aqqua_width"], result["aqqua_height"] = rows["roi_width"], rows["roi_height"]
    pair = second | second.shift(-1, fill_value=False)
    flags = pair.map({True: "IFCB_STITCHED_PAIR ", False: ""})
    result["aqqua_flags"] = (flags + _overlap(rows).map({True: "IFCB_ROI_OVERLAP", False: ""})).str.strip()
    return result


def _is_second_of_pair(found: Bin, rows: pd.DataFrame) -> pd.Series:
    """Old bins: the region overlaps the one before it and both have one trigger."""
    before = rows.shift()
    if not found.stem.startswith("IFCB"):
        return pd.Series(False, rows.index)
    apart = (
        (rows["roi_x"] >= before["roi_x"] + before["roi_width"])
        | (before["roi_x"] >= rows["roi_x"] + rows["roi_width"])
        | (rows["roi_y"] >= before["roi_y"] + before["roi_height"])
        | (before["roi_y"] >= rows["roi_y"] + rows["roi_height"])
    )
    second = (rows["trigger"] == before["trigger"]) & ~apart
    return second & ~second.shift(fill_value=False)


def _overlap(rows: pd.DataFrame) -> pd.Series:
    """Whether a region's bytes overlap those of the region before or after it in the file."""
    ordered = rows.sort_values("start_byte")
    end = ordered["start_byte"] + ordered["roi_width"] * ordered["roi_height"]
    into_next = end > ordered["start_byte"].shift(-1)
    return (into_next | into_next.shift(fill_value=False)).reindex(rows.index)


def _time(stem: str) -> str | None:
    """The bin id's time in UTC as ISO text, or None where it is no date."""
    pattern = "IFCB%Y_%j_%H%M%S" if stem.startswith("IFCB") else "D%Y%m%dT%H%M%S"
    text = re.sub(r"^IFCB\d+_", "IFCB", stem) if stem.startswith("IFCB") else stem.split("_")[0]
    time = pd.to_datetime(text, format=pattern, errors="coerce")
    return None if pd.isna(time) else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _header(delivery: Delivery, found: Bin, report: Report) -> dict[str, str]:
    """The .hdr's entries by snake-case name, from any of its dialects; lines without a value are left out."""
    if ".hdr" not in found.paths:
        report(Finding("ifcb_hdr_missing", "warning", "the .hdr is missing", file=found.path(".hdr")))
        return {}
    lines = delivery.read(found.path(".hdr")).decode("latin-1").splitlines()
    if found.stem.startswith("IFCB"):
        values = [v.strip(' "') for v in lines[-1].split(",")] if lines else []
        return dict(zip(_OLD_HEADER, values, strict=False)) if len(values) == len(_OLD_HEADER) else {}
    entries = {}
    for line in lines:
        key, separator, value = line.partition(":" if ":" in line else "=")
        name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()).strip("_")
        if separator and name and value.strip():
            entries[name] = value.strip()
    return entries
