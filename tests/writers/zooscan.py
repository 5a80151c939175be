"""Writes a ZooScan project of ZooProcess: .pid, meta, header tables and vignettes, 1,000 objects to a scan.

Layout and keys follow the pieces of one public project; no whole project is public.
"""

from pathlib import Path

from writers.pictures import picture

PER_SCAN = 1_000
PID = """PID
[Image]
Scanning_date= 20240321_1049
[VueScan]
[Input]
Source=PerfectionV700
[Output]
DefaultFolder=Z:\\\\Zooscan_aqqua\\\\Zooscan_scan
[Info]
Hardware=  Hydroptic_V3
ImageType=  Zooscan
Resolution=  2400
Author= jane_doe

[Sample]
SampleId= {sample}
Scanop= jane_doe
Ship= thalassa
Date= 20230614-2251
Latitude= 48.2584
Longitude= 22.2966
Depth= 99999
Zmax= 106
Zmin= 55
Vol= 124.5

[Subsample]
SubPart= 2
SubMethod= motoda

[Process]
Version= 8.03_Picheral_CNRS
Date=  20240328_1907

[Image_Process]
Date=  20240328_1908
{scan}
C:\\Zooscan\\Zooscan_temp\\

[Particules_Process]
PixSize=   0.0106
Splitted analysis

[Data]
"""
COLUMNS = "!Item;Label;Area;Mean;%Area;Perim.;BX;BY;Width;Height;Feret;Tag"
META = "SampleId= {sample}\r\nScanop= jane_doe\r\nShip= thalassa\r\nDate= 20230614-2251\r\nLatitude= 48.2584\r\n"
SAMPLES = "sampleid;ship;date;latitude;longitude;depth;zmax;zmin;vol"
SCANS = "scanid;sampleid;scanop;fracid;fracmin;fracsup"
TABLE = (
    "img_file_name", "img_rank", "object_id", "object_lat", "object_lon", "object_date", "object_time",
    "object_depth_min", "object_depth_max", "acq_instrument", "process_particle_pixel_size_mm", "sample_id",
)  # fmt: skip


def sample_of(scan: int) -> str:
    """Id of the sample of a scan."""
    return f"Aqqua2023_st{scan}"


def name_of(scan: int) -> str:
    """Id of a scan."""
    return f"{sample_of(scan)}_d1_1"


def data_row(item: int, scan: int) -> str:
    """A line below ``[Data]``."""
    return f"{item};{name_of(scan)};{1000 + item};236.03;0.1;384.22;{10 * item};377;24;24;33.9;1"


def pid(numbers: range, scan: int) -> str:
    """A .pid with the objects of one scan."""
    head = PID.format(sample=sample_of(scan), scan=name_of(scan))
    lines = [COLUMNS, *(data_row(item, scan) for item in range(1, len(numbers) + 1))]
    return (head + "\n".join(lines) + "\n").replace("\n", "\r\n")


def table(count: int, scan: int) -> str:
    """The EcoTaxa table that ZooProcess makes of a scan, all in small letters."""
    lines = ["\t".join(TABLE), "\t".join("[f]" if c.startswith("object_l") else "[t]" for c in TABLE)]
    for item in range(1, count + 1):
        name = f"{name_of(scan)}_{item}".lower()
        place = "48.430667\t-22.494333\t20230614\t22:51:00.000\t55\t106"
        lines.append(f"{name}.jpg\t0\t{name}\t{place}\tzooscan_nan\t0.0106\t{sample_of(scan).lower()}")
    return "\n".join(lines) + "\n"


def write(folder: Path, objects: int, tables: bool = False) -> None:
    """A project of so many objects.

    Args:
        folder: where to write.
        objects: how many.
        tables: whether ZooProcess has made the EcoTaxa tables too.
    """
    project = folder / "Zooscan_aqqua"
    for place in ("Zooscan_meta", "Zooscan_scan/_raw"):
        (project / place).mkdir(parents=True)
    samples, scans = [SAMPLES], [SCANS]
    for scan, start in enumerate(range(0, objects, PER_SCAN)):
        numbers = range(start, min(start + PER_SCAN, objects))
        work = project / "Zooscan_scan/_work" / name_of(scan)
        work.mkdir(parents=True)
        (work / f"{name_of(scan)}_dat1.pid").write_text(pid(numbers, scan), encoding="latin-1", newline="")
        (work / f"{name_of(scan)}_meas.txt").write_text(" \tLabel\tArea\n1\tx\t1\n")
        for item, number in enumerate(numbers, start=1):
            (work / f"{name_of(scan)}_{item}.jpg").write_bytes(picture(number, "JPEG"))
        if tables:
            (work / f"ecotaxa_{name_of(scan)}.tsv").write_text(table(len(numbers), scan))
        meta = project / f"Zooscan_scan/_raw/{name_of(scan)}_meta.txt"
        meta.write_text(META.format(sample=sample_of(scan)), newline="")
        samples.append(f"{sample_of(scan)};thalassa;20230614-2251;48.2584;22.2966;99999;106;55;124.5")
        scans.append(f"{name_of(scan)};{sample_of(scan)};jane_doe;d1;500;999999")
    for kind, lines in (("sample", samples), ("scan", scans)):
        (project / f"Zooscan_meta/zooscan_{kind}_header_table.csv").write_text("\n".join(lines) + "\n")
