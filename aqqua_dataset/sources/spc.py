"""Scripps Plankton Cameras and their family (SPC, SPCP, DSPC Aquascope, Planktivore): one region per image file.

What is known of a region stands in its name; three forms are known:

* ``<camera>-<epoch>-<more>.tif``: SPC; the epoch counts seconds or, from 2017 on, microseconds since 1970. A number
  below 100,000 comes from a mistake in the recording software: the time is unknown.
* ``<camera>-<epoch us>-<tick ns>-<frame>-<roi>-<x>-<y>-<w>-<h>_rawcolor.png``: Planktivore on a bench.
* ``<deployment>_<YYYYMMDDThhmmss.ffffff>Z_<camera>_<frame>_<roi>_<x>_<y>_<?>_<w>_<h>_<?>.jpg``: Planktivore on a
  vehicle; HM or LM at the camera's end is its magnification. ``_rawcolor`` may follow.

A camera's name may hold a magnification (``SPC-0.5x``, ``PTVR02HM``, ``high_mag_cam``), kept as a column. SPCConvert
writes up to three images of a region: ``_rawcolor``, the processed one without a suffix, and the mask ``_binary``,
which is no image of the object and is left out.

``settings.xml`` of SPCConvert beside the images or above them gives pixel size (um) and Bayer pattern; raw regions are
16-bit LZW TIFF with a Bayer mosaic, which is kept as it is. ``labels.csv`` (image_path, label) names classes.
Checked against three Planktivore regions with labels (MBARI) and one raw SPC region with settings (SPCConvert);
no public delivery holds position or depth: they come from the form or a joined table.
"""

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from xml.etree import ElementTree as ET

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import IMAGE_ENDINGS, Report, Telling, with_locator
from aqqua_dataset.sources.entries import column_name, decode
from aqqua_dataset.transfer.delivery import Delivery

_ENDING = r"\.(?:png|jpe?g|tiff?)"
_VEHICLE = (
    r"(?P<deployment>[A-Za-z0-9]+)_(?P<time>\d{8}T\d{6}(?:\.\d+)?)Z_(?P<camera>[A-Za-z]+\d*[HL]M)_(?P<frame>\d+)"
    r"_(?P<roi>\d+)_(?P<roi_x>\d+)_(?P<roi_y>\d+)_\d+_(?P<roi_width>\d+)_(?P<roi_height>\d+)_\d+(?:_[A-Za-z]\w*)?"
)
_BENCH = (
    r"(?P<camera>[A-Za-z][\w.]*?)-(?P<epoch>\d{16})-(?P<tick>\d+)-(?P<frame>\d+)-(?P<roi>\d+)-(?P<roi_x>\d+)"
    r"-(?P<roi_y>\d+)-(?P<roi_width>\d+)-(?P<roi_height>\d+)(?:_\w+)?"
)
_SPC = (
    r"(?P<camera>(?:D?SPC|PCAM|PWSPC|PPC|Aquascope)[\w.]*(?:-[A-Za-z][\w.]*|-\d+(?:\.\d+)?x)*)-(?P<epoch>\d+)"
    r"(?:-[-\w]*)?"
)
_FORMS = (_VEHICLE, _BENCH, _SPC)
_FIELDS = tuple(dict.fromkeys(name for form in _FORMS for name in re.compile(form).groupindex))
TELLING = re.compile(
    "|".join(re.sub(r"\?P<\w+>", "?:", form) + _ENDING for form in _FORMS), re.IGNORECASE | re.ASCII
)  # fmt: skip
COVERS: tuple[str, ...] = ()
_ROWS_PER_CHUNK = 5_000
_FIRST_MICROSECONDS = 1_498_093_400_000_000  # of a µs count; below it SPC counted seconds
_FIRST_SECONDS = 100_000  # below it the recording software had no time
_SETTINGS, _LABELS = "settings.xml", "labels.csv"
_LARGEST_SETTINGS = 1 << 20
_LEFT_OUT = {
    "spc_mask": "binary masks of regions; left out",
    "spc_not_a_region": "images that aren't named as a region of these cameras; left out",
}
#: Camera names that make the model certain; others are the form's business.
_MODELS = (
    (r"PTVR\d*[HL]M|(?:low|high)_mag_cam", "Planktivore"), (r"SPCP2?", "SPCP"), (r"SPC2?", "SPC"),
    (r"DSPC.*|Aquascope.*|SPC-(?:0\.5|5)x", "DSPC"),
)  # fmt: skip
_MAGNIFICATION = r"(\d+(?:\.\d+)?x|[HL]M|low_mag|high_mag)(?:_cam)?$"
_RAW, _MASK = "_rawcolor", "_binary"


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: images named as these cameras name their regions."""
    return f"{telling.count} image(s) named as regions of an SPC or Planktivore, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, one per image that is named as a region, in the order of their paths."""
    settings = _Settings(delivery, report)
    labels = _labels(delivery, report)
    other: Counter[str] = Counter()
    first: dict[str, str] = {}
    paths = _regions(delivery, other, first)
    while group := list(islice(paths, _ROWS_PER_CHUNK)):
        yield _rows(delivery, group, settings, labels)
    for rule, message in _LEFT_OUT.items():
        if other[rule]:
            report(Finding(rule, "note", message, file=first[rule], count=other[rule]))


