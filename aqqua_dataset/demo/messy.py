"""A demo delivery with the mistakes that contributors make, one row each, beside rows that are fine."""

from pathlib import Path

import numpy as np

from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.nets import Row, ecotaxa_tsv, net_row

#: What is wrong with each bad row: changed cells, or what happens to its image file.
MISTAKES: dict[str, dict[str, str]] = {
    "latitude": {"object_lat": "100"},
    "date": {"object_date": "20140433"},
    "clock": {"object_time": "99:20"},
    "status": {"object_annotation_status": "predit"},
    "no_id": {"object_id": ""},
    "no_file": {"img_file_name": "not_there.png"},
    "swapped_depth": {"object_depth_min": "50", "object_depth_max": "10"},
    "null_island": {"object_lat": "0", "object_lon": "0"},
    "no_pixel_size": {"process_particle_pixel_size_mm": "NaN"},
    "fill_depth": {"object_depth_min": "99999", "object_depth_max": "99999"},
    "instrument": {"acq_instrument": "my camera"},
}


def write_skagerrak(folder: Path, rng: np.random.Generator) -> None:
    """Eight good rows, one row per mistake, damaged images, empty tables and an image without a row."""
    sample = "ska18_n3"
    rows: list[Row] = []
    files: dict[str, bytes] = {}

    def add(name: str, data: bytes | None, changes: Row) -> None:
        file = f"{name}.png"
        files[file] = encode(organism(rng, 60, 50), "PNG") if data is None else data
        rows.append(net_row(sample, len(rows) + 1, file, object_id=f"{sample}_{name}") | changes)

    for number in range(8):
        add(f"good_{number}", None, {})
    for name, changes in MISTAKES.items():
        add(name, None, changes)
    add("truncated", encode(organism(rng, 60, 50), "PNG")[:700], {})
    add("empty", b"", {})
    add("text", b"this is no picture", {})
    add("blank", encode(np.full((20, 20), 255, np.uint8), "PNG"), {})
    rows.append(dict(rows[0]))  # the same row again
    table = ecotaxa_tsv(rows) + b"\t".join([b"x"] * (len(rows[0]) + 2)) + b"\n"
    header_only = ecotaxa_tsv(rows[:1], types=False).split(b"\n")[0] + b"\n"
    tables = {
        "ecotaxa_ska18_n3.tsv": table,
        "ecotaxa_ska18_empty.tsv": b"",
        "ecotaxa_ska18_header_only.tsv": header_only,
        "without_a_row.png": encode(organism(rng, 40, 40), "PNG"),
    }
    write_files(folder, tables | files)
