"""EcoTaxa tables and demo deliveries of them: import zips with macOS junk, an export folder, a messy folder."""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqqua_dataset.demo.draw import as_rgb, encode, organism, seeded, write_files, write_zip

Row = dict[str, str]

_NUMERIC = ("img_rank", "object_lat", "object_lon", "object_depth_min", "object_depth_max", "object_area")
_COPEPODS = "living>Eukaryota>Opisthokonta>Holozoa>Metazoa>Arthropoda>Crustacea>Multicrustacea>Copepoda"
#: Display name, EcoTaxa id, hierarchy, status; the last is an object nobody has looked at.
_LABELS = (
    ("Copepoda<Multicrustacea", "25828", _COPEPODS, "validated"),
    ("Cyclopoida", "45072", f"{_COPEPODS}>Neocopepoda>Podoplea>Cyclopoida", "predicted"),
    ("Oncaeidae", "78418", f"{_COPEPODS}>Neocopepoda>Podoplea>Cyclopoida>Oncaeidae", "dubious"),
    ("detritus", "84963", "not-living>detritus", "predicted"),
    ("", "", "", ""),
)


def ecotaxa_tsv(
    rows: Sequence[Mapping[str, str]],
    type_row: bool = True,
    bom: bool = False,
    encoding: str = "latin-1",
    quoted: bool = False,
) -> bytes:
    """An EcoTaxa table with the union of the rows' columns; a missing cell is empty.

    Args:
        rows: cells by column name.
        type_row: with the second line ``[t]``, ``[f]`` of import files; exports have none.
        bom: begin with UTF-8's byte-order mark, without which EcoTaxa takes a table as latin-1.
        encoding: of the text after the mark.
        quoted: every cell in quotes, as in exports.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    dialect = csv.unix_dialect if quoted else csv.excel_tab
    writer = csv.writer(stream, dialect, delimiter="\t", lineterminator="\n")
    writer.writerow(names)
    if type_row:
        writer.writerow(["[f]" if name in _NUMERIC else "[t]" for name in names])
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return (codecs.BOM_UTF8 if bom else b"") + stream.getvalue().encode(encoding)


@dataclass(frozen=True)
class Haul:
    """One net sample: degrees north and east, date as EcoTaxa writes it, and its depth layers in metres."""

    sample: str
    latitude: float
    longitude: float
    date: str
    layers: Sequence[tuple[int, int]]

    def row(self, number: int, file: str, **cells: str) -> Row:
        """One of the sample's objects, with some cells changed; the layers take turns."""
        top, bottom = self.layers[number % len(self.layers)]
        place = {
            "object_lat": f"{self.latitude:.4f}",
            "object_lon": f"{self.longitude:.4f}",
            "object_date": self.date,
            "object_depth_min": str(top),
            "object_depth_max": str(bottom),
        }
        return net_row(self.sample, number, file, **(place | cells))


def net_row(sample: str, number: int, file: str, **cells: str) -> Row:
    """One object of a net sample as ZooProcess would export it, with some cells changed."""
    label, label_id, hierarchy, status = _LABELS[number % len(_LABELS)]
    row = {
        "img_file_name": file,
        "img_rank": "0",
        "object_id": f"{sample}_{number}",
        "object_lat": "56.5208",
        "object_lon": "11.4917",
        "object_date": "20190614",
        # 420 is twenty past four: the spreadsheet ate the zero.
        "object_time": "420" if number % 2 else "133015",
        "object_depth_min": "10",
        "object_depth_max": "25",
        "object_annotation_category": label,
        "object_annotation_category_id": label_id,
        "object_annotation_hierarchy": hierarchy,
        "object_annotation_status": status,
        "object_annotation_person_name": "Åsa Example" if status else "",
        "object_annotation_person_email": "asa@example.org" if status else "",
        "object_area": f"{500 + 13 * number}.0",
        "sample_id": sample,
        "sample_ship": "RV Exempel",
        "sample_stationid": "Läsö Ränna",
        "sample_tot_vol": "13.125",
        "acq_id": f"{sample}_tot",
        "acq_instrument": "zooscan",
        "acq_sub_part": "4",
        "process_id": f"zooprocess_{sample}",
        "process_particle_pixel_size_mm": "0.0106",
    }
    return row | cells