def _regions(delivery: Delivery, other: Counter[str], first: dict[str, str]) -> Iterator[str]:
    """Paths of the images that are regions; the others are counted by the rule that leaves them out."""
    for file in delivery.files():
        base = posixpath.basename(file.path)
        if not base.lower().endswith(IMAGE_ENDINGS):
            continue
        mask = posixpath.splitext(base)[0].lower().endswith(_MASK)
        if TELLING.fullmatch(base) and not mask:
            yield file.path
        else:
            rule = "spc_mask" if mask else "spc_not_a_region"
            other[rule] += 1
            first.setdefault(rule, file.path)


def _rows(delivery: Delivery, paths: list[str], settings: "_Settings", labels: dict[str, str]) -> pd.DataFrame:
    path = pd.Series(paths, dtype="str")
    base = path.str.rsplit("/", n=1).str[-1]
    rows = parse_names(base)
    rows["instrument_name"] = pd.Series(pd.NA, rows.index, dtype="str")
    for pattern, model in _MODELS:
        rows["instrument_name"] = rows["instrument_name"].mask(
            rows["instrument_name"].isna() & rows["camera"].str.fullmatch(pattern, case=False).fillna(False), model
        )
    rows["magnification"] = rows["camera"].str.extract(_MAGNIFICATION, flags=re.IGNORECASE)[0].astype("str")
    folder = path.where(path.str.contains("/", regex=False), "/" + path).str.rsplit("/", n=1).str[0]
    found = {f: settings.of(f) for f in folder.unique()}
    for name in sorted({n for entries in found.values() for n in entries}):
        rows[f"settings_{name}"] = folder.map({f: e.get(name) for f, e in found.items()}).astype("str")
    rows["class_name"] = base.map(labels).astype("str")
    stem = path.str.replace(r"\.[A-Za-z]+$", "", regex=True)
    rows["aqqua_object_id"] = stem.str.replace(rf"{_RAW}$", "", regex=True, case=False)
    raw = stem != rows["aqqua_object_id"]
    both = _in_both_forms(delivery, rows["aqqua_object_id"], raw)
    rows["aqqua_variant"] = raw.map({True: "raw", False: "processed"}).astype("str").where(both)
    rows["aqqua_rank"] = (~raw).astype("Int32").where(both)
    rows["aqqua_image_file"] = base
    rows["aqqua_path"] = path
    return with_locator(rows)


def _in_both_forms(delivery: Delivery, identity: pd.Series, raw: "pd.Series[bool]") -> "pd.Series[bool]":
    """Whether a region's other form, raw or processed, lies beside it."""

    def there(stem: str) -> bool:
        folder, _, name = stem.rpartition("/")
        names = delivery.names(f"{folder}/" if folder.endswith("!") else folder)
        return any(f"{name}{ending}".casefold() in names for ending in IMAGE_ENDINGS)

    wanted = identity.where(raw, identity + _RAW)
    return pd.Series([there(stem) for stem in wanted], identity.index, dtype="bool")


def parse_names(base: pd.Series) -> pd.DataFrame:
    """What stands in the names of regions, as text; null where a form doesn't say it.

    ``time_utc`` is ISO 8601 in UTC from the name's date or epoch, null where the epoch is none.
    """
    rows = pd.DataFrame({name: pd.Series(pd.NA, base.index, dtype="str") for name in _FIELDS}, index=base.index)
    for form in _FORMS:
        found = base.str.extract(re.compile(f"^{form}{_ENDING}$", re.IGNORECASE | re.ASCII))
        left = rows["camera"].isna() & found["camera"].notna()
        for name in found:
            rows[name] = rows[name].mask(left, found[name].astype("str"))
    epoch = pd.to_numeric(rows["epoch"].where(rows["epoch"].str.len() <= 18), errors="coerce").astype("Int64")
    microseconds = epoch.where(epoch >= _FIRST_MICROSECONDS, epoch.where(epoch < 2**33) * 1_000_000)
    counted = pd.to_datetime(microseconds.where(epoch >= _FIRST_SECONDS), unit="us", errors="coerce")
    told = pd.to_datetime(rows["time"], format="%Y%m%dT%H%M%S.%f", errors="coerce")
    told = told.fillna(pd.to_datetime(rows["time"], format="%Y%m%dT%H%M%S", errors="coerce"))
    time = told.astype("datetime64[us]").fillna(counted.astype("datetime64[us]"))
    rows["time_utc"] = time.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").astype("str")
    return rows


