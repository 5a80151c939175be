"""Writes a PI-10 delivery: uncompressed TIFFs with their second, resolution and position in the tags."""

from pathlib import Path

from PIL import Image, TiffImagePlugin

from writers.pictures import pixels

LATITUDE, LONGITUDE = (54, 30, 0), (7, 15, 36)  # N, W


def tags(number: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Tags of image ``number`` as the instrument writes them."""
    found = TiffImagePlugin.ImageFileDirectory_v2()
    found[272] = "6.0"
    found[282] = found[283] = 1000.0
    found[296] = 3  # per centimetre
    found[306] = f"2023:08:03 08:30:{number % 60:02}"
    found[0x8825] = {1: "N", 2: LATITUDE, 3: "W", 4: LONGITUDE}
    return found


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, one image each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(objects):
        path = folder / f"pia1.2023-08-03.0830+N{number:08}.tif"
        Image.fromarray(pixels(number)).convert("RGB").save(path, tiffinfo=tags(number))
