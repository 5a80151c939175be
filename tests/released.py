"""A rehearsed release for tests of its use: three contributions, two instruments, all kinds of images."""

import io
from pathlib import Path

import numpy as np
from builders import collection, contribution
from PIL import Image
from test_warehouse import walk

from aqqua_dataset.demo.draw import as_rgb, encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row

FOLDER = "releases/public/v0.1.0-rehearsal"

#: Images by contribution: ids of contributions are those of ``make_release``.
IMAGES = {"cast": 9, "net-one": 20, "net-two": 12}


def make_release(home: Path) -> Path:
    """Writes deliveries, walks them to a rehearsal and returns the release's folder.

    ``net-two`` delivered two of its images with the bytes that ``net-one`` has.
    """
    one = _deliver(home / "one", "n1", [_picture(i) for i in range(20)])
    two = [_picture(100 + i) for i in range(12)]
    _deliver(home / "two", "n2", one[:2] + two)
    cells = {"acq_instrument": "flowcam", "process_pixel": "0.7339", "object_lat": "-12.5", "object_date": "20200301"}
    _deliver(home / "cast", "c1", [_picture(200 + i) for i in range(9)], **cells)
    walk(
        collection(
            home,
            contribution("net-one", home / "one"),
            contribution("net-two", home / "two", owners=("owner-two",)),
            contribution("cast", home / "cast"),
        )
    )
    return home / "warehouse" / FOLDER


def _picture(number: int) -> tuple[str, bytes]:
    """Ending and bytes: grey, colour and 16-bit PNG, grey and colour JPEG by turns."""
    rng = np.random.default_rng(number)
    pixels = organism(rng, 40 + number % 7, 30 + number % 5)
    kind = number % 5
    if kind == 0:
        deep = pixels.astype(np.uint16) * 201 + 17
        stream = io.BytesIO()
        Image.fromarray(deep).save(stream, "PNG")
        return "png", stream.getvalue()
    if kind in (1, 2):
        coloured = as_rgb(pixels).copy()
        coloured[..., 2] = 255 - coloured[..., 2] // 2
        return ("png", encode(coloured, "PNG")) if kind == 1 else ("jpg", encode(coloured, "JPEG", quality=92))
    return ("jpg", encode(pixels, "JPEG", quality=92)) if kind == 3 else ("png", encode(pixels, "PNG"))


def _deliver(folder: Path, sample: str, pictures: list[tuple[str, bytes]], **cells: str) -> list[tuple[str, bytes]]:
    """An EcoTaxa folder; the last picture is a second one of the object before it."""
    names = [f"{sample}_{i}.{ending}" for i, (ending, _) in enumerate(pictures)]
    rows = [net_row(sample, i, name, **cells) for i, name in enumerate(names)]
    if "process_pixel" in cells:
        for row in rows:
            del row["process_particle_pixel_size_mm"]
    rows[-1] = rows[-2] | {"img_file_name": names[-1], "img_rank": "1"}
    table = ecotaxa_tsv(rows, bom=True, encoding="utf-8")
    write_files(folder, {f"ecotaxa_{sample}.tsv": table, **dict(zip(names, (d for _, d in pictures), strict=True))})
    return pictures