class _Settings:
    """Entries of the ``settings.xml`` that holds for a folder: its own, else the nearest above."""

    def __init__(self, delivery: Delivery, report: Report) -> None:
        self._delivery, self._report = delivery, report
        self._known: dict[str, dict[str, str]] = {}

    def of(self, folder: str) -> dict[str, str]:
        """The entries by column name; empty when there are none."""
        if folder not in self._known:
            path = self._delivery.find(f"{folder}/{_SETTINGS}" if folder else _SETTINGS)
            if path is not None:
                self._known[folder] = self._read(path)
            else:
                self._known[folder] = self.of(folder.rpartition("/")[0]) if folder else {}
        return self._known[folder]

    def _read(self, path: str) -> dict[str, str]:
        try:
            with self._delivery.open(path) as stream:
                return parse_settings(stream.read(_LARGEST_SETTINGS))
        except (OSError, ValueError) as error:
            message = f"no readable settings.xml ({error})"
            self._report(Finding("spc_settings_unreadable", "warning", message, file=path))
            return {}


def parse_settings(data: bytes) -> dict[str, str]:
    """Entries of a ``settings.xml`` by column name.

    Raises:
        ValueError: it is no XML, or declares entities, which such a file never needs.
    """
    if b"\0" in data:
        raise ValueError("it is binary or UTF-16")
    if b"<!" in data.replace(b"<!--", b""):
        raise ValueError("it holds declarations")
    try:
        root = ET.fromstring(data)
    except (ET.ParseError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise ValueError(str(error)) from None
    return {column_name(e.tag): e.text.strip() for e in root if e.text and e.text.strip() and column_name(e.tag)}


def _whole_lines(
    table: "csv.DictReader[str]", ended: bool, path: str, report: Report
) -> Iterator[dict[str, str | None]]:
    """The lines of a table but for the last, where the table ends inside it."""
    waiting: dict[str, str | None] | None = None
    for line in table:
        if waiting is not None:
            yield waiting
        waiting = dict(line)
    if waiting is not None and (ended or _is_whole(waiting)):
        yield waiting
    elif waiting is not None:
        message = "the table ends inside a line; the line was left out"
        report(Finding("table_cut_off", "warning", message, file=path, line=table.line_num))


def _is_whole(line: dict[str, str | None]) -> bool:
    """Whether a cell stands after both image and label of a line, so that neither can be cut off."""
    cells = [name for name, cell in line.items() if cell is not None]
    return {"image_path", "label"} <= set(cells[:-1])


def _labels(delivery: Delivery, report: Report) -> dict[str, str]:
    """Class by image name from every ``labels.csv``; an image that stands there with two classes gets none."""
    found: dict[str, str] = {}
    torn: set[str] = set()
    for file in delivery.files():
        if posixpath.basename(file.path).casefold() != _LABELS:
            continue
        try:
            text = decode(delivery.read(file.path))
            table = csv.DictReader(io.StringIO(text, newline=""))
            columns = {"image_path", "label"} <= set(table.fieldnames or ())
            ended = text.endswith(("\n", "\r"))
            for row in _whole_lines(table, ended, file.path, report) if columns else ():
                name, label = posixpath.basename(row["image_path"] or ""), row["label"]
                if name and label and found.setdefault(name, label) != label:
                    torn.add(name)
        except (OSError, csv.Error) as error:
            report(Finding("table_unreadable", "warning", f"the labels can't be read: {error}", file=file.path))
            continue
        if not columns:
            message = "expected columns image_path and label; the labels are not used"
            report(Finding("mapped_column_missing", "warning", message, file=file.path, line=1))
    if torn:
        message = "images with two different labels; they get none"
        report(Finding("label_contradicts", "warning", message, value=min(torn), count=len(torn)))
    return {name: label for name, label in found.items() if name not in torn}
