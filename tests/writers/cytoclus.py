"""Writes images as CytoClus exports them; no public export exists, so this is built from a description of one."""

from pathlib import Path

import numpy as np
from PIL import Image

RUN = "AQQUA test-2025-02-13-14h27"
DATE = "2025-02-13T14:28:04.6461570+01:00"


def comment(particle: int, run: str = RUN) -> str:
    """The lines of an image's comment."""
    return (
        f"Datafile: C:\\Users\\Jane Doe\\{run}.cyz\r\nParticle ID: {particle}\r\nDate: {DATE}\r\n"
        "Process: Cropped\r\nCytoSense: CS-2022-114\r\n"
    )


def save(path: Path, particle: int, told: str | None) -> None:
    """One grey picture with a comment, or without one."""
    pixels = np.random.default_rng(particle).integers(0, 255, (24, 24), "uint8")
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[305] = "CytoClus"
    if told is not None:
        exif[40092] = (told + "\0").encode("utf-16-le")
    image.save(path, "JPEG", exif=exif)


def write(folder: Path, objects: int) -> None:
    """The exported images of one run, particles 1, 3, 5, ..., and the list of all its particles."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(1, 2 * objects + 1, 2)
    for number in numbers:
        save(folder / f"{RUN}_Cropped_{number}.jpg", number, comment(number))
    rows = "".join(f"{n},{n}.25,0.5\n" for n in range(1, 2 * objects + 1))
    table = "Particle ID,FWS Length,FL Red Total\n" + rows
    (folder / f"{RUN}_Listmode.csv").write_text(table, encoding="utf-8-sig", newline="")
