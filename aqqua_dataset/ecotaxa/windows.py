"""A project read object by object, for accounts that may only view it: windows of objects, then each image.

Gives tables with the columns of an export: the same reader reads both. Each window is a zip file of its own, so that a
stopped pull goes on behind the last whole one.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aqqua_dataset.ecotaxa.client import EcoTaxa, Page, refusal
from aqqua_dataset.ecotaxa.staging import Staging
from aqqua_dataset.export.zips import add_file, new_zip
from aqqua_dataset.findings import Finding
from aqqua_dataset.privacy import is_personal
from aqqua_dataset.sources import Report
from aqqua_dataset.web import Unanswered

#: Objects of one window.
WINDOW = 5_000
#: Images asked for at the same time.
CONNECTIONS = 4

_AHEAD = 64  # images held in memory
_STATUS = {"P": "predicted", "V": "validated", "D": "dubious"}
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")
#: Column of an export -> field of the API.
_FIELDS = {
    "object_id": "obj.orig_id", "object_lat": "obj.latitude", "object_lon": "obj.longitude",
    "object_date": "obj.objdate", "object_time": "obj.objtime", "object_link": "obj.object_link",
    "object_depth_min": "obj.depth_min", "object_depth_max": "obj.depth_max",
    "object_annotation_status": "obj.classif_qual", "object_annotation_category": "txo.display_name",
    "complement_info": "obj.complement_info", "classif_id": "obj.classif_id",
}  # fmt: skip
_IMAGE_FIELDS = ("obj.imgcount", "img.imgid", "img.imgrank", "img.orig_file_name", "img.file_name")


@dataclass(frozen=True)
class _Parents:
    """Values of samples, acquisitions and processes by id, named as in an export."""

    samples: dict[int, dict[str, Any]]
    acquisitions: dict[int, dict[str, Any]]

    @property
    def columns(self) -> list[str]:
        names: dict[str, None] = {}
        for values in (*self.samples.values(), *self.acquisitions.values()):
            names.update(dict.fromkeys(values))
        return [n for n in names if not is_personal(n)]


@dataclass(frozen=True)
class _Image:
    """One image of an object: its name in the zip and its place on the server."""

    rank: int
    name: str
    place: str


def pull_windows(
    client: EcoTaxa, staging: Staging, project: int, settings: dict[str, Any], report: Report,
    progress: Callable[[str], None],
) -> None:  # fmt: skip
    """Stages a project window by window.

    Raises:
        EcoTaxaRefused: the server doesn't answer, or the project changed while it was read.
    """
    if staging.state.get("way") != "windows":
        staging.clear()
        staging.note(way="windows", objects=0, total=None, last=0)
    free = [n for n in settings.get("obj_free_cols") or {} if not is_personal(f"object_{n}")]
    fields = [*_FIELDS.values(), *(f"fre.{n}" for n in free), *_IMAGE_FIELDS]
    parents = _parents(client, project)
    taxa: dict[int, list[str]] = {}
    while True:
        start = int(staging.state["objects"])
        page = client.objects(project, fields, start, WINDOW)
        _same_project(staging, page)
        if not page.objects:
            return
        _write_window(client, staging, project, page, free, parents, taxa, report)
        staging.note(objects=start + len(page.objects), total=page.total, last=page.objects[-1])
        progress(f"{start + len(page.objects):,} of {page.total:,} objects")


def _same_project(staging: Staging, page: Page) -> None:
    """Refuses windows that don't fit together: objects came or went in between."""
    total, last = staging.state["total"], int(staging.state["last"])
    torn = total is not None and (total != page.total or (page.objects and page.objects[0] <= last))
    if torn or (not page.objects and page.total != int(staging.state["objects"])):
        staging.clear()
        message = f"the project changed while it was read ({total:,} objects, now {page.total:,}); run it again"
        raise refusal("ecotaxa_changed_meanwhile", message)


def _parents(client: EcoTaxa, project: int) -> _Parents:
    samples = {
        int(s["sampleid"]): {
            "sample_id": s.get("orig_id"), "sample_dataportal_descriptor": s.get("dataportal_descriptor"),
            **{f"sample_{n}": v for n, v in (s.get("free_columns") or {}).items()},
        }
        for s in client.samples(project)
    }  # fmt: skip
    acquisitions = {}
    for acquisition in client.acquisitions(project):
        number = int(acquisition["acquisid"])
        process = client.process(project, number)
        acquisitions[number] = {
            "process_id": process.get("orig_id"),
            **{f"process_{n}": v for n, v in (process.get("free_columns") or {}).items()},
            "acq_id": acquisition.get("orig_id"), "acq_instrument": acquisition.get("instrument"),
            **{f"acq_{n}": v for n, v in (acquisition.get("free_columns") or {}).items()},
        }  # fmt: skip
    return _Parents(samples, acquisitions)


