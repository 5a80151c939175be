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
_ALL = (_BUNDLE, HEADER, SUMMARY, ECOPART, _RAW, _PARTICLES)
TELLING = re.compile("|".join(pattern.pattern for pattern in _ALL), re.IGNORECASE)
COVERS: tuple[str, ...] = ("ecotaxa",)


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: bundles, header tables, raw folders or EcoPart exports of a UVP."""
    return f"{telling.count} file(s) of UVP bundles, projects or EcoPart exports, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, table by table in the order of their paths."""
    side = UvpSide(delivery, report)
    found = False
    for rows in ecotaxa.read(delivery, source, report):
        found = True
        yield _joined(rows, side)
    _report_without_images(delivery, found, report)


def _joined(rows: pd.DataFrame, side: UvpSide) -> pd.DataFrame:
    sample = rows["sample_id"] if "sample_id" in rows else pd.Series(pd.NA, rows.index, dtype="str")
    values = {s: side.of(s) for s in sample.dropna().unique()}
    vignette = side.vignettes.get(str(rows["aqqua_table"].iloc[0]).rpartition("/")[0], {})
    names = sorted({name for entries in values.values() for name in entries})
    added = {n: sample.map({s: entries.get(n) for s, entries in values.items()}).astype("str") for n in names}
    added |= {n: pd.Series(v, rows.index, dtype="str") for n, v in vignette.items()}
    joined = pd.concat([rows, pd.DataFrame(added, index=rows.index)], axis=1)
    depth = rows["object_depth_min"] if "object_depth_min" in rows else sample.where(False)
    pieces = [
        side.of_objects(s, rows.loc[g, "aqqua_object_id"], depth[g]) for s, g in sample.groupby(sample).groups.items()
    ]
    objects = pd.concat(pieces) if pieces else pd.DataFrame(columns=list(JOINED), index=rows.index[:0])
    return pd.concat([joined, objects.reindex(rows.index).astype("str")], axis=1)


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
