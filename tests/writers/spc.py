"""Writes a Planktivore delivery of a bench: images named by camera and microsecond, settings.xml and labels.csv."""

from pathlib import Path

from writers.pictures import SIDE, picture

FIRST_US = 1_713_221_004_871_098
SETTINGS = """<?xml version="1.0" ?>
<root>
    <MergeSubDirs>False</MergeSubDirs>
    <PixelSize>0.62</PixelSize>
    <BayerPattern>BG</BayerPattern>
</root>
"""


def name(number: int) -> str:
    """Name of image ``number``."""
    return f"high_mag_cam-{FIRST_US + 1_000 * number}-57486995160-{number}-002-992-512-{SIDE}-{SIDE}_rawcolor.png"


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, one image each; every second has a label."""
    (folder / "images").mkdir(parents=True)
    (folder / "settings.xml").write_text(SETTINGS)
    labels = ["image_height,image_width,image_path,label"]
    for number in range(objects):
        (folder / "images" / name(number)).write_bytes(picture(number))
        if number % 2 == 0:
            labels.append(f"{SIDE},{SIDE},./data/images/{name(number)},Radiolaria")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
