"""UVP5 and UVP6: EcoTaxa tables with vignettes, joined with the project's header table and EcoPart's exports.

Layouts: bundles ``<sample>_Images.zip`` (or a folder of that name) with ``ecotaxa_<sample>.tsv``, PNGs and
``compute_vignette.txt``; UVP5 ``work/<sample>/ecotaxa_*.tsv``; exports of EcoTaxa, in which rank 100 is the original
of a computed vignette (see ``ecotaxa``). Beside them: ``meta/<instrument>_header_<project>.txt`` with ``;`` and one
line per profile, ``ecodata/<sample>/<sample>_Particule.zip`` with ``metadata.ini``, and EcoPart exports (raw and
detailed). They are joined by sample: the header's position stands in where the table has none; EcoPart's depth
includes the offset of the pressure sensor, which the table's doesn't, and comes before it; images x volume per image
of the object's bin is its imaged volume. Raw folders (``HDR<time>/``) and particle tables hold no vignettes.
Checked on a UVP6 bundle of EcoTaxa's test corpus and EcoPart's own test exports (format true, content generated);
project folders and exports with rank 100 on files of the project's own writer, since no public ones exist.
"""

import posixpath
import re
from collections.abc import Iterator

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, ecotaxa
from aqqua_dataset.sources.uvp_side import ECOPART, HEADER, JOINED, SUMMARY, UvpSide
from aqqua_dataset.transfer.delivery import Delivery

_RAW = re.compile(r"HDR\d{14}\.(?:hdr|dat|bru1?)", re.IGNORECASE)
_PARTICLES = re.compile(r".+_Particule\.zip|(?:.*_)?(?:LPM|BLACK|TAXO2)\.txt", re.IGNORECASE)
_BUNDLE = re.compile(r".*Images\.zip|compute_vignette\.txt", re.IGNORECASE)
_FLOAT = re.compile(r"(?:.*_)?(?:LPM|BLACK|TAXO2)\.txt", re.IGNORECASE)
_ALL = (_BUNDLE, HEADER, SUMMARY, ECOPART, _RAW, _PARTICLES)
TELLING = re.compile("|".join(re.sub(r"\?P<\w+>", "?:", p.pattern) for p in _ALL), re.IGNORECASE)
COVERS: tuple[str, ...] = ("ecotaxa",)


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: bundles, header tables, raw folders or EcoPart exports of a UVP."""
    for path in telling.paths:
        name = posixpath.basename(path)
        if name.lower().endswith("images.zip") and not _holds_table(delivery, path):
            continue  # others call their zips so as well
        if _FLOAT.fullmatch(name) and not _starts_with(delivery, path, b"DATE_TIME"):
            continue
        return f"{telling.count} file(s) of UVP bundles, projects or EcoPart exports, first {path}"
    return None


def _holds_table(delivery: Delivery, path: str) -> bool:
    """Whether a zip ``<sample>_Images.zip`` holds ``ecotaxa_<sample>.tsv``, itself or in its folder of that name."""
    stem = posixpath.basename(path)[: -len(".zip")]
    table = f"ecotaxa_{re.sub('_?images$', '', stem, flags=re.IGNORECASE)}.tsv"
    return any(delivery.find(f"{path}!/{folder}{table}") for folder in ("", f"{stem}/"))


def _starts_with(delivery: Delivery, path: str, start: bytes) -> bool:
    try:
        with delivery.open(path) as stream:
            return stream.read(len(start)) == start
    except OSError:
        return False


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths."""
    side = UvpSide(delivery, report)
    found = False
    for rows in ecotaxa.read(delivery, source, report):
        found = True
        yield _joined(rows, side)
    _report_without_images(delivery, found, report)


def _joined(rows: pd.DataFrame, side: UvpSide) -> pd.DataFrame:
    sample = _samples(rows, side)
    values = {s: side.of(s) for s in sample.dropna().unique()}
    vignette = side.vignettes.get(str(rows["aqqua_table"].iloc[0]).rpartition("/")[0], {})
    names = sorted({name for entries in values.values() for name in entries})
    added = {n: sample.map({s: entries.get(n) for s, entries in values.items()}).astype("str") for n in names}
    added |= {n: pd.Series(v, rows.index, dtype="str") for n, v in vignette.items()}
    joined = pd.concat([rows, pd.DataFrame(added, index=rows.index)], axis=1)
    known = {"objid": "objid", "orig_id": "aqqua_object_id", "depth": "object_depth_min"}
    objects = rows.reindex(columns=list(known.values())).set_axis(list(known), axis=1).astype("str")
    pieces = [side.of_objects(s, objects.loc[g]) for s, g in sample.groupby(sample).groups.items()]
    told = pd.concat(pieces) if pieces else pd.DataFrame(columns=list(JOINED), index=rows.index[:0])
    return pd.concat([joined, told.reindex(rows.index).astype("str")], axis=1)


def _samples(rows: pd.DataFrame, side: UvpSide) -> pd.Series:
    """The name by which the side files know each row's sample: its id, its profile, or what the table is named by."""
    table = posixpath.basename(str(rows["aqqua_table"].iloc[0]))
    stem = re.sub(r"^ecotaxa_|\.[^.]*$", "", table, flags=re.IGNORECASE)
    result = pd.Series(pd.NA, rows.index, dtype="str")
    for name in ("sample_id", "sample_profileid", None):
        if name is None or name in rows:
            told = pd.Series(stem, rows.index, dtype="str") if name is None else rows[name]
            known = {s: s for s in told.dropna().unique() if side.knows(s)}
            result = result.fillna(told.map(known).astype("str"))
    return result


def _report_without_images(delivery: Delivery, found: bool, report: Report) -> None:
    """Says of files without vignettes that they hold none, when nothing else is there or beside what is."""
    for rule, pattern, what in (
        (
            "uvp_raw_without_images",
            _RAW,
            "raw UVP5 files hold no vignettes; deliver work/<sample>/ with its EcoTaxa table",
        ),
        ("uvp_particles_without_images", _PARTICLES, "particle tables hold no vignettes; deliver <sample>_Images.zip"),
        ("uvp_ecopart_without_images", ECOPART, "EcoPart exports hold no images; deliver the EcoTaxa export as well"),
    ):
        paths = [f.path for f in delivery.files() if pattern.fullmatch(posixpath.basename(f.path))]
        if paths and (not found or pattern is _RAW):
            report(Finding(rule, "note" if found else "warning", what, file=paths[0], count=len(paths)))
