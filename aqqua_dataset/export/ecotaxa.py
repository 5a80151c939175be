"""EcoTaxa import: zip files of images with the table that EcoTaxa's importer reads, one contribution in each.

Columns and types as in EcoTaxa's import instructions (ecotaxa_back, 2026-06): UTF-8 with byte-order mark, second line
``[t]`` or ``[f]``. Objects keep their delivered ids, so that labels given in EcoTaxa find back to their images.
"""

import codecs
import io
import itertools
import zipfile

import pyarrow as pa
import pyarrow.csv

from aqqua_dataset.export.target import Target, in_files, stored_size
from aqqua_dataset.export.zips import add_file, new_zip
from aqqua_dataset.images.shards import member_name
from aqqua_dataset.reader.release import Selection
from aqqua_dataset.reader.stream import Run

#: Which images the format can hold.
CONDITION = "true"

#: Bytes of a zip file: EcoTaxa takes uploads of 500 MB.
UPLOAD = 450_000_000

#: What an image takes beside its file: a line of the table, and its name in the zip file, twice.
_BESIDE = 700

_LABELLED = "label_status in ('validated', 'predicted', 'dubious')"
_CLOCK = "datetime_precision in ('ms', 's', 'minute', 'hour')"

#: Column of the table -> SQL over the release's columns.
_COLUMNS = {
    "img_file_name": "image_id || case image_format when 'jpeg' then '.jpg' else '.png' end",
    "img_rank": "source_image_rank",
    "object_id": "source_object_id",
    "object_lat": "latitude",
    "object_lon": "longitude",
    "object_date": "strftime(datetime_utc, '%Y%m%d')",
    "object_time": f"case when {_CLOCK} then strftime(datetime_utc, '%H%M%S') end",
    "object_depth_min": "depth_min_m",
    "object_depth_max": "depth_max_m",
    "object_annotation_category": (
        f"case when {_LABELLED} then coalesce(case when label_scheme = 'ecotaxa' then label_verbatim end, "
        "taxon_name, label_verbatim) end"
    ),
    "object_annotation_category_id": f"case when {_LABELLED} and label_scheme = 'ecotaxa' then label_source_id end",
    "object_annotation_status": f"case when {_LABELLED} then label_status end",
    "object_aqqua_image_id": "image_id",
    "object_aqqua_taxon": "taxon_name",
    "object_aqqua_aphia_id": "aphia_id",
    "object_aqqua_flags": "array_to_string(qc_flags, ' ')",
    "object_aqqua_date_precision": "datetime_precision",
    "object_aqqua_license": "license",
    "object_aqqua_credit": "array_to_string(credited_contributions, ' ')",
    "sample_id": "coalesce(event_id, contribution_id)",
    "acq_id": "coalesce(parent_event_id, event_id, contribution_id)",
    "acq_instrument": "instrument_id",
    "process_id": "coalesce(event_id, contribution_id) || '_aqqua'",
    "process_pixel_size_um": "pixel_size_um",
}

_NUMBERS = ("img_rank", "object_lat", "object_lon", "object_depth_min", "object_depth_max", "object_aqqua_aphia_id",
            "process_pixel_size_um")  # fmt: skip

_READING = """## Reading it

Upload a zip file to *My files* in EcoTaxa and import it into a project of its own (*Import data*). Times are UTC.
Labels come with their status; `object_aqqua_image_id` finds an object back in the release.
"""


def write(selection: Selection, target: Target) -> str:
    """Writes the zip files; returns how to use them."""
    sql = ", ".join(f'{text} as "{name}"' for name, text in _COLUMNS.items())
    for number, runs in in_files(target.runs(sql), UPLOAD, _size, by_contribution=True):
        first = next(runs)
        contribution = first.rows["contribution_id"][0].as_py()
        path = f"ecotaxa_{target.stem}_{contribution}_{number:05d}.zip"
        with target.create(path) as stream, new_zip(stream) as archive:
            table = io.BytesIO(_head())
            table.seek(0, io.SEEK_END)
            for run in itertools.chain([first], runs):
                _add_images(archive, run.rows, run.images)
                pa.csv.write_csv(run.rows.select(list(_COLUMNS)), table, _AS_TSV)
            add_file(archive, f"ecotaxa_{contribution}.tsv", table.getvalue(), zipfile.ZIP_DEFLATED)
    return _READING


_AS_TSV = pa.csv.WriteOptions(include_header=False, delimiter="\t")


def _size(run: Run) -> int:
    return stored_size(run) + _BESIDE * len(run.images)


def _head() -> bytes:
    types = ("[f]" if name in _NUMBERS else "[t]" for name in _COLUMNS)
    return codecs.BOM_UTF8 + ("\t".join(_COLUMNS) + "\n" + "\t".join(types) + "\n").encode()


def _add_images(archive: zipfile.ZipFile, rows: pa.RecordBatch, images: list[bytes]) -> None:
    columns = (rows[c].to_pylist() for c in ("image_id", "image_format"))
    for data, image_id, image_format in zip(images, *columns, strict=True):
        add_file(archive, member_name(image_id, image_format), data)
