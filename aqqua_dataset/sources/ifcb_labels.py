"""Class files of IFCB bins: a classifier's (.csv, .h5, .mat version 1) and a person's (.mat of the manual tool).

Layouts (from ClassiPyR and iRfcb, files of 2022 and 2023):

* ``<bin>.csv``: ``file_name,class_name,class_name_auto,score``; ``class_name`` is thresholded.
* ``<bin>_class*.h5``: ``roi_numbers``, ``class_name`` (thresholded), ``class_name_auto``, ``output_scores`` (regions x
  classes).
* ``<bin>_class_v1.mat``: ``roinum, TBclass, TBclass_above_threshold, TBscores``.
* ``<bin>.mat``: ``classlist`` (region number, index of the person's class, index of the classifier's; NaN is none;
  indices count from 1 in ``class2use_manual``).

``unclassified`` is no class. Only MATLAB files up to version 7 are read, which is what these tools write.
"""

import csv
import io
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.io

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.entries import decode
from aqqua_dataset.transfer.delivery import Delivery

_FILE = re.compile(
    r"(?P<stem>IFCB\d+_\d{4}_\d{3}_\d{6}|D\d{8}T\d{6}_IFCB\d+)(?P<kind>_class\w*)?\.(?P<ending>csv|h5|mat)", re.ASCII
)
#: Columns of a label file, by region number.
COLUMNS = ("class_name", "class_name_auto", "class_score", "class_manual")
_NONE = ("unclassified", "")


class Labels:
    """The class files of a delivery by bin; each is read when its bin is."""

    def __init__(self, delivery: Delivery, report: Report) -> None:
        """Notes where the class files lie."""
        self._delivery, self._report = delivery, report
        self._paths: dict[str, list[str]] = {}
        for file in delivery.files():
            if match := _FILE.fullmatch(posixpath.basename(file.path)):
                self._paths.setdefault(match["stem"], []).append(file.path)
        self.unused = set(self._paths)

    def of(self, stem: str, regions: "pd.Index[int]") -> pd.DataFrame:
        """Columns ``COLUMNS`` and ``class_status`` for the regions of a bin, as text; null where there is no label."""
        result = pd.DataFrame({c: pd.Series(pd.NA, regions, dtype="str") for c in COLUMNS}, index=regions)
        self.unused.discard(stem)
        for path in self._paths.get(stem, ()):
            found = self._read(path, stem)
            if found is None:
                continue
            self._report_strangers(path, found, regions)
            if len(self._paths[stem]) > 1:
                self._report_differences(path, found, result)
            for column in found:
                result[column] = result[column].fillna(found[column].reindex(regions))
        for column in ("class_name", "class_manual"):
            result[column] = result[column].mask(result[column].str.casefold().isin(_NONE))
        status = pd.Series("predicted", regions, dtype="str").where(result["class_name"].notna())
        result["class_status"] = status.mask(result["class_manual"].notna(), "validated")
        return result

    def report_unused(self) -> None:
        """Reports class files whose bin isn't in the delivery."""
        if self.unused:
            first = self._paths[min(self.unused)][0]
            message = "class files whose bin isn't there or has no region: the labels can't be used"
            self._report(Finding("ifcb_labels_without_bin", "warning", message, file=first, count=len(self.unused)))

    def _read(self, path: str, stem: str) -> pd.DataFrame | None:
        read: Mapping[str, Callable[[bytes], pd.DataFrame]] = {
            ".csv": lambda data: read_csv(data, stem),
            ".h5": read_h5,
            ".mat": read_mat,
        }
        try:
            return _checked(read[posixpath.splitext(path)[1]], self._delivery.read(path))
        except OSError as error:
            self._report(Finding("ifcb_labels_unreadable", "warning", f"no readable class file ({error})", file=path))
            return None

    def _report_differences(self, path: str, found: pd.DataFrame, before: pd.DataFrame) -> None:
        """Reports where a file of the same bin was read before and names other classes; that one counts."""
        columns = [c for c in found if c != "class_score"]
        here, there = found.reindex(before.index)[columns], before[columns]
        differ = (here.notna() & there.notna() & (here != there)).any(axis=1)
        if differ.any():
            message = "another class file of the bin names other classes; the first in the order of paths counts"
            value = str(int(differ.idxmax()))
            self._report(
                Finding("ifcb_labels_differ", "warning", message, file=path, value=value, count=int(differ.sum()))
            )

    def _report_strangers(self, path: str, found: pd.DataFrame, regions: "pd.Index[int]") -> None:
        strangers = found.index[~found.index.isin(regions) & found.notna().any(axis=1)]
        if len(strangers):
            message = "labels of regions that the bin doesn't have an image of; not used"
            value = str(int(strangers[0]))
            self._report(
                Finding("ifcb_label_without_region", "note", message, file=path, value=value, count=len(strangers))
            )


