"""Demo deliveries in EcoTaxa's formats: import zips with macOS junk, and an export folder."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aqqua_dataset.demo.draw import Pixels, encode, organism, write_files, write_zip

Row = dict[str, str]

_LABELS = (
    ("Copepoda<Multicrustacea", "25828", "validated"),
    ("Cyclopoida", "45072", "predicted"),
    ("Oncaeidae", "78418", "dubious"),
    ("detritus", "84963", "predicted"),
    ("", "", ""),
)


def ecotaxa_tsv(rows: Sequence[Row], types: bool = True, quoted: bool = False, encoding: str = "latin-1") -> bytes:
    """An EcoTaxa table: the union of the rows' columns, optionally the line of types and quotes."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.writer(
        stream, delimiter="\t", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    writer.writerow(names)
    if types:
        writer.writerow(["[f]" if name.endswith(("lat", "lon", "min", "max")) else "[t]" for name in names])
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return stream.getvalue().encode(encoding)


def net_row(sample: str, number: int, file: str, **values: str) -> Row:
    """One object of a net sample as ZooProcess would export it."""
    label, label_id, status = _LABELS[number % len(_LABELS)]
    row = {
        "img_file_name": file,
        "img_rank": "0",
        "object_id": f"{sample}_{number}",
        "object_lat": "56.5208",
        "object_lon": "11.4917",
        "object_date": "20190614",
        "object_time": "420" if number % 2 else "133015",
        "object_depth_min": "10",
        "object_depth_max": "25",
        "object_annotation_category": label,
        "object_annotation_category_id": label_id,
        "object_annotation_status": status,
        "object_annotation_person_name": "Pat Example",
        "object_annotation_person_email": "pat@example.org",
        "sample_id": sample,
        "sample_ship": "RV Exempel",
        "acq_id": f"{sample}_tot",
        "acq_instrument": "zooscan",
        "process_id": f"zooprocess_{sample}",
        "process_particle_pixel_size_mm": "0.0106",
    }
    return row | values


def _sample(
    rng: np.random.Generator,
    sample: str,
    pictures: Sequence[bytes],
    endings: Sequence[str],
    **values: str,
) -> dict[str, bytes]:
    files, rows = {}, []
    for number, (data, ending) in enumerate(zip(pictures, endings, strict=True), start=1):
        name = f"{sample}_{number}.{ending}"
        files[f"{sample}/{name}"] = data
        rows.append(net_row(sample, number, name, **values))
    # The last picture is a second image of the object before it.
    rows[-1] |= {"object_id": rows[-2]["object_id"], "img_rank": "1"}
    return {f"{sample}/ecotaxa_{sample}.tsv": ecotaxa_tsv(rows), **files}


def write_kattegat(folder: Path, rng: np.random.Generator) -> list[tuple[bytes, Pixels]]:
    """48 images of 46 objects in two samples; returns ten pictures that another owner delivers as well."""
    pixels = [organism(rng, int(rng.integers(40, 120)), int(rng.integers(40, 120))) for _ in range(48)]
    as_png = [encode(p, "PNG") if i < 10 else encode(p, "JPEG", quality=92) for i, p in enumerate(pixels)]
    endings = ["png"] * 10 + ["jpg"] * 38
    files = {
        **_sample(rng, "kat19_n1", as_png[:24], endings[:24]),
        **_sample(rng, "kat19_n2", as_png[24:], endings[24:], object_depth_min="25", object_depth_max="50"),
        "__MACOSX/kat19_n1/._ecotaxa_kat19_n1.tsv": b"\0\5\x16\7",
        "kat19_n1/.DS_Store": b"\0\0\0\1Bud1",
        "kat19_n2/.~lock.ecotaxa_kat19_n2.tsv#": b",user,host,",
    }
    write_zip(folder / "kattegat-net-2019.zip", files)
    return list(zip(as_png[:10], pixels[:10], strict=True))


def write_oresund(folder: Path, rng: np.random.Generator, shared: list[tuple[bytes, Pixels]]) -> None:
    """20 images, six of them byte-equal to the Kattegat's and four equal only in their pixels."""
    copies = [data for data, _ in shared[:6]]
    saved_again = [encode(pixels, "PNG", compress_level=1) for _, pixels in shared[6:10]]
    own = [encode(organism(rng, 70, 60), "PNG") for _ in range(10)]
    files = _sample(
        rng,
        "ore19_s7",
        [*copies, *saved_again, *own],
        ["png"] * 20,
        object_lat="55.8711",
        object_lon="12.7402",
    )
    write_zip(folder / "oresund-net-2019.zip", files)


def write_flowcam(folder: Path, rng: np.random.Generator) -> None:
    """30 images as an EcoTaxa export: quoted cells, UTF-8 with BOM, images sorted by label."""
    rows, files = [], {}
    for number in range(1, 31):
        label = _LABELS[number % len(_LABELS)][0].split("<")[0] or "unclassified"
        name = f"images/{label}/{number}_0.png"
        files[name] = encode(organism(rng, 50 + number, 45), "PNG")
        rows.append(
            net_row(
                "fc20_b1", number, name, object_lat="56.67", object_lon="12.11", object_date="2020-05-03",
                object_time="08:15:00", object_depth_min="5", object_depth_max="5", acq_instrument="FlowCam",
                process_pixel="0.7339",
            )
        )  # fmt: skip
        del rows[-1]["process_particle_pixel_size_mm"]
    table = ecotaxa_tsv(rows, types=False, quoted=True, encoding="utf-8-sig")
    write_files(folder / "kattegat-flowcam-2020", {"ecotaxa_export_1002_20250901_1200.tsv": table, **files})