def _net_sample(haul: Haul, pictures: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    """Table and images of a sample; the last picture is a second image of the object before it."""
    files, rows = {}, []
    for number, (ending, data) in enumerate(pictures, start=1):
        name = f"{haul.sample}_{number}.{ending}"
        files[f"{haul.sample}/{name}"] = data
        rows.append(haul.row(number, name))
    rows[-1] = rows[-2] | {"img_file_name": rows[-1]["img_file_name"], "img_rank": "1"}
    return {f"{haul.sample}/ecotaxa_{haul.sample}.tsv": ecotaxa_tsv(rows), **files}


def _kattegat_pictures(png_level: int = 6) -> list[tuple[str, bytes]]:
    """48 pictures as ending and bytes: JPEG, every fifth in colour, but PNG for the seventh to tenth."""
    rng, pictures = seeded("kattegat"), []
    for number in range(48):
        pixels = organism(rng, int(rng.integers(40, 120)), int(rng.integers(40, 120)))
        if 6 <= number < 10:
            pictures.append(("png", encode(pixels, "PNG", compress_level=png_level)))
        else:
            pictures.append(("jpg", encode(as_rgb(pixels) if number % 5 == 0 else pixels, "JPEG", quality=92)))
    return pictures


def write_kattegat(path: Path) -> None:
    """An import zip with 48 images of 46 objects in two samples, packed on a Mac."""
    pictures = _kattegat_pictures()
    first = Haul("kat19_n1", 56.5208, 11.4917, "20190614", ((0, 10), (10, 25)))
    second = Haul("kat19_n2", 56.4433, 11.6105, "20190615", ((25, 50), (50, 80)))
    files = {
        **_net_sample(first, pictures[:24]),
        **_net_sample(second, pictures[24:]),
        "__MACOSX/kat19_n1/._ecotaxa_kat19_n1.tsv": b"\0\5\x16\7\0\2\0\0Mac OS X",
        "kat19_n1/.DS_Store": b"\0\0\0\1Bud1",
        "kat19_n2/.~lock.ecotaxa_kat19_n2.tsv#": b",example,desk,01.09.2025 11:58,file:///;",
    }
    write_zip(path, files)


def write_oresund(path: Path) -> None:
    """Another owner's zip: of 20 images six have the Kattegat's bytes and four only its pixels."""
    rng = seeded("oresund")
    own = [("png", encode(organism(rng, 70, 60), "PNG")) for _ in range(10)]
    # The bytes of a PNG depend on how hard it was compressed, its pixels don't.
    shared = _kattegat_pictures()[:6] + _kattegat_pictures(png_level=1)[6:10]
    haul = Haul("ore19_s7", 55.8711, 12.7402, "20190616", ((0, 15), (15, 40)))
    files = {}
    rows = []
    for number, (ending, data) in enumerate(shared + own, start=1):
        files[f"ore19_s7/s7_{number:03d}.{ending}"] = data
        rows.append(haul.row(number, f"s7_{number:03d}.{ending}"))
    write_zip(path, {"ore19_s7/ecotaxa_ore19_s7.tsv": ecotaxa_tsv(rows), **files})


def write_flowcam(folder: Path) -> None:
    """30 images as an EcoTaxa export: quoted cells, UTF-8 with BOM, images in folders by label."""
    rng, rows, files = seeded("flowcam"), [], {}
    haul = Haul("fc20_b1", 56.67, 12.11, "20200503", ((5, 5), (12, 12), (20, 20)))
    for number in range(1, 31):
        label = _LABELS[number % len(_LABELS)][0]
        taxon = label.replace("<", "_") or "unclassified"
        name = f"images/{taxon}/{4410000 + number}_0.png"
        files[name] = encode(organism(rng, 50 + number, 45), "PNG")
        row = haul.row(number, name, object_time="081500", acq_instrument="FlowCam", process_pixel="0.7339")
        # An export names labels by words and hierarchy, not by id; the scanner's column isn't FlowCam's.
        del row["object_annotation_category_id"], row["process_particle_pixel_size_mm"]
        rows.append(row)
    table = ecotaxa_tsv(rows, type_row=False, bom=True, encoding="utf-8", quoted=True)
    write_files(folder, {"ecotaxa_export_1002_20250901_1200.tsv": table, **files})


#: Wrong cells of the messy delivery, one row each; the key ends the object's id and names its image.
MISTAKES: dict[str, Row] = {
    "latitude": {"object_lat": "100"},
    "date": {"object_date": "20140433"},
    "clock": {"object_time": "99:20"},
    "status": {"object_annotation_category": "Oncaeidae", "object_annotation_status": "predit"},
    "no_id": {"object_id": ""},
    "no_file": {"img_file_name": "not_there.png"},
    "swapped_depth": {"object_depth_min": "50", "object_depth_max": "10"},
    "null_island": {"object_lat": "0", "object_lon": "0"},
    "no_pixel_size": {"process_particle_pixel_size_mm": ""},
    "fill_depth": {"object_depth_min": "99999", "object_depth_max": "99999"},
    "instrument": {"acq_instrument": "my camera"},
}


def write_skagerrak(folder: Path) -> None:
    """Eight good rows, one row per mistake, damaged images, empty tables and an image without a row."""
    rng = seeded("skagerrak")
    haul = Haul("ska18_n3", 58.2513, 9.4871, "20180822", ((0, 20), (20, 60)))
    rows: list[Row] = []
    files: dict[str, bytes] = {}

    def add(name: str, data: bytes | None = None, cells: Row | None = None, ending: str = "png") -> None:
        row = haul.row(len(rows) + 1, f"{name}.{ending}", object_id=f"ska18_n3_{name}") | (cells or {})
        rows.append(row)
        if row["img_file_name"] != "not_there.png":
            files[row["img_file_name"]] = encode(organism(rng, 60, 50), "PNG") if data is None else data

    for number in range(8):
        add(f"good_{number}")
    for name, cells in MISTAKES.items():
        add(name, cells=cells)
    whole = encode(organism(rng, 60, 50), "JPEG", quality=92)
    add("truncated", whole[: len(whole) // 2], ending="jpg")
    add("empty", b"")
    add("text", b"this is no picture\n")
    add("blank", encode(organism(rng, 20, 20) * 0 + 255, "PNG"))
    rows.append(dict(rows[0]))  # the same row again
    add("extra_cells")
    table = ecotaxa_tsv(rows)
    tables = {
        "ecotaxa_ska18_n3.tsv": table.removesuffix(b"\n") + b"\tone\ttwo\n",
        "ecotaxa_ska18_empty.tsv": b"",
        "ecotaxa_ska18_header_only.tsv": table[: table.index(b"\n") + 1],
        "without_a_row.png": encode(organism(rng, 40, 40), "PNG"),
    }
    write_files(folder, tables | files)
