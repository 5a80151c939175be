"""Writes FlowCam runs as VisualSpreadsheet does, after the layout of a public MESO run (53 fields)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

RUN = "AQQUA_test_run_1"
SIDE = 24
STEP = SIDE + 2  # pixels from one particle to the next in the collage
ACROSS = 40
PER_COLLAGE = ACROSS * ACROSS
FIELDS = (
    *(f"{n}|int32" for n in ("id", "image_x", "image_y", "image_w", "image_h", "src_x", "src_y", "src_image")),
    *(f"{n}|int32" for n in ("cal_image", "ppc", "camera")),
    *(f"{n}|double" for n in ("cal_const", "fringe_size")),
    "sphere_count|int32",
    *(f"{n}|double" for n in (
        "raw_sphere_volume", "raw_sphere_complement", "raw_sphere_unknown", "raw_area", "raw_feret_max",
        "raw_feret_min", "raw_feret_mean", "raw_perimeter", "raw_convex_perimeter", "raw_legendre_major",
        "raw_legendre_minor", "abd_area", "abd_diameter", "length", "width", "esd_diameter", "fd_diameter",
        "perimeter", "convex_perimeter", "intensity", "sigma_intensity", "sum_intensity", "compactness",
        "elongation", "roughness", "edge_gradient", "elapsed_time", "circle_fit", "symmetry", "circularity_hu",
        "intensity_calimage", "raw_convex_hull_area", "raw_filled_area", "filled_area", "feret_max_angle",
        "feret_min_angle",
    )),
    "timestamp|timestamp",
    "collage_file|string",
    "image_id|guid",
)  # fmt: skip
CTX = (
    "[Software]\r\nSoftwareName=VisualSpreadsheet\r\nSoftwareVersion=5.8.1\r\n"
    "[General]\r\nTechnicianName=Jane Doe\r\nLocationLatitude= \r\nLocationLongitude= \r\nTimeZone= \r\n"
    "[Fluid]\r\nFlowCellDepth=300\r\nFluidVolumeImaged_ml=0.0000\r\nCalibrationConstant=1.8130\r\n"
    "[CaptureReport]\r\nAutoClassify=0\r\n"
)
SUMMARY = "Run Summary\r\nFluid Volume Imaged:\t289.6065 ml\r\nOperator:\tJane Doe\r\n"


def place(number: int) -> tuple[int, int]:
    """Left and upper edge of a particle, counted from 0, in its collage."""
    inside = number % PER_COLLAGE
    return 2 + inside % ACROSS * STEP, 2 + inside // ACROSS * STEP


def collage_name(number: int, run: str = RUN) -> str:
    """Collage of a particle, counted from 0."""
    return f"{run}_images_{number // PER_COLLAGE + 1:06d}.tif"


def row(number: int, fields: Sequence[str] = FIELDS, run: str = RUN) -> str:
    """The list's line of a particle, counted from 0; its id is one more."""
    x, y = place(number)
    known = {
        "id": number + 1, "image_x": x, "image_y": y, "image_w": SIDE, "image_h": SIDE, "cal_const": 1.813,
        "timestamp": f"2023-05-22T12:46:{number % 60:02d}.875", "collage_file": collage_name(number, run),
        "image_id": f"51F0EF87-FAF4-4C45-9F76-{number:012X}",
    }  # fmt: skip
    names = (f.rpartition("|")[0] for f in fields)
    return "|".join(str(known.get(n, f"{number % 97}.5")) for n in names) + "\n"


def header(fields: Sequence[str] = FIELDS, count: int | None = None) -> str:
    """The lines above the first row."""
    return "\n".join(("017", f"num-fields|{len(fields) if count is None else count}", *fields)) + "\n"


def write_list(path: Path, objects: int, fields: Sequence[str] = FIELDS) -> None:
    """A list alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header(fields) + "".join(row(n, fields) for n in range(objects)), encoding="ascii", newline="")


def write_collages(folder: Path, objects: int) -> None:
    """The collages of a run: LZW, colour, every particle of other pixels."""
    random = np.random.default_rng(7)
    for first in range(0, objects, PER_COLLAGE):
        numbers = range(first, min(first + PER_COLLAGE, objects))
        height = place(numbers[-1])[1] + STEP
        pixels = np.full((height, ACROSS * STEP + 2, 3), 255, "uint8")
        for number in numbers:
            x, y = place(number)
            pixels[y : y + SIDE, x : x + SIDE] = random.integers(0, 255, (SIDE, SIDE, 3), "uint8")
        Image.fromarray(pixels).save(folder / collage_name(first), compression="tiff_lzw")


def write(folder: Path, objects: int) -> None:
    """One run with list, collages, settings and run summary."""
    write_list(folder / f"{RUN}.lst", objects)
    write_collages(folder, objects)
    (folder / f"{RUN}.ctx").write_text(CTX, encoding="latin-1", newline="")
    (folder / f"{RUN}_run_summary.txt").write_text(SUMMARY, encoding="latin-1", newline="")
