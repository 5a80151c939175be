"""A generated set of vignettes with the sizes of the collection: mean 11.3 kB, median 3.6 kB; PNG and JPEG."""

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

#: Shares of grey PNG, colour PNG and JPEG.
SHARES = {"png": 0.65, "rgb": 0.05, "jpeg": 0.30}
#: Median pixels of a vignette and spread of their logarithm, set so that the sizes above come out.
_MEDIAN_PIXELS = {"png": 10_500, "rgb": 5_500, "jpeg": 27_000}
_SPREAD = 1.75


def vignettes(number: int, seed: int = 5) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each image; the same for the same seed."""
    random = np.random.default_rng(seed)
    for i, kind in enumerate(random.choice(list(SHARES), number, p=list(SHARES.values()))):
        pixels = vignette(random, _MEDIAN_PIXELS[str(kind)])
        if kind == "rgb":
            pixels = cv2.merge([pixels, cv2.add(pixels, 9.0), cv2.subtract(pixels, 14.0)])
        stream = io.BytesIO()
        if kind == "jpeg":
            Image.fromarray(pixels).save(stream, "JPEG", quality=90)
        else:
            Image.fromarray(pixels).save(stream, "PNG")
        yield f"{i:07d}.{'jpg' if kind == 'jpeg' else 'png'}", stream.getvalue()


def vignette(random: np.random.Generator, median_pixels: int) -> npt.NDArray[np.uint8]:
    """A dark, textured object on a bright, almost plain background."""
    area = float(np.clip(median_pixels * np.exp(random.normal(0, _SPREAD)), 400, 4_000_000))
    aspect = float(np.exp(random.normal(0, 0.35)))
    height, width = max(12, int((area * aspect) ** 0.5)), max(12, int((area / aspect) ** 0.5))
    pixels = np.full((height, width), 245, np.uint8)
    body = np.zeros((height, width), np.uint8)
    for _ in range(3):
        centre = (int(width * random.uniform(0.35, 0.65)), int(height * random.uniform(0.35, 0.65)))
        axes = (max(2, int(width * random.uniform(0.08, 0.3))), max(2, int(height * random.uniform(0.08, 0.3))))
        cv2.ellipse(body, centre, axes, random.uniform(0, 180), 0, 360, random.uniform(60, 190), -1)
    noise = np.empty((height, width), np.uint8)
    cv2.setRNGSeed(int(random.integers(1 << 30)))
    cv2.randu(noise, 0, 40)
    texture = cv2.blur(noise, (3, 3))
    return np.where(body > 0, cv2.subtract(pixels, cv2.add(body, texture)), pixels - (noise >> 5)).astype(np.uint8)


def write(folder: Path, number: int) -> list[Path]:
    """Writes the set into a folder and returns its files in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, data in vignettes(number):
        path = folder / name
        path.write_bytes(data)
        paths.append(path)
    return paths
