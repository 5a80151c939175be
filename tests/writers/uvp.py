"""Writes UVP deliveries: a UVP6 project with bundles and EcoPart exports, a UVP5 project, an export of EcoTaxa.

No public project of a cruise exists: bundles follow the one in EcoTaxa's test corpus, tables those of EcoPart's tests.
"""

import io
import zipfile
from pathlib import Path

from writers.pictures import picture

PROJECT = "uvp6_sn000103lp_2024_aqqua"
OFFSET_M, LITRES_PER_IMAGE, IMAGES_PER_BIN = 1.2, 0.57, 4
PER_SAMPLE = 1_000
COLUMNS = (
    "img_file_name", "img_rank", "object_id", "object_lat", "object_lon", "object_date", "object_time",
    "object_depth_min", "object_depth_max", "object_area", "process_id", "acq_id", "acq_volimage", "acq_pixel",
    "acq_instrument", "sample_id", "sample_profileid",
)  # fmt: skip
SETTINGS = (
    "[vignette]\n; invert image (black => white) : Values Y/N\ninvert=y\n; scale, 1 = No change\nscale=1.5\n"
    "footerheight_px=31\nPixel_Size=73\n"
)
HEADER = (
    "cruise;ship;filename;profileid;bottomdepth;ctdrosettefilename;latitude;longitude;firstimage;volimage;aa;exp;dn;"
    "winddir;windspeed;seastate;nebuloussness;comment;endimg;yoyo;stationid;sampletype;integrationtime;argoid;"
    "pixelsize;sampledatetime"
)
METADATA = (
    "[sample_metadata]\nprofileid={sample}\n\n[HW_CONF]\nCamera_ref=000103LP\nImage_volume=0.570\nAa=1375\nExp=1.257\n"
    "Pixel_Size=73\nOperator_email=jane@example.org\n\n[ACQ_CONF]\nConfiguration_name=ACQ_NKE\n"
)
SUMMARY = (
    "psampleid\tprofileid\tfilename\tlatitude\tlongitude\tsampledate\tacq_volimage\tacq_depthoffset\tdo_name\tship"
)
ZOO = "orig_id\tobjid\tname\ttaxo_hierarchy\tclassif_qual\tdepth_including_offset\tpsampleid\tarea"
PAR = "depth\timgcount\tarea\tnbr\tgreylimit1\tgreylimit2\tgreylimit3\tdatetime"
STAMP = "20240201_14_15"


def name_of(sample: int) -> str:
    """Id of a sample."""
    return f"ctd_{sample:03}"


def raw_name(sample: int) -> str:
    """Name of a sample's raw file."""
    return f"20240101-{sample:02}0000"


def row(number: int, sample: int, file: str, rank: int = 0, position: bool = True, **cells: object) -> str:
    """A line of an EcoTaxa table."""
    values = {
        "img_file_name": file, "img_rank": rank, "object_id": f"{name_of(sample)}_{number}",
        "object_lat": "43.5" if position else "", "object_lon": "7.25" if position else "",
        "object_date": "20240101", "object_time": f"{sample:02}0102", "object_depth_min": f"{number % 50}.5",
        "object_depth_max": f"{number % 50}.5", "object_area": 207, "process_id": name_of(sample),
        "acq_id": name_of(sample), "acq_volimage": LITRES_PER_IMAGE, "acq_pixel": 73, "acq_instrument": "uvp6",
        "sample_id": name_of(sample), "sample_profileid": raw_name(sample),
    } | cells  # fmt: skip
    return "\t".join(str(values[c]) for c in COLUMNS) + "\r\n"


def types() -> str:
    """The two lines above an import table's rows."""
    numeric = ("img_rank", "object_depth_max", "object_area")
    return "\t".join(COLUMNS) + "\r\n" + "\t".join("[f]" if c in numeric else "[t]" for c in COLUMNS) + "\r\n"


def header_row(sample: int, latitude: str, longitude: str, pixel: str) -> str:
    """A line of a project's header table."""
    cells = dict.fromkeys(HEADER.split(";"), "") | {
        "cruise": "aqqua", "ship": "thalassa", "filename": raw_name(sample), "profileid": name_of(sample),
        "latitude": latitude, "longitude": longitude, "volimage": "0.570", "pixelsize": pixel,
        "sampledatetime": raw_name(sample),
    }  # fmt: skip
    return ";".join(cells.values()) + "\r\n"


