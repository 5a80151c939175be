"""Draws things that look a little like plankton, and writes files the same way every time."""

import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def organism(rng: np.random.Generator, width: int, height: int, dark: bool = False) -> Pixels:
    """A textured blob with a tail on a plain background, 8-bit grey; dark backgrounds for in-situ cameras."""
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


def encode(pixels: Pixels, kind: str, **options: int) -> bytes:
    """The pixels as an image file; ``kind`` is PNG or JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files below a folder."""
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Writes a zip whose entries carry a fixed date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 9, 1, 12, 0, 0)), data, zipfile.ZIP_DEFLATED)
