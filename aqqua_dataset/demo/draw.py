"""Draws things that look a little like plankton, and writes files the same way every time."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

_SEED = 20270715


def seeded(name: str) -> np.random.Generator:
    """Random numbers of one delivery; a change to another delivery doesn't touch them."""
    return np.random.default_rng([_SEED, *name.encode()])


def organism(rng: np.random.Generator, width: int, height: int, dark: bool = False) -> Pixels:
    """A textured blob with a tail on a plain background, 8-bit grey, ``height`` rows of ``width`` pixels.

    Args:
        rng: decides shape and texture.
        width: pixels per row.
        height: number of rows.
        dark: bright on black, as in-situ cameras see it, instead of dark on white.
    """
    y, x = np.mgrid[0:height, 0:width]
    body = np.zeros((height, width))
    for size in (0.34, 0.2, 0.12):
        angle = rng.uniform(0, np.pi)
        cx, cy = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        body += np.exp(-((along / (size * width)) ** 2 + (across / (0.55 * size * height)) ** 2) * 2)
    texture = rng.normal(0, 9, (height, width))
    ink = np.clip(body * 130 + texture * (body > 0.15), 0, 215)
    paper = rng.normal(0, 1.5, (height, width))
    grey = 12 + ink + paper if dark else 243 - ink + paper
    return np.clip(grey, 0, 255).astype(np.uint8)


def as_rgb(pixels: Pixels) -> Pixels:
    """Grey pixels in three equal channels, as many scanners save them."""
    return np.stack([pixels] * 3, axis=-1)


def encode(pixels: Pixels, kind: str, **options: int) -> bytes:
    """The pixels as an image file; ``kind`` is PNG or JPEG, ``options`` are Pillow's for it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files below a folder; names may contain folders."""
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes a zip whose entries carry a fixed date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 9, 1, 12, 0, 0)), data, zipfile.ZIP_DEFLATED)