def _checked(read: Callable[[bytes], pd.DataFrame], data: bytes) -> pd.DataFrame:
    """The labels by region number, each number once.

    Raises:
        OSError: the file isn't what its name says.
    """
    try:
        table = read(data)
    except Exception as error:  # on damaged bytes the HDF5 and MATLAB libraries raise whatever they run into
        raise OSError(f"{type(error).__name__}: {error}"[:200]) from error
    return table[~table.index.duplicated()].astype("str")


def read_csv(data: bytes, stem: str) -> pd.DataFrame:
    """A class ``.csv``: ``class_name``, ``class_name_auto`` and ``class_score`` by region number.

    Raises:
        ValueError: it names pictures, but none of the bin.
    """
    rows = list(csv.DictReader(io.StringIO(decode(data), newline="")))
    of_bin = re.compile(rf"(?:.*[/\\])?{stem}_(\d{{5}})(?:\.\w+)?")
    named = [(of_bin.fullmatch(row["file_name"] or ""), row) for row in rows]
    if rows and not any(match for match, _ in named):
        raise ValueError(f"file_name {rows[0]['file_name']!r} is no picture of the bin")
    whole = [(int(match[1]), row) for match, row in named if match and row["score"] is not None]
    columns = {"class_name": "class_name", "class_name_auto": "class_name_auto", "class_score": "score"}
    values = {name: [row[column] or None for _, row in whole] for name, column in columns.items()}
    return pd.DataFrame(values, index=[number for number, _ in whole], dtype="str")


def read_h5(data: bytes) -> pd.DataFrame:
    """A class ``.h5``, as ``read_csv``."""
    with h5py.File(io.BytesIO(data)) as file:
        names = {c: [v.decode() for v in file[c][()]] for c in ("class_name", "class_name_auto")}
        numbers = file["roi_numbers"][()].astype(int)
        scores = _best(file["output_scores"][()])
    return pd.DataFrame(names | {"class_score": scores}, index=numbers)


def read_mat(data: bytes) -> pd.DataFrame:
    """A ``.mat`` of a classifier, as ``read_csv``, or of the manual tool: ``class_manual`` by region number."""
    content = scipy.io.loadmat(io.BytesIO(data))
    if "classlist" in content:
        return _manual(content)
    numbers = content["roinum"].ravel().astype(int)
    names = {"class_name": "TBclass_above_threshold", "class_name_auto": "TBclass"}
    values = {name: _texts(content[key]) for name, key in names.items()}
    return pd.DataFrame(values | {"class_score": _best(content["TBscores"])}, index=numbers)


def _manual(content: dict[str, Any]) -> pd.DataFrame:
    listed = pd.DataFrame(content["classlist"][:, :2], columns=["number", "index"]).dropna(subset=["number"])
    names = pd.Series(_texts(content["class2use_manual"]))
    chosen = (listed["index"] - 1).map(names)
    return pd.DataFrame({"class_manual": chosen.to_numpy()}, index=listed["number"].astype(int))


def _best(scores: Any) -> list[str | None]:
    """The greatest score of each region."""
    return [None if pd.isna(s) else f"{s:.6g}" for s in pd.DataFrame(scores).max(axis=1)]


def _texts(cells: Any) -> list[str | None]:
    """Texts of a MATLAB cell array."""
    return [str(np.ravel(cell)[0]) if np.size(cell) else None for cell in np.ravel(cells)]
