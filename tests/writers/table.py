"""Writes a laboratory's delivery: one table of objects, a PNG for each, and the mapping that reads it."""

from pathlib import Path
from typing import Any

from writers.pictures import picture

SOURCE: dict[str, Any] = {
    "tables": "objects.csv",
    "images": "crops",
    "mapping": {
        "object_id": {"column": "ID"},
        "image_file": {"column": "Datei"},
        "datetime": {"column": "Zeit", "format": "%d.%m.%Y %H:%M:%S"},
        "latitude": {"column": "Breite"},
        "longitude": {"column": "Laenge"},
        "depth": {"column": "Tiefe", "unit": "m"},
        "pixel_size": {"column": "Pixel", "unit": "um"},
    },
}


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, one image each."""
    (folder / "crops").mkdir(parents=True)
    lines = ["ID;Datei;Zeit;Breite;Laenge;Tiefe;Pixel"]
    for number in range(objects):
        (folder / "crops" / f"{number}.png").write_bytes(picture(number))
        lines.append(f"o{number};{number}.png;14.06.2019 13:30:{number % 60:02};54,5;11,5;{number % 100},5;60")
    (folder / "objects.csv").write_text("\n".join(lines) + "\n")
