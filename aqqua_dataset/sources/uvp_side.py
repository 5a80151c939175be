"""What lies beside UVP vignettes: header table of the project, hardware settings, EcoPart exports, vignette settings.

Everything is kept by sample and small, except EcoPart's tables of objects and bins, of which one profile is held.
"""

import csv
import functools
import io
import math
import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.entries import column_name, decode, sections
from aqqua_dataset.transfer.delivery import Delivery

HEADER = re.compile(r"(?P<instrument>uvp[^_]*)_header_.+\.txt", re.IGNORECASE)
SUMMARY = re.compile(r".*Export_metadata_summary\.tsv", re.IGNORECASE)
_RAW = re.compile(r"(?P<profile>.+)_(?P<kind>PAR|ZOO)_raw_\d{8}_\d\d_\d\d\.tsv", re.IGNORECASE)
_DETAILED = re.compile(r"export_detailed_\d{8}_\d\d_\d\d_(?P<kind>PAR|ZOO)_(?P<profile>.+)\.tsv", re.IGNORECASE)
ECOPART = re.compile(re.sub(r"\?P<\w+>", "?:", f"{_RAW.pattern}|{_DETAILED.pattern}"), re.IGNORECASE)
#: Models by how a header table's name or an instrument in EcoPart begins; a plain "uvp5" leaves open which one it is.
_MODELS = (("uvp6", "UVP6"), ("uvp5hd", "UVP5HD"), ("uvp5sd", "UVP5SD"), ("uvp5z", "UVP5Z"))
_STARTS = ("ecopart_sampledate", "ecopart_yyyy_mm_dd_hh_mm", "header_sampledatetime", "header_filename")
_START = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[ T-]?(\d\d):?(\d\d):?(\d\d)?")
_COMMENT = re.compile(r"^[ \t]*[;#][^\r\n]*", re.MULTILINE)
_HALF_BIN_M = 2.5  # EcoPart's detailed export has bins of 5 m named by their middle
#: Columns that the EcoPart tables of one profile add to its objects.
JOINED = ("ecopart_depth", "ecopart_bin_volume_l")


