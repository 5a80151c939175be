"""Writes an EcoTaxa import folder: one table with types row and a PNG for every object."""

from pathlib import Path

from writers.pictures import picture

_COLUMNS = (
    "img_file_name", "img_rank", "object_id", "object_lat", "object_lon", "object_date", "object_time",
    "object_depth_min", "object_depth_max", "object_area", "acq_id", "acq_instrument", "sample_id", "process_id",
    "process_particle_pixel_size_mm",
)  # fmt: skip
_NUMERIC = {"img_rank", "object_lat", "object_lon", "object_depth_min", "object_depth_max", "object_area"}


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, one image each."""
    (folder / "images").mkdir(parents=True)
    lines = ["\t".join(_COLUMNS), "\t".join("[f]" if c in _NUMERIC else "[t]" for c in _COLUMNS)]
    for number in range(objects):
        (folder / "images" / f"{number}.png").write_bytes(picture(number))
        lines.append(
            f"images/{number}.png\t0\to_{number}\t54.{number % 90:02}\t11.5\t20190614\t133015\t10\t20\t{number}\ta1"
            "\tzooscan\ts1\tp1\t0.0106"
        )
    (folder / "ecotaxa_net.tsv").write_text("\n".join(lines) + "\n")
