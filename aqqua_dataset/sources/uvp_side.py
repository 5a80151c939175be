"""What lies beside UVP vignettes: header table of the project, hardware settings, EcoPart exports, vignette settings.

Everything is kept by sample and small, except EcoPart's tables of objects and bins, of which one profile is held.
"""

import csv
import functools
import io
import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.entries import column_name, decode, sections
from aqqua_dataset.transfer.delivery import Delivery

HEADER = re.compile(r".+_header_.+\.txt", re.IGNORECASE)
SUMMARY = re.compile(r".*Export_metadata_summary\.tsv", re.IGNORECASE)
_RAW = re.compile(r"(?:\d+_)?(?P<profile>.+)_(?P<kind>PAR|ZOO)_raw_\d{8}_\d\d_\d\d\.tsv", re.IGNORECASE)
_DETAILED = re.compile(r"export_detailed_\d{8}_\d\d_\d\d_(?P<kind>PAR|ZOO)_(?P<profile>.+)\.tsv", re.IGNORECASE)
ECOPART = re.compile(f"{_RAW.pattern}|{_DETAILED.pattern}".replace("?P<profile>", "?:").replace("?P<kind>", "?:"), re.I)
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
        self.vignettes: dict[str, dict[str, str]] = {}
        for file in delivery.files():
            folder, _, name = file.path.rpartition("/")
            if HEADER.fullmatch(name):
                self._add(parse_table(self._text(file.path), ";"), ("profileid", "filename"), "header_")
            elif SUMMARY.fullmatch(name):
                self._add(parse_table(self._text(file.path), "\t"), ("profileid", "profile"), "ecopart_")
            elif name.casefold() == "metadata.ini":
                self._add_hardware(file.path)
            elif name.casefold() == "compute_vignette.txt":
                entries = sections(self._text(file.path)).get("vignette", {})
                self.vignettes[folder] = {f"vignette_{column_name(k)}": v for k, v in entries.items() if v}
            elif match := _RAW.fullmatch(name):
                self._ecopart[match["profile"], match["kind"].upper()] = file.path
            elif match := _DETAILED.fullmatch(name):
                self._ecopart.setdefault((match["profile"], f"{match['kind'].upper()}_BINS"), file.path)

    def of(self, sample: str) -> dict[str, str]:
        """Entries of a sample by column."""
        return self._samples.get(sample.casefold(), {})

    def of_objects(self, sample: str, objects: pd.Series, depth: pd.Series) -> pd.DataFrame:
        """Columns ``JOINED`` for the objects of one sample.

        Args:
            sample: the sample's id, which is EcoPart's profile.
            objects: object ids.
            depth: depths in metres as delivered, for objects that EcoPart doesn't list.
        """
        corrected, volumes = self._profile(sample)
        result = pd.DataFrame({"ecopart_depth": objects.map(corrected)}, index=objects.index)
        metres = pd.to_numeric(result["ecopart_depth"], errors="coerce").fillna(pd.to_numeric(depth, errors="coerce"))
        result["ecopart_bin_volume_l"] = _volumes(metres, volumes)
        return result.astype("str")

    @functools.lru_cache(maxsize=1)  # noqa: B019 - one profile, and the object lives as long as one reading
    def _profile(self, sample: str) -> tuple[dict[str, str], dict[float, float]]:
        """Depth with offset by object id, and litres by depth bin (its whole metre, or its middle in bins of 5 m)."""
        objects = self._table(sample, "ZOO")
        corrected = {r["orig_id"]: r["depth_including_offset"] for r in objects if r.get("orig_id")}
        per_image = pd.to_numeric(self.of(sample).get("ecopart_acq_volimage", ""), errors="coerce")
        images: dict[float, float] = {}
        for row in self._table(sample, "PAR"):
            bin_depth, count = (pd.to_numeric(row.get(n, ""), errors="coerce") for n in ("depth", "imgcount"))
            if bin_depth == bin_depth and count == count:
                images[float(bin_depth)] = float(count)
        if images and per_image == per_image:
            return corrected, {d: n * float(per_image) for d, n in images.items()}
        bins = {}
        for row in self._table(sample, "PAR_BINS"):
            middle, litres = (pd.to_numeric(row.get(n, ""), errors="coerce") for n in ("depth_m", "sampled_volume_l"))
            if middle == middle and litres == litres:
                bins[float(middle)] = float(litres)
        return corrected, bins

    def _table(self, sample: str, kind: str) -> Iterator[dict[str, str]]:
        path = self._ecopart.get((sample, kind))
        return iter(()) if path is None else parse_table(self._text(path), "\t")

    def _add(self, rows: Iterator[dict[str, str]], keys: tuple[str, ...], prefix: str) -> None:
        for row in rows:
            entries = {f"{prefix}{name}": value for name, value in row.items() if value}
            for key in keys:
                if row.get(key):
                    self._samples.setdefault(row[key].casefold(), {}).update(entries)

    def _add_hardware(self, path: str) -> None:
        """Hardware settings of ``<sample>/<sample>_Particule.zip!/metadata.ini``."""
        sample = posixpath.basename(path.partition("!/")[0]).rsplit("_", 1)[0]
        entries = sections(self._text(path)).get("hw_conf", {})
        named = {f"hw_{column_name(k)}": v for k, v in entries.items() if v}
        self._samples.setdefault(sample.casefold(), {}).update(named)

    def _text(self, path: str) -> str:
        try:
            return decode(self._delivery.read(path))
        except OSError as error:
            self._report(Finding("uvp_file_unreadable", "warning", f"can't be read ({error})", file=path))
            return ""


def _volumes(depth: pd.Series, volumes: dict[float, float]) -> pd.Series:
    """Litres of the bin that each depth lies in; null outside of all bins."""
    if not volumes:
        return pd.Series(pd.NA, depth.index, dtype="object")
    middles = any(d % 1 for d in volumes)
    step = 2 * _HALF_BIN_M
    bins = (depth // step) * step + _HALF_BIN_M if middles else depth // 1
    return bins.map(volumes).map(lambda v: f"{v:.6g}", na_action="ignore")


def parse_table(text: str, delimiter: str) -> Iterator[dict[str, str]]:
    """Rows by column name; rows of another length than the header are left out, and so is a last one cut off."""
    whole = text if text.endswith(("\n", "\r")) or not text else text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    rows = csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter)
    try:
        names = [column_name(c) for c in next(rows, [])]
        for cells in rows:
            if len(cells) == len(names):
                yield {n: c.strip() for n, c in zip(names, cells, strict=True) if n}
    except csv.Error:
        return