class UvpSide:
    """Values by sample (and by object) from all side files of a delivery."""

    def __init__(self, delivery: Delivery, report: Report) -> None:
        """Reads what is small and notes where the rest lies."""
        self._delivery, self._report = delivery, report
        self._samples: dict[str, dict[str, str]] = {}
        self._ecopart: dict[tuple[str, str], str] = {}
        self._short: dict[tuple[str, str], str] = {}
        self.vignettes: dict[str, dict[str, str]] = {}
        for file in delivery.files():
            folder, _, name = file.path.rpartition("/")
            if match := HEADER.fullmatch(name):
                rows = parse_table(self._text(file.path), ";")
                self._add(
                    (_of_header(r, match["instrument"].lower()) for r in rows), ("profileid", "filename"), "header_"
                )
            elif SUMMARY.fullmatch(name):
                self._add(parse_table(self._text(file.path), "\t"), ("profileid", "profile"), "ecopart_")
            elif name.casefold() == "metadata.ini":
                self._add_hardware(file.path)
            elif name.casefold() == "compute_vignette.txt":
                entries = sections(_COMMENT.sub("", self._text(file.path))).get("vignette", {})
                self.vignettes[folder] = {f"vignette_{column_name(k)}": v for k, v in entries.items() if v}
            elif match := _RAW.fullmatch(name):
                profile, kind = match["profile"].casefold(), match["kind"].upper()
                self._ecopart[profile, kind] = file.path
                self._short.setdefault((profile.partition("_")[2], kind), file.path)
            elif match := _DETAILED.fullmatch(name):
                self._ecopart.setdefault((match["profile"].casefold(), f"{match['kind'].upper()}_BINS"), file.path)

    def knows(self, sample: str) -> bool:
        """Whether any side file is about the sample."""
        kinds = ("ZOO", "PAR", "PAR_BINS")
        return sample.casefold() in self._samples or any(self._path(sample, kind) for kind in kinds)

    def of(self, sample: str) -> dict[str, str]:
        """Entries of a sample by column, those of the raw file its header names among them."""
        entries = self._samples.get(sample.casefold(), {})
        raw = self._samples.get(entries.get("header_filename", "").casefold(), {})
        return _with_model(raw | entries)

    def of_objects(self, sample: str, objects: pd.DataFrame) -> pd.DataFrame:
        """Columns ``JOINED`` for the objects of one sample.

        Args:
            sample: the sample's id, which is EcoPart's profile.
            objects: their columns ``objid`` (EcoTaxa's number), ``orig_id``, and ``depth`` in metres without the
                sensor's offset, for objects that EcoPart doesn't list; null where not delivered.
        """
        corrected, volumes = self._profile(sample)
        told = objects["objid"].map(corrected["objid"])
        told = told.astype("str").fillna(objects["orig_id"].map(corrected["orig_id"]).astype("str"))
        entries = self.of(sample)
        offsets = (_number(entries.get(f"ecopart_{n}")) for n in ("default_depthoffset", "acq_depthoffset"))
        offset = next((o for o in offsets if o is not None), 0.0)
        metres = pd.to_numeric(told, errors="coerce").fillna(pd.to_numeric(objects["depth"], errors="coerce") + offset)
        result = {"ecopart_depth": told, "ecopart_bin_volume_l": _volumes(metres, volumes)}
        return pd.DataFrame(result, index=objects.index).astype("str")

    @functools.lru_cache(maxsize=1)  # noqa: B019 - one profile, and the object lives as long as one reading
    def _profile(self, sample: str) -> tuple[dict[str, dict[str, str]], dict[float, float]]:
        """Depth with offset by each kind of object id, and litres by depth bin.

        A bin of raw tables is a whole metre, one of detailed tables (5 m) its middle.
        """
        corrected: dict[str, dict[str, str]] = {"objid": {}, "orig_id": {}}
        for row in self._table(sample, "ZOO"):
            for name, known in corrected.items():
                if key := row.get(name):
                    # An id that several objects have says nothing.
                    known[key] = "" if key in known else row.get("depth_including_offset", "")
        told = {name: {k: v for k, v in known.items() if v} for name, known in corrected.items()}
        images: dict[float, float] = {}
        for row in self._table(sample, "PAR"):
            depth, count = _number(row.get("depth")), _number(row.get("imgcount"))
            if depth is not None and count is not None:
                images[depth // 1] = count
        per_image = _number(self.of(sample).get("ecopart_acq_volimage"))
        if images and per_image is not None:
            return told, {depth: count * per_image for depth, count in images.items()}
        bins = (
            (_number(r.get("depth_m")), _number(r.get("sampled_volume_l"))) for r in self._table(sample, "PAR_BINS")
        )
        return told, {middle: litres for middle, litres in bins if middle is not None and litres is not None}

    def _table(self, sample: str, kind: str) -> Iterator[dict[str, str]]:
        path = self._path(sample, kind)
        return iter(()) if path is None else parse_table(self._text(path), "\t")

    def _path(self, sample: str, kind: str) -> str | None:
        """EcoPart's table of a profile; before the profile its name has that of the raw file, which the summary tells.

        Without the summary a raw file's name without ``_`` is taken for one.
        """
        profile = sample.casefold()
        raw = self._samples.get(profile, {}).get("ecopart_filename", "").casefold()
        for name in (f"{raw}_{profile}", profile):
            if path := self._ecopart.get((name, kind)):
                return path
        return self._short.get((profile, kind))

    def _add(self, rows: Iterator[dict[str, str]], keys: tuple[str, ...], prefix: str) -> None:
        for row in rows:
            entries = {f"{prefix}{name}": value for name, value in row.items() if value}
            for key in keys:
                if row.get(key):
                    self._samples.setdefault(row[key].casefold(), {}).update(entries)

    def _add_hardware(self, path: str) -> None:
        """Hardware settings of ``<sample>/<sample>_Particule.zip!/metadata.ini``."""
        sample = posixpath.basename(path.partition("!/")[0]).rsplit("_", 1)[0]
        entries = sections(_COMMENT.sub("", self._text(path))).get("hw_conf", {})
        named = {f"hw_{column_name(k)}": v for k, v in entries.items() if v}
        self._samples.setdefault(sample.casefold(), {}).update(named)

    def _text(self, path: str) -> str:
        try:
            return decode(self._delivery.read(path))
        except OSError as error:
            self._report(Finding("uvp_file_unreadable", "warning", f"can't be read ({error})", file=path))
            return ""


def _of_header(row: dict[str, str], instrument: str) -> dict[str, str]:
    """A line of a header table; positions of a UVP5 are degrees.minutes and get names of their own (see EcoPart)."""
    renamed = {} if instrument.startswith("uvp6") else {n: f"{n}_ddmm" for n in ("latitude", "longitude")}
    return {renamed.get(name, name): value for name, value in row.items()} | {"instrument": instrument}


def _with_model(entries: dict[str, str]) -> dict[str, str]:
    """The entries with the model where the files are certain about it, and the start of the sample in UTC."""
    told = [entries.get(n, "").lower() for n in ("header_instrument", "ecopart_instrument", "ecopart_instrumtype")]
    found = (model for start, model in _MODELS for name in told if name.startswith(start))
    model = next(found, "UVP6" if "hw_pixel_size" in entries else "")
    result = entries | ({"instrument_name": model} if model else {})
    starts = (entries.get(n, "") for n in _STARTS)
    if match := next(filter(None, map(_START.fullmatch, starts)), None):
        year, month, day, hour, minute, second = match.groups(default="00")
        result["sample_start"] = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    return result


def _number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _volumes(depth: pd.Series, volumes: dict[float, float]) -> pd.Series:
    """Litres of the bin that each depth lies in; null outside of all bins."""
    if not volumes:
        return pd.Series(pd.NA, depth.index, dtype="object")
    middles = any(d % 1 for d in volumes)
    step = 2 * _HALF_BIN_M
    bins = (depth // step) * step + _HALF_BIN_M if middles else depth // 1
    return bins.map(volumes).map(lambda v: f"{v:.6g}", na_action="ignore")


def parse_table(text: str, delimiter: str) -> Iterator[dict[str, str]]:
    """Rows by column name; rows of another length than the header are left out, and so is a cell the file ends in."""
    finished = text.endswith(("\n", "\r"))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [column_name(c) for c in next(rows, [])]
        # EcoPart's detailed tables have a depth of their bins and another of the CTD.
        names = [f"{n}_{i}" if n in names[:i] else n for i, n in enumerate(names)]
        waiting: list[str] = []
        for cells in rows:
            yield from _whole(names, waiting)
            waiting = cells
        yield from _whole(names, waiting if finished else [*waiting[:-1], ""])
    except csv.Error:
        return


def _whole(names: list[str], cells: list[str]) -> Iterator[dict[str, str]]:
    if cells and len(cells) == len(names):
        yield {n: c.strip() for n, c in zip(names, cells, strict=True) if n}