def bundle(numbers: range, sample: int, position: bool = True) -> bytes:
    """``<sample>_Images.zip``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        table = [types()]
        for number in numbers:
            file = f"sub{number % 2}/{raw_name(sample)}_{number}.png"
            table.append(row(number, sample, file, 1, position))
            made.writestr(file, picture(number))
        made.writestr(f"ecotaxa_{name_of(sample)}.tsv", "".join(table))
        made.writestr("compute_vignette.txt", SETTINGS)
    return stream.getvalue()


def write_ecopart(folder: Path, samples: dict[int, range]) -> None:
    """EcoPart's raw export: summary, objects (every other one) and bins of a metre."""
    folder.mkdir(parents=True)
    summary = [SUMMARY]
    for sample, numbers in samples.items():
        start = f"2024-01-01 {sample:02}:00:00"
        cells = (sample, f'"{name_of(sample)}"', f'"{raw_name(sample)}"', 43.5, 7.25, start, LITRES_PER_IMAGE)
        summary.append("\t".join(map(str, (*cells, OFFSET_M, '"Jane Doe"', '"thalassa"'))))
        stem = f"{raw_name(sample)}_{name_of(sample)}"
        objects = [ZOO]
        for number in numbers[::2]:
            depth = f"{number % 50 + 0.5 + OFFSET_M:g}"
            taxon = "Copepoda\tliving>Copepoda\tV"
            objects.append(f"{name_of(sample)}_{number}\t{9000 + number}\t{taxon}\t{depth}\t{sample}\t207")
        bins = [PAR] + [f"{d}\t{IMAGES_PER_BIN}\t{a}\t9\t28.5\t30.0\t31.5\t" for d in range(60) for a in (7, 12)]
        for kind, lines in (("ZOO", objects), ("PAR", bins)):
            (folder / f"{stem}_{kind}_raw_{STAMP}.tsv").write_text("\r\n".join([*lines, ""]), newline="")
    name = f"export_raw_{STAMP}_Export_metadata_summary.tsv"
    (folder / name).write_text("\r\n".join([*summary, ""]), newline="", encoding="latin-1")


def write(folder: Path, objects: int) -> None:
    """A UVP6 project of so many objects: bundles, header table, hardware settings and EcoPart's export."""
    starts = range(0, objects, PER_SAMPLE)
    samples = {s: range(start, min(start + PER_SAMPLE, objects)) for s, start in enumerate(starts)}
    project = folder / PROJECT
    (project / "meta").mkdir(parents=True)
    lines = [HEADER + "\r\n"] + [header_row(s, "43.5", "7.25", "73") for s in samples]
    (project / "meta" / "uvp6_header_sn000103lp_aqqua.txt").write_text("".join(lines), newline="")
    for sample, numbers in samples.items():
        place = project / "ecodata" / name_of(sample)
        place.mkdir(parents=True)
        (place / f"{name_of(sample)}_Images.zip").write_bytes(bundle(numbers, sample, position=sample % 2 == 0))
        with zipfile.ZipFile(place / f"{name_of(sample)}_Particule.zip", "w") as made:
            made.writestr("metadata.ini", METADATA.format(sample=name_of(sample)))
            made.writestr(
                "particules.csv", "HW_CONF,000103LP\nACQ_CONF,ACQ_NKE;\n20240101-000000,2.1,18.5,1:7,2,30,3\n"
            )
    write_ecopart(folder / "ecopart", samples)


def write_uvp5(folder: Path, objects: int) -> None:
    """A UVP5 project: raw files without vignettes, and work/<sample>/ with an EcoTaxa table without positions."""
    project = folder / "uvp5_sn002_2012_aqqua"
    for place in ("meta", "work/ctd_000", "raw/HDR20240101000000"):
        (project / place).mkdir(parents=True)
    (project / "raw/HDR20240101000000/HDR20240101000000.hdr").write_text("HDR;\n[General]\nShutterspeed= 12;\n")
    line = header_row(0, "-43.30", "7°15 30", "0.088")
    (project / "meta/uvp5_header_sn002_aqqua.txt").write_text(HEADER + "\n" + line, encoding="latin-1")
    rows = [types()]
    for number in range(objects):
        file = f"ctd_000_{number:05}.png"
        (project / "work/ctd_000" / file).write_bytes(picture(number))
        cells = {
            "acq_instrument": "",
            "acq_pixel": "0.088",
            "object_date": "",
            "object_time": "",
            "sample_profileid": "",
        }
        rows.append(row(number, 0, file, position=False, **cells))
    (project / "work/ctd_000/ecotaxa_ctd_000.tsv").write_text("".join(rows), newline="")


def write_export(folder: Path, objects: int) -> None:
    """An export of EcoTaxa: of each object the computed vignette as rank 0 and its original as rank 100."""
    (folder / "images").mkdir(parents=True)
    rows = ["\t".join(COLUMNS) + "\r\n"]
    for number in range(objects):
        for rank in (0, 100):
            file = f"images/{9000 + number}_{rank}.png"
            (folder / file).write_bytes(picture(number + rank))
            rows.append(row(number, 0, file, rank))
    (folder / "ecotaxa_export_42_20240301_1200.tsv").write_text("".join(rows), newline="")
