"""Demo deliveries as laboratories send them: a table in their own words, and a folder of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqqua_dataset.demo.draw import encode, organism, seeded, write_files


def write_table(path: Path, rows: Sequence[Mapping[str, str]], separator: str = ",", encoding: str = "utf-8") -> None:
    """Writes a delimited table with the first row's columns; cells must not hold separator or quotes."""
    lines = [separator.join(rows[0]), *(separator.join(row.values()) for row in rows)]
    write_files(path.parent, {path.name: "".join(f"{line}\n" for line in lines).encode(encoding)})


def write_lake(folder: Path) -> None:
    """24 images with a German spreadsheet export: semicolons, decimal commas, local summer time."""
    rng, rows = seeded("lake"), []
    for number in range(1, 25):
        profile = 1 + number // 13
        name = f"P{profile}_{number:03d}.png"
        write_files(folder / "images", {name: encode(organism(rng, 55, 60, dark=True), "PNG")})
        top = 1.5 * number - 18 * (profile - 1)
        row = {
            "Bild-ID": f"ST22-{number}",
            "Datei": name,
            "Zeitpunkt": f"{16 + profile}.07.2022 1{number % 4}:0{number % 10}:30",
            "Breite": f"{53.15 + 0.0012 * profile:.4f}",
            "Laenge": f"{13.03 - 0.0011 * profile:.4f}",
            "Tiefe_von": f"{top:.1f}",
            "Tiefe_bis": f"{top + 0.5:.1f}",
            "Pixel_um": f"{28 + number % 3 / 10:.1f}",
        }
        commas = {name: value.replace(".", ",") for name, value in row.items() if name not in ("Datei", "Zeitpunkt")}
        label = {
            "Klasse": ("Daphnia", "Bosmina", "Ruderfußkrebs", "")[number % 4],
            "Status": ("validated", "predicted", "validated", "")[number % 4],
            "Profil": f"Profil {profile}",
        }
        rows.append(row | commas | label)
    write_table(folder / "data.csv", rows, separator=";")


@dataclass(frozen=True)
class Mooring:
    """Where and when a camera took how many images; position in degrees north and east."""

    name: str
    year: int
    latitude: float
    longitude: float
    images: int


def write_simple(folder: Path, mooring: Mooring, images: str = "") -> None:
    """A plain table (id, file, time, lat, lon, depth) and its images, in ``images`` or beside the table."""
    rng, rows = seeded(mooring.name), []
    for number in range(1, mooring.images + 1):
        file = f"{mooring.name}-{number:04d}.png"
        write_files(folder, {f"{images}{file}": encode(organism(rng, 64, 48, dark=True), "PNG")})
        row = {
            "id": f"{mooring.name}-{number}",
            "file": file,
            "time": f"{mooring.year}-06-{number:02d}T{number % 10:02d}:30:00Z",
            "lat": f"{mooring.latitude + 0.001 * number:.4f}",
            "lon": f"{mooring.longitude + 0.002 * number:.4f}",
            "depth": str(4 * number),
        }
        rows.append(row)
    write_table(folder / "table.csv", rows)
