"""Demo deliveries as laboratories send them: a table in their own words, and a folder of images."""

from pathlib import Path

import numpy as np

from aqqua_dataset.demo.draw import encode, organism, write_files


def write_lake(folder: Path, rng: np.random.Generator) -> None:
    """24 images with a German spreadsheet export: semicolons, decimal commas, local summer time."""
    lines = ["Bild-ID;Datei;Zeitpunkt;Breite;Laenge;Tiefe_von;Tiefe_bis;Pixel_um;Klasse;Status;Profil"]
    files = {}
    for number in range(1, 25):
        name = f"P{1 + number // 13}_{number:03d}.png"
        files[f"images/{name}"] = encode(organism(rng, 55, 60, dark=True), "PNG")
        depth = f"{number * 1.5:.1f}".replace(".", ",")
        label = ("Daphnia", "Bosmina", "Ruderfußkrebs")[number % 3]
        clock = f"17.07.2022 1{number % 4}:0{number % 10}:30"
        where = f"53,1512;13,0289;{depth};{depth};28,0"
        lines.append(f"ST22-{number};{name};{clock};{where};{label};validated;Profil {1 + number // 13}")
    write_files(folder, {"daten.csv": ("\n".join(lines) + "\n").encode(), **files})


def write_simple(folder: Path, rng: np.random.Generator, count: int, images: str) -> None:
    """A plain table (id, file, time, lat, lon, depth) and its images."""
    lines, files = ["id,file,time,lat,lon,depth"], {}
    for number in range(1, count + 1):
        name = f"{folder.name}-{number:04d}.png"
        files[f"{images}/{name}" if images else name] = encode(organism(rng, 64, 48, dark=True), "PNG")
        when = f"2024-06-0{1 + number % 9}T0{number % 10}:30:00Z"
        lines.append(f"{folder.name}-{number},{name},{when},57.{number},19.{number},{number * 4}")
    write_files(folder, {"table.csv": ("\n".join(lines) + "\n").encode(), **files})