def _write_window(
    client: EcoTaxa, staging: Staging, project: int, page: Page, free: list[str], parents: _Parents,
    taxa: dict[int, list[str]], report: Report,
) -> None:  # fmt: skip
    """One zip with the table of a window and its images."""
    named = [dict(zip([*_FIELDS, *(f"object_{n}" for n in free), *_IMAGE_FIELDS], v, strict=True)) for v in page.values]
    missing = {int(v["classif_id"]) for v in named if v["classif_id"] is not None} - set(taxa)
    taxa.update(client.taxa(missing) if missing else {})
    images: list[_Image] = []
    rows: list[dict[str, Any]] = []
    used: set[str] = set()
    for number, acquisition, sample, values in zip(page.objects, page.acquisitions, page.samples, named, strict=True):
        above = {**parents.samples.get(sample, {}), **parents.acquisitions.get(acquisition, {})}
        told = {**_row(values, taxa), **above, "objid": number, "acq_id_internal": acquisition,
                "processid_internal": acquisition, "sample_id_internal": sample}  # fmt: skip
        for image in _images_of(client, project, number, values, str(above.get("sample_id") or sample), used):
            images.append(image)
            rows.append({"img_file_name": image.name, "img_rank": image.rank, **told})
    columns = ["img_file_name", "img_rank", *(c for c in _FIELDS), "object_annotation_hierarchy"]
    columns += [*(f"object_{n}" for n in free), *parents.columns]
    columns += ["objid", "processid_internal", "acq_id_internal", "sample_id_internal"]
    stem = f"ecotaxa_{project}_{page.objects[0]}"
    with staging.warehouse.create(staging.path(f"{stem}.zip")) as stream, new_zip(stream) as archive:
        add_file(archive, f"{stem}.tsv", _table(rows, columns), zipfile.ZIP_DEFLATED)
        lost: list[str] = []
        for image, data in _fetched(client, images):
            if data.startswith(_PICTURES):
                add_file(archive, image.name, data)
            else:
                lost.append(image.name)
    if lost:
        message = "images that aren't on the server, or are no PNG, JPEG or GIF: ask EcoTaxa's team"
        report(Finding("ecotaxa_image_lost", "warning", message, file=f"{stem}.zip", value=lost[0], count=len(lost)))


def _row(values: dict[str, Any], taxa: dict[int, list[str]]) -> dict[str, Any]:
    """An object's own values as an export has them."""
    found = {n: v for n, v in values.items() if n not in _IMAGE_FIELDS}
    found["object_annotation_status"] = _STATUS.get(str(found["object_annotation_status"]), "")
    taxon = found["classif_id"]
    found["object_annotation_hierarchy"] = ">".join(taxa.get(int(taxon), [])) if taxon is not None else ""
    if found["complement_info"]:
        found["complement_info"] = " ".join(str(found["complement_info"]).splitlines())
    return found


def _images_of(
    client: EcoTaxa, project: int, number: int, values: dict[str, Any], sample: str, used: set[str]
) -> Iterator[_Image]:
    """The images of an object, the visible one alone where there is no other."""
    if int(values["obj.imgcount"] or 0) > 1:
        listed = sorted(client.images(project, number), key=lambda i: (int(i["imgrank"]), int(i["imgid"])))
    elif values["img.imgid"] is None:
        return
    else:
        listed = [{n: values[f"img.{n}"] for n in ("imgid", "imgrank", "orig_file_name", "file_name")}]
    for image in listed:
        file = str(image["orig_file_name"]).replace("\\", "/").lstrip("/")
        name = f"{_plain(sample)}/{file}"
        if name in used or ".." in file.split("/"):
            name = f"{_plain(sample)}/{image['imgid']}/{_plain(file)}"
        used.add(name)
        number_of_image = int(image["imgid"])
        ending = file.rpartition(".")[2].lower()
        derived = f"{number_of_image // 10000:04d}/{number_of_image % 10000:04d}.{ending}"
        yield _Image(int(image["imgrank"]), name, str(image.get("file_name") or derived))


def _plain(text: str) -> str:
    return re.sub(r"[^\w.()+ -]", "_", text)


def _table(rows: Sequence[dict[str, Any]], columns: list[str]) -> bytes:
    """Tab-separated text with a byte-order mark, as EcoTaxa writes it."""
    made = io.StringIO(newline="")
    writer = csv.DictWriter(
        made, columns, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC, extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue().encode("utf-8-sig")


def _fetched(client: EcoTaxa, images: Sequence[_Image]) -> Iterator[tuple[_Image, bytes]]:
    """Images with their bytes, in order, a few at a time; no bytes where the server has none."""

    def fetch(image: _Image) -> bytes:
        try:
            reply = client.vault.send("GET", f"/{image.place}")
        except Unanswered as silence:
            message = f"an image didn't come ({silence}); run it again to go on"
            raise refusal("ecotaxa_broken_off", message) from None
        if reply.status == 429:
            raise refusal("ecotaxa_broken_off", "the server wants fewer requests; run it again later to go on")
        return reply.data if reply.status == 200 else b""

    waiting = iter(images)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        while some := list(islice(waiting, _AHEAD)):
            yield from zip(some, threads.map(fetch, some), strict=True)
